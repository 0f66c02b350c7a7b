import { assert, describe, it } from "@effect/vitest"
import { Cgroups, KernFs, Machine, Memcg, Zram } from "@wmo/core"
import { Effect } from "effect"
import { constantCost, type Simulation } from "../src/index.ts"
import { hot, idle, mib, quarter, readGroup, withGroups, workload } from "./harness.ts"
import { SimClock } from "../src/index.ts"

const runOn = <A, E>(sim: Simulation, effect: Effect.Effect<A, E, KernFs | Cgroups | Machine | Zram>) =>
  Effect.provide(effect, [sim.layer, SimClock.layer(sim)])

const mixed = { zeroShare: 0.25, incompressibleShare: 0.25, medianRatio: 4, ratioSigma: 0 }
const mm = Effect.map(
  Effect.flatMap(Zram, (zram) => zram.read(0)),
  (device) => device.mm
)

describe("zram", () => {
  it.live("takes memory of the machine's that no group is charged for; mm_stat says how much", () => {
    const sim = withGroups({ seed: 1, swapDevice: "zram", zswap: false, swapBytes: 64 * mib })
    sim.addWorkload("demo", workload(1000, [idle], { compressibility: mixed }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const machine = yield* Machine
        yield* Effect.sleep("1 second")
        const before = yield* machine.memInfo
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 1000 * 4096 }))
        const { zero, onDisk } = sim.group("demo").census()
        assert.strictEqual(zero + onDisk, 1000)
        const stat = yield* mm
        const huge = stat.hugePages!
        assert.approximately(huge, 250, 40)
        assert.strictEqual(stat.origDataBytes, onDisk * 4096)
        assert.strictEqual(stat.comprDataBytes, huge * 4096 + (onDisk - huge) * 1024)
        assert.strictEqual(stat.memUsedBytes, huge * 4096 + Math.ceil(((onDisk - huge) * 1024) / 4096) * 4096)
        assert.strictEqual(stat.hugePagesSince, huge)
        const group = yield* readGroup("demo")
        assert.strictEqual(group.current, 0)
        assert.strictEqual(group.swap, 1000 * 4096)
        assert.strictEqual(group.stat.pswpout, BigInt(onDisk))
        const after = yield* machine.memInfo
        assert.strictEqual(after.MemAvailable! - before.MemAvailable!, 1000 * 4096 - (huge * 4096 + (onDisk - huge) * 1024))
        assert.strictEqual((yield* machine.swaps)[0]!.path, "/dev/zram0")
        // Net of what the copies take.
        yield* Effect.sleep("1 second")
        const { grossByteSeconds, netByteSeconds } = sim.offload("demo")
        assert.approximately(grossByteSeconds - netByteSeconds, stat.comprDataBytes, stat.comprDataBytes / 100)
        yield* cgroups.kill("demo")
        yield* Effect.sleep("1 second")
        assert.deepInclude(yield* mm, {
          memUsedBytes: 0,
          origDataBytes: 0,
          hugePages: 0,
          hugePagesSince: huge,
          memUsedMaxBytes: stat.memUsedBytes
        })
      })
    )
  })

  it.live("a page comes back by decompression, without a device to wait for", () => {
    const costs = { minorFault: constantCost(0), zswapLoad: constantCost(7), diskRead: constantCost(1e6) }
    const sim = withGroups({ seed: 1, swapDevice: "zram", zswap: false, costs })
    sim.addWorkload("demo", workload(64, [hot(0, 64, 10_000)]))
    return runOn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 millis")
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 64 * 4096 }))
        const { pswpin: before = 0n } = (yield* readGroup("demo")).stat
        const { stallUs } = sim.outcome("demo")
        yield* Effect.sleep("10 seconds")
        const { pswpin } = (yield* readGroup("demo")).stat
        assert.isAbove(Number(pswpin! - before), 50)
        assert.strictEqual(sim.outcome("demo").stallUs - stallUs, 7 * Number(pswpin! - before))
      })
    )
  })

  it.live("past its limit nothing goes out any more", () => {
    const sim = withGroups({ seed: 1, swapDevice: "zram", zswap: false })
    sim.addWorkload("demo", workload(1000, [idle], { compressibility: quarter }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const fs = yield* KernFs
        yield* fs.write("/sys/block/zram0/mem_limit", String(100 * 1024))
        yield* Effect.sleep("1 second")
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 1000 * 4096 }))
        assert.strictEqual(sim.group("demo").census().onDisk, 100)
        assert.strictEqual((yield* mm).memLimitBytes, 100 * 1024)
      })
    )
  })

  it.live("behind zswap it gets what zswap refuses or writes back", () => {
    const sim = withGroups({ seed: 1, swapDevice: "zram", memTotalBytes: 64 * mib, zswap: { maxPoolPercent: 1 } })
    sim.addWorkload("demo", workload(4000, [idle], { compressibility: mixed }))
    return runOn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 4000 * 4096 }))
        const { stat } = yield* readGroup("demo")
        assert.isAbove(Number(stat.zswpwb), 0)
        assert.isAbove((yield* mm).hugePages!, 0)
        assert.strictEqual((yield* mm).origDataBytes, sim.group("demo").census().onDisk * 4096)
      })
    )
  })

  it.live("a machine whose pages do not compress gains nothing from zram, and runs out of memory", () => {
    const run = (medianRatio: number, incompressibleShare: number) => {
      const sim = withGroups({ seed: 1, swapDevice: "zram", zswap: false, memTotalBytes: 16 * mib })
      sim.addWorkload(
        "demo",
        workload(6000, [idle], { compressibility: { zeroShare: 0, incompressibleShare, medianRatio, ratioSigma: 0 } })
      )
      return runOn(
        sim,
        Effect.gen(function* () {
          yield* Effect.sleep("5 seconds")
          const used = (yield* Effect.flatMap(Cgroups, (cgroups) => cgroups.read("demo", Memcg.memoryCurrent))) + (yield* mm).memUsedBytes
          assert.isAtMost(used, 16 * mib)
          return sim.outcome("demo").oomKilled
        })
      )
    }
    return Effect.gen(function* () {
      assert.isFalse(yield* run(4, 0))
      assert.isTrue(yield* run(1, 1))
    })
  })
})
