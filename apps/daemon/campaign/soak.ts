/**
 * `pnpm soak [--minutes 10] [--seed 1]`: an hour of a wmod's life in ten minutes, in the VM; figures on standard output, exit code 1 if anything was wrong.
 */
import { parseArgs } from "node:util"
import { inVm } from "./inVm.ts"

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, seed: { type: "string", default: "1" } } })
const minutes = Number(values.minutes)
if (!(minutes > 0) || !Number.isSafeInteger(Number(values.seed))) {
  console.error("usage: pnpm soak [--minutes MINUTES] [--seed NUMBER]")
  process.exit(2)
}
process.exit(await inVm("soak.ts", [String(minutes), values.seed], Math.ceil(minutes) + 4))
