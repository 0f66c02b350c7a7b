/** A daemon's directory: files by time and size, retention by age and size, what is never removed, and reading all as one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll } from "vitest"
import { openRecordings, Recorder, type RotationOptions } from "../src/index.ts"
import { isInUse, nameAt, timeOf } from "../src/recordingFiles.ts"
import { RecordingWriter } from "../src/RecordingWriter.ts"
import { knownSnapshot, knownStart, knownValues } from "./fixtures/knownSnapshots.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-rotation-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let directories = 0
const freshDirectory = () => {
  const directory = join(scratch, `d${directories++}`)
  mkdirSync(directory)
  return directory
}

const subjects = 4
const day = Date.UTC(2026, 10, 21)
const ours = (directory: string) => readdirSync(directory).filter((name) => timeOf(name) !== undefined)

/** Seconds `from` to `to` of a run, a snapshot each. */
const record = (options: RotationOptions, from: number, to: number, onSnapshot: () => void = () => undefined) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start({ ...knownStart, startedMs: day + from * 1000 })
    for (let n = from; n < to; n++) {
      yield* run.snapshot({ ...knownSnapshot(n, subjects), atMs: day + n * 1000, missedTicks: n % 7 === 3 ? 1 : 0 })
      onSnapshot()
    }
    yield* run.end({ endedMs: day + to * 1000, missedTicks: 5 })
  }).pipe(Effect.provide(Recorder.layerDirectory(options)))

