/**
 * The real-kernel suite: boots a stock kernel in a VM and runs the `guest` tests in it, runs some of them on an older kernel too, then the
 * `vm` tests, which boot VMs themselves. Installs what that needs (Debian, root). Its last line is the tally of all. Arguments go to
 * vitest: a file or `-t name`.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const wmo = join(root, "apps/cli/dist/wmo.js")
const vitest = ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)]

interface Ended {
  readonly code: number
  readonly tally: readonly [passed: number, failed: number, skipped: number] | undefined
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
      const match = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\r?$/gm)].at(-1)
      resolve({ code: code ?? 1, tally: match === undefined ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] })
    })
  })

/** Debian 13's kernel and Debian 12's: formats and refusals differ between them. */
const series = ["6.12", "6.1"] as const
/** What is run on the older one, too: core, and what shows page ages, for it has no DAMON. */
const onOlder = ["packages/core/", "apps/cli/test/top", "apps/cli/test/heatmap"]

for (const each of series) {
  const setup = await run([wmo, "vm", "setup", "--install", "--kernel-series", each])
  if (setup.code !== 0) process.exit(setup.code)
}

/** Only the boot may be retried: a guest that came up and failed a test has failed. */
const inGuest = async (kernel: (typeof series)[number], tests: ReadonlyArray<string>, attempts = 2): Promise<Ended> => {
  const machine = ["--kernel-series", kernel, "--memory", "2G", "--cpus", "2", "--zswap", "lz4", "--swap", "zram:1G", "--timeout", "14m"]
  const environment = ["--env", "WMO_TEST_SUITE=guest", "--env", "CI=true"]
  const ended = await run([wmo, "vm", "run", ...machine, ...environment, "--", process.execPath, ...vitest, ...tests])
  return ended.tally === undefined && attempts > 1 ? inGuest(kernel, tests, attempts - 1) : ended
}

const isWhole = process.argv.length === 2
const results = [
  await inGuest("6.12", []),
  await inGuest("6.1", isWhole ? onOlder : ["--passWithNoTests"]),
  await run([...vitest, ...(isWhole ? [] : ["--passWithNoTests"])], { WMO_TEST_SUITE: "vm" })
]
const sum = [0, 1, 2].map((i) => results.reduce((total, { tally }) => total + (tally?.[i] ?? 0), 0))
const failed = sum[1]! + results.filter(({ code, tally }) => code !== 0 && (tally === undefined || tally[1] === 0)).length
console.log(`${sum[0]} passed, ${failed} failed${sum[2]! > 0 ? `, ${sum[2]} skipped` : ""}`)
process.exit(failed > 0 ? 1 : 0)
