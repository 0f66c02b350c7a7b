/**
 * Periodic bursts in real time: a region of JSON is read page by page for a while, then left alone, again and again; once with a predictor,
 * once reactive. Run: `node bench/burst.ts [MIB] [ACTIVE_MS] [IDLE_MS] [SECONDS] [PREDICTOR]`. Prints what was predicted and what the first touch
 * of each chunk of a burst took. Every burst's content is compared.
 */
import { Effect } from "effect"
import { controlArena, findPredictor, none, OffHeap, openArena, type PredictorKind } from "../src/index.ts"

const [mib = 64, activeMs = 100, idleMs = 400, seconds = 20] = process.argv.slice(2, 6).map(Number)
const predictor = findPredictor(process.argv[6] ?? "tournament")!
/** Before this, a predictor has nothing to go by. */
const learntShare = 0.3

const page = (at: number): Uint8Array => {
  const text = Array.from(
    { length: 40 },
    (_, row) => `{"row":${at * 40 + row},"hash":"${((at * 7919 + row * 104_729) >>> 0).toString(16)}","state":"idle"}`
  ).join("\n")
  return Buffer.from(text.padEnd(4096, " ").slice(0, 4096), "latin1")
}

const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN

const run = (kind: PredictorKind) =>
  Effect.gen(function* () {
    const arena = yield* openArena()
    const region = arena.region(mib * 2 ** 20)
    const pages = region.bytes / 4096
    for (let at = 0; at < pages; at++) region.write(at * 4096, page(at))
    const settings = { coldMs: idleMs / 2, leastColdMs: idleMs / 4, mostColdMs: idleMs / 2, cpuPercent: 100 }
    const controller = yield* controlArena(arena, { predictor: kind, settings })
    const touchUs: Array<number> = []
    const buffer = new Uint8Array(4096)
    let wrong = 0
    let before = controller.status().regions[0]?.tally
    const started = performance.now()
    for (let burst = 0; performance.now() - started < seconds * 1000; burst++) {
      const isLearnt = performance.now() - started > learntShare * seconds * 1000
      if (!isLearnt) before = controller.status().regions[0]!.tally
      const until = started + burst * (activeMs + idleMs) + activeMs
      let isFirst = true
      do {
        for (let at = 0; at < pages; at++) {
          const touched = performance.now()
          region.readInto(at * 4096, buffer)
          if (isFirst && isLearnt && at % (arena.chunkBytes / 4096) === 0) touchUs.push((performance.now() - touched) * 1000)
          if (isFirst && at % 97 === 0 && Buffer.compare(buffer, page(at)) !== 0) wrong++
        }
        isFirst = false
        yield* Effect.yieldNow
      } while (performance.now() < until)
      yield* Effect.sleep(Math.max(1, started + (burst + 1) * (activeMs + idleMs) - performance.now()))
    }
    const { explanation, tally } = controller.status().regions[0]!
    const since = { ...tally }
    for (const key of Object.keys(since) as Array<keyof typeof since>) since[key] -= before?.[key] ?? 0
    const settled = since.inTime + since.late + since.wasted
    const share = (part: number, whole: number): string => (whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`)
    console.log(
      `${kind.name}: accuracy ${share(since.inTime, settled)}, coverage ${share(since.inTime, since.needed)}, late ${share(since.late, settled)}, wasted ${share(since.wasted, settled)}`
    )
    console.log(
      `  first touch of a chunk in a burst: p50 ${percentile(touchUs, 0.5).toFixed(1)} µs, p99 ${percentile(touchUs, 0.99).toFixed(1)} µs; ${wrong} wrong; ${arena.counters.compressed} compressed`
    )
    console.log(`  ${explanation}`)
    return percentile(touchUs, 0.99)
  }).pipe(Effect.scoped, Effect.provide(OffHeap.layer))

console.log(`${mib} MiB, ${activeMs} ms active, ${idleMs} ms idle, ${seconds} s; counted from ${seconds * learntShare} s on`)
const predicted = await Effect.runPromise(run(predictor))
const reactive = await Effect.runPromise(run(none))
console.log(`burst-touch p99: ${(predicted / reactive).toFixed(2)} of the reactive arena's`)
