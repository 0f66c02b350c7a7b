/**
 * The process arena on this machine's kernel: a target that uses all its memory in bursts runs by itself, with cold memory paged out and nothing
 * read in early, and with a predictor. As root, in the VM. `node --liftoff-only bench/process.ts [MiB activeMs idleMs bursts [plain|none|predictor… [sysfs]]]`.
 */
import { Effect } from "effect"
import { emptyTally, findPredictor, measures, none, type ProcessArena, type Tally } from "../src/index.ts"
import { kernel, runBurst } from "../test/support/processRun.ts"

const [mib = "16", activeMs = "2000", idleMs = "8000", bursts = "12", ...names] = process.argv.slice(2)
const burst = { mib: Number(mib), activeMs: Number(activeMs), idleMs: Number(idleMs), bursts: Number(bursts) }
const isWordy = process.env["WORDY"] === "1"
const settings = {
  // 64 chunks.
  chunkBytes: Math.max(2 ** 16, 2 ** Math.floor(Math.log2((burst.mib * 2 ** 20) / 64))),
  // Fixed, so that both arenas page out the same; left to itself the reactive one soon stops, since its target waits too much.
  coldMs: burst.idleMs / 4,
  leastColdMs: burst.idleMs / 4,
  mostColdMs: burst.idleMs / 4,
  leastAgeMs: 2000,
  prefetchTickMs: 50,
  cpuPercent: 50,
  restoreCpuPercent: 100,
  mostPressurePercent: 50
}
/** Bursts that are for learning: their touches and predictions are not among the figures after the first. */
const learning = 4
const sinceThen = (now: Tally, then: Tally): Tally => {
  const since = emptyTally()
  for (const key of Object.keys(since) as Array<keyof Tally>) since[key] = now[key] - then[key]
  return since
}
const percent = (share: number | undefined): string => (share === undefined ? "–" : `${(100 * share).toFixed(1)} %`)
const by = names.includes("sysfs") ? "sysfs" : "auto"
const runs = names.filter((name) => name !== "sysfs")
for (const name of runs.length > 0 ? runs : ["plain", "none", "periodic"]) {
  const predictor = findPredictor(name) ?? none
  const onDecision = ({ atMs, loop, reason }: { atMs: number; loop: string; reason: string }) => {
    if (isWordy) console.error(`${new Date(atMs).toISOString().slice(11, 23)} ${loop} ${reason}`)
  }
  let learned: Tally = emptyTally()
  const during = (arena: ProcessArena) =>
    Effect.sleep(learning * (burst.activeMs + burst.idleMs)).pipe(
      Effect.andThen(Effect.sync(() => void (learned = arena.status().predictor.tally)))
    )
  const { result, status } = await Effect.runPromise(
    runBurst(burst, name === "plain" ? undefined : { mode: "advise", predictor, settings, by, onDecision }, during).pipe(
      Effect.provide(kernel)
    ) as Effect.Effect<any>
  )
  console.log(
    `${name.padEnd(10)} wrong ${result.wrong}; first touches p50 ${result.p50Us.toFixed(1)} µs, p99 ${result.p99Us.toFixed(1)} µs, sum ${result.sumMs.toFixed(0)} ms`
  )
  if (status === undefined) continue
  const { tally } = status.predictor
  for (const [when, of] of [
    ["in all", tally],
    ["learned", sinceThen(tally, learned)]
  ] as const) {
    const { accuracy, coverage, early, late, pollution } = measures(of)
    console.log(
      `  ${when}: accuracy ${percent(accuracy)}, coverage ${percent(coverage)}, early ${percent(early)}, late ${percent(late)}, pollution ${percent(pollution)} (${of.needed} needed)`
    )
  }
  console.log(
    `           out ${(status.pagedOutBytes / 2 ** 20).toFixed(0)} MiB, read in ${(status.readInBytes / 2 ** 20).toFixed(0)}, on demand ${(status.demandBytes / 2 ** 20).toFixed(0)}; saved ${percent(status.savedByteSeconds / status.wholeByteSeconds)} of PSS over time; ${status.majorFaults} major faults; by ${status.by}; ${status.pageOutMs.toFixed(0)} + ${status.readInMs.toFixed(0)} + ${status.predictMs.toFixed(0)} ms`
  )
}
process.exit(0)
