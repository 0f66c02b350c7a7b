/**
 * Which memory of a process is hot: `node damonSnapshot.ts PID [SECONDS]` (root, DAMON with virtual addresses). Prints its regions with
 * the share of looks that found them accessed, hottest first. DAMON is put back as it was at the end; while somebody else uses it, it is left alone.
 */
import { accessRate, ageUs, Damon, formatBytes, formatDuration, Journal, KernFs, makeKdamond, Processes } from "@wmo/core"
import { Effect, Layer } from "effect"

const [pid, seconds = "5"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const damon = yield* (yield* Damon).acquire()
  // Left to itself DAMON spreads its regions over all that is mapped, and runtimes such as Node or Java map terabytes that they never use.
  const mappings = yield* (yield* Processes).smaps(Number(pid))
  const regions = mappings.filter(({ amounts }) => (amounts.Rss ?? 0) > 0).map(({ end, start }) => ({ start, end }))
  const kdamond = makeKdamond({ pids: [Number(pid)], regions })
  const { intervals } = kdamond.contexts[0]!
  yield* damon.stage(kdamond)
  yield* damon.start()
  yield* Effect.sleep(`${Number(seconds)} seconds`)
  const snapshot = yield* damon.snapshot()
  for (const { age, end, nrAccesses, start } of snapshot.regions.toSorted((a, b) => b.nrAccesses - a.nrAccesses)) {
    const size = formatBytes(Number(end - start)).padStart(9)
    const rate = `${(accessRate(nrAccesses, intervals) * 100).toFixed(0)} %`.padStart(6)
    console.log(`${start.toString(16).padStart(12, "0")} ${size} ${rate}  for ${formatDuration(ageUs(age, intervals) / 1000)}`)
  }
})

const services = Layer.mergeAll(Damon.layer, Processes.layer, Journal.layer({ directory: "/run/wmo", command: "damonSnapshot" }))
await program.pipe(Effect.scoped, Effect.provide(services.pipe(Layer.provideMerge(KernFs.layer))), Effect.runPromise)
