/** zswap's parameters and counters, and what happens to values that make no sense. Puts back every parameter that it touches. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { Zswap, type ZswapParameters, zswapRatio } from "../Zswap.ts"

const reasonOf = <A, R>(effect: Effect.Effect<A, KernFsError, R>) => Effect.map(Effect.flip(effect), (error) => error.reason._tag)
const print = (value: string | number | boolean) => (typeof value === "boolean" ? (value ? "Y" : "N") : String(value))

/** Needs zswap in the kernel, and debugfs. */
export const testZswap = <E>(name: string, layer: Layer.Layer<KernFs | Zswap, E>): void => {
  /** The parameter as it was, after the scope. */
  const keeping = (parameter: keyof ZswapParameters) =>
    Effect.acquireRelease(
      Effect.flatMap(Zswap, (zswap) => Effect.map(zswap.parameters, (all) => all[parameter])),
      (was) =>
        Effect.gen(function* () {
          if (was !== undefined) yield* Effect.ignore((yield* KernFs).write((yield* Zswap).parameterPath(parameter), print(was)))
        })
    )
  const writing = (parameter: keyof ZswapParameters, text: string) =>
    Effect.gen(function* () {
      yield* (yield* KernFs).write((yield* Zswap).parameterPath(parameter), text)
    })

  withLayer(layer, { excludeTestServices: true })(`Zswap on ${name}`, (it) => {
    it.effect("parameters are there, those of other kernels undefined", () =>
      Effect.gen(function* () {
        const zswap = yield* Zswap
        const all = yield* zswap.parameters
        assert.isBoolean(all.enabled)
        assert.isString(all.compressor)
        assert.isNumber(all.maxPoolPercent)
        assert.isNumber(all.acceptThresholdPercent)
        // The shrinker (6.8) came when the switches of same-filled pages went.
        assert.strictEqual(all.shrinkerEnabled === undefined, all.sameFilledPagesEnabled !== undefined)
        assert.strictEqual(all.sameFilledPagesEnabled === undefined, all.nonSameFilledPagesEnabled === undefined)
      })
    )

    it.effect("counters are there, and the pool's ratio makes sense", () =>
      Effect.gen(function* () {
        const zswap = yield* Zswap
        const stats = yield* zswap.stats
        assert.isNumber(stats.poolTotalBytes)
        assert.isNumber(stats.storedPages)
        assert.isNumber(stats.poolLimitHit)
        assert.isNumber(stats.rejectCompressPoor)
        assert.isNumber(stats.writtenBackPages)
        // `reject_compress_fail` (6.8) came when `duplicate_entry` went.
        assert.strictEqual(stats.rejectCompressFail === undefined, stats.duplicateEntry !== undefined)
        assert.isUndefined(stats.storedIncompressiblePages)
        const ratio = zswapRatio(stats)
        if (stats.poolTotalBytes === 0) assert.isUndefined(ratio)
        else assert.isAbove(ratio!, 0)
        assert.deepStrictEqual(Object.keys(yield* zswap.pool).toSorted(), ["storedPages", "totalBytes"])
      })
    )

    it.effect("an unknown compressor or zpool is NotFound, and changes nothing", () =>
      Effect.gen(function* () {
        const zswap = yield* Zswap
        const before = yield* zswap.parameters
        for (const text of ["nonsense", "lz4 lzo", "x".repeat(70)]) {
          assert.strictEqual(yield* reasonOf(writing("compressor", text)), "NotFound", text)
        }
        assert.strictEqual(yield* reasonOf(writing("zpool", "nonsense")), "NotFound")
        assert.deepStrictEqual(yield* zswap.parameters, before)
        yield* writing("compressor", before.compressor!)
        assert.deepStrictEqual(yield* zswap.parameters, before)
      })
    )

    it.effect("switches take what kstrtobool takes, numbers are 32 bits without a range", () =>
      Effect.gen(function* () {
        const zswap = yield* Zswap
        yield* keeping("enabled")
        yield* keeping("maxPoolPercent")
        const switches: ReadonlyArray<readonly [text: string, isOn: boolean]> = [
          ["off", false],
          ["on", true],
          ["N", false],
          ["true", true],
          ["0", false],
          ["1", true]
        ]
        for (const [text, isOn] of switches) {
          yield* writing("enabled", text)
          assert.strictEqual((yield* zswap.parameters).enabled, isOn, text)
        }
        for (const text of ["2", "x"]) assert.strictEqual(yield* reasonOf(writing("enabled", text)), "Invalid", text)
        const numbers: ReadonlyArray<readonly [text: string, value: number]> = [
          ["1000", 1000],
          ["0x14", 20],
          ["25\n", 25]
        ]
        for (const [text, value] of numbers) {
          yield* writing("maxPoolPercent", text)
          assert.strictEqual((yield* zswap.parameters).maxPoolPercent, value, text)
        }
        for (const text of ["-1", "x", " 20"]) assert.strictEqual(yield* reasonOf(writing("maxPoolPercent", text)), "Invalid", text)
        assert.strictEqual(yield* reasonOf(writing("maxPoolPercent", "4294967296")), "OutOfRange")
        assert.strictEqual((yield* zswap.parameters).maxPoolPercent, 25)
      })
    )

    it.effect("a parameter that this kernel lacks is NotFound", () =>
      Effect.gen(function* () {
        const all = yield* (yield* Zswap).parameters
        for (const parameter of ["shrinkerEnabled", "sameFilledPagesEnabled", "exclusiveLoads"] as const) {
          if (all[parameter] === undefined) assert.strictEqual(yield* reasonOf(writing(parameter, "Y")), "NotFound", parameter)
          else assert.strictEqual(yield* reasonOf(writing(parameter, "2")), "Invalid", parameter)
        }
      })
    )
  })
}
