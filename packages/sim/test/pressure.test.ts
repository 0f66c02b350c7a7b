import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Machine, Memcg, Mglru } from "@wmo/core"
import { Effect } from "effect"
import { type Costs, constantCost, hotcold, type TaskProgram } from "../src/index.ts"
import { hot, idle, mib, quarter, readGroup, runIn, withGroups, workload } from "./harness.ts"

/** Faults cost nothing but the load, and the load is 1 ms. */
const simpleCosts: Partial<Costs> = { minorFault: constantCost(0), zswapLoad: constantCost(1000), agePage: constantCost(0) }

/** Touches page 0 at 1 s. */
const touchesOnce: TaskProgram = function* () {
  yield { _tag: "Sleep", us: 999_900 }
  yield { _tag: "TouchList", list: [0], thinkUs: 1 }
}

/** Computes until half a millisecond later, touches page 1, and goes on. */
const computesAndTouches: TaskProgram = function* () {
  yield { _tag: "Sleep", us: 999_900 }
  yield { _tag: "Touch", first: 50, pages: 1, count: 500, order: "sequential", thinkUs: 1 }
  yield { _tag: "TouchList", list: [1], thinkUs: 1 }
  yield { _tag: "Touch", first: 50, pages: 1, count: 10_000, order: "sequential", thinkUs: 1 }
}

/** What comes of hotcold when its cold pages, or all of its pages, are compressed again and again. */
const slowdown = (takeCold: boolean) => {
  const sim = withGroups({ seed: 3 })
  // Hot pages are the first that were loaded; without a hot part of its own age, they go first.
  sim.addWorkload("demo", hotcold({ warmBytes: 0, compressibility: quarter }))
  return runIn(
    sim,
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      const age = () =>
        Effect.sync(() => {
          const group = sim.kernel.cgroups.group("demo")
          group.model.age(0)
        })
      yield* Effect.sleep("1 second")
      for (let i = 0; i < 20; i++) {
        if (takeCold) yield* age()
        yield* Effect.sleep("1 second")
        if (takeCold && i < 1) yield* cgroups.reclaim("demo", { bytes: 200 * mib })
        if (!takeCold) yield* cgroups.reclaim("demo", { bytes: 400 * mib })
      }
      return sim.outcome("demo")
    })
  )
}

/** Loads 15.6 MiB under a memory.high, without swap. */
const loadUnder = (high: number | "max") => {
  const sim = withGroups({ seed: 1, swapBytes: 0 })
  return runIn(
    sim,
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      yield* cgroups.write("demo", Memcg.memoryHigh, high)
      sim.addWorkload("demo", workload(4000, [idle]))
      yield* Effect.sleep("1 second")
      return { ...(yield* readGroup("demo")), outcome: sim.outcome("demo") }
    })
  )
}

