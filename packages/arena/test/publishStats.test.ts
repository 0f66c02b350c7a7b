/** What an arena publishes can be read by others while it lives, and only then. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { controlArena, none, OffHeap, openArena, publishStats, readPublishedStats } from "../src/index.ts"
import { statsDirectory } from "../src/publishStats.ts"

const runtime = mkdtempSync(join(tmpdir(), "wmo-publish-"))
const before = process.env["XDG_RUNTIME_DIR"]
beforeAll(() => void (process.env["XDG_RUNTIME_DIR"] = runtime))
afterAll(() => {
  if (before === undefined) delete process.env["XDG_RUNTIME_DIR"]
  else process.env["XDG_RUNTIME_DIR"] = before
  rmSync(runtime, { recursive: true, force: true })
})

describe("publishStats", () => {
  it.live("says what the arena holds, until its scope ends", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(readPublishedStats(), [])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const arena = yield* openArena()
          const controller = yield* controlArena(arena, { predictor: none })
          arena.region(2 ** 20).write(0, new Uint8Array(100_000).fill(7))
          yield* publishStats(arena, { controller, everyMs: 5, name: "test" })
          yield* publishStats(arena, { everyMs: 5 })
          yield* Effect.sleep(20)
          const [first, second, ...more] = readPublishedStats().toSorted((a) => (a.name === "test" ? -1 : 1))
          assert.strictEqual(more.length, 0)
          assert.deepStrictEqual([first!.pid, first!.name], [process.pid, "test"])
          assert.strictEqual(first!.stats.logicalBytes, 131_072)
          assert.strictEqual(first!.controller!.regions.length, 1)
          assert.isUndefined(second!.controller)
        })
      )
      assert.deepStrictEqual(readPublishedStats(), [])
      assert.deepStrictEqual(readdirSync(statsDirectory()), [])
    }).pipe(Effect.provide(OffHeap.layer))
  )

  it("passes over what dead programs left, and removes it; and over what is not whole", () => {
    mkdirSync(statsDirectory(), { recursive: true, mode: 0o700 })
    // No process has this number: it is beyond the largest.
    writeFileSync(join(statsDirectory(), "4194305-0.json"), "{}")
    writeFileSync(join(statsDirectory(), `${process.pid}-99.json`), '{"pid":')
    writeFileSync(join(statsDirectory(), "notes.txt"), "")
    assert.deepStrictEqual(readPublishedStats(), [])
    assert.deepStrictEqual(readdirSync(statsDirectory()).toSorted(), [`${process.pid}-99.json`, "notes.txt"].toSorted())
  })

  it("believes no directory that others may write", () => {
    const open = mkdtempSync(join(runtime, "open-"))
    writeFileSync(join(open, `${process.pid}-0.json`), JSON.stringify({ pid: process.pid }))
    assert.strictEqual(readPublishedStats(open).length, 1)
    rmSync(open, { recursive: true })
    mkdirSync(open, { mode: 0o700 })
    writeFileSync(join(open, `${process.pid}-0.json`), JSON.stringify({ pid: process.pid }))
    const mask = process.umask(0)
    const shared = join(runtime, "shared")
    mkdirSync(shared, { mode: 0o777 })
    process.umask(mask)
    writeFileSync(join(shared, `${process.pid}-0.json`), JSON.stringify({ pid: process.pid }))
    assert.deepStrictEqual(readPublishedStats(shared), [])
  })
})
