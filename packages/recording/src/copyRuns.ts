/**
 * Copies runs from a recording into a new file: all of them, or a part of their time, or some of their subjects. Trimming and merging are
 * this. Ids are new; times, values and what a run says of itself are the same.
 */
import { Effect, Stream } from "effect"
import type { Snapshot } from "./Entry.ts"
import { RecordingError } from "./RecordingError.ts"
import type { Recording } from "./Recording.ts"
import type { Query, RunInfo } from "./RecordingReader.ts"
import { removeRecording } from "./createFile.ts"
import { RecordingWriter } from "./RecordingWriter.ts"
import type { Tables } from "./tables.ts"

/** The part of a run that is wanted; undefined: nothing of it. */
export type Choose = (run: RunInfo) => Query | undefined

const histograms = ["pageAges", "coldAges", "promotions", "workingSets", "heat"] as const

const copyRun = Effect.fnUntraced(function* (from: Recording, to: RecordingWriter, run: RunInfo, query: Query) {
  const writing = <A>(body: () => A) =>
    Effect.try({
      try: body,
      catch: (cause) =>
        new RecordingError({ file: to.file, operation: "write", problem: cause instanceof Error ? cause.message : String(cause) })
    })
  const writer = yield* writing(() => to.start(run, run.uid, 0))
  let missed = 0
  yield* Stream.runForEachArray(Stream.rechunk(from.frames(run.id, query), 32), (frames) =>
    writing(() => {
      const snapshots = frames.map(({ atMs, complete, missedTicks, points }): Snapshot => {
        missed += missedTicks
        const samples = points.map(({ subject, values }) => ({ subject, ...to.shared(values) }))
        return { atMs, complete, missedTicks, samples }
      })
      writer.writeAll(snapshots)
    })
  )
  for (const name of histograms) {
    yield* Stream.runForEachArray(from.entries(run.id, name, query), (entries) =>
      writing(() => writer.writeAll(entries.map((entry: Tables[typeof name]): Snapshot => ({ atMs: entry.atMs, [name]: [entry] }))))
    )
  }
  yield* Stream.runForEachArray(from.entries(run.id, "decisions", query), (rows) =>
    writing(() => writer.writeAll(rows.map(({ atMs, reason, subject }) => ({ atMs, decisions: [{ subject, reason, outcomes: [] }] }))))
  )
  yield* Stream.runForEachArray(from.entries(run.id, "actions", query), (rows) => writing(() => writer.copyActions(rows)))
  const { fromMs = -Infinity, isWanted = () => true, toMs = Infinity } = query
  const isWhole = fromMs === -Infinity && toMs === Infinity
  const subjects = (yield* from.subjects(run.id)).filter(isWanted)
  yield* writing(() => {
    if (run.endedMs !== undefined) {
      writer.end({
        endedMs: Math.min(run.endedMs, toMs),
        exitCode: run.exitCode,
        missedTicks: isWhole ? (run.missedTicks ?? missed) : missed,
        result: run.result
      })
    }
    for (const { firstMs, kind, lastMs, name } of subjects) {
      if (lastMs >= fromMs && firstMs <= toMs) writer.setSeen({ kind, name }, Math.max(firstMs, fromMs), Math.min(lastMs, toMs))
    }
  })
})

/**
 * Writes a new file with the chosen parts of these recordings; gives how many runs that were. Fails if the file exists. Where it fails later,
 * or nothing is chosen, it leaves no file.
 */
export const copyRuns = (from: ReadonlyArray<Recording>, file: string, choose: Choose): Effect.Effect<number, RecordingError> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new RecordingWriter(file),
      catch: (cause) => new RecordingError({ file, operation: "create", problem: cause instanceof Error ? cause.message : String(cause) })
    }),
    (writer) => Effect.sync(() => writer.close())
  ).pipe(
    Effect.flatMap((writer) =>
      Effect.gen(function* () {
        let count = 0
        for (const recording of from) {
          for (const run of yield* recording.runs) {
            const query = choose(run)
            if (query === undefined) continue
            yield* copyRun(recording, writer, run, query)
            count++
          }
        }
        return count
      })
    ),
    Effect.scoped,
    Effect.tap((count) => Effect.sync(() => (count === 0 ? removeRecording(file) : undefined))),
    Effect.tapError(({ operation }) => Effect.sync(() => (operation === "create" ? undefined : removeRecording(file))))
  )
