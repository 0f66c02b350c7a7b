/** How pseudo-files answer, whatever stands behind them. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { memoryCurrent, memoryHigh, memoryPressure } from "../Memcg.ts"
import { type ConformanceOptions, makeGroup, scratchName, sleeper } from "./scratch.ts"

const reasonOf = <A, R>(effect: Effect.Effect<A, KernFsError, R>) => Effect.map(Effect.flip(effect), (error) => error.reason._tag)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Needs a mount with `memory` in the root's `cgroup.subtree_control`. */
export const testKernFs = <E>(name: string, layer: Layer.Layer<KernFs | Cgroups, E>, options?: ConformanceOptions): void => {
  const scratch = scratchName(options, "fs")
  withLayer(layer, { excludeTestServices: true })(`KernFs on ${name}`, (it) => {
    it.effect("mkdir grows files, and rmdir takes them away", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const path = (yield* Cgroups).path(scratch)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* makeGroup(scratch)
            const files = yield* fs.list(path)
            for (const file of [
              "cgroup.procs",
              "cgroup.subtree_control",
              "memory.current",
              "memory.high",
              "memory.reclaim",
              "memory.pressure"
            ]) {
              assert.include(files, file)
            }
            assert.strictEqual(yield* reasonOf(fs.mkdir(path)), "Exists")
          })
        )
        assert.isFalse(yield* fs.exists(path))
      })
    )

    it.effect("limits are rounded down to pages, take suffixes, and a shorter write leaves no tail", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const high = (yield* Cgroups).path(yield* makeGroup(scratch), "memory.high")
        const written: ReadonlyArray<readonly [string, string]> = [
          ["max", "max\n"],
          ["1073741824", "1073741824\n"],
          ["1073741823", "1073737728\n"],
          ["64M", "67108864\n"],
          ["0", "0\n"],
          ["max", "max\n"]
        ]
        for (const [value, expected] of written) {
          yield* fs.writeBlocking(high, value)
          assert.strictEqual(text(yield* fs.read(high)), expected)
          yield* fs.write(high, value)
          assert.strictEqual(text(yield* fs.read(high)), expected)
        }
      })
    )

    it.effect("garbage is Invalid and changes nothing", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const high = (yield* Cgroups).path(yield* makeGroup(scratch), "memory.high")
        yield* fs.write(high, "64M")
        for (const garbage of ["bogus", "64 M", "-1", "64Mx"]) {
          assert.strictEqual(yield* reasonOf(fs.write(high, garbage)), "Invalid", garbage)
          assert.strictEqual(yield* reasonOf(fs.writeBlocking(high, garbage)), "Invalid", garbage)
        }
        assert.strictEqual(text(yield* fs.read(high)), "67108864\n")
      })
    )

    it.effect("what is not there is NotFound; what may not be read or written is refused", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { path } = yield* Cgroups
        yield* makeGroup(scratch)
        assert.strictEqual(yield* reasonOf(fs.read(path(scratch, "memory.none"))), "NotFound")
        assert.strictEqual(yield* reasonOf(fs.write(path(scratch, "memory.none"), "1")), "NotFound")
        assert.strictEqual(yield* reasonOf(fs.mkdir(path(`${scratch}/none/child`))), "NotFound")
        assert.strictEqual(yield* reasonOf(fs.rmdir(path(`${scratch}/none`))), "NotFound")
        // Root passes the mode, and then the file has no such operation.
        assert.include(["PermissionDenied", "Invalid"], yield* reasonOf(fs.read(path(scratch, "memory.reclaim"))))
        assert.include(["PermissionDenied", "Invalid"], yield* reasonOf(fs.write(path(scratch, "memory.current"), "1")))
      })
    )

    it.effect("a held descriptor sees what is written, and is NoDevice after rmdir", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { path } = yield* Cgroups
        const group = path(scratch)
        yield* fs.mkdir(group)
        const high = yield* fs.hold(`${group}/memory.high`, memoryHigh)
        const current = yield* fs.hold(`${group}/memory.current`, memoryCurrent)
        assert.strictEqual(yield* high.read, "max")
        yield* fs.write(`${group}/memory.high`, "64M")
        assert.strictEqual(yield* high.read, 64 * 2 ** 20)
        assert.isAtLeast(yield* current.read, 0)
        yield* fs.rmdir(group)
        const error = yield* Effect.flip(current.read)
        assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "NoDevice")
      })
    )

    it.effect("rmdir is Busy while there are children or processes", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { path } = yield* Cgroups
        yield* makeGroup(scratch)
        yield* fs.mkdir(path(`${scratch}/child`))
        assert.strictEqual(yield* reasonOf(fs.rmdir(path(scratch))), "Busy")
        yield* fs.rmdir(path(`${scratch}/child`))
        yield* sleeper(scratch)
        assert.strictEqual(yield* reasonOf(fs.rmdir(path(scratch))), "Busy")
      })
    )

    it.effect("pressure can be read, of the group and of the root", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { path } = yield* Cgroups
        yield* makeGroup(scratch)
        for (const group of [scratch, ""]) {
          const stall = yield* fs.decode(path(group, "memory.pressure"), memoryPressure)
          assert.isDefined(stall.some)
          assert.isDefined(stall.full)
        }
      })
    )
  })
}
