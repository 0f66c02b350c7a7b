/**
 * Runs samplers on one schedule and hands on what they saw. Turns have fixed times (start + n × every): a slow turn delays nothing but
 * itself, turns that were missed altogether are counted with the next one, and the rhythm never drifts. Stores nothing.
 */
import type { KernelError, Milliseconds } from "@wmo/core"
import { Clock, Effect, type Scope } from "effect"
import type { Sample, SubjectKind } from "./Sample.ts"
import type { Sampler, SamplerError, SamplerServices, Sampling } from "./Sampler.ts"

/** What all samplers saw in one turn. A `Snapshot` of a recording as it is. */
export interface SampleSnapshot {
  /** When the turn began: wall clock, milliseconds since 1970. */
  readonly atMs: Milliseconds
  readonly samples: ReadonlyArray<Sample>
  /** Kinds of which `samples` has every subject there is; those of a sampler that failed are not among them. */
  readonly complete: ReadonlyArray<SubjectKind>
  /** Turns that were due since the one before and were not taken. */
  readonly missedTicks: number
  /** Taken out of turn, because a sampler was woken. */
  readonly isExtra: boolean
}

export interface SampleLoopOptions<S extends Sampler<unknown, unknown>> {
  readonly samplers: ReadonlyArray<S>
  readonly everyMs: Milliseconds
  /** A sampler could not sample in this turn; the others did. */
  readonly onProblem?: (sampler: string, error: KernelError) => Effect.Effect<void>
}

export interface SampleLoop {
  /** Takes one turn now, out of the rhythm. */
  readonly take: Effect.Effect<SampleSnapshot>
  /** Samples until it is interrupted or the sink fails. */
  readonly run: <E, R>(sink: (snapshot: SampleSnapshot) => Effect.Effect<void, E, R>) => Effect.Effect<never, E, R>
  readonly missedTicks: () => number
}

/** A sample out of turn is at least so far from the one before: a storm of wakes is not a storm of samples. */
const quietMs = 200

interface Running extends Sampling {
  readonly sampler: Sampler<unknown, unknown>
}

/** Opens the samplers; they are closed with the scope. Fails as they do. */
export const makeSampleLoop = <S extends Sampler<unknown, unknown>>(
  options: SampleLoopOptions<S>
): Effect.Effect<SampleLoop, SamplerError<S>, SamplerServices<S> | Scope.Scope> =>
  make(options) as Effect.Effect<SampleLoop, SamplerError<S>, SamplerServices<S> | Scope.Scope>

const make = Effect.fnUntraced(function* ({ everyMs, onProblem, samplers }: SampleLoopOptions<Sampler<unknown, unknown>>) {
  const running: Array<Running> = []
  for (const sampler of samplers) running.push({ sampler, ...(yield* sampler.make) })
  let missed = 0

  const take = Effect.fnUntraced(function* (missedTicks: number, isExtra: boolean) {
    const atMs = yield* Clock.currentTimeMillis
    const samples: Array<Sample> = []
    const complete = new Set<SubjectKind>()
    const broken = new Set<SubjectKind>()
    for (const { sample, sampler } of running) {
      const result = yield* Effect.result(sample)
      if (result._tag === "Failure") {
        for (const kind of sampler.kinds) broken.add(kind)
        if (onProblem !== undefined) yield* onProblem(sampler.name, result.failure)
        continue
      }
      for (const one of result.success) samples.push(one)
      for (const kind of sampler.kinds) complete.add(kind)
    }
    for (const kind of broken) complete.delete(kind)
    return { atMs, samples: mergedSamples(samples), complete: [...complete], missedTicks, isExtra } satisfies SampleSnapshot
  })

  /** Waits `ms`, or until a sampler is woken. A wake that fails is one sampler's problem: it is not waited for again. */
  const deaf = new Set<Running>()
  const pause = (ms: Milliseconds): Effect.Effect<boolean> => {
    const asleep = Effect.as(Effect.sleep(ms), false)
    const wakes = running.flatMap((one) =>
      one.wake === undefined || deaf.has(one)
        ? []
        : [
            one.wake.pipe(
              Effect.as(true),
              Effect.catch((error) => {
                deaf.add(one)
                return Effect.andThen(onProblem?.(one.sampler.name, error) ?? Effect.void, Effect.never)
              })
            )
          ]
    )
    return wakes.length === 0 ? asleep : Effect.raceAllFirst([asleep, ...wakes])
  }

  return {
    take: take(0, true),
    missedTicks: () => missed,
    run: Effect.fnUntraced(function* <E, R>(sink: (snapshot: SampleSnapshot) => Effect.Effect<void, E, R>) {
      const start = yield* Clock.currentTimeMillis
      let missedBefore = 0
      for (let n = 0; ;) {
        yield* sink(yield* take(missedBefore, false))
        const next = Math.max(n + 1, Math.ceil(((yield* Clock.currentTimeMillis) - start) / everyMs))
        missedBefore = next - (n + 1)
        missed += missedBefore
        n = next
        const due = start + n * everyMs
        // Extra samples change nothing about when the next turn is.
        for (let now = yield* Clock.currentTimeMillis; now < due; now = yield* Clock.currentTimeMillis) {
          const quiet = Math.min(due - now, quietMs, everyMs / 2)
          yield* Effect.sleep(quiet)
          if (due - now - quiet <= 0 || !(yield* pause(due - now - quiet))) break
          yield* sink(yield* take(0, true))
        }
      }
    })
  } satisfies SampleLoop
})

/** Samplers may speak of the same subject (the machine's memory, its pressure, its zswap): one sample each. */
export const mergedSamples = (samples: ReadonlyArray<Sample>): ReadonlyArray<Sample> => {
  const machine = samples.filter(({ subject }) => subject.kind === "machine")
  if (machine.length < 2) return samples
  const metrics = machine.flatMap((sample) => sample.metrics)
  const key = metrics.join(" ")
  let shared = shapes.get(key)
  if (shared === undefined) shapes.set(key, (shared = metrics))
  const values = machine.flatMap((sample) => Array.from(sample.values))
  return [...samples.filter(({ subject }) => subject.kind !== "machine"), { subject: machine[0]!.subject, metrics: shared, values }]
}

/** Names of the machine's metrics, by all of them: which there are hardly ever changes. */
const shapes = new Map<string, ReadonlyArray<string>>()
