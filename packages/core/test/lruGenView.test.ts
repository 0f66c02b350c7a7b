/** The rows of one group, found without decoding the rest; and a table that many share. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { lruGen, type LruGenMemcg, Mglru } from "../src/index.ts"
import { lruGenView } from "../src/LruGenView.ts"
import { FakeKernel } from "../src/testing.ts"

const encoder = new TextEncoder()
const generation = fc.record({ ageMs: fc.nat(), anonPages: fc.nat(), filePages: fc.nat() })
const node = fc.tuple(fc.nat(7), fc.nat(1000), fc.array(generation, { maxLength: 4 })).map(([number, first, generations]) => ({
  node: number,
  generations: generations.map((each, i) => ({ seq: first + i, ...each }))
}))
/** Names of which one may begin with another, and that are not sorted as their paths are. */
const component = fc.constantFrom("a", "a-b", "a.b", "ab", "b", "memcg", "größe", "!", "~")
const path = fc.array(component, { maxLength: 3 }).map((parts) => `/${parts.join("/")}`)
const table = fc.array(fc.record({ id: fc.nat(5), path, nodes: fc.array(node, { maxLength: 2 }) }), { maxLength: 12 })

const isLiving = (memcg: LruGenMemcg): boolean => memcg.id !== 0 || memcg.path === "/"
const isWithin = (each: string, whole: string): boolean => whole === "/" || each === whole || each.startsWith(`${whole}/`)

describe("a view of lru_gen", () => {
  it("says of every group what the whole table says", () =>
    fc.assert(
      fc.property(table, path, (memcgs, asked) => {
        const bytes = encoder.encode(lruGen.encode(memcgs))
        const view = lruGenView(bytes)
        const living = Result.getOrThrow(lruGen.decode(bytes)).filter(isLiving)
        assert.strictEqual(view.count, living.length)
        assert.deepStrictEqual(Result.getOrThrow(view.all()), living)
        for (const each of [asked, "/", ...living.map((memcg) => memcg.path)]) {
          assert.deepStrictEqual(
            Result.getOrThrow(view.within(each)),
            living.filter((memcg) => isWithin(memcg.path, each))
          )
          assert.deepStrictEqual(
            Result.getOrThrow(view.find(each)),
            living.find((memcg) => memcg.path === each)
          )
        }
      }),
      { seed: 20261121 }
    ))

  it("names the line of the whole table that is broken, where it is asked for", () => {
    const view = lruGenView(
      encoder.encode("memcg     1 /\n node     0\nmemcg     2 /a\n node     0\n     garbage\nmemcg     3 /b\n node     0\n")
    )
    assert.strictEqual(Result.getOrThrow(view.find("/b"))?.id, 3)
    const answers: ReadonlyArray<Result.Result<unknown, Error>> = [view.find("/a"), view.within("/a"), view.all()]
    for (const answer of answers) assert.include(Result.isFailure(answer) ? answer.failure.message : "none", "lru_gen line 5")
    const other = lruGenView(encoder.encode("something else\n"))
    assert.strictEqual(other.count, 0)
    assert.isTrue(Result.isFailure(other.find("/a")))
  })
})

describe("a table that is shared", () => {
  const rows =
    " node     0\n          4       9000         10          0 \n          5       8000         20          5 \n          6          0          1          1 \n"
  it.effect("is read once a while; who has aged a group, or a group below it, reads anew", () => {
    const kernel = new FakeKernel()
    let reads = 0
    kernel.fs.file("/sys/kernel/debug/lru_gen", {
      read: () => {
        reads++
        return `memcg     1 /\n${rows}memcg     2 /a\n${rows}memcg     3 /a/b\n${rows}memcg     4 /c\n${rows}`
      },
      write: () => undefined
    })
    return Effect.gen(function* () {
      const mglru = yield* Mglru
      const readsOf = <A, E>(...effects: ReadonlyArray<Effect.Effect<A, E>>) =>
        Effect.gen(function* () {
          const before = reads
          for (const effect of effects) yield* effect
          return reads - before
        })
      assert.strictEqual(yield* readsOf(mglru.groups("a")), 1)
      assert.strictEqual(yield* readsOf<unknown, unknown>(mglru.groups("a"), mglru.group("c"), mglru.isListing, mglru.table), 0)
      assert.strictEqual(yield* readsOf(mglru.age("a/b")), 0)
      assert.strictEqual(yield* readsOf<unknown, unknown>(mglru.groups("c"), mglru.group("c")), 0)
      assert.strictEqual(yield* readsOf<unknown, unknown>(mglru.groups("a"), mglru.group("a/b")), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* readsOf(mglru.group("c"), mglru.group("a")), 1)
    }).pipe(
      Effect.provide(
        Layer.provide(
          Mglru.layerShared(() => 1000),
          kernel.layer
        )
      )
    )
  })
})
