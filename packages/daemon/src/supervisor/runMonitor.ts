/**
 * A third party's monitor at work: opened, sampled every so often, its samples checked, recorded and held for /metrics. Whatever it does wrong is a phrase in the
 * status, and it is tried again by the next turn, opened anew; nothing else notices. One that spins without end is ended only while it is asked, not later in
 * promises of its own.
 */
import type { Milliseconds } from "@wmo/core"
import { mergedSamples, type Sample, type Sampling } from "@wmo/monitors"
import { Recorder, type RunRecorder } from "@wmo/recording"
import { Clock, Effect, type Scope } from "effect"
import type { ConfiguredMonitor } from "../config/Config.ts"
import type { Monitor, PlainSampling } from "../config/loadMonitors.ts"
import type { MonitorStatus } from "../protocol/Status.ts"
import { withinTime } from "./interruptible.ts"
import { samplesProblem } from "./samplesProblem.ts"

const answerMs: Milliseconds = 10_000
/** How long it may hold up wmod's end. */
const closingMs: Milliseconds = 1000
/** How long it may hold up everything else. */
const thinkingMs: Milliseconds = 250

export class MonitorRecord {
  samples: ReadonlyArray<Sample> = []
  atMs: Milliseconds | undefined
  problem: string | undefined
  taken = 0
  readonly configured: ConfiguredMonitor

  constructor(configured: ConfiguredMonitor) {
    this.configured = configured
  }

  get status(): MonitorStatus {
    return {
      name: this.configured.monitor.name,
      every_ms: this.configured.everyMs,
      taken: this.taken,
      subjects: this.samples.length,
      ...(this.atMs === undefined ? {} : { last_ms: this.atMs }),
      ...(this.problem === undefined ? {} : { problem: this.problem })
    }
  }
}

const phraseOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!

/** What may be a promise, asked for no longer than it may take. */
const asking = <A>(run: () => A | Promise<A>, atMostMs = answerMs): Effect.Effect<A, string> =>
  Effect.tryPromise({ try: async () => await withinTime(thinkingMs, run), catch: phraseOf }).pipe(
    Effect.timeoutOrElse({ duration: atMostMs, orElse: () => Effect.fail(`it did not answer within ${atMostMs / 1000} s`) })
  )

const open = (monitor: Monitor): Effect.Effect<Effect.Effect<ReadonlyArray<Sample>, string>, string, Scope.Scope> => {
  if ("open" in monitor) {
    const opened = Effect.acquireRelease(
      asking(() => monitor.open()),
      (sampling) => Effect.ignore(asking(() => sampling.close?.(), closingMs))
    )
    return Effect.map(opened, (sampling: PlainSampling) => asking(() => sampling.sample()))
  }
  // What it needs of the kernel it has: the supervisor's services.
  const make = monitor.make as Effect.Effect<Sampling, unknown, Scope.Scope>
  return Effect.mapBoth(make, {
    onFailure: phraseOf,
    onSuccess: ({ sample }) => Effect.mapBoth(sample, { onFailure: phraseOf, onSuccess: mergedSamples })
  })
}

const startRun = Effect.fnUntraced(function* ({ everyMs, monitor }: ConfiguredMonitor) {
  return yield* (yield* Recorder).start({
    label: `monitor ${monitor.name}`,
    group: "",
    policy: "none",
    settings: {},
    kernel: "",
    clock: "real",
    command: "wmod",
    everyMs,
    dryRun: true,
    startedMs: yield* Clock.currentTimeMillis
  })
})

/** Ends by interruption alone. */
export const runMonitor = Effect.fnUntraced(function* (record: MonitorRecord) {
  const { everyMs, monitor } = record.configured
  let run: RunRecorder | undefined
  const turn = (sample: Effect.Effect<ReadonlyArray<Sample>, string>) =>
    Effect.gen(function* () {
      const samples = yield* sample
      const problem = samplesProblem(samples, monitor.kinds)
      if (problem !== undefined) return yield* Effect.fail(problem)
      record.samples = samples
      record.atMs = yield* Clock.currentTimeMillis
      record.problem = undefined
      record.taken++
      run ??= yield* Effect.orElseSucceed(startRun(record.configured), () => undefined)
      if (run !== undefined) yield* Effect.ignore(run.snapshot({ atMs: record.atMs, samples, complete: [...monitor.kinds] }))
      yield* Effect.sleep(everyMs)
    })
  const session = Effect.scoped(Effect.flatMap(open(monitor), (sample) => Effect.forever(turn(sample))))
  const failed = (what: string) =>
    Effect.suspend(() => {
      const isNew = record.problem !== what
      record.problem = what
      record.samples = []
      return isNew ? Effect.logWarning(`monitor ${monitor.name}: ${what}; again in ${everyMs / 1000} s`) : Effect.void
    })
  return yield* session.pipe(
    Effect.catch(failed),
    Effect.catchDefect((defect) => failed(phraseOf(defect))),
    Effect.andThen(Effect.sleep(everyMs)),
    Effect.forever,
    Effect.ensuring(
      Effect.suspend(() =>
        run === undefined
          ? Effect.void
          : Effect.flatMap(Clock.currentTimeMillis, (endedMs) => Effect.ignore(run!.end({ endedMs, missedTicks: 0 })))
      )
    )
  )
})
