import { assert, describe, it } from "@effect/vitest"
import { anObservation } from "@wmo/policies/testing"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { openRecording, Recorder, RecordingError, type RunStart, summarize } from "../src/index.ts"

const mib = 2 ** 20
const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const start: RunStart = {
  label: "none",
  group: "app",
  policy: "none",
  settings: { cold_age: "10s" },
  kernel: "test",
  clock: "simulated",
  everyMs: 1000,
  dryRun: false,
  startedMs: 1_000_000
}

const at = (second: number, currentBytes: number, stat: object = {}) =>
  anObservation({ atMs: 1_000_000 + second * 1000, usage: { ...anObservation().usage, currentBytes }, stat: { anon: 1, ...stat } })

const written = (file: string) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start(start)
    yield* run.tick({ observation: at(0, 100 * mib, { pgmajfault: 2n ** 60n, workingset_refault_anon: 5n }), reason: "one", outcomes: [] })
    yield* run.tick({
      observation: at(1, 300 * mib, { pgmajfault: 2n ** 60n + 7n, workingset_refault_anon: 8n, unknown: { brand_new: 3n } }),
      reason: "two",
      outcomes: [
        {
          asked: { _tag: "Reclaim", bytes: 5 },
          allowed: undefined,
          status: "refused",
          reclaimedBytes: undefined,
          tookMs: 0,
          detail: "floor"
        }
      ]
    })
    yield* run.tick({
      observation: at(3, 300 * mib, { pgmajfault: 2n ** 60n + 9n, workingset_refault_anon: 8n }),
      reason: "three",
      outcomes: []
    })
    yield* run.end({ endedMs: 1_003_000, exitCode: 0, missedTicks: 1, result: { operations_per_second: 50 } })
  }).pipe(Effect.provide(Recorder.layerFile(file)))

describe("recording", () => {
  it.effect("gives back what was written, counters beyond 2^53 included", () =>
    Effect.gen(function* () {
      const file = join(scratch, "a.wmo")
      yield* written(file)
      const recording = yield* openRecording(file)
      const run = (yield* recording.runs)[0]!
      assert.deepStrictEqual([run.label, run.settings, run.exitCode, run.missedTicks], ["none", { cold_age: "10s" }, 0, 1])
      const rows = yield* recording.observations(run.id)
      assert.strictEqual(rows[0]!["memory_stat_pgmajfault"], 2n ** 60n)
      assert.notProperty(rows[0], "memory_high_bytes")
      assert.strictEqual(rows[1]!["memory_stat_brand_new"], 3)
      assert.notProperty(rows[2], "memory_stat_brand_new")
      assert.deepStrictEqual(
        (yield* recording.decisions(run.id)).map(({ reason }) => reason),
        ["one", "two", "three"]
      )
      assert.strictEqual((yield* recording.actions(run.id))[0]!.detail, "floor")
    }).pipe(Effect.scoped)
  )

  it.effect("means are weighted by time, counters are differences, peaks are peaks", () =>
    Effect.gen(function* () {
      const file = join(scratch, "b.wmo")
      yield* written(file)
      const recording = yield* openRecording(file)
      const run = (yield* recording.runs)[0]!
      const rows = yield* recording.observations(run.id)
      const whole = summarize(run, rows, yield* recording.actions(run.id))
      // 1 s rising from 100 to 300 MiB, then 2 s at 300 MiB.
      assert.strictEqual(whole.memory_current_bytes.mean, Math.round((200 * mib + 2 * 300 * mib) / 3))
      assert.strictEqual(whole.memory_current_bytes.peak, 300 * mib)
      assert.strictEqual(whole.duration_seconds, 3)
      assert.strictEqual(whole.major_faults, 9)
      assert.strictEqual(whole.refaults, 3)
      assert.deepStrictEqual(whole.actions, { refused: 1 })
      assert.strictEqual(whole.operations_per_second, 50)
      const counted = { ...run, result: { operations_per_second: 50, measured_from_ms: 1_000_000, operations_by_second: [10, 20, 40] } }
      assert.strictEqual(summarize(counted, rows, [], { from: 0.3, to: 1 }).operations_per_second, 30)
      assert.strictEqual(summarize(counted, rows, []).operations_per_second, 70 / 3)
      const end = summarize(run, rows, [], { from: 0.3, to: 1 })
      assert.strictEqual(end.memory_current_bytes.mean, 300 * mib)
    }).pipe(Effect.scoped)
  )

  it.effect("refuses, in one line, what it cannot open or would overwrite", () =>
    Effect.gen(function* () {
      const text = join(scratch, "text.wmo")
      writeFileSync(text, "hello")
      const problem = (file: string) => Effect.map(Effect.flip(Effect.scoped(openRecording(file))), ({ message }) => message)
      assert.include(yield* problem(text), "is not a wmo recording")
      assert.include(yield* problem(join(scratch, "missing.wmo")), "there is no such file")
      const error = yield* Effect.flip(Effect.provide(Recorder, Recorder.layerFile(text)))
      assert.instanceOf(error, RecordingError)
      assert.include(error.message, "exists")
      const nowhere = yield* Effect.flip(Effect.provide(Recorder, Recorder.layerFile(join(scratch, "no/such/place.wmo"))))
      assert.include(nowhere.message, "there is no directory")
    })
  )
})
