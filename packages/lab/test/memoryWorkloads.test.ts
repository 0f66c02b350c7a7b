/** The four memory workloads: what they touch when, that they find what is wrong, and what a bench makes of runs. */
import { buffers, emptyTally, evaluate, findPredictor, loadCodec, measures, oracle, type ProcessArenaStatus } from "@wmo/arena"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { processArenaPart } from "../src/arenaBench/advisedRun.ts"
import { arenaBenchRow, arenaBenchRuns } from "../src/arenaBench/arenaBench.ts"
import { arenaBenchTable } from "../src/arenaBench/arenaBenchTable.ts"
import { type CodecRow, codecTable, fairestCodec, fairScore, measureCodec, sweepCodecs } from "../src/arenaBench/codecSweep.ts"
import { byteSeconds, type Watched } from "../src/arenaBench/watchedRun.ts"
import { makeCorpus, PageContent, pageBytes } from "../src/workloads/memory/content.ts"
import { anonStreamer, interactiveBurst, type MemoryPlan, mmapChurn, randomTouchHeap } from "../src/workloads/memory/plans.ts"
import { type MemoryWorkloadOptions, type MemoryWorkloadResult, runMemoryWorkload } from "../src/workloads/memory/runMemoryWorkload.ts"
import { plainMemory } from "../src/workloads/memory/TouchedMemory.ts"

const corpus = makeCorpus("mixed", 1, process.execPath, 2 ** 20)

describe("contents", () => {
  it("of mixed data are of all kinds, the same for the same seed, and no two pages alike", () => {
    assert.isTrue(corpus.equals(makeCorpus("mixed", 1, process.execPath, 2 ** 20)))
    assert.isFalse(corpus.equals(makeCorpus("mixed", 2, process.execPath, 2 ** 20)))
    const content = new PageContent(600, corpus)
    const page = Buffer.alloc(pageBytes)
    const seen = new Set<string>()
    for (let at = 0; at < 600; at++) {
      content.fill(at, page, 0)
      seen.add(page.toString("latin1"))
    }
    assert.strictEqual(seen.size, 600)
  })

  it("that changed, went back in time or were swapped are found", () => {
    const memory = plainMemory(buffers, new PageContent(16, corpus), false)
    const { content, touch } = memory
    for (let page = 0; page < 16; page++) touch(page)
    assert.strictEqual(content.wrongBytes, 0)
    const bytes = Buffer.alloc(pageBytes)
    content.fill(3, bytes, 0)
    assert.isTrue(content.check(3, bytes, 0))
    bytes[4095]! ^= 1
    assert.isFalse(content.check(3, bytes, 0))
    content.fill(4, bytes, 0)
    assert.isFalse(content.check(5, bytes, 0), "page 4 where 5 should be")
    content.fill(6, bytes, 0)
    content.written(6)
    assert.isFalse(content.check(6, bytes, 0), "a write was lost")
    assert.strictEqual(content.wrongBytes, 3 * pageBytes)
    memory.close()
  })
})

/** Chunks of 4 pages. */
const future = (plan: MemoryPlan, durationMs: number, passMs = 8) => {
  const { chunks, timesMs } = plan.future(4, durationMs, passMs)
  return { chunks: Array.from(chunks), timesMs: Array.from(timesMs) }
}

describe("plans", () => {
  it("interactive_burst: all of it at the start of each period", () => {
    const plan = interactiveBurst({ bytes: 16 * pageBytes, activeMs: 20, idleMs: 80 })
    assert.deepStrictEqual(future(plan, 200), {
      chunks: [0, 1, 2, 3, 0, 1, 2, 3],
      timesMs: [0, 2, 4, 6, 100, 102, 104, 106]
    })
    assert.strictEqual(plan.coldMs, 40)
  })

  it("anon_streamer: pass, pause, pass, and again", () => {
    const plan = anonStreamer({ bytes: 8 * pageBytes, passMs: 40, idleMs: 30 })
    assert.deepStrictEqual(future(plan, 120), { chunks: [0, 1, 0, 1, 0, 1], timesMs: [0, 20, 70, 90, 110, 130] })
  })

  it("random_touch_heap: by its seed, at its pace, everywhere", () => {
    const touched = (seed: number) => future(randomTouchHeap({ bytes: 256 * pageBytes, perSecond: 1000, seed }), 2000)
    assert.deepStrictEqual(touched(5), touched(5))
    assert.notDeepEqual(touched(5).chunks, touched(6).chunks)
    assert.strictEqual(new Set(touched(5).chunks).size, 64)
    assert.isAtMost(touched(5).timesMs.at(-1)!, 1999)
  })

  it("mmap_churn: beside its mappings, one page of the heap after the other", () => {
    const plan = mmapChurn({ bytes: 8 * pageBytes, mapBytes: 5000, perSecond: 100 })
    assert.deepStrictEqual(future(plan, 100).chunks, [0, 1, 0])
    assert.strictEqual(plan.mapBytes, 8192)
  })

  it("tell the oracle the truth: on their own touches it is never wrong", () => {
    const plan = interactiveBurst({ bytes: 64 * 4 * pageBytes, activeMs: 20, idleMs: 480 })
    const sequence = plan.future(4, 10_000, 10)
    const region = { chunks: 64, coldMs: 240, restoreMs: 0.04 }
    const stream = { ...sequence, name: plan.name, summary: "", region, learntByMs: 3000 }
    const seen = measures(evaluate(oracle(sequence), stream).afterLearning)
    assert.isAbove(seen.accuracy!, 0.99)
    assert.isAbove(seen.coverage!, 0.99)
    assert.isAbove(measures(evaluate(findPredictor("periodic")!, stream).afterLearning).coverage!, 0.9)
  })
})