const secondsIn = (directory: string, runId: number) =>
  Effect.gen(function* () {
    const recording = yield* openRecordings(directory)
    const frames = yield* Stream.runCollect(recording.frames(runId))
    for (const { atMs, points } of frames) {
      const n = (atMs - day) / 1000
      for (const { subject, values } of points) assert.deepStrictEqual(values, knownValues(n, Number(subject.name.slice(1))))
      assert.strictEqual(points.length, subjects)
    }
    return frames.map(({ atMs }) => (atMs - day) / 1000)
  }).pipe(Effect.scoped)

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe("a directory of recordings", () => {
  it("names sort as their times do", () => {
    const times = [0, 1, 999, 1000, day, day + 5, day + 86_400_000]
    assert.deepStrictEqual(
      times.map((time) => nameAt(time)).toSorted(),
      times.map((time) => nameAt(time))
    )
    for (const time of times) {
      assert.strictEqual(timeOf(nameAt(time)), time)
      assert.strictEqual(timeOf(nameAt(time, 2)), time)
    }
    for (const name of ["a.wmo", "2026-11-21.wmo", "2026-11-21T00-00-00.000Z.wmo-wal", ".2026-11-21T00-00-00.000Z.wmo"]) {
      assert.strictEqual(timeOf(name), undefined)
    }
  })

  it.effect("a new file every while; all together are one run", () =>
    Effect.gen(function* () {
      const directory = freshDirectory()
      yield* record({ directory, fileMs: 10_000 }, 0, 95)
      assert.deepStrictEqual(
        readdirSync(directory),
        range(0, 10).map((i) => nameAt(day + i * 10_000))
      )
      assert.deepStrictEqual(yield* secondsIn(directory, 1), range(0, 95))
      const recording = yield* openRecordings(directory)
      const runs = yield* recording.runs
      assert.strictEqual(runs.length, 1)
      assert.deepStrictEqual([runs[0]!.startedMs, runs[0]!.endedMs, runs[0]!.missedTicks], [day, day + 95_000, 5])
      assert.deepStrictEqual(
        (yield* recording.subjects(1)).map(({ firstMs, lastMs, name }) => [name, firstMs, lastMs]),
        range(0, subjects).map((s) => [`g${s}`, day, day + 94_000])
      )
      assert.strictEqual((yield* recording.missed(1)).length, range(0, 95).filter((n) => n % 7 === 3).length)
      assert.strictEqual((yield* recording.decisions(1)).length, 95)
    }).pipe(Effect.scoped)
  )

  it.effect("old files go by age; a daemon that starts again goes on beside what is there", () =>
    Effect.gen(function* () {
      const directory = freshDirectory()
      yield* record({ directory, fileMs: 10_000, maxAgeMs: 30_000 }, 0, 60)
      // At 50 s a new file began; those that ended before 20 s are gone.
      assert.deepStrictEqual(
        ours(directory),
        [10, 20, 30, 40, 50].map((second) => nameAt(day + second * 1000))
      )
      yield* record({ directory, fileMs: 10_000, maxAgeMs: 30_000 }, 60, 75)
      assert.deepStrictEqual(yield* secondsIn(directory, 1), range(30, 60))
      assert.deepStrictEqual(yield* secondsIn(directory, 2), range(60, 75))
    })
  )

  it.effect("old files go by size, and none grows beyond its own", () =>
    Effect.gen(function* () {
      const directory = freshDirectory()
      const maxBytes = 640_000
      let most = 0
      yield* record({ directory, maxBytes, fileBytes: 131_072 }, 0, 6000, () => {
        const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size)
        most = Math.max(
          most,
          sizes.reduce((sum, size) => sum + size, 0)
        )
      })
      const names = ours(directory)
      assert.isAtLeast(names.length, 3)
      assert.isAtMost(most, maxBytes)
      for (const name of names) assert.isAtMost(statSync(join(directory, name)).size, 150_000)
      const seen = yield* secondsIn(directory, 1)
      assert.deepStrictEqual(seen, range(seen[0]!, 6000))
      assert.isAbove(seen[0]!, 0)
    })
  )

  it.effect.each([
    ["removed", (file: string) => rmSync(file), 30],
    ["replaced", (file: string) => (rmSync(file), writeFileSync(file, "")), 30],
    ["cut off", (file: string) => truncateSync(file, 5000), 30],
    ["set back in time", () => undefined, -100]
  ] as const)(
    "a file that was %s is not written to any more: the next snapshot begins another, and the end is no bug",
    ([, spoil, later]) =>
      Effect.gen(function* () {
        const directory = freshDirectory()
        yield* Effect.gen(function* () {
          const run = yield* (yield* Recorder).start({ ...knownStart, startedMs: day })
          const write = (n: number) => run.snapshot({ ...knownSnapshot(n, subjects), atMs: day + n * 1000 })
          yield* write(0)
          const [first] = ours(directory)
          spoil(join(directory, first!))
          yield* write(later)
          yield* write(later + 1)
          const second = ours(directory).find((name) => name !== first)
          const rows = (yield* Effect.acquireUseRelease(
            Effect.sync(() => new DatabaseSync(join(directory, second!), { readOnly: true })),
            (database) => Effect.sync(() => database.prepare("SELECT at_ms FROM observation").all()),
            (database) => Effect.sync(() => database.close())
          )).map((row) => row["at_ms"])
          assert.deepStrictEqual(rows, [day + later * 1000, day + (later + 1) * 1000])
        }).pipe(Effect.provide(Recorder.layerDirectory({ directory, fileMs: 60_000 })))
      })
  )

  it.effect("what is not ours, not a recording, or in use stays", () =>
    Effect.gen(function* () {
      const directory = freshDirectory()
      const at = (second: number) => join(directory, nameAt(day + second * 1000))
      const keep = [join(directory, "notes.txt"), join(directory, "mine.wmo"), at(-100), at(-90), at(-80)]
      writeFileSync(keep[0]!, "hello")
      new RecordingWriter(keep[1]!).close()
      writeFileSync(keep[2]!, "not a recording, whatever it is called")
      new DatabaseSync(keep[3]!).exec("CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('created_by', 'somebody')")
      // This process writes it, and lives.
      const other = new RecordingWriter(keep[4]!)
      assert.isTrue(isInUse(keep[4]!))
      // A writer that was killed: its file as it was, log included.
      other.start(knownStart, "killed", 0).write(knownSnapshot(0, subjects))
      for (const suffix of ["", "-wal"]) copyFileSync(keep[4]! + suffix, at(-70) + suffix)
      const killed = new DatabaseSync(at(-70))
      killed.exec("UPDATE meta SET value = '999999999 1 x' WHERE key = 'writer'")
      killed.close()
      new RecordingWriter(at(-60)).close()
      const halfMade = [`.${nameAt(day)}.999999999.new`, `.${nameAt(day)}.999999999.new-journal`].map((name) => join(directory, name))
      const beingMade = [`.${nameAt(day + 1)}.${process.pid}.new`, `.notes.999999999.new`].map((name) => join(directory, name))
      for (const file of [...halfMade, ...beingMade]) writeFileSync(file, "")
      yield* record({ directory, fileMs: 10_000, maxAgeMs: 1, maxBytes: 1, fileBytes: Infinity }, 0, 15)
      for (const file of [...keep, ...beingMade]) assert.isTrue(existsSync(file), file)
      for (const file of halfMade) assert.isFalse(existsSync(file), file)
      assert.deepStrictEqual(
        [at(-70), at(-60), at(0), at(10)].map((file) => existsSync(file)),
        [false, false, false, true]
      )
      other.close()
      // What cannot be read as a recording is not in the way of those that can.
      const recording = yield* openRecordings(directory)
      assert.strictEqual((yield* recording.runs).length, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("a directory without recordings, or none at all, is one line", () =>
    Effect.gen(function* () {
      const empty = yield* Effect.flip(Effect.scoped(openRecordings(freshDirectory())))
      assert.match(empty.message, /there is no recording in that directory/)
      const nowhere = yield* Effect.flip(Effect.provide(Recorder, Recorder.layerDirectory({ directory: join(scratch, "nowhere") })))
      assert.match(nowhere.message, /there is no such directory/)
    })
  )
})
