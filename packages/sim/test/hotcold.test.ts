/** The simulated hotcold against what the real one does, and the simulator's parts that were added for that. */
import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Memcg } from "@wmo/core"
import { Clock, Effect } from "effect"
import { constantCost, hotcold, programContent, sizeClass, type TaskProgram } from "../src/index.ts"
import { idle, mib, quarter, readGroup, runIn, withGroups, workload } from "./harness.ts"

const small = { hotBytes: mib, warmBytes: 4 * mib, coldBytes: mib, processBytes: 0, loadUs: 0.1 } as const

/** Operations and slowdown of 25 s with one scan every 10 s; `evictAll` just before the scans. */
const scans = (evictAll: boolean, scanJitterMs: number, seed = 1) => {
  const sim = withGroups({ seed, costs: { zswapLoad: constantCost(1000) } })
  sim.addWorkload("demo", hotcold({ ...small, scanJitterMs }))
  return runIn(
    sim,
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      for (let scan = 0; scan < 2; scan++) {
        yield* Effect.sleep("9 seconds")
        if (evictAll) yield* cgroups.reclaim("demo", { bytes: 7 * mib })
        yield* Effect.sleep("1 second")
      }
      yield* Effect.sleep("5 seconds")
      return sim.outcome("demo")
    })
  )
}

/** How many pages of the warm part were touched again by 10.0 s, and by 10.5 s. */
const scanTime = (seed: number, scanJitterMs: number) => {
  const sim = withGroups({ seed })
  sim.addWorkload("demo", hotcold({ ...small, hotBytes: 0, scanJitterMs }))
  sim.advance(9000)
  const before = sim.outcome("demo").touches
  let ms = 9000
  for (; sim.outcome("demo").touches === before && ms < 12_000; ms += 10) sim.advance(10)
  return ms
}

describe("hotcold", () => {
  it("runs at its rate, in operations of 16 touches", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", hotcold({ ...small, warmBytes: 0, thinkUs: 10 }))
    sim.advance(5000)
    const { latency, operationsPerSecond, slowdown } = sim.outcome("demo")
    assert.approximately(operationsPerSecond, 100_000, 100)
    assert.approximately(latency.p50Us, 10, 0.3)
    assert.isBelow(slowdown, 1e-9)
  })

  it.live("is one task: a slow scan slows its operations (regression: periodic showed 0.0 % with 446,176 refaults)", () =>
    Effect.gen(function* () {
      const quick = yield* scans(false, 0)
      const slow = yield* scans(true, 0)
      // Two scans of 1,024 pages that wait 1 ms each (but for zero pages and those that go to the device): two seconds of 25.
      const lost = 1 - slow.operations / quick.operations
      assert.isAbove(lost, 0.07)
      assert.isBelow(lost, 0.1)
      assert.approximately(slow.slowdown, lost / (1 - lost), 0.01)
    })
  )

  it("scans at its period, give or take the jitter, which the seed decides", () => {
    assert.approximately(scanTime(1, 0), 10_000, 15)
    const times = Array.from({ length: 20 }, (_, seed) => scanTime(seed, 200))
    assert.isTrue(times.every((ms) => ms >= 9790 && ms <= 10_220))
    assert.isAbove(Math.max(...times) - Math.min(...times), 200)
    assert.strictEqual(scanTime(3, 200), times[3])
  })
})

describe("Touch.untilMs", () => {
  it("ends with the first whole operation at or after the time", () => {
    const until: TaskProgram = function* () {
      yield { _tag: "Touch", first: 0, pages: 10, count: 1e6, order: "sequential", thinkUs: 7, untilMs: 5, touchesPerOperation: 4 }
    }
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(10, [until]))
    sim.advance(1000)
    // Loading takes 10 µs and faults; then operations of 28 µs until 5 ms are over.
    const { finished, operations } = sim.outcome("demo")
    assert.isTrue(finished)
    assert.approximately(operations, Math.ceil(4990 / 28), 1)
  })
})

describe("writes that take time", () => {
  it.live("a reclaim returns when its costs have passed, and the workload has run on", () => {
    const costs = { zswapStore: constantCost(100), reclaimPage: constantCost(0), agePage: constantCost(0) }
    const sim = withGroups({ seed: 1, writesTakeTime: true, costs })
    sim.addWorkload("demo", workload(10_000, [idle]))
    sim.addWorkload("demo", hotcold({ ...small, warmBytes: 0, compressibility: quarter }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        const before = sim.outcome("demo").operations
        yield* cgroups.reclaim("demo", { bytes: 4 * mib })
        const { stat } = yield* readGroup("demo")
        assert.approximately(yield* Clock.currentTimeMillis, 1000 + Number(stat.zswpout) / 10, 1)
        assert.isAbove(sim.outcome("demo").operations, before + 5000)
        assert.approximately(sim.outcome("demo").reclaimCpuUs, Number(stat.zswpout) * 100, 1)
        yield* Effect.sleep("1 second")
        assert.approximately(yield* Clock.currentTimeMillis, 2000 + Number(stat.zswpout) / 10, 1)
      })
    )
  })
})

describe("zswap's charge", () => {
  it.live("is the length of the entries; only what does not shrink is refused (regression: lengths above 3,264 were)", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload(
      "demo",
      workload(1000, [idle], { compressibility: { ...programContent, zeroShare: 0, incompressibleShare: 0, lengths: [3801] } })
    )
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* cgroups.reclaim("demo", { bytes: 1000 * 4096 })
        const { stat } = yield* readGroup("demo")
        assert.deepStrictEqual([stat.zswpout, stat.pswpout], [1000n, 0n])
        assert.strictEqual(yield* cgroups.read("demo", Memcg.memoryZswapCurrent), 3_801_000)
        assert.strictEqual(sizeClass(3801), 4096)
      })
    )
  })
})