const options: MemoryWorkloadOptions = {
  on: "plain",
  predictor: "tournament",
  codec: "lz4",
  chunkBytes: 65_536,
  cpuPercent: 100,
  compressOn: "slices",
  durationMs: 200,
  warmupMs: 50,
  data: "mixed",
  corpus: process.execPath,
  seed: 1,
  forgetEveryMs: 0
}
const hooks = { onLoaded: () => Effect.void, onMeasuring: () => {}, onMeasured: () => {} }
const mib = 2 ** 20

describe("runs", () => {
  const plans: ReadonlyArray<MemoryPlan> = [
    interactiveBurst({ bytes: mib, activeMs: 10, idleMs: 40 }),
    anonStreamer({ bytes: mib, passMs: 60, idleMs: 20 }),
    randomTouchHeap({ bytes: mib, perSecond: 20_000, seed: 1 }),
    mmapChurn({ bytes: mib, mapBytes: 65_536, perSecond: 200 })
  ]

  it.live.each(plans)("$name keeps count and loses nothing, on plain memory and on the arena", (plan) =>
    Effect.gen(function* () {
      for (const on of ["plain", "arena"] as const) {
        const order: Array<string> = []
        const result = yield* runMemoryWorkload(
          plan,
          { ...options, on, coldMs: 20 },
          {
            onLoaded: ({ end, pid, start }) =>
              Effect.sync(() => {
                assert.strictEqual(pid, process.pid)
                if (on === "plain") assert.strictEqual(Number(BigInt(end!) - BigInt(start!)), mib)
                else assert.isNull(start)
                order.push("loaded")
              }),
            onMeasuring: () => order.push("measuring"),
            onMeasured: () => order.push("measured")
          }
        )
        assert.deepStrictEqual(order, ["loaded", "measuring", "measured"])
        assert.strictEqual(result.wrong_bytes, 0)
        assert.isAbove(result.operations, 0)
        assert.isAtMost(result.p50_us, result.p99_us)
        assert.strictEqual(result.arena === null, on === "plain")
      }
    })
  )

  it.live("what is idle is measured, too: also where no burst comes after the warm-up", () =>
    Effect.gen(function* () {
      const plan = interactiveBurst({ bytes: mib, activeMs: 1, idleMs: 10_000 })
      let measuring = 0
      const counting = { ...hooks, onMeasuring: () => measuring++ }
      yield* runMemoryWorkload(plan, { ...options, durationMs: 150, warmupMs: 100 }, counting)
      assert.strictEqual(measuring, 1)
    })
  )

  it.live("with the oracle it is named, and what is needed is counted", () =>
    Effect.gen(function* () {
      const plan = interactiveBurst({ bytes: mib, activeMs: 5, idleMs: 95 })
      const { arena } = yield* runMemoryWorkload(plan, { ...options, on: "arena", predictor: "oracle", durationMs: 500 }, hooks)
      assert.strictEqual(arena?.predictor, "oracle")
      assert.isAbove(arena!.needed, 0)
    })
  )
})

const watched = (mean: number, result: Partial<MemoryWorkloadResult>): Watched => ({
  result: {
    process_cpu_pct: 1,
    workload: "interactive_burst",
    mean_us: 1,
    operations_per_second: 100,
    phases: {},
    wrong_bytes: 0,
    ...result
  } as MemoryWorkloadResult,
  rss_before_bytes: 0,
  pss_before_bytes: 0,
  rss_mean_bytes: 0,
  pss_mean_bytes: mean,
  pss_least_bytes: 0,
  pss_byte_seconds: 0,
  samples: 2
})

