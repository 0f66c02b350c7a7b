/**
 * Writes recordings: one file, or a directory of files that are kept for a while. Synchronous like `node:sqlite` itself: a tick costs well
 * under a millisecond. What kill -9 may cost is the tick it fell into.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { cgroupSample } from "./cgroupSample.ts"
import type { RunEnd, RunStart, Snapshot, Tick } from "./Entry.ts"
import { RecordingError } from "./RecordingError.ts"
import { RecordingWriter } from "./RecordingWriter.ts"
import { RotatingWriter, type RotationOptions } from "./RotatingWriter.ts"

/** A run that is being recorded. */
export interface RunRecorder {
  /** One turn of the control loop. */
  readonly tick: (tick: Tick) => Effect.Effect<void, RecordingError>
  /** One turn of monitors that watch any number of subjects. */
  readonly snapshot: (snapshot: Snapshot) => Effect.Effect<void, RecordingError>
  readonly end: (end: RunEnd) => Effect.Effect<void, RecordingError>
}

export class Recorder extends Context.Service<
  Recorder,
  {
    /** Where the recording is; undefined when nothing is kept. */
    readonly file: string | undefined
    readonly start: (run: RunStart) => Effect.Effect<RunRecorder, RecordingError>
  }
>()("@wmo/recording/Recorder") {
  /** Keeps nothing. */
  static readonly layerNone: Layer.Layer<Recorder> = Layer.succeed(Recorder, {
    file: undefined,
    start: () => Effect.succeed({ tick: () => Effect.void, snapshot: () => Effect.void, end: () => Effect.void })
  })

  /** A new file; fails if it exists, since a recording is never overwritten. */
  static readonly layerFile = (file: string): Layer.Layer<Recorder, RecordingError> =>
    Layer.effect(
      Recorder,
      Effect.map(
        acquire(file, () => new RecordingWriter(file)),
        (writer) => recorderOver(file, (run) => writer.start(run, randomUUID(), 0))
      )
    )

  /** Files in a directory that exists, a new one every while, old ones removed; see `RotationOptions`. For a daemon. */
  static readonly layerDirectory = (options: RotationOptions): Layer.Layer<Recorder, RecordingError> =>
    Layer.effect(
      Recorder,
      Effect.map(
        acquire(options.directory, () => new RotatingWriter(options)),
        (writer) => recorderOver(options.directory, (run) => writer.start(run, randomUUID()))
      )
    )
}

const problemOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const acquire = <A extends { close(): void }>(file: string, make: () => A): Effect.Effect<A, RecordingError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: make, catch: (cause) => new RecordingError({ file, operation: "create", problem: problemOf(cause) }) }),
    (writer) => Effect.sync(() => writer.close())
  )

/** A tick as a snapshot: one group, out of turn with whatever else the run may record. */
const snapshotOfTick = ({ missedTicks, observation, outcomes, reason }: Tick): Snapshot => {
  const sample = cgroupSample(observation)
  const { pageAge } = observation
  return {
    atMs: observation.atMs,
    samples: [sample],
    complete: [],
    pageAges: pageAge === undefined ? undefined : [{ subject: sample.subject, pageAge }],
    decisions: [{ subject: sample.subject, reason, outcomes }],
    missedTicks
  }
}

interface AnyRunWriter {
  write(snapshot: Snapshot): void
  end(end: RunEnd): void
}

const recorderOver = (file: string, start: (run: RunStart) => AnyRunWriter): Recorder["Service"] => {
  const writing = <A>(body: () => A) =>
    Effect.try({ try: body, catch: (cause) => new RecordingError({ file, operation: "write", problem: problemOf(cause) }) })
  return {
    file,
    start: (run) =>
      Effect.map(
        writing(() => start(run)),
        (writer): RunRecorder => ({
          tick: (tick) => writing(() => writer.write(snapshotOfTick(tick))),
          snapshot: (snapshot) => writing(() => writer.write(snapshot)),
          end: (end) => writing(() => writer.end(end))
        })
      )
  }
}
