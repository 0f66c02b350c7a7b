/**
 * The real-kernel suite: boots a stock kernel in VMs and runs the `guest` tests in them, some of them on an older kernel too, and the
 * `vm` tests, which boot VMs themselves. Installs what that needs (Debian, root). Its last line is the tally of all. Arguments go to
 * vitest: a file or `-t name`.
 *
 * Time in a guest is counted by its instructions (`--icount`): how fast or busy the host is does not show, and guests run side by side, one on
 * each CPU. Should a file fail all the same, it is tried once more, in a fresh guest, and is named when it passes there. What fails twice has
 * failed.
 */
import { spawn } from "node:child_process"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { failedIn } from "./TallyReporter.ts"

const root = join(import.meta.dirname, "..")
const wmo = join(root, "apps/cli/dist/wmo.js")
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)]

interface Ended {
  readonly code: number
  readonly tally: readonly [passed: number, failed: number, skipped: number] | undefined
  readonly failing: ReadonlyArray<string>
}

/** Runs a program with its output passed through, a name before each line, and picks up the tally that our reporter prints. */
const run = (name: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
    const failing: Array<string> = []
    let tally: Ended["tally"]
    const pass = (line: string): void => {
      console.log(`${name} | ${line}`)
      if (line.startsWith(failedIn)) failing.push(line.slice(failedIn.length))
      const counted = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(line)
      if (counted !== null) tally = [Number(counted[1]), Number(counted[2]), Number(counted[3] ?? 0)]
    }
    for (const output of [child.stdout, child.stderr]) createInterface(output).on("line", (line) => pass(line.trimEnd()))
    child.on("close", (code) => resolve({ code: code ?? 1, failing, tally }))
  })

/** Debian 13's kernel and Debian 12's: formats and refusals differ between them. */
const series = ["6.12", "6.1"] as const
/** Each in a guest of its own. */
const onNewer = ["packages/", "apps/cli/", "apps/daemon/"]
/** What is run on the older one, too: core, and what shows page ages, for it has no DAMON. */
const onOlder = ["packages/core/", "apps/cli/test/top", "apps/cli/test/heatmap"]

for (const each of series) {
  const setup = await run(each, [wmo, "vm", "setup", "--install", "--kernel-series", each])
  if (setup.code !== 0) process.exit(setup.code)
}

/** 4 ns an instruction is about the machine that emulation is at its best; a guest second of work takes two to three of the host. */
const machine = ["--memory", "2G", "--cpus", "1", "--icount", "2", "--zswap", "lz4", "--swap", "zram:1G"]
/** Of the host's time: for what hangs. */
const longest = ["--timeout", "60m"]
const environment = ["--env", "WMO_TEST_SUITE=guest", "--env", "CI=true", "--env", "NO_COLOR=1"]

/** A guest that does not come up, or ends before its tests do, is booted once more. */
const bootGuest = async (name: string, kernel: (typeof series)[number], tests: ReadonlyArray<string>, attempts = 2): Promise<Ended> => {
  const options = ["--kernel-series", kernel, ...machine, ...longest, ...environment]
  const ended = await run(name, [wmo, "vm", "run", ...options, "--", process.execPath, ...vitest, ...tests])
  return ended.tally === undefined && attempts > 1 ? bootGuest(name, kernel, tests, attempts - 1) : ended
}

/** More files than this do not fail by chance. */
const mostAgain = 3

/** Runs tests, and the files of which some failed once more: what passes then counts as passed. */
const twice = async (attempt: (tests: ReadonlyArray<string>) => Promise<Ended>, tests: ReadonlyArray<string>): Promise<Ended> => {
  const first = await attempt(tests)
  if (first.tally === undefined || first.failing.length === 0 || first.failing.length > mostAgain) return first
  console.log(`once more: ${first.failing.join(", ")}`)
  const second = await attempt(first.failing)
  if (second.code !== 0) return first
  for (const file of first.failing) console.log(`passed only at the second try: ${file}`)
  const [passed, failed, skipped] = first.tally
  return { code: 0, failing: [], tally: [passed + failed, 0, skipped] }
}

const isWhole = process.argv.length === 2
const filter = isWhole ? [] : ["--passWithNoTests"]
const newer = (tests: ReadonlyArray<string>) => () =>
  twice((those) => bootGuest(`6.12 ${isWhole ? tests[0] : ""}`.trim(), "6.12", those), tests)
/** Boots VMs of its own: what runs on the host. */
const onHost = ["apps/", "packages/"]
const host = (tests: ReadonlyArray<string>) => () =>
  twice((those) => run(`host ${isWhole ? tests[0] : ""}`.trim(), [...vitest, ...those], { WMO_TEST_SUITE: "vm" }), tests)

/** The longest first. */
const jobs: ReadonlyArray<() => Promise<Ended>> = [
  ...(isWhole ? onNewer.map((tests) => newer([tests])) : [newer(filter)]),
  () => twice((tests) => bootGuest("6.1", "6.1", tests), isWhole ? onOlder : filter),
  ...(isWhole ? onHost.map((tests) => host([tests])) : [host(filter)])
]

/** A guest has 2 GiB. */
const mostAtOnce = 4
const waiting = [...jobs]
const results: Array<Ended> = []
const worker = async (): Promise<void> => {
  for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) results.push(await job())
}
await Promise.all(Array.from({ length: Math.min(availableParallelism(), mostAtOnce) }, worker))

const sum = [0, 1, 2].map((i) => results.reduce((total, { tally }) => total + (tally?.[i] ?? 0), 0))
const failed = sum[1]! + results.filter(({ code, tally }) => code !== 0 && (tally === undefined || tally[1] === 0)).length
console.log(`${sum[0]} passed, ${failed} failed${sum[2]! > 0 ? `, ${sum[2]} skipped` : ""}`)
process.exit(failed > 0 ? 1 : 0)