describe("the bench", () => {
  it("weighs samples by the time between them", () => {
    const at = (atMs: number, bytes: number) => ({ atMs, bytes })
    assert.strictEqual(byteSeconds([at(0, 100), at(1000, 100), at(3000, 200)]), 100 + 300)
    assert.strictEqual(byteSeconds([at(0, 100)]), 0)
  })

  it("compares with plain memory and the reactive arena, and adds up what was wrong", () => {
    const latency = (p99_us: number) => ({ count: 1, mean_us: 1, p50_us: 1, p95_us: 1, p99_us, p999_us: 1, max_us: 1 })
    const touched = (p99_us: number) => ({
      phases: { burst_touch: latency(p99_us), cold_touch: latency(2 * p99_us) }
    })
    const plain = watched(400, { ...touched(1), operations_per_second: 200 })
    const reactive = watched(250, { ...touched(300), wrong_bytes: 4096 })
    const row = arenaBenchRow(plain, reactive, watched(300, { ...touched(60), wrong_bytes: 8192 }))
    assert.strictEqual(row.pss_byte_seconds_saved_share, 0.25)
    assert.deepStrictEqual([row.cold_touch_p99_us, row.reactive_cold_touch_p99_us, row.plain_cold_touch_p99_us], [120, 600, 2])
    assert.deepStrictEqual([row.burst_touch_p99_us, row.reactive_touch_p99_us, row.plain_touch_p99_us], [60, 300, 1])
    assert.strictEqual(row.slowdown_pct, 50)
    assert.strictEqual(row.wrong_bytes, 12_288)
    assert.strictEqual(arenaBenchRow(plain, reactive, reactive).wrong_bytes, 4096)
    assert.include(arenaBenchTable([row]), "25.0")
    const knowing = watched(600, { arena: { predictor: "oracle" } as MemoryWorkloadResult["arena"] })
    assert.isNull(arenaBenchRow(plain, reactive, knowing).pss_byte_seconds_saved_share)
    assert.include(arenaBenchTable([{ ...row, pss_saved_mean_bytes: -2 * mib }]), "−2.00 MiB")
  })

  it("of the process arena counts what it did while it was measured, and the saving that it measured itself", () => {
    const at = (seconds: number, counts: { inTime: number; late: number; wasted: number; needed: number }, cpuMs: number) => ({
      atMs: 1000 * seconds,
      cpuMs,
      status: {
        by: "syscall",
        swap: "zswap (lz4)",
        chunkBytes: 2 ** 18,
        predictor: { name: "periodic", explanation: "every 10 s", tally: { ...emptyTally(), ...counts } },
        demandBytes: 4096 * seconds,
        majorFaults: seconds,
        pagedOutBytes: 10 * mib * seconds,
        readInBytes: 9 * mib * seconds,
        savedByteSeconds: 20 * mib * seconds,
        wholeByteSeconds: 80 * mib * seconds
      } as unknown as ProcessArenaStatus
    })
    const learning = at(10, { inTime: 0, late: 10, wasted: 90, needed: 100 }, 4000)
    const part = processArenaPart(learning, at(30, { inTime: 90, late: 15, wasted: 95, needed: 200 }, 9000))
    assert.deepStrictEqual([part.accuracy, part.coverage, part.late, part.pollution], [0.9, 0.9, 0.05, 0.05])
    assert.deepStrictEqual([part.saved_share, part.saved_mean_bytes, part.paged_out_bytes], [0.25, 20 * mib, 200 * mib])
    assert.strictEqual(part.cpu_pct, 25)
    const plain = watched(400, {})
    const row = arenaBenchRow(plain, plain, { ...watched(300, {}), process_arena: part })
    assert.deepStrictEqual([row.predictor, row.pss_byte_seconds_saved_share, row.cpu_pct], ["periodic", 0.25, 25])
  })

  it("runs plain memory and the reactive arena once for each workload", () => {
    assert.strictEqual(arenaBenchRuns({ workloads: ["mmap_churn"], predictors: ["none", "tournament", "oracle"] }), 4)
    assert.strictEqual(arenaBenchRuns({ workloads: ["mmap_churn"], predictors: ["tournament"] }), 3)
  })
})

describe("codecs", () => {
  it("fair_score is bytes saved per millisecond of compressing and of so many readbacks", () => {
    assert.strictEqual(fairScore(1000, 2, 1, 3), 200)
  })

  it("are measured by data and chunk: noise stays raw, JSON does not", async () => {
    const seen: Array<CodecRow> = []
    const rows = await sweepCodecs({
      codecs: ["lz4-wasm", "none"],
      data: ["json", "noise"],
      chunkBytes: [65_536],
      bytes: 131_072,
      seed: 1,
      readbackFactor: 1,
      onRow: (row) => seen.push(row)
    })
    assert.deepStrictEqual(seen, rows)
    const [json, uncompressed, noise] = rows
    assert.isAbove(json!.ratio, 2)
    assert.isAbove(json!.fair_score, 0)
    assert.deepStrictEqual([uncompressed!.ratio, uncompressed!.raw_share, uncompressed!.fair_score], [1, 1, 0])
    assert.deepStrictEqual([noise!.ratio, noise!.decompress_mb_per_s], [1, null])
    assert.deepStrictEqual(fairestCodec(rows), { codec: "lz4-wasm", wins: 1, of: 1 })
    assert.include(codecTable(rows), "–")
  })

  it("a chunk that saves less than 5 % counts as raw", async () => {
    // Of each chunk, 4 % can be compressed.
    const data = makeCorpus("noise", 1, process.execPath, 131_072)
    for (const at of [0, 65_536]) data.fill(0, at, at + 2600)
    const row = measureCodec(await loadCodec("lz4-wasm"), "nearly noise", data, 65_536, 1)
    assert.deepStrictEqual([row.raw_share, row.ratio], [1, 1])
  })
})
