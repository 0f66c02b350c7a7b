import { assert, describe, it } from "@effect/vitest"
import { Cgroups, type DamonAggregated, DamonModules, DamonTrace } from "@wmo/core"
import { Effect, Stream } from "effect"
import { firstFrame } from "../src/Frames.ts"
import { hotcold } from "../src/index.ts"
import { heap, quarterHot, ramOf, resident, runOn, started } from "./damonHarness.ts"
import { idle, mib, quarter, withGroups, workload } from "./harness.ts"

describe("DAMON monitors", () => {
  it.live("a process: what is used shows accesses, what is not grows old, and regions are where it changes", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", quarterHot())
    return runOn(
      sim,
      Effect.gen(function* () {
        const owned = yield* started(sim, { pids: [pid] })
        yield* Effect.sleep("20 seconds")
        const { regions } = yield* owned.snapshot()
        const within = regions.filter(({ end, start }) => start >= BigInt(heap) && end <= BigInt(heap + 32_768 * 4096))
        let bytes = 0
        let right = 0
        for (const { age, end, nrAccesses, start } of within) {
          const size = Number(end - start)
          const isHot = Number(start) + size / 2 < heap + 8192 * 4096
          bytes += size
          if (isHot ? nrAccesses >= 15 : nrAccesses <= 1 && age > 20) right += size
        }
        assert.isAtLeast(bytes, 0.9 * 128 * mib)
        assert.isAtLeast(right / bytes, 0.9)
        assert.isAtMost(regions.length, 200)
        assert.isAtLeast(regions.length, 10)
        assert.isAbove(sim.damon.cpuUs, 0)
        const [stats] = yield* owned.updateStats()
        assert.isAtLeast(Number(stats!.szTried), 150 * 128 * mib)
        assert.strictEqual(stats!.nrApplied, 0n)
      })
    )
  })

  it.live("leaves MGLRU's accessed bits alone, and is the same for the same seed", () => {
    const run = (seed: number, isMonitored: boolean) => {
      const sim = withGroups({ seed })
      const pid = sim.addWorkload("demo", hotcold({ compressibility: quarter }))
      return runOn(
        sim,
        Effect.gen(function* () {
          if (isMonitored) yield* started(sim, { pids: [pid] })
          const age = () => sim.kernel.cgroups.group("demo").model.age(0)
          for (let i = 0; i < 4; i++) {
            yield* Effect.sleep("3 seconds")
            age()
          }
          const regions = isMonitored ? sim.damon.regions(0)[0]!.map(({ age: old, end, start }) => [start, end, old]) : []
          return {
            regions,
            table: sim
              .group("demo")
              .generations.table(0)
              .map(({ anonPages }) => anonPages)
          }
        })
      )
    }
    return Effect.gen(function* () {
      const plain = yield* run(1, false)
      const one = yield* run(1, true)
      assert.deepStrictEqual(one.table, plain.table)
      assert.deepStrictEqual(yield* run(1, true), one)
      assert.notDeepEqual((yield* run(2, true)).regions, one.regions)
    })
  })

  it.live("physical memory: only what is in frames is used, and a process that ends is gone from it", () => {
    const sim = withGroups({ seed: 1, memTotalBytes: 256 * mib })
    sim.addWorkload("demo", quarterHot())
    return runOn(
      sim,
      Effect.gen(function* () {
        const owned = yield* started(sim, { regions: ramOf(256 * mib) })
        yield* Effect.sleep("20 seconds")
        const accessed = Effect.map(owned.snapshot(), ({ regions }) =>
          regions.reduce((sum, { end, nrAccesses, start }) => sum + (nrAccesses > 10 ? Number(end - start) : 0), 0)
        )
        assert.approximately((yield* accessed) / mib, 32, 8)
        const cgroups = yield* Cgroups
        yield* cgroups.kill("demo")
        yield* Effect.sleep("5 seconds")
        assert.strictEqual(yield* accessed, 0)
        const { state } = yield* owned.read()
        assert.strictEqual(state, "on")
      })
    )
  })

  it.live("ends with the process it monitors", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", quarterHot())
    return runOn(
      sim,
      Effect.gen(function* () {
        const owned = yield* started(sim, { pids: [pid] })
        yield* Effect.sleep("1 second")
        assert.strictEqual((yield* owned.read()).state, "on")
        yield* (yield* Cgroups).kill("demo")
        yield* Effect.sleep("1 second")
        assert.strictEqual((yield* owned.read()).state, "off")
      })
    )
  })

  it.live("tells of every region at every aggregation", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", quarterHot())
    return runOn(
      sim,
      Effect.gen(function* () {
        const trace = yield* DamonTrace
        const stream = yield* Effect.orDie(trace.open({ pollMs: 10 }))
        yield* started(sim, { pids: [pid] })
        const events = (yield* Stream.runCollect(Stream.take(stream, 200))) as ReadonlyArray<DamonAggregated>
        const times = [...new Set(events.map(({ time }) => time))]
        assert.isAbove(times.length, 2)
        // Every 100 ms, and what sampling costs.
        assert.approximately(times[1]! - times[0]!, 0.1, 0.005)
        for (const time of times.slice(0, -1)) {
          const ofOne = events.filter((event) => event.time === time)
          assert.lengthOf(ofOne, ofOne[0]!.nrRegions)
        }
      })
    )
  })
})

