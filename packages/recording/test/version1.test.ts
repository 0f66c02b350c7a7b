/** Recordings of schema version 1, as the wmo of that time made them, read as they are; other versions are refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll } from "vitest"
import { openRecording, summarize } from "../src/index.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-v1-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Literally the tables of version 1, with the columns that matter here. */
const version1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run (
  id INTEGER PRIMARY KEY, label TEXT NOT NULL, "group" TEXT NOT NULL, policy TEXT NOT NULL, settings TEXT NOT NULL,
  kernel TEXT NOT NULL, clock TEXT NOT NULL, command TEXT, every_ms REAL NOT NULL, dry_run INTEGER NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER, exit_code INTEGER, missed_ticks INTEGER, result TEXT
);
CREATE TABLE observation (
  run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, memory_current_bytes INTEGER, memory_high_bytes INTEGER, memory_pressure_some_us INTEGER,
  memory_events_high INTEGER, memory_stat_pgmajfault INTEGER, memory_stat_workingset_refault_anon INTEGER, memory_stat_unknown TEXT,
  PRIMARY KEY (run_id, at_ms)
) WITHOUT ROWID;
CREATE TABLE page_age (
  run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, lower_ms INTEGER NOT NULL, upper_ms INTEGER,
  source TEXT NOT NULL, anon_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL, PRIMARY KEY (run_id, at_ms, lower_ms)
) WITHOUT ROWID;
CREATE TABLE decision (run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (run_id, at_ms)) WITHOUT ROWID;
CREATE TABLE action (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  asked TEXT NOT NULL, allowed TEXT, status TEXT NOT NULL, reclaimed_bytes INTEGER, took_ms REAL NOT NULL, detail TEXT
);
INSERT INTO meta VALUES ('schema_version', '1'), ('created_by', 'wmo');
INSERT INTO run VALUES (1, 'none', 'app', 'none', '{"cold_age":"10s"}', '6.12', 'real', 'make', 1000, 0, 5000, 8000, 0, 1, '{"operations_per_second":50}');
INSERT INTO run VALUES (2, 'periodic', 'app', 'periodic', '{}', '6.12', 'real', NULL, 1000, 0, 9000, NULL, NULL, NULL, NULL);
INSERT INTO observation VALUES (1, 5000, 100, NULL, 0, 2, 1152921504606846976, 5, NULL);
INSERT INTO observation VALUES (1, 6000, 300, 400, 1000, 2, 1152921504606846983, 8, '{"brand_new":"3"}');
INSERT INTO observation VALUES (1, 8000, 300, 400, 3000, 2, 1152921504606846985, 8, NULL);
INSERT INTO page_age VALUES (1, 5000, 0, 1000, 'mglru', 1, 2), (1, 5000, 1000, NULL, 'mglru', 3, 4), (1, 6000, 0, NULL, 'mglru', 5, 6);
INSERT INTO decision VALUES (1, 5000, 'one'), (1, 6000, 'two');
INSERT INTO action VALUES (1, 1, 6000, '{"_tag":"Reclaim","bytes":5}', NULL, 'refused', NULL, 0, 'floor');
`

const made = (name: string, sql: string): string => {
  const file = join(scratch, name)
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
  return file
}

describe("version 1", () => {
  it.effect("reads as it was, and stays as it is", () =>
    Effect.gen(function* () {
      const file = made("old.wmo", version1)
      const digest = () => createHash("sha256").update(readFileSync(file)).digest("hex")
      const before = digest()
      const recording = yield* openRecording(file)
      const [first, second] = yield* recording.runs
      assert.deepStrictEqual(
        [first!.label, first!.settings, first!.exitCode, first!.result],
        ["none", { cold_age: "10s" }, 0, { operations_per_second: 50 }]
      )
      assert.deepStrictEqual([second!.id, second!.endedMs, second!.command], [2, undefined, undefined])
      const rows = yield* recording.observations(1)
      assert.deepStrictEqual(rows[0], {
        at_ms: 5000,
        memory_current_bytes: 100,
        memory_pressure_some_us: 0,
        memory_events_high: 2,
        memory_stat_pgmajfault: 2n ** 60n,
        memory_stat_workingset_refault_anon: 5
      })
      assert.strictEqual(rows[1]!["memory_stat_brand_new"], 3)
      assert.notProperty(rows[2], "memory_stat_brand_new")
      const summary = summarize(first!, rows, yield* recording.actions(1))
      assert.strictEqual(summary.memory_current_bytes.mean, Math.round((200 + 600) / 3))
      assert.strictEqual(summary.major_faults, 9)
      assert.strictEqual(summary.psi_some_us, 3000)
      assert.deepStrictEqual(summary.actions, { refused: 1 })
      assert.deepStrictEqual(
        (yield* recording.decisions(1)).map(({ reason }) => reason),
        ["one", "two"]
      )
      const ages = yield* Stream.runCollect(recording.entries(1, "pageAges"))
      assert.deepStrictEqual(
        ages.map(({ atMs, pageAge }) => [atMs, pageAge.bins.map(({ lowerMs, upperMs }) => [lowerMs, upperMs])]),
        [
          [
            5000,
            [
              [0, 1000],
              [1000, Infinity]
            ]
          ],
          [6000, [[0, Infinity]]]
        ]
      )
      assert.strictEqual((yield* Stream.runCollect(recording.replay(1)))[1]!.usage.high, 400)
      assert.deepStrictEqual(yield* recording.observations(2), [])
      assert.strictEqual(digest(), before)
    }).pipe(Effect.scoped)
  )

  it.effect.each([
    [
      "newer",
      "CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('schema_version', '3')",
      /schema version 3, this wmo reads up to 2; use/
    ],
    ["odd", "CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('schema_version', 'x')", /is not a wmo recording/],
    ["empty", "CREATE TABLE meta (key, value)", /is not a wmo recording/],
    ["other", "CREATE TABLE meta (name)", /is not a wmo recording/],
    ["torn", "CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('schema_version', '1')", /is not a wmo recording/]
  ] as const)("%s: refused in one line", ([name, sql, line]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(openRecording(made(`${name}.wmo`, sql))))
      assert.match(error.message, line)
      assert.notInclude(error.message, "\n")
    })
  )
})
