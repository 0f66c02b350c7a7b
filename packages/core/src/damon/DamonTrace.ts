/**
 * DAMON's events as they happen: a trace instance of one's own in tracefs, so that nobody else's tracing is disturbed, with the wanted
 * tracepoints enabled, read without blocking. Starts no kdamond: events of all that run are seen. Needs root.
 * Source: Documentation/trace/ftrace.rst, "Instances", "trace_pipe".
 */
import { Context, Effect, Layer, Result, type Scope, Stream } from "effect"
import { Journal, type JournalFailure } from "../Journal.ts"
import { KernFs } from "../KernFs.ts"
import { KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import type { Milliseconds } from "../Units.ts"
import { DamonUnsupported } from "./DamonErrors.ts"
import { damonTracepoints, type DamonTracepoint, type DamonTraceEvent, DamonTraceParser } from "./DamonTraceEvent.ts"

const since = {
  damon_aggregated: [5, 15],
  damos_before_apply: [6, 7],
  damos_stat_after_apply_interval: [7, 0],
  damos_esz: [6, 17],
  damon_monitor_intervals_tune: [6, 17]
} as const

/** A read gives whole lines of up to a page or two; this many bytes are taken at once before events are handed on. */
const bytesAtOnce = 256 * 1024
const pageBytes = 16 * 1024

export interface DamonTraceOptions {
  /** By default `damon_aggregated`. */
  readonly tracepoints?: ReadonlyArray<DamonTracepoint>
  /** How long to wait before looking again where there was nothing; by default 50 ms. */
  readonly pollMs?: Milliseconds
  /** Size of the kernel's buffer for each CPU; what does not fit is lost, and an event `lost` says so. By default the kernel's (1.4 MB). */
  readonly bufferKib?: number
}

export class DamonTrace extends Context.Service<
  DamonTrace,
  {
    /** The tracepoints that this kernel has; none where tracefs is not mounted or not to be read. */
    readonly tracepoints: Effect.Effect<ReadonlyArray<DamonTracepoint>>
    /**
     * Begins to trace; events from now on are in the stream, which never ends by itself. The instance goes with the scope, and after a
     * crash with the journal.
     */
    readonly open: (
      options?: DamonTraceOptions
    ) => Effect.Effect<Stream.Stream<DamonTraceEvent, KernFsError>, KernFsError | JournalFailure | DamonUnsupported, Scope.Scope | Journal>
  }
>()("@wmo/core/DamonTrace") {
  static readonly layer: Layer.Layer<DamonTrace, never, KernFs> = Layer.effect(
    DamonTrace,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { tracing } = yield* KernelRoots
      let opened = 0

      const tracepoints = Effect.filter(damonTracepoints, (name) => fs.exists(`${tracing}/events/damon/${name}`))

      const open = Effect.fn("DamonTrace.open")(function* (options?: DamonTraceOptions) {
        const journal = yield* Journal
        const wanted = options?.tracepoints ?? ["damon_aggregated"]
        const there = yield* tracepoints
        const missing = wanted.find((name) => !there.includes(name))
        if (missing !== undefined) return yield* new DamonUnsupported({ what: `tracepoint ${missing}`, since: since[missing] })
        const instance = `${tracing}/instances/wmo-${process.pid}-${opened++}`
        yield* Effect.acquireRelease(journal.mkdir(instance), () => journal.restoreBelow(instance))
        if (options?.bufferKib !== undefined) yield* fs.writeBlocking(`${instance}/buffer_size_kb`, String(options.bufferKib))
        const pipe = yield* fs.open(`${instance}/trace_pipe`, "readAvailable")
        for (const name of wanted) yield* fs.writeBlocking(`${instance}/events/damon/${name}/enable`, "1")

        const parser = new DamonTraceParser()
        const buffer = new Uint8Array(pageBytes)
        const wait = Effect.sleep(options?.pollMs ?? 50)
        /** What there is now; the kernel has nothing more, or there is a lot. */
        const available = (): Result.Result<Array<DamonTraceEvent>, KernFsError> => {
          const events: Array<DamonTraceEvent> = []
          for (let bytes = 0; bytes < bytesAtOnce;) {
            const got = pipe.readInto(buffer)
            if (Result.isFailure(got)) {
              const isEmpty = got.failure.reason._tag === "Again" || got.failure.reason._tag === "Interrupted"
              return isEmpty || events.length > 0 ? Result.succeed(events) : Result.fail(got.failure)
            }
            if (got.success === 0) break
            bytes += got.success
            for (const event of parser.push(buffer.subarray(0, got.success))) events.push(event)
          }
          return Result.succeed(events)
        }
        const next = Effect.gen(function* () {
          for (;;) {
            const events = yield* Effect.fromResult(available())
            const [first, ...others] = events
            if (first !== undefined) return [first, ...others] as const
            yield* wait
          }
        })
        return Stream.flattenArray(Stream.fromEffectRepeat(next))
      })

      return DamonTrace.of({ tracepoints, open })
    })
  )
}
