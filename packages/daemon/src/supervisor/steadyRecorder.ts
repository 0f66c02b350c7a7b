/**
 * A recorder that never ends what it records: a full disk costs ticks of the recording, not the work. What went wrong is kept for whoever asks, and
 * every write is tried anew.
 */
import { Recorder, type RecordingError, type RunRecorder } from "@wmo/recording"
import { Effect, Layer } from "effect"

export interface RecorderHealth {
  /** What went wrong last; undefined since a write went well. */
  problem: string | undefined
}

export const steadyRecorder = <E>(layer: Layer.Layer<Recorder, E>, health: RecorderHealth): Layer.Layer<Recorder, E> =>
  Layer.effect(
    Recorder,
    Effect.map(Recorder, (recorder): Recorder["Service"] => {
      const watched = <A>(effect: Effect.Effect<A, RecordingError>): Effect.Effect<A | undefined> =>
        Effect.matchEffect(effect, {
          onSuccess: (value) =>
            Effect.sync(() => {
              health.problem = undefined
              return value
            }),
          onFailure: ({ message }) =>
            Effect.suspend(() => {
              const isNew = health.problem === undefined
              health.problem = message
              return Effect.as(isNew ? Effect.logWarning(`the recording has gaps from now on: ${message}`) : Effect.void, undefined)
            })
        })
      return {
        file: recorder.file,
        start: (run) =>
          Effect.sync(() => {
            let inner: RunRecorder | undefined
            const through = (use: (inner: RunRecorder) => Effect.Effect<void, RecordingError>) =>
              Effect.gen(function* () {
                inner ??= yield* watched(recorder.start(run))
                if (inner !== undefined) yield* watched(use(inner))
              })
            return {
              tick: (tick) => through((each) => each.tick(tick)),
              snapshot: (snapshot) => through((each) => each.snapshot(snapshot)),
              end: (end) => Effect.suspend(() => (inner === undefined ? Effect.void : through((each) => each.end(end))))
            }
          })
      }
    })
  ).pipe(Layer.provide(layer))
