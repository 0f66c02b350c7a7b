/** cgroup v2 groups: controllers, limits, statistics, reclaim, processes. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, Result, type Layer } from "effect"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import {
  memoryCurrent,
  memoryEvents,
  memoryHigh,
  memoryLow,
  memoryNumaStat,
  memoryPressure,
  memoryStat,
  memoryWorkingsetRefreshInterval
} from "../Memcg.ts"
import { charge, type ConformanceOptions, makeGroup, scratchName, sleeper } from "./scratch.ts"

const mib = 2 ** 20
const reasonOf = <A, R>(effect: Effect.Effect<A, KernFsError, R>) => Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** Needs a mount with `memory` in the root's `cgroup.subtree_control`; on a real kernel also swap. */
export const testCgroups = <E>(name: string, layer: Layer.Layer<KernFs | Cgroups, E>, options?: ConformanceOptions): void => {
  const scratch = scratchName(options, "cg")
  withLayer(layer, { excludeTestServices: true })(`Cgroups on ${name}`, (it) => {
    it.effect("lists, names and reads groups", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        yield* makeGroup(`${scratch}/a`)
        yield* makeGroup(`${scratch}/b`)
        assert.deepStrictEqual([...(yield* cgroups.children(scratch))].toSorted(), ["a", "b"])
        assert.strictEqual(cgroups.normalize(`${cgroups.path(scratch)}/a/`), `${scratch}/a`)
        assert.strictEqual(cgroups.normalize("/../x"), "x")
        assert.isTrue(yield* cgroups.exists(`/${scratch}/a`))
        assert.isFalse(yield* cgroups.exists(`${scratch}/none`))
        assert.include(yield* cgroups.controllers(scratch), "memory")
        assert.deepStrictEqual(yield* cgroups.enabledControllers(scratch), [])
        assert.deepStrictEqual(yield* cgroups.processes(scratch), [])
      })
    )

    it.effect("subtree_control: unknown is Invalid, unavailable is NotFound, with processes it is Busy", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        const control = (group: string) => cgroups.path(group, "cgroup.subtree_control")
        yield* makeGroup(scratch)
        yield* makeGroup(`${scratch}/a`)
        assert.isFalse(yield* fs.exists(cgroups.path(`${scratch}/a`, "memory.current")))
        assert.strictEqual(yield* reasonOf(fs.write(control(scratch), "+foo")), "Invalid")
        assert.strictEqual(yield* reasonOf(fs.write(control(scratch), "memory")), "Invalid")
        assert.strictEqual(yield* reasonOf(fs.write(control(`${scratch}/a`), "+memory")), "NotFound")
        yield* fs.write(control(scratch), "+memory")
        assert.deepStrictEqual(yield* cgroups.enabledControllers(scratch), ["memory"])
        assert.include(yield* cgroups.controllers(`${scratch}/a`), "memory")
        assert.isTrue(yield* fs.exists(cgroups.path(`${scratch}/a`, "memory.current")))
        yield* fs.write(control(`${scratch}/a`), "+memory")
        assert.strictEqual(yield* reasonOf(fs.write(control(scratch), "-memory")), "Busy")
        yield* fs.write(control(`${scratch}/a`), "-memory")
        yield* sleeper(`${scratch}/a`)
        assert.strictEqual(yield* reasonOf(fs.write(control(`${scratch}/a`), "+memory")), "Busy")
        yield* fs.write(control(scratch), "-memory")
        assert.isFalse(yield* fs.exists(cgroups.path(`${scratch}/a`, "memory.current")))
      })
    )

    it.effect("limits are written, held and read back", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        const held = yield* cgroups.hold(scratch, memoryHigh)
        yield* cgroups.write(scratch, memoryHigh, 100 * mib + 1)
        assert.strictEqual(yield* held.read, 100 * mib)
        yield* cgroups.write(scratch, memoryHigh, "max")
        assert.strictEqual(yield* held.read, "max")
        yield* cgroups.write(scratch, memoryLow, 4095)
        assert.strictEqual(yield* cgroups.read(scratch, memoryLow), 0)
        assert.isUndefined(yield* cgroups.readOptional(scratch, { ...memoryWorkingsetRefreshInterval, file: "memory.wmo_none" }))
      })
    )

    it.effect("statistics can be read", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        const stat = yield* cgroups.read(scratch, memoryStat)
        assert.isNumber(stat.anon)
        assert.isNumber(stat.file)
        assert.strictEqual(typeof stat.pgfault, "bigint")
        assert.strictEqual(typeof (yield* cgroups.read(scratch, memoryEvents))["high"], "bigint")
        assert.isDefined((yield* cgroups.read(scratch, memoryNumaStat))["anon"]?.["N0"])
        assert.isDefined((yield* cgroups.read(scratch, memoryPressure)).some)
        assert.isNumber((yield* cgroups.read("", memoryStat)).anon)
      })
    )

    it.effect(
      "reclaim: met when the memory is there, partial when it is not, Invalid when it makes no sense",
      () =>
        Effect.gen(function* () {
          const fs = yield* KernFs
          const cgroups = yield* Cgroups
          yield* makeGroup(scratch)
          yield* charge(scratch, 64 * mib)
          const before = yield* cgroups.read(scratch, memoryCurrent)
          assert.strictEqual(yield* cgroups.reclaim(scratch, { bytes: 16 * mib }), "met")
          assert.isAtMost(yield* cgroups.read(scratch, memoryCurrent), before - mib)
          assert.strictEqual(yield* cgroups.reclaim(scratch, { bytes: 2 ** 40 }), "partial")
          for (const garbage of ["bogus", "1M frob=1", "1M swappiness=201"]) {
            assert.strictEqual(yield* reasonOf(fs.writeBlocking(cgroups.path(scratch, "memory.reclaim"), garbage)), "Invalid", garbage)
          }
        }),
      120_000
    )

    it.effect("asking whether a reclaim takes swappiness takes nothing, and tells what a request finds", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        yield* charge(scratch, 16 * mib)
        const before = yield* cgroups.read(scratch, memoryCurrent)
        const isTaken = yield* cgroups.reclaimTakesSwappiness(scratch)
        assert.isAtLeast(yield* cgroups.read(scratch, memoryCurrent), before - mib)
        const asked = yield* Effect.result(cgroups.reclaim(scratch, { bytes: mib, swappiness: 200 }))
        assert.strictEqual(Result.isSuccess(asked), isTaken)
      })
    )

    it.effect("processes are listed, and kill empties the group", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        const pid = yield* sleeper(scratch)
        assert.deepStrictEqual(yield* cgroups.processes(scratch), [pid])
        yield* cgroups.kill(scratch)
        for (let tries = 0; tries < 100 && (yield* cgroups.processes(scratch)).length > 0; tries++) yield* Effect.sleep(Duration.millis(50))
        assert.deepStrictEqual(yield* cgroups.processes(scratch), [])
      })
    )
  })
}
