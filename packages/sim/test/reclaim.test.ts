import { assert, describe, it } from "@effect/vitest"
import { Cgroups, KernFs, Memcg, Mglru, WorkingSet, Zswap } from "@wmo/core"
import { Effect } from "effect"
import { hotcold, type Workload } from "../src/index.ts"
import { hot, idle, mib, quarter, readGroup, runIn, withGroups, workload } from "./harness.ts"

/** As in the VM: 200 MiB of anon, 50 MiB of it in use all the time. */
const vmLab = (): Workload =>
  hotcold({ hotBytes: 50 * mib, warmBytes: 0, coldBytes: 150 * mib, processBytes: 0, loadUs: 0.1, thinkUs: 160, compressibility: quarter })

const age = Effect.flatMap(Mglru, (lru) => lru.age("demo", { forceScan: true }))

/** A MiB went; over-reclaim by less than a batch (32 pages) is normal. */
const took = (before: number, after: number) => assert.isTrue(before - after >= mib && before - after < mib + 32 * 4096)

/** Asks for `bytes` of 1,000 anon pages; gives the answer and the pages left. */
const attempt = (options: { readonly swapBytes?: number; readonly swapMax?: number }, bytes: number) => {
  const sim = withGroups({ seed: 1, ...options })
  sim.addWorkload("demo", workload(1000, [idle]))
  return runIn(
    sim,
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      if (options.swapMax !== undefined) yield* cgroups.write("demo", Memcg.memorySwapMax, options.swapMax)
      yield* Effect.sleep("1 second")
      return [yield* cgroups.reclaim("demo", { bytes }), (yield* readGroup("demo")).stat.anon! / 4096]
    })
  )
}

