/** Which metrics the chosen parts of a recording hold: what an export must know before its first line. */
import { Effect, Stream } from "effect"
import type { Recording } from "./Recording.ts"
import type { RecordingError } from "./RecordingError.ts"
import type { Query, RunInfo } from "./RecordingReader.ts"

/** Runs, each with the part of it that is wanted. */
export type RunParts = ReadonlyArray<readonly [run: RunInfo, query: Query]>

/** In the order in which they turn up. */
export const metricNames: (recording: Recording, runs: RunParts) => Effect.Effect<ReadonlyArray<string>, RecordingError> =
  Effect.fnUntraced(function* (recording, runs) {
    const names = new Set<string>()
    for (const [run, query] of runs) {
      yield* Stream.runForEachArray(recording.points(run.id, query), (points) =>
        Effect.sync(() => {
          for (const { values } of points) for (const name in values) names.add(name)
        })
      )
    }
    return [...names]
  })
