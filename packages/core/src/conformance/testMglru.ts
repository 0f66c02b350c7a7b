/** The table of generations and its two commands. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { Machine } from "../Machine.ts"
import { type LruGenCommand, lruGenCommand, type LruGenMemcg } from "../LruGen.ts"
import { Mglru } from "../Mglru.ts"
import { charge, type ConformanceOptions, makeGroup, scratchName } from "./scratch.ts"

const mib = 2 ** 20
const generationsAtMost = 4
const youngest = (memcg: LruGenMemcg | undefined): ReadonlyArray<number> =>
  memcg?.nodes.map(({ generations }) => generations.at(-1)!.seq) ?? []

/** Switches MGLRU on until the scope closes: Debian's 6.1 has it, switched off. */
const switchedOn = Effect.gen(function* () {
  const fs = yield* KernFs
  const mglru = yield* Mglru
  const was = (yield* mglru.enabledBits) ?? 0
  const write = (text: string) => fs.writeBlocking(mglru.settingPath("enabled"), text)
  yield* Effect.acquireRelease(write("y"), () => Effect.ignore(write(String(was))))
})

/** Needs a kernel with MGLRU, and its debugfs file. */
export const testMglru = <E>(
  name: string,
  layer: Layer.Layer<KernFs | Cgroups | Machine | Mglru, E>,
  options?: ConformanceOptions
): void => {
  const scratch = scratchName(options, "lru")
  withLayer(layer, { excludeTestServices: true })(`Mglru on ${name}`, (it) => {
    it.effect("is on, and its table has the root and the group", () =>
      Effect.gen(function* () {
        const mglru = yield* Mglru
        yield* switchedOn
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
        const full = (yield* mglru.full).find(({ path }) => path === `/${scratch}`)
        assert.deepStrictEqual(
          full?.nodes.map(({ generations, node }) => [node, ...generations.map(({ seq }) => seq)]),
          memcg.nodes.map(({ generations, node }) => [node, ...generations.map(({ seq }) => seq)])
        )
        for (const { generations } of full!.nodes) for (const { tiers } of generations) assert.lengthOf(tiers, 4)
      })
    )

    it.effect(
      "age makes one generation on each node, and at most four are kept",
      () =>
        Effect.gen(function* () {
          const mglru = yield* Mglru
          yield* switchedOn
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
          yield* switchedOn
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

    it.effect("its switches: a mask or y and n; a protected age in whole jiffies", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const mglru = yield* Mglru
        const was = { bits: (yield* mglru.enabledBits)!, minTtlMs: (yield* mglru.minTtlMs)! }
        const write = (name: "enabled" | "min_ttl_ms", value: string | number) => fs.write(mglru.settingPath(name), String(value))
        yield* Effect.addFinalizer(() => Effect.ignore(Effect.andThen(write("enabled", was.bits), write("min_ttl_ms", was.minTtlMs))))
        const masks: ReadonlyArray<readonly [text: string, bits: number]> = [
          ["n", 0],
          ["1", 1],
          ["0x0003", 3],
          ["9", 1],
          ["y", 7]
        ]
        for (const [text, bits] of masks) {
          yield* write("enabled", text)
          assert.strictEqual(yield* mglru.enabledBits, bits, text)
          assert.strictEqual(yield* mglru.enabled, (bits & 1) === 1, text)
        }
        yield* write("min_ttl_ms", 5)
        // 4 ms with CONFIG_HZ=250, rounded up.
        assert.strictEqual(yield* mglru.minTtlMs, 8)
        for (const [name, text] of [
          ["enabled", "x"],
          ["min_ttl_ms", "x"],
          ["min_ttl_ms", "-1"]
        ] as const) {
          assert.strictEqual(yield* Effect.map(Effect.flip(write(name, text)), ({ reason }) => reason._tag), "Invalid", `${text} > ${name}`)
        }
      })
    )

    it.effect("a node is reclaimed from where the kernel can (6.18), else NotFound", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const machine = yield* Machine
        const { sys } = yield* KernelRoots
        const [node] = yield* machine.nodes
        assert.isDefined(node)
        const reclaim = Effect.result(machine.reclaimNode(node!, { bytes: 2 ** 20 }))
        const result = yield* reclaim
        const can = yield* fs.exists(`${sys}/devices/system/node/node${node}/reclaim`)
        if (can) assert.strictEqual(result._tag, "Success")
        else assert.strictEqual(result._tag === "Failure" && result.failure.reason._tag, "NotFound")
      })
    )
  })
}
