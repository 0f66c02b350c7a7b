/** The table of generations and its two commands. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { type LruGenCommand, lruGenCommand, type LruGenMemcg } from "../LruGen.ts"
import { Mglru } from "../Mglru.ts"
import { charge, type ConformanceOptions, makeGroup, scratchName } from "./scratch.ts"

const mib = 2 ** 20
const generationsAtMost = 4
const youngest = (memcg: LruGenMemcg | undefined): ReadonlyArray<number> =>
  memcg?.nodes.map(({ generations }) => generations.at(-1)!.seq) ?? []

/** Needs MGLRU switched on and its debugfs file. */
export const testMglru = <E>(name: string, layer: Layer.Layer<KernFs | Cgroups | Mglru, E>, options?: ConformanceOptions): void => {
  const scratch = scratchName(options, "lru")
  withLayer(layer, { excludeTestServices: true })(`Mglru on ${name}`, (it) => {
    it.effect("is on, and its table has the root and the group", () =>
      Effect.gen(function* () {
        const mglru = yield* Mglru
        yield* makeGroup(scratch)
        assert.isTrue(yield* mglru.enabled)
        assert.isDefined(yield* mglru.group("/"))
        const memcg = yield* mglru.group(scratch)
        assert.strictEqual(memcg?.path, `/${scratch}`)
        if (memcg === undefined) return
        assert.isAtLeast(memcg.nodes.length, 1)
        for (const { generations } of memcg.nodes) {
          assert.isAtLeast(generations.length, 2)
          assert.isAtMost(generations.length, generationsAtMost)
        }
        assert.isUndefined(yield* mglru.group(`${scratch}-none`))
      })
    )

    it.effect(
      "age makes one generation on each node, and at most four are kept",
      () =>
        Effect.gen(function* () {
          const mglru = yield* Mglru
          yield* makeGroup(scratch)
          yield* charge(scratch, 32 * mib)
          for (let round = 0; round < generationsAtMost; round++) {
            const before = youngest(yield* mglru.group(scratch))
            yield* mglru.age(scratch, { forceScan: true })
            const after = yield* mglru.group(scratch)
            assert.deepStrictEqual(
              youngest(after),
              before.map((seq) => seq + 1)
            )
            for (const { generations } of after!.nodes) assert.isAtMost(generations.length, generationsAtMost)
          }
          const error = yield* Effect.flip(mglru.age(`${scratch}-none`))
          assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "NotFound")
        }),
      120_000
    )

    it.effect(
      "evict leaves the two youngest alone: the command is Invalid, the service stops short of them",
      () =>
        Effect.gen(function* () {
          const fs = yield* KernFs
          const mglru = yield* Mglru
          const { debug } = yield* KernelRoots
          yield* makeGroup(scratch)
          yield* charge(scratch, 32 * mib)
          yield* mglru.age(scratch)
          const memcg = (yield* mglru.group(scratch))!
          const { generations, node } = memcg.nodes[0]!
          const command = (value: LruGenCommand) =>
            Effect.map(Effect.flip(fs.writeBlocking(`${debug}/lru_gen`, lruGenCommand.encode(value))), (error) => error.reason._tag)
          const max = generations.at(-1)!.seq
          for (const seq of [max - 1, max, max + 1]) {
            assert.strictEqual(yield* command({ _tag: "Evict", memcg: memcg.id, node, seq }), "Invalid")
          }
          assert.strictEqual(yield* command({ _tag: "Age", memcg: memcg.id, node, maxSeq: max + 1 }), "Invalid")
          assert.strictEqual(yield* command({ _tag: "Age", memcg: 65_500, node, maxSeq: max }), "Invalid")
          assert.strictEqual(yield* Effect.map(Effect.flip(fs.writeBlocking(`${debug}/lru_gen`, "bogus")), (e) => e.reason._tag), "Invalid")
          yield* mglru.evict(scratch, { seq: max, pages: 256 })
          assert.isDefined(yield* mglru.group(scratch))
        }),
      120_000
    )
  })
}
