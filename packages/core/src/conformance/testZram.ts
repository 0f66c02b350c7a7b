/** A zram device of the suite's own: made, set up, refused what it cannot take, reset and removed. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { KernFs, type KernelError } from "../KernFs.ts"
import { Zram, zramRatio } from "../zram/Zram.ts"

const mib = 2 ** 20
const reasonOf = <A, R>(effect: Effect.Effect<A, KernelError, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error._tag === "KernFsError" ? error.reason._tag : error.message))

/** Needs the zram module. What its configuration leaves out must be refused, not passed over. */
export const testZram = <E>(name: string, layer: Layer.Layer<KernFs | Zram, E>): void => {
  withLayer(layer, { excludeTestServices: true })(`Zram on ${name}`, (it) => {
    it.effect("hot_add makes a device that is empty, and the scope takes it away", () =>
      Effect.gen(function* () {
        const zram = yield* Zram
        const before = yield* zram.devices
        const made = yield* Effect.scoped(
          Effect.gen(function* () {
            const device = yield* zram.add
            assert.deepStrictEqual(
              yield* zram.devices,
              [...before, device].toSorted((a, b) => a - b)
            )
            const state = yield* zram.read(device)
            assert.strictEqual(state.diskBytes, 0)
            assert.isFalse(state.isInitialized)
            assert.include(state.algorithms.available, state.algorithms.selected!)
            assert.strictEqual(state.mm.origDataBytes, 0)
            assert.strictEqual(state.mm.hugePagesSince, 0)
            assert.strictEqual(state.io.failedWrites, 0n)
            assert.strictEqual(state.debug?.version, 1)
            assert.isAtLeast(state.maxCompStreams!, 1)
            assert.isUndefined(zramRatio(state.mm))
            return device
          })
        )
        assert.deepStrictEqual(yield* zram.devices, before)
        assert.strictEqual(yield* reasonOf(zram.read(made)), "NotFound")
      })
    )

    it.effect("before it has a size, commands on its contents are Invalid and sizes are checked", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const zram = yield* Zram
        const device = yield* zram.add
        assert.strictEqual(yield* reasonOf(zram.compact(device)), "Invalid")
        assert.strictEqual(yield* reasonOf(zram.markIdle(device, "all")), "Invalid")
        for (const size of ["0", "x"]) assert.strictEqual(yield* reasonOf(fs.write(zram.path(device, "disksize"), size)), "Invalid", size)
        assert.strictEqual(yield* reasonOf(zram.setUp(device, { algorithm: "nonsense" })), "Invalid")
        yield* zram.setUp(device, { algorithm: (yield* zram.read(device)).algorithms.selected, memLimitBytes: mib })
        yield* zram.reset(device)
      })
    )

    it.effect("with a size it is set up: size and algorithm are Busy, commands work", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const zram = yield* Zram
        const device = yield* zram.add
        yield* zram.setUp(device, { diskBytes: mib + 1, memLimitBytes: 4 * mib })
        const state = yield* zram.read(device)
        assert.strictEqual(state.diskBytes, mib + 4096)
        assert.isTrue(state.isInitialized)
        assert.strictEqual(state.mm.memLimitBytes, 4 * mib)
        const held = yield* zram.hold(device)
        assert.deepStrictEqual(yield* held.read, state.mm)
        assert.strictEqual(yield* reasonOf(zram.setUp(device, { diskBytes: 2 * mib })), "Busy")
        assert.strictEqual(yield* reasonOf(zram.setUp(device, { algorithm: state.algorithms.selected })), "Busy")
        yield* zram.compact(device)
        yield* zram.resetUsedMax(device)
        assert.strictEqual(yield* reasonOf(fs.write(zram.path(device, "mem_used_max"), "1")), "Invalid")
        assert.strictEqual(yield* reasonOf(fs.write(zram.path(device, "mem_limit"), "x")), "Invalid")
        yield* zram.markIdle(device, "all")
        yield* zram.markIdle(device, { ageSeconds: 10 })
        assert.strictEqual(yield* reasonOf(fs.write(zram.path(device, "idle"), "x")), "Invalid")
        for (const text of ["0", "x"]) assert.strictEqual(yield* reasonOf(fs.write(zram.path(device, "reset"), text)), "Invalid", text)
        yield* zram.reset(device)
        const after = yield* zram.read(device)
        assert.isFalse(after.isInitialized)
        assert.strictEqual(after.mm.memLimitBytes, 0)
      })
    )

    it.effect("writeback: refused without a backing device; its limit is kept", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const zram = yield* Zram
        const device = yield* zram.add
        assert.strictEqual(yield* reasonOf(zram.writeback(device, "idle")), "Invalid")
        yield* zram.setUp(device, { diskBytes: mib, writebackLimitPages: 10 })
        const state = yield* zram.read(device)
        assert.strictEqual(state.backingDevice, "none")
        assert.strictEqual(state.backing?.count, 0n)
        assert.strictEqual(state.writebackLimitPages, 10)
        assert.isTrue(state.isWritebackLimited)
        yield* zram.setUp(device, { writebackLimitPages: "none" })
        assert.isFalse((yield* zram.read(device)).isWritebackLimited)
        for (const what of ["idle", "huge", { pageIndex: 0 }] as const) {
          assert.strictEqual(yield* reasonOf(zram.writeback(device, what)), "NoDevice")
        }
        assert.strictEqual(yield* reasonOf(fs.write(zram.path(device, "writeback"), "bogus")), "Invalid")
        assert.strictEqual(yield* reasonOf(zram.setUp(device, { backingDevice: "/dev/null" })), "Busy")
      })
    )

    it.effect("recompression that the kernel was built without is NotFound", () =>
      Effect.gen(function* () {
        const zram = yield* Zram
        const device = yield* zram.add
        const { recompression } = yield* zram.read(device)
        const asked = reasonOf(zram.recompress(device, { type: "idle" }))
        if (recompression !== undefined) assert.strictEqual(yield* asked, "Invalid")
        else {
          assert.strictEqual(yield* asked, "NotFound")
          const secondary = { recompression: [{ algorithm: "zstd", priority: 1 }] }
          assert.strictEqual(yield* reasonOf(zram.setUp(device, secondary)), "NotFound")
        }
      })
    )

    it.effect("a device in use is Busy, one that is not there NoDevice", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const zram = yield* Zram
        const remove = zram.path(0, "x").replace("/block/zram0/x", "/class/zram-control/hot_remove")
        assert.strictEqual(yield* reasonOf(zram.reset(0)), "Busy")
        assert.strictEqual(yield* reasonOf(fs.write(remove, "0")), "Busy")
        assert.strictEqual(yield* reasonOf(fs.write(remove, "77")), "NoDevice")
        assert.strictEqual(yield* reasonOf(fs.write(remove, "x")), "Invalid")
      })
    )
  })
}
