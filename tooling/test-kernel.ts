/**
 * The real-kernel suite: boots a stock kernel in a VM and runs the `guest` tests in it, runs some of them on an older kernel too, then the
 * `vm` tests, which boot VMs themselves. Installs what that needs (Debian, root). Its last line is the tally of all. Arguments go to
 * vitest: a file or `-t name`.
 *
 * An emulated machine on a shared host is late now and then: files with failures are tried once more, in a fresh guest, and are named when
 * they pass there. What fails twice has failed.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { failedIn } from "./TallyReporter.ts"

const root = join(import.meta.dirname, "..")
const wmo = join(root, "apps/cli/dist/wmo.js")
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)]

interface Ended {
  readonly code: number
  readonly tally: readonly [passed: number, failed: number, skipped: number] | undefined
  readonly failing: ReadonlyArray<string>
}

/** Runs a program with its output passed through, and picks up the tally that our reporter prints. */
const run = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk)
      output = (output + chunk.toString()).slice(-10_000)
    })
    child.on("close", (code) => {
      const failing = [...output.matchAll(new RegExp(`^${failedIn}(.+?)\\r?$`, "gm"))].map(([, file]) => file!)
      const match = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\r?$/gm)].at(-1)
      resolve({
        code: code ?? 1,
        failing,
        tally: match === undefined ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
      })
    })
  })

/** Debian 13's kernel and Debian 12's: formats and refusals differ between them. */
const series = ["6.12", "6.1"] as const
/** In two guests: what hangs or dies then costs half. */
const onNewer = [["packages/", "apps/cli/"], ["apps/daemon/"]]
/** What is run on the older one, too: core, and what shows page ages, for it has no DAMON. */
const onOlder = ["packages/core/", "apps/cli/test/top", "apps/cli/test/heatmap"]

for (const each of series) {
  const setup = await run([wmo, "vm", "setup", "--install", "--kernel-series", each])
  if (setup.code !== 0) process.exit(setup.code)
}

/** A guest that does not come up, or ends before its tests do, is booted once more. */
const bootGuest = async (kernel: (typeof series)[number], tests: ReadonlyArray<string>, attempts = 2): Promise<Ended> => {
  const machine = ["--kernel-series", kernel, "--memory", "2G", "--cpus", "2", "--zswap", "lz4", "--swap", "zram:1G", "--timeout", "25m"]
  const environment = ["--env", "WMO_TEST_SUITE=guest", "--env", "CI=true"]
  const ended = await run([wmo, "vm", "run", ...machine, ...environment, "--", process.execPath, ...vitest, ...tests])
  return ended.tally === undefined && attempts > 1 ? bootGuest(kernel, tests, attempts - 1) : ended
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
const results: Array<Ended> = []
for (const tests of isWhole ? onNewer : [filter]) results.push(await twice((those) => bootGuest("6.12", those), tests))
results.push(
  await twice((tests) => bootGuest("6.1", tests), isWhole ? onOlder : filter),
  await twice((tests) => run([...vitest, ...tests], { WMO_TEST_SUITE: "vm" }), filter)
)
const sum = [0, 1, 2].map((i) => results.reduce((total, { tally }) => total + (tally?.[i] ?? 0), 0))
const failed = sum[1]! + results.filter(({ code, tally }) => code !== 0 && (tally === undefined || tally[1] === 0)).length
console.log(`${sum[0]} passed, ${failed} failed${sum[2]! > 0 ? `, ${sum[2]} skipped` : ""}`)
process.exit(failed > 0 ? 1 : 0)