describe("reclaim and generations", () => {
  it.live("memory.reclaim without aging takes hot pages, and they all come back as refaults (seen in the VM)", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", vmLab())
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("10 seconds")
        assert.strictEqual(yield* cgroups.reclaim("demo", { bytes: 100 * mib }), "met")
        yield* Effect.sleep("10 seconds")
        const { stat } = yield* readGroup("demo")
        assert.strictEqual(stat.workingset_refault_anon, 12_800n)
        assert.strictEqual(stat.zswpin, 12_800n)
        assert.isAbove(sim.outcome("demo").stallUs, 50_000)
        // They refaulted from the generation that is still the oldest: pressure counts them, all of the wait.
        assert.strictEqual(stat.workingset_restore_anon, 12_800n)
      })
    )
  })

  it.live("aged twice, the same request takes cold pages only, and nothing refaults", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", vmLab())
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("10 seconds")
        yield* age
        yield* Effect.sleep("4 seconds")
        yield* age
        const memcg = yield* Effect.flatMap(Mglru, (lru) => lru.group("demo"))
        const generations = memcg!.nodes[0]!.generations
        assert.deepStrictEqual(
          generations.map(({ ageMs, anonPages }) => [ageMs, anonPages]),
          [
            [14_000, 38_400],
            [4_000, 12_800],
            [0, 0]
          ]
        )
        assert.strictEqual(yield* cgroups.reclaim("demo", { bytes: 100 * mib }), "met")
        yield* Effect.sleep("10 seconds")
        const { pressure, stat } = yield* readGroup("demo")
        assert.strictEqual(stat.workingset_refault_anon, 0n)
        assert.isAtLeast(Number(stat.pgsteal_proactive), 25_600)
        assert.strictEqual(pressure.some!.totalUs, 0n)
        assert.strictEqual(sim.outcome("demo").slowdown, 0)
      })
    )
  })

  it.live("eviction by generation takes what is old and leaves the two youngest generations", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", hotcold({ processBytes: 0, compressibility: quarter }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const lru = yield* Mglru
        for (let i = 0; i < 8; i++) {
          yield* Effect.sleep("6 seconds")
          yield* age
          const { generations } = (yield* lru.group("demo"))!.nodes[0]!
          // A generation holds what was last used before the next one was born.
          if (generations.length > 2 && generations[1]!.ageMs > 11_000) {
            yield* lru.evict("demo", { seq: generations[0]!.seq, swappiness: 200 })
          }
        }
        const { current, stat } = yield* readGroup("demo")
        assert.isBelow(current, 280 * mib)
        assert.isAtLeast(stat.anon!, 40 * mib)
        assert.isBelow(sim.outcome("demo").slowdown, 0.0005)
      })
    )
  })

  it.live("a fifth generation folds the oldest into the next", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(100, [idle]))
    return runIn(
      sim,
      Effect.gen(function* () {
        yield* Effect.sleep("1 second")
        for (let i = 0; i < 8; i++) {
          yield* age
          yield* Effect.sleep("1 second")
          const { generations } = (yield* Effect.flatMap(Mglru, (lru) => lru.group("demo")))!.nodes[0]!
          assert.isAtMost(generations.length, 4)
          assert.strictEqual(generations[0]!.anonPages, 100)
        }
      })
    )
  })

  it.live("swappiness 0 takes file pages only, max anon only", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(1000, [idle], { filePages: 1000 }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* cgroups.reclaim("demo", { bytes: mib, swappiness: 0 })
        const first = (yield* readGroup("demo")).stat
        assert.strictEqual(first.anon, 1000 * 4096)
        took(1000 * 4096, first.file!)
        yield* cgroups.reclaim("demo", { bytes: mib, swappiness: "max" })
        const second = (yield* readGroup("demo")).stat
        assert.strictEqual(second.file, first.file)
        took(1000 * 4096, second.anon!)
        // Both types are equally old: 100 takes as much of each.
        yield* cgroups.reclaim("demo", { bytes: mib, swappiness: 100 })
        const third = (yield* readGroup("demo")).stat
        took(second.anon! + second.file!, third.anon! + third.file!)
        assert.approximately(second.anon! - third.anon!, second.file! - third.file!, 32 * 4096)
      })
    )
  })

  it.live("EAGAIN when nothing is left, without swap, and at memory.swap.max", () => {
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* attempt({}, 1000 * 4096), ["met", 0])
      assert.deepStrictEqual(yield* attempt({}, 1001 * 4096), ["partial", 0])
      assert.deepStrictEqual(yield* attempt({ swapBytes: 0 }, 4096), ["partial", 1000])
      assert.deepStrictEqual(yield* attempt({ swapBytes: 400 * 4096 }, 500 * 4096), ["partial", 600])
      assert.deepStrictEqual(yield* attempt({ swapMax: 0 }, 4096), ["partial", 1000])
      assert.deepStrictEqual(yield* attempt({ swapMax: 300 * 4096 }, 500 * 4096), ["partial", 700])
    })
  })

  it.live("zswap obeys its parameter file and its limits, and shows its pool", () => {
    const sim = withGroups({ seed: 1, memTotalBytes: 64 * mib })
    sim.addWorkload("demo", workload(8000, [idle]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const zswap = yield* Zswap
        yield* Effect.sleep("1 second")
        yield* cgroups.reclaim("demo", { bytes: mib })
        const stored = yield* readGroup("demo")
        const storedPages = stored.stat.zswapped! / 4096
        assert.isAtLeast(storedPages, 256)
        assert.strictEqual(stored.zswap, storedPages * 1024)
        assert.deepStrictEqual(yield* zswap.pool, { totalBytes: storedPages * 1024, storedPages })
        // 1 % of 64 MiB is less than the next MiB needs: the rest goes to the device.
        yield* Effect.sync(() =>
          sim.kernel.fs.writeSync(sim.kernel.fs.openSync(zswap.parameterPath("maxPoolPercent"), 1), new TextEncoder().encode("1"))
        )
        yield* cgroups.reclaim("demo", { bytes: 4 * mib })
        const full = yield* readGroup("demo")
        assert.isAtMost(full.zswap, 0.01 * 64 * mib)
        assert.isAbove(Number(full.stat.zswpwb), 0)
        assert.strictEqual(full.stat.pswpout! + full.stat.zswpout! - full.stat.zswpwb!, full.stat.pgsteal)
        yield* cgroups.write("demo", Memcg.memoryZswapMax, 0)
        yield* cgroups.reclaim("demo", { bytes: mib })
        assert.strictEqual((yield* readGroup("demo")).stat.zswpout, full.stat.zswpout)
      })
    )
  })

  it.live("a parent's files count its children, and reclaim from it reaches them", () => {
    const sim = withGroups({ seed: 1 }, ["wmo", "wmo/a", "wmo/b"])
    sim.addWorkload("wmo/a", workload(1000, [idle]))
    sim.addWorkload("wmo/b", workload(3000, [hot(0, 10)]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        assert.strictEqual((yield* readGroup("wmo")).current, 4000 * 4096)
        yield* cgroups.reclaim("wmo", { bytes: 400 * 4096 })
        const [a, b, all] = [yield* readGroup("wmo/a"), yield* readGroup("wmo/b"), yield* readGroup("wmo")]
        assert.strictEqual(a.current + b.current, all.current)
        assert.approximately(a.stat.anon! / 4096, 900, 40)
        assert.approximately(b.stat.anon! / 4096, 2700, 40)
      })
    )
  })

  it.live("working-set reporting bins the generations' ages", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(1000, [hot(0, 100)]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const workingSet = yield* WorkingSet
        const fs = yield* KernFs
        assert.isTrue(yield* workingSet.supports("demo"))
        yield* fs.write(workingSet.intervalsPath(0), "3000,9000")
        yield* workingSet.setRefreshInterval("demo", 0, 1_000_000)
        yield* Effect.sleep("1 second")
        yield* age
        yield* Effect.sleep("5 seconds")
        yield* age
        yield* Effect.sleep("3 seconds")
        // The generations: 900 pages last used 8 to 9 s ago, 100 between 3 and 8 s ago, none since.
        const [node] = yield* workingSet.group("demo")
        assert.deepStrictEqual(
          node!.bins.map(({ anonBytes }) => anonBytes / 4096),
          [0, 1000, 0]
        )
        yield* age
        const [after] = yield* workingSet.group("demo")
        assert.deepStrictEqual(
          after!.bins.map(({ anonBytes }) => anonBytes / 4096),
          [100, 900, 0]
        )
      })
    )
  })
})
