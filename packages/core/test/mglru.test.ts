/** What the Mglru service makes of tables that are out of the ordinary. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Mglru } from "../src/index.ts"
import { FakeKernel } from "../src/testing.ts"

const rows =
  " node     0\n          4       9000         10          0 \n          5       8000         20          5 \n          6          0          1          1 \n          7          0          1          1 \n"

const withTable = (table: string) => {
  const kernel = new FakeKernel()
  kernel.fs.file("/sys/kernel/debug/lru_gen", { read: () => table, write: () => undefined })
  return kernel
}

describe("Mglru", () => {
  it.effect("finds the living group, not the removed one of the same path (regression, seen on 6.12: commands went to memcg 0)", () => {
    const kernel = withTable(`memcg     1 /\n${rows}memcg     0 /app\n${rows}memcg    51 /app\n${rows}`)
    return Effect.gen(function* () {
      const mglru = yield* Mglru
      assert.strictEqual((yield* mglru.group("app"))?.id, 51)
      yield* mglru.age("app")
      assert.deepStrictEqual(
        kernel.fs.writes.map(({ text }) => text),
        ["+ 51 0 7"]
      )
    }).pipe(Effect.provide(kernel.layer))
  })

  it.effect("evict spends its pages once, not once a node (regression)", () => {
    const kernel = withTable(`memcg    51 /app\n${rows}${rows.replace("node     0", "node     1")}`)
    return Effect.gen(function* () {
      const mglru = yield* Mglru
      yield* mglru.evict("app", { seq: 99, pages: 40, swappiness: "max" })
      assert.deepStrictEqual(
        kernel.fs.writes.map(({ text }) => text),
        ["- 51 0 5 max 35", "- 51 1 5 max 5"]
      )
    }).pipe(Effect.provide(kernel.layer))
  })
})
