/**
 * Which chunks of a process are touched, from DAMON: a kdamond of our own, one region for each chunk, that the kernel neither merges nor splits,
 * a page of each looked at once an interval. Touches come from the tracepoint damon_aggregated, without tracefs from `tried_regions`.
 * DAMON is given back with the scope; after a crash the journal does it. Misses touches of few pages of a chunk: the page tables tell those.
 */
import {
  Damon,
  type DamonCommandError,
  type DamonInUse,
  DamonTrace,
  type DamonUnsupported,
  type Journal,
  type JournalFailure,
  type KernelError,
  makeKdamond,
  makeScheme,
  type Milliseconds,
  type OwnedDamon
} from "@wmo/core"
import { Clock, Effect, type Scope, Stream } from "effect"
import { ProcessArenaError } from "./ProcessArenaError.ts"

export interface TouchedRange {
  readonly start: number
  readonly end: number
  /** The touch happened between these two. */
  readonly fromMs: Milliseconds
  readonly byMs: Milliseconds
}

export type TouchError = KernelError | JournalFailure | DamonCommandError | DamonInUse | DamonUnsupported | ProcessArenaError

export interface DamonTouches {
  readonly reads: "tracepoint" | "tried_regions"
  /** The interval that it has come to. */
  readonly intervalMs: () => Milliseconds
  /** Ranges to look at from now on, in order and apart. Fails with `DamonNotRunning` or `DamonRejected` when the process has gone. */
  readonly look: (ranges: ReadonlyArray<{ readonly start: number; readonly end: number }>) => Effect.Effect<void, TouchError>
  readonly touches: Stream.Stream<ReadonlyArray<TouchedRange>, TouchError>
  /** When the kdamond was heard of last, touched or not: it ends with its process, or when somebody stops it. */
  readonly heardMs: () => Milliseconds
  /** For who wants another kdamond of the same owner: index 1. */
  readonly owned: OwnedDamon
}

/** Events a second that are worth reading. */
const eventsPerSecond = 10_000
const leastRegions = 3

export const makeDamonTouches: (options: {
  readonly pid: number
  readonly intervalMs: Milliseconds
  readonly takeOver: boolean
  readonly kdamonds: number
}) => Effect.Effect<DamonTouches, TouchError, Damon | DamonTrace | Journal | Scope.Scope> = Effect.fnUntraced(function* ({
  intervalMs: wantedMs,
  kdamonds,
  pid,
  takeOver
}) {
  const damon = yield* Damon
  const tracing = yield* DamonTrace
  if (!(yield* damon.isPresent)) {
    return yield* new ProcessArenaError({
      why: "unsupported",
      message:
        "this kernel has no DAMON in sysfs, and nothing else tells cheaply which memory a process uses: needs CONFIG_DAMON_SYSFS and CONFIG_DAMON_VADDR (Linux 5.18)"
    })
  }
  const owned = yield* damon.acquire({ takeOver, count: kdamonds })
  const canTrace = (yield* tracing.tracepoints).includes("damon_aggregated")
  const events = canTrace ? yield* tracing.open({ pollMs: wantedMs, bufferKib: 1024 }) : undefined
  let intervalMs = wantedMs
  let isOn = false
  let looksAt = 0
  let heardMs = 0

  const look = Effect.fnUntraced(function* (ranges: ReadonlyArray<{ readonly start: number; readonly end: number }>) {
    looksAt = ranges.length
    if (ranges.length === 0) return yield* isOn ? Effect.tap(owned.stop(), () => Effect.sync(() => void (isOn = false))) : Effect.void
    intervalMs = Math.max(wantedMs, Math.ceil((1000 * ranges.length) / eventsPerSecond))
    const us = intervalMs * 1000
    const min = Math.max(leastRegions, ranges.length)
    yield* owned.stage(
      makeKdamond({
        operations: "fvaddr",
        pids: [pid],
        regions: ranges.map(({ end, start }) => ({ start: BigInt(start), end: BigInt(end) })),
        intervals: { sampleUs: us, aggrUs: us, updateUs: 60_000_000 },
        // As many at least as there are: two of them together are more than one may be. Less than twice as many: none is split.
        nrRegions: { min, max: min + Math.max(1, Math.floor(min / 2)) },
        // Of tried regions only the touched ones are wanted.
        schemes: events === undefined ? [makeScheme({ pattern: { nrAccesses: { min: 1, max: Infinity } } })] : []
      })
    )
    if (isOn) isOn = yield* Effect.as(owned.commit(), true).pipe(Effect.catchTag("DamonNotRunning", () => Effect.succeed(false)))
    if (!isOn) yield* owned.start()
    isOn = true
    heardMs = yield* Clock.currentTimeMillis
  })

  /** The kernel's clock of traces beside ours; anew where they have moved apart, as after a suspend. */
  let offsetMs: number | undefined
  const timeOf = (seconds: number, nowMs: number): number => {
    const at = seconds * 1000
    if (offsetMs === undefined || at + offsetMs > nowMs || nowMs - at - offsetMs > 5000) offsetMs = nowMs - at
    return at + offsetMs
  }

  const traced = (stream: NonNullable<typeof events>): Stream.Stream<ReadonlyArray<TouchedRange>, KernelError> =>
    stream.pipe(
      Stream.mapArrayEffect((chunk) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const found: Array<TouchedRange> = []
          for (const event of chunk) {
            // Other kdamonds are traced, too; ours was the first to run.
            if (event.event !== "damon_aggregated" || !event.task.endsWith(".0")) continue
            heardMs = nowMs
            if (event.nrAccesses === 0) continue
            const byMs = timeOf(event.time, nowMs)
            found.push({ start: Number(event.start), end: Number(event.end), fromMs: byMs - intervalMs, byMs })
          }
          return [found] as const
        })
      )
    )

  const polled: Stream.Stream<ReadonlyArray<TouchedRange>, TouchError> = Stream.fromEffectRepeat(
    Effect.gen(function* () {
      yield* Effect.sleep(intervalMs)
      if (!isOn || looksAt === 0) return []
      const { regions } = yield* owned.snapshot()
      const byMs = yield* Clock.currentTimeMillis
      heardMs = byMs
      return regions.map(({ end, start }) => ({ start: Number(start), end: Number(end), fromMs: byMs - 2 * intervalMs, byMs }))
    }).pipe(Effect.catchTag("DamonNotRunning", () => Effect.succeed([])))
  )

  return {
    reads: events === undefined ? "tried_regions" : "tracepoint",
    intervalMs: () => intervalMs,
    heardMs: () => heardMs,
    look,
    touches: events === undefined ? polled : traced(events),
    owned
  } satisfies DamonTouches
})
