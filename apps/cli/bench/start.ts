/**
 * What a start of `wmo` costs: medians of 15 starts, in ms, and their ratio to a bare `node -e 0` of the same run. The bundle must be
 * built: `pnpm build`. Run: node apps/cli/bench/start.ts
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const starts = 15
const bundle = join(import.meta.dirname, "../dist/wmo.js")
const subjects: Readonly<Record<string, ReadonlyArray<string>>> = {
  "node -e 0": ["-e", "0"],
  "wmo --version": [bundle, "--version"],
  "wmo policy list": [bundle, "policy", "list"]
}

const once = (args: ReadonlyArray<string>): number => {
  const before = performance.now()
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore" })
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}`)
  return performance.now() - before
}

const times = Object.entries(subjects).map(([name, args]) => ({ name, args, taken: [] as Array<number> }))
// The first start of each fills caches; then they take turns, so that what disturbs one disturbs all.
for (const { args } of times) once(args)
for (let i = 0; i < starts; i++) for (const { args, taken } of times) taken.push(once(args))

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
const reference = median(times[0]!.taken)
for (const { name, taken } of times) {
  console.log(`${name.padEnd(16)} ${median(taken).toFixed(0).padStart(5)} ms  ${(median(taken) / reference).toFixed(1).padStart(5)} x`)
}