describe("pressure and throttling", () => {
  it.live("some and full of two tasks, computed by hand", () => {
    const sim = withGroups({ seed: 1, costs: simpleCosts })
    // Loading takes 100 pages at 1 µs; sleeping from there brings both tasks to 1 s. A touches page 0 then, B page 1 half a millisecond later.
    sim.addWorkload("demo", workload(100, [touchesOnce, computesAndTouches]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("500 millis")
        yield* cgroups.reclaim("demo", { bytes: 32 * 4096 })
        assert.strictEqual((yield* readGroup("demo")).stat.zswapped, 32 * 4096)
        // A stalls from 1,000,000 to 1,001,000 µs, B from 1,000,500 to 1,001,500, each on a CPU of its own. A's has been busy for 1,001 µs,
        // less than a jiffy, and does not count; B's for 11,501.
        yield* Effect.sleep("1500 millis")
        const { pressure } = yield* readGroup("demo")
        assert.strictEqual(pressure.some!.totalUs, 1000n)
        assert.strictEqual(pressure.full!.totalUs, 1000n)
        // One update at 2 s: 0.05 % of 2 s, weighted 1 - exp(-2/10).
        assert.strictEqual(pressure.some!.avg10, Math.round(0.05 * (1 - Math.exp(-0.2)) * 100) / 100)
        assert.strictEqual((yield* Effect.flatMap(Machine, (machine) => machine.pressure)).some!.totalUs, 1000n)
        assert.strictEqual(sim.outcome("demo").stallUs, 2000)
      })
    )
  })

  it.live("averages rise under steady stalls and decay after them", () => {
    // A limit below the working set: every miss pays for a reclaim, 1 ms a page.
    const sim = withGroups({ seed: 1, costs: { ...simpleCosts, zswapStore: constantCost(1000) } })
    sim.addWorkload("demo", workload(1000, [hot(0, 1000, 1000)]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* cgroups.write("demo", Memcg.memoryMax, 2 * mib)
        yield* Effect.sleep("30 seconds")
        const during = (yield* readGroup("demo")).pressure.some!
        assert.isAbove(during.avg10, 30)
        assert.isAbove(during.avg10, during.avg60)
        assert.isAbove(during.avg60, during.avg300)
        yield* cgroups.write("demo", Memcg.memoryMax, "max")
        yield* Effect.sleep("60 seconds")
        const after = (yield* readGroup("demo")).pressure.some!
        assert.isBelow(after.avg10, after.avg60)
        assert.isBelow(after.avg10, 1)
      })
    )
  })

  it.live("hotcold slows down when hot pages are compressed, and hardly when cold ones are", () => {
    return Effect.gen(function* () {
      const cold = yield* slowdown(true)
      const all = yield* slowdown(false)
      assert.isBelow(cold.slowdown, 0.001)
      assert.isAbove(all.slowdown, 0.02)
      assert.isAbove(cold.operations, all.operations)
      assert.isAbove(all.latency.p999Us, cold.latency.p50Us)
      assert.approximately(all.latency.p50Us, 9, 0.3)
      assert.isAbove(all.latency.maxUs, 10)
    })
  })

  it.live("memory.high reclaims, throttles and counts, but kills nobody", () => {
    return Effect.gen(function* () {
      const free = yield* loadUnder("max")
      assert.strictEqual(free.current, 4000 * 4096)
      assert.strictEqual(free.pressure.some!.totalUs, 0n)
      const throttled = yield* loadUnder(8 * mib)
      assert.isBelow(throttled.current, 4000 * 4096)
      assert.isAbove(throttled.current, 8 * mib)
      assert.isAbove(Number(throttled.events.high), 0)
      assert.isAbove(Number(throttled.pressure.full!.totalUs), 500_000)
      assert.isFalse(throttled.outcome.oomKilled)
    })
  })

  it.live("lowering memory.high reclaims in the write; with swap the group fits and is not slowed", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(4000, [hot(0, 100)]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* cgroups.write("demo", Memcg.memoryHigh, 10 * mib)
        const { current, stat } = yield* readGroup("demo")
        assert.isAtMost(current, 10 * mib)
        assert.isAbove(Number(stat.pgsteal_direct), 0)
      })
    )
  })

  it.live(
    "pages are charged 64 at a time: the first one after a write to memory.high goes over a limit at the group's size (seen in the VM)",
    () => {
      const sim = withGroups({ seed: 1 })
      // One new page a second, from 1.5 s on.
      const grows: TaskProgram = function* () {
        yield { _tag: "Sleep", us: 500_000 }
        for (let page = 1000; ; page++) {
          yield { _tag: "Sleep", us: 1e6 }
          yield { _tag: "TouchList", list: [page], thinkUs: 1 }
        }
      }
      sim.addWorkload("demo", workload(2000, [grows], { load: [{ first: 0, pages: 1000 }] }))
      return runIn(
        sim,
        Effect.gen(function* () {
          const cgroups = yield* Cgroups
          yield* Effect.sleep("1 second")
          yield* cgroups.write("demo", Memcg.memoryHigh, 900 * 4096)
          const before = yield* readGroup("demo")
          assert.isAtMost(before.current, 900 * 4096)
          assert.strictEqual(before.events.high, 0n)
          yield* Effect.sleep("1 second")
          const after = yield* readGroup("demo")
          assert.strictEqual(after.events.high, 1n)
          assert.approximately(Number(after.stat.pgsteal_direct! - before.stat.pgsteal_direct!), 64, 32)
          assert.isAbove(sim.outcome("demo").stallUs, 64 * 5)
          // The others of the batch cost nothing.
          yield* Effect.sleep("60 seconds")
          assert.strictEqual((yield* readGroup("demo")).events.high, 1n)
          yield* Effect.sleep("5 seconds")
          assert.strictEqual((yield* readGroup("demo")).events.high, 2n)
        })
      )
    }
  )

  it.live("memory.max kills when there is nothing to reclaim, and says so", () => {
    const sim = withGroups({ seed: 1, swapBytes: 0 })
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* cgroups.write("demo", Memcg.memoryMax, 8 * mib)
        sim.addWorkload("demo", workload(4000, [idle]))
        yield* Effect.sleep("1 second")
        const { current, events } = yield* readGroup("demo")
        assert.strictEqual(current, 0)
        assert.isAbove(Number(events.max), 0)
        assert.strictEqual(events.oom_kill, 1n)
        assert.isTrue(sim.outcome("demo").oomKilled)
        assert.isTrue(sim.outcome("demo").finished)
        assert.deepStrictEqual(yield* cgroups.processes("demo"), [])
        assert.strictEqual(yield* cgroups.read("demo", Memcg.memoryPeak), 8 * mib)
      })
    )
  })

  it.live("a machine too small for its workloads swaps", () => {
    const sim = withGroups({ seed: 1, memTotalBytes: 16 * mib })
    sim.addWorkload("demo", workload(6000, [hot(0, 6000)]))
    return runIn(
      sim,
      Effect.gen(function* () {
        yield* Effect.sleep("5 seconds")
        const { current, stat } = yield* readGroup("demo")
        assert.isAtMost(current, 16 * mib)
        assert.isAbove(Number(stat.pgscan_direct), 0)
        assert.isAbove(sim.outcome("demo").slowdown, 0.01)
        assert.strictEqual((yield* Effect.flatMap(Machine, (machine) => machine.memInfo)).MemTotal, 16 * mib)
      })
    )
  })

  it.live("eviction by age makes tasks wait without pressure: its refaults are not recent (seen in the VM)", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", hotcold({ compressibility: quarter, scanEveryMs: 10_000 }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const lru = yield* Mglru
        // Scanned every 10 s, evicted when 8 s old: the warm part goes and comes.
        for (let i = 0; i < 15; i++) {
          yield* Effect.sleep("4 seconds")
          yield* lru.age("demo")
          const { generations } = (yield* lru.group("demo"))!.nodes[0]!
          if (generations[0]!.ageMs > 8000) yield* lru.evict("demo", { seq: generations[0]!.seq, swappiness: 200 })
        }
        const { pressure, stat } = yield* readGroup("demo")
        assert.isAbove(Number(stat.workingset_refault_anon), 10_000)
        assert.isAbove(sim.outcome("demo").stallUs, 50_000)
        assert.strictEqual(pressure.some!.totalUs, 0n)
      })
    )
  })
})