describe("DAMON_RECLAIM", () => {
  it.live("takes cold memory while free memory is short, and says so", () => {
    const sim = withGroups({ seed: 1, memTotalBytes: 256 * mib })
    sim.addWorkload("demo", quarterHot())
    return runOn(
      sim,
      Effect.gen(function* () {
        const modules = yield* DamonModules
        yield* modules.enable("damon_reclaim", { minAgeUs: 5_000_000, wmarksHighPermil: 900, wmarksMidPermil: 850, wmarksLowPermil: 50 })
        const on = (yield* modules.read("damon_reclaim"))!
        assert.isAbove(on.kdamondPid!, 1)
        assert.strictEqual(Number(on.monitorRegionStart), firstFrame * 4096)
        assert.strictEqual(Number(on.monitorRegionEnd), firstFrame * 4096 + 256 * mib - 1)
        yield* Effect.sleep("25 seconds")
        assert.isAtMost(resident(sim), 8192 + 8000)
        const then = (yield* modules.read("damon_reclaim"))!
        assert.isAbove(Number(then.bytesReclaimedRegions), 50 * mib)
        assert.isAtLeast(Number(then.bytesTriedRegions), Number(then.bytesReclaimedRegions))
        assert.isAbove(Number(then.nrReclaimedRegions), 0)
        yield* modules.disable("damon_reclaim")
        const before = sim.damon.cpuUs
        yield* Effect.sleep("5 seconds")
        assert.strictEqual(sim.damon.cpuUs, before)
        assert.strictEqual((yield* modules.read("damon_reclaim"))!.kdamondPid, undefined)
      })
    )
  })

  it.live("leaves anon alone if told so, and does nothing while much is free", () => {
    const run = (skipAnon: boolean, wmarksHighPermil: number) => {
      const sim = withGroups({ seed: 1, memTotalBytes: 128 * mib })
      sim.addWorkload("demo", workload(8000, [idle], { filePages: 8000 }))
      return runOn(
        sim,
        Effect.gen(function* () {
          const modules = yield* DamonModules
          const wmarks = { wmarksHighPermil, wmarksMidPermil: wmarksHighPermil, wmarksLowPermil: 1 }
          yield* modules.enable("damon_reclaim", { minAgeUs: 2_000_000, skipAnon, ...wmarks })
          yield* Effect.sleep("30 seconds")
          const { residentAnon, residentFile } = sim.group("demo").census()
          return [residentAnon, residentFile]
        })
      )
    }
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(true, 1000), [8000, 0])
      assert.deepStrictEqual(yield* run(false, 1000), [0, 0])
      assert.deepStrictEqual(yield* run(false, 400), [8000, 8000])
    })
  })
})
