import { assert, describe, it } from "@effect/vitest"
import { Cgroups, makeKdamond, makeScheme } from "@wmo/core"
import { Effect } from "effect"
import { firstFrame } from "../src/Frames.ts"
import { attrs, cold, quarterHot, ramOf, resident, runOn, started } from "./damonHarness.ts"
import { hot, idle, mib, withGroups, workload } from "./harness.ts"

describe("DAMOS", () => {
  it.live("pageout takes what has been cold for long enough, and leaves the rest", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", quarterHot())
    return runOn(
      sim,
      Effect.gen(function* () {
        const owned = yield* started(sim, { pids: [pid], schemes: [makeScheme({ action: "pageout", pattern: cold(5) })] })
        yield* Effect.sleep("4 seconds")
        assert.strictEqual(resident(sim), 32_768)
        yield* Effect.sleep("25 seconds")
        assert.isAtMost(resident(sim), 8192 + 2500)
        assert.isAtLeast(resident(sim), 8192)
        const [stats] = yield* owned.updateStats()
        assert.isAbove(Number(stats!.szApplied), 80 * mib)
        assert.isAbove(sim.offload("demo").grossByteSeconds, 80 * mib * 15)
        // Regions that the scheme took begin anew.
        assert.isTrue(sim.damon.regions(0)[0]!.every(({ age }) => age <= 50))
      })
    )
  })

  it.live("memory in 64 GiB of reserved address space is found, too, though later", () => {
    const run = (reservedBytes: number) => {
      const sim = withGroups({ seed: 1 })
      const pid = sim.addWorkload("demo", { ...quarterHot(), reservedBytes })
      return runOn(
        sim,
        Effect.gen(function* () {
          yield* started(sim, { pids: [pid] })
          yield* Effect.sleep("1 second")
          // Bytes that seem to be in use.
          const hotBytes = () =>
            sim.damon.regions(0)[0]!.reduce((sum, { lastNrAccesses, size }) => sum + (lastNrAccesses > 10 ? size : 0), 0)
          const early = hotBytes()
          yield* Effect.sleep("20 seconds")
          return { early, late: hotBytes() }
        })
      )
    }
    return Effect.gen(function* () {
      const compact = yield* run(0)
      const scattered = yield* run(2 ** 36)
      assert.approximately(compact.early / mib, 32, 16)
      assert.strictEqual(scattered.early, 0)
      assert.approximately(scattered.late / mib, 32, 8)
    })
  })

  it.live("a size quota is kept in each interval, and is said to have been exceeded", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", workload(32_768, [idle], { loadUs: 0.1 }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const quotas = { bytes: 4 * mib, resetIntervalMs: 1000 }
        const owned = yield* started(sim, { pids: [pid], schemes: [makeScheme({ action: "pageout", pattern: cold(2), quotas })] })
        let last = resident(sim)
        for (let second = 0; second < 15; second++) {
          yield* Effect.sleep("1 second")
          const now = resident(sim)
          assert.isAtMost(last - now, (2 * 4 * mib) / 4096)
          last = now
        }
        assert.approximately((32_768 - last) / 1024, 12, 3)
        const [stats] = yield* owned.updateStats()
        assert.isAbove(Number(stats!.qtExceeds), 5)
        assert.deepStrictEqual(yield* owned.updateEffectiveQuotas(), [4 * mib])
      })
    )
  })

  it.live("a time quota comes to the bytes that it suffices for", () => {
    const sim = withGroups({ seed: 1, costs: { zswapStore: { p50Us: 10, p98Us: 10 }, reclaimPage: { p50Us: 0, p98Us: 0 } } })
    const pid = sim.addWorkload("demo", workload(32_768, [idle], { loadUs: 0.1 }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const quotas = { ms: 5, resetIntervalMs: 1000 }
        const owned = yield* started(sim, { pids: [pid], schemes: [makeScheme({ action: "pageout", pattern: cold(2), quotas })] })
        yield* Effect.sleep("10 seconds")
        // 10 µs a page: 500 pages in 5 ms; parts of regions that are out already cost nothing and let it go further.
        const [bytes] = yield* owned.updateEffectiveQuotas()
        assert.isAtLeast(bytes!, 400 * 4096)
        assert.isAtMost(bytes!, 1500 * 4096)
      })
    )
  })

  it.live("filters of physical memory: of a group, of a kind, of an address range", () => {
    const run = (filters: NonNullable<Parameters<typeof makeScheme>[0]>["filters"]) => {
      const sim = withGroups({ seed: 1, memTotalBytes: 256 * mib }, ["a", "b"])
      sim.addWorkload("a", workload(4000, [idle], { filePages: 4000 }))
      sim.addWorkload("b", workload(4000, [idle]))
      return runOn(
        sim,
        Effect.gen(function* () {
          yield* Effect.sleep("1 second")
          yield* started(sim, {
            regions: ramOf(256 * mib),
            schemes: [makeScheme({ action: "pageout", pattern: cold(1), ...(filters === undefined ? {} : { filters }) })]
          })
          yield* Effect.sleep("20 seconds")
          const { residentAnon, residentFile } = sim.group("a").census()
          return [residentAnon, residentFile, resident(sim, "b")]
        })
      )
    }
    const filter = { matching: true, memcgPath: "", addrStart: 0n, addrEnd: 0n, targetIndex: 0 }
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(undefined), [0, 0, 0])
      assert.deepStrictEqual(yield* run([{ ...filter, type: "anon" }]), [4000, 0, 4000])
      assert.deepStrictEqual(yield* run([{ ...filter, type: "memcg", memcgPath: "/a" }]), [4000, 4000, 0])
      assert.deepStrictEqual(yield* run([{ ...filter, type: "memcg", memcgPath: "/a", matching: false }]), [0, 0, 4000])
      // The second group's pages have the frames after the first one's.
      const [start, end] = [firstFrame + 8000, firstFrame + 12_000].map((frame) => BigInt(frame * 4096)) as [bigint, bigint]
      assert.deepStrictEqual(yield* run([{ ...filter, type: "addr", addrStart: start, addrEnd: end }]), [0, 0, 4000])
    })
  })

  it.live("watermarks: nothing is monitored while enough is free", () => {
    const run = (memTotalBytes: number) => {
      const sim = withGroups({ seed: 1, memTotalBytes })
      sim.addWorkload("demo", workload(32_768, [idle], { loadUs: 0.1 }))
      return runOn(
        sim,
        Effect.gen(function* () {
          const watermarks = { metric: "free_mem_rate", intervalUs: 1_000_000, high: 500, mid: 400, low: 50 } as const
          yield* started(sim, { regions: ramOf(memTotalBytes), schemes: [makeScheme({ action: "pageout", pattern: cold(2), watermarks })] })
          yield* Effect.sleep("30 seconds")
          return { free: 1 - (resident(sim) * 4096) / memTotalBytes, taken: 32_768 - resident(sim), cpuUs: sim.damon.cpuUs }
        })
      )
    }
    return Effect.gen(function* () {
      const roomy = yield* run(1024 * mib)
      assert.strictEqual(roomy.taken, 0)
      assert.strictEqual(roomy.cpuUs, 0)
      const tight = yield* run(160 * mib)
      assert.isAbove(tight.taken, 1000)
      assert.isAbove(tight.free, 0.45)
    })
  })

  it.live("cold and willneed: to an older generation, and back into memory", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", workload(4000, [idle], { filePages: 4000 }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const owned = yield* started(sim, { pids: [pid], schemes: [makeScheme({ action: "cold", pattern: cold(1) })] })
        const group = sim.group("demo")
        yield* Effect.sleep("500 millis")
        assert.strictEqual(group.generations.count(0, group.generations.maxSeq), 4000)
        yield* Effect.sleep("5 seconds")
        assert.strictEqual(group.generations.count(0, group.generations.maxSeq - 1), 4000)
        assert.strictEqual(group.generations.count(1, group.generations.minSeq[1]! + 1), 4000)
        yield* owned.stop()
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 8000 * 4096 }))
        assert.isBelow(resident(sim), 2000)
        yield* owned.stage(makeKdamond({ ...attrs, pids: [pid], schemes: [makeScheme({ action: "willneed", pattern: cold(1) })] }))
        yield* owned.start()
        yield* Effect.sleep("5 seconds")
        assert.strictEqual(resident(sim), 8000)
        assert.strictEqual(sim.offload("demo").pages, 0)
      })
    )
  })

  it.live("a goal of the user's steers the quota: up while it is not met, down once it is", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", workload(32_768, [idle], { loadUs: 0.1 }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const goal = (currentValue: number) => [{ metric: "user_input", targetValue: 10_000, currentValue }]
        const quotas = { resetIntervalMs: 500, goals: goal(1000) }
        const owned = yield* started(sim, { pids: [pid], schemes: [makeScheme({ action: "pageout", pattern: cold(1), quotas })] })
        yield* Effect.sleep("10 seconds")
        const [up] = yield* owned.updateEffectiveQuotas()
        // Times 1.9 each half second, from one byte.
        assert.isAbove(up!, 1.9 ** 15)
        yield* owned.tune({ contexts: [{ schemes: { 0: { quotas: { goals: goal(15_000) } } } }] })
        yield* Effect.sleep("5 seconds")
        const [down] = yield* owned.updateEffectiveQuotas()
        assert.isBelow(down!, up! / 2 ** 8)
      })
    )
  })

  it.live("a goal of memory pressure holds it back where workloads wait for what it took", () => {
    const run = (isPressed: boolean) => {
      const sim = withGroups({ seed: 1, memTotalBytes: 512 * mib, costs: { zswapLoad: { p50Us: 3000, p98Us: 3000 } } })
      // All of it is used, though rarely: whatever goes comes back.
      sim.addWorkload("demo", workload(16_384, [isPressed ? hot(0, 16_384, 400) : idle], { loadUs: 0.1 }))
      return runOn(
        sim,
        Effect.gen(function* () {
          const goals = [{ metric: "some_mem_psi_us", targetValue: 1000, currentValue: 0 }]
          const quotas = { resetIntervalMs: 2000, goals }
          const pattern = { ...cold(0), nrAccesses: { min: 0, max: 20 } }
          const owned = yield* started(sim, { regions: ramOf(512 * mib), schemes: [makeScheme({ action: "pageout", pattern, quotas })] })
          yield* Effect.sleep("60 seconds")
          const [bytes] = yield* owned.updateEffectiveQuotas()
          return bytes!
        })
      )
    }
    return Effect.gen(function* () {
      const free = yield* run(false)
      const held = yield* run(true)
      assert.isAbove(free, 64 * mib)
      assert.isBelow(held, free / 4)
    })
  })
})
