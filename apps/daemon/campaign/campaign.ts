/**
 * `pnpm campaign [--faults 300] [--seed 1] [--only KIND] [--vm]`: faults on a wmod, without root on the fake kernel, or with `--vm` on a real one in the VM.
 * Counts by kind on standard output, failures with what repeats them on standard error; exit code 1 if one was not survived.
 */
import { existsSync } from "node:fs"
import { parseArgs } from "node:util"
import { inVm } from "./inVm.ts"
import { kindsNamed, runCampaign, summaryOf } from "./runCampaign.ts"

const { values } = parseArgs({
  options: {
    faults: { type: "string" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    vm: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false }
  }
})
const faults = Number(values.faults ?? (values.vm ? 60 : 300))
const seed = Number(values.seed)
if (!Number.isSafeInteger(faults) || faults < 1 || !Number.isSafeInteger(seed)) {
  console.error("usage: pnpm campaign [--faults NUMBER] [--seed NUMBER] [--only KIND] [--vm] [--verbose]")
  process.exit(2)
}
if (values.vm) process.exit(await inVm("campaign.ts", [String(faults), values.seed, values.only ?? ""], 40))
if (kindsNamed(values.only).length === 0) {
  console.error(
    `there is no kind of fault with "${values.only}" in its name; there are: ${kindsNamed()
      .map(({ kind }) => kind)
      .join("; ")}`
  )
  process.exit(2)
}
// How fast a disk syncs is not what is tried.
if (process.env["TMPDIR"] === undefined && existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm"
const results = await runCampaign({
  faults,
  seed,
  only: values.only,
  onResult: ({ kind, log, problems, seed: own }) => {
    if (values.verbose || problems.length > 0) for (const line of log) console.error(`    ${line.slice(0, 300)}`)
    if (problems.length === 0) return
    console.error(`not survived: ${kind}, seed ${own}\n${problems.map((problem) => `  ${problem.slice(0, 1000)}`).join("\n")}`)
    console.error(`  again: npx -y pnpm@12 campaign --faults 1 --seed ${own} --only "${kind}"`)
  }
})
for (const line of summaryOf(results)) console.log(line)
process.exit(results.every(({ problems }) => problems.length === 0) ? 0 : 1)
