/** The arithmetic behind the soak's figures. */
import { mkdtempSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { Seeded } from "../campaign/seeded.ts"
import { quantile, theilSen } from "../campaign/guest/theilSen.ts"
import { tickTimes } from "../campaign/guest/tickTimes.ts"

describe("slopes and quantiles", () => {
  it("a slope is that of most points, whatever a few others do", () => {
    const points = Array.from({ length: 30 }, (_, x) => ({ x, y: x % 7 === 3 ? 1000 : 2 * x + 1 }))
    assert.closeTo(theilSen(points), 2, 0.01)
    assert.strictEqual(theilSen([{ x: 1, y: 1 }]), 0)
  })

  it("a quantile is one of the values", () => {
    assert.deepStrictEqual(
      [0, 0.5, 0.99, 1].map((share) => quantile([3, 1, 2], share)),
      [1, 2, 3, 3]
    )
    assert.strictEqual(quantile([], 0.5), 0)
  })
})

describe("times of ticks", () => {
  it("a tick is late by what it is behind its place; places that were missed count", () => {
    const directory = mkdtempSync(join(tmpdir(), "wmo-test-"))
    const database = new DatabaseSync(join(directory, "a.wmo"))
    database.exec(
      "CREATE TABLE run (id, every_ms); CREATE TABLE observation (id INTEGER PRIMARY KEY, run_id, at_ms, missed); INSERT INTO run VALUES (1, 100)"
    )
    const rows = [
      [1000, 0],
      [1130, 0],
      [1405, 2],
      [1500, 0]
    ] as const
    for (const [at, missed] of rows) database.prepare("INSERT INTO observation (run_id, at_ms, missed) VALUES (1, ?, ?)").run(at, missed)
    database.close()
    assert.deepStrictEqual(tickTimes(directory), { runs: 1, ticks: 4, missed: 2, lateMs: [0, 30, 5, 0] })
    rmSync(directory, { recursive: true })
  })
})

describe("seeded choices", () => {
  it("are the same for the same seed and name, and others for others", () => {
    const draw = (seed: number, name: string) =>
      Array.from(
        { length: 20 },
        (
          (s) => () =>
            s.whole(0, 9)
        )(new Seeded(seed).stream(name))
      )
    assert.deepStrictEqual(draw(1, "a"), draw(1, "a"))
    assert.notDeepEqual(draw(1, "a"), draw(2, "a"))
    assert.notDeepEqual(draw(1, "a"), draw(1, "b"))
    assert.sameMembers(
      [
        ...new Set(
          Array.from(
            { length: 200 },
            (
              (s) => () =>
                s.pick([1, 2, 3])
            )(new Seeded(1))
          )
        )
      ],
      [1, 2, 3]
    )
  })
})
