/**
 * The heat of an address space, aggregation by aggregation: DAMON on processes, a cgroup's processes, or physical memory. Sets a kdamond up
 * for as long as its scope lives and gives DAMON back as it was. Follows mappings as they come and go. Needs root, DAMON with `vaddr` (or
 * `paddr`), Linux 6.2 where there are no tracepoints. See GenerationAges for kernels without DAMON.
 *
 * Regions come from the tracepoint damon_aggregated: every aggregation, complete. In the VM it took a sixth of the CPU time per region that
 * reading `tried_regions` takes (five files each), which got every third aggregation only; that is what is done where there is no tracefs.
 */
import {
  type Cgroups,
  Damon,
  type DamonCommandError,
  type DamonInUse,
  type DamonIntervals,
  type DamonOperations,
  DamonTrace,
  type DamonTraceEvent,
  DamonUnsupported,
  type Journal,
  type JournalFailure,
  type KernelError,
  type KernFs,
  makeKdamond,
  type Kdamond,
  type PageMap,
  type Processes
} from "@wmo/core"
import { Clock, Effect, Schedule, type Scope, Stream } from "effect"
import type { HeatFrame, HeatSource } from "./HeatFrame.ts"
import { areAlike, haveMoved, type Interest } from "./heatRanges.ts"
import { type HeatOf, HeatUnavailable, targetFinder } from "./heatTargets.ts"
import { RegionAssembler, type TargetRegions } from "./RegionAssembler.ts"

export interface HeatOptions {
  readonly of: HeatOf
  /** Default: sampling 5 ms, aggregation 100 ms, looking for changed mappings every 2 s. */
  readonly intervals?: Partial<Pick<DamonIntervals, "sampleUs" | "aggrUs" | "updateUs">>
  /** All targets together; default 100 to 1000. More regions: finer, and dearer for the kernel, up to `max` page looks a sample. */
  readonly nrRegions?: { readonly min: number; readonly max: number }
  readonly interest?: Interest | undefined
  /** Stops whoever uses DAMON, and starts it again at the end. */
  readonly takeOver?: boolean
  /** How regions are read; default: the tracepoint where there is one. */
  readonly reads?: "trace" | "snapshot" | undefined
}

export type HeatError = KernelError | JournalFailure | DamonCommandError | DamonInUse | DamonUnsupported | HeatUnavailable

export interface HeatMonitor {
  readonly source: HeatSource
  readonly reads: "trace" | "snapshot"
  readonly intervals: DamonIntervals
  readonly nrRegions: { readonly min: number; readonly max: number }
  /** Processes of the group that are left out, since there are too many. */
  readonly leftOut: number
  /** Aggregations of a target so far that were passed over, since lines of them were lost: the reader was too slow. */
  readonly incomplete: number
  /** One frame per target and aggregation; ends when nothing is left to monitor. */
  readonly frames: Stream.Stream<HeatFrame, HeatError>
}

export const defaultHeatIntervals = { sampleUs: 5000, aggrUs: 100_000, updateUs: 2_000_000 } as const
export const defaultHeatRegions = { min: 100, max: 1000 } as const
export const makeHeatMonitor: (
  options: HeatOptions
) => Effect.Effect<HeatMonitor, HeatError, Cgroups | Damon | DamonTrace | Journal | KernFs | PageMap | Processes | Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const damon = yield* Damon
    const tracing = yield* DamonTrace
    const intervals = { ...defaultHeatIntervals, ...options.intervals }
    const nrRegions = options.nrRegions ?? defaultHeatRegions
    const isPhysical = options.of.kind === "physical"
    if (!(yield* damon.isPresent)) {
      return yield* new HeatUnavailable({
        why: "unsupported",
        message: "this kernel has no DAMON in sysfs (CONFIG_DAMON_SYSFS, Linux 5.18)"
      })
    }
    const find = yield* targetFinder(options.of, options.interest, Math.max(1, Math.floor(nrRegions.max / 4)))
    let { leftOut, targets } = yield* find
    const owned = yield* damon.acquire({ takeOver: options.takeOver ?? false })

    const operations: DamonOperations = isPhysical ? "paddr" : "fvaddr"
    const setUp = (): Kdamond => {
      const made = makeKdamond({ intervals: { ...intervals }, nrRegions, operations, ...(isPhysical ? {} : { pids: [] }) })
      return {
        contexts: made.contexts.map((context) => ({ ...context, targets: targets.map(({ pid, ranges }) => ({ pid, regions: ranges })) }))
      }
    }
    yield* owned.stage(setUp())
    const available = (yield* owned.read()).contexts[0]?.availOperations
    if (available !== undefined && !available.includes(operations)) {
      const config = isPhysical ? "CONFIG_DAMON_PADDR" : "CONFIG_DAMON_VADDR"
      return yield* new HeatUnavailable({ why: "unsupported", message: `this kernel's DAMON cannot monitor ${operations} (${config})` })
    }
    const canTrace = (yield* tracing.tracepoints).includes("damon_aggregated")
    const reads = options.reads ?? (canTrace ? "trace" : "snapshot")
    if (reads === "snapshot" && targets.length > 1) {
      return yield* new HeatUnavailable({
        why: "unsupported",
        message:
          "several processes are told apart by DAMON's tracepoints only: mount tracefs on /sys/kernel/tracing, or look at one with --pid"
      })
    }

    const assembler = new RegionAssembler()
    const source: HeatSource = isPhysical ? "damon-paddr" : "damon-vaddr"
    const frameOf = ({ regions, target }: TargetRegions, atMs: number): HeatFrame | undefined => {
      const of = targets[target]
      if (of === undefined) return undefined
      const { mappings, subject, title } = of
      return { atMs, subject, title, source, sampleUs: intervals.sampleUs, aggregationUs: intervals.aggrUs, regions, mappings }
    }

    /** The kernel's clock of traces beside ours; anew where they have moved apart, as after a suspend. */
    let offsetMs: number | undefined
    const timeOf = (seconds: number, nowMs: number): number => {
      const at = seconds * 1000
      if (offsetMs === undefined || Math.abs(at + offsetMs - nowMs) > 5000) offsetMs = nowMs - at
      return Math.round(at + offsetMs)
    }
    const traced = (events: Stream.Stream<DamonTraceEvent, KernelError>): Stream.Stream<HeatFrame, HeatError> =>
      events.pipe(
        Stream.mapArrayEffect((chunk) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            const frames: Array<HeatFrame> = []
            for (const event of chunk) {
              const whole = assembler.push(event)
              const frame = whole === undefined ? undefined : frameOf(whole, timeOf(whole.time, now))
              if (frame !== undefined) frames.push(frame)
            }
            return [frames] as const
          })
        ),
        Stream.flattenIterable
      )
    const snapshots: Stream.Stream<HeatFrame, HeatError> = Stream.fromEffectRepeat(
      Effect.gen(function* () {
        yield* Effect.sleep(`${intervals.aggrUs / 1000} millis`)
        const { regions } = yield* owned.snapshot()
        const atMs = yield* Clock.currentTimeMillis
        const heat = regions.map(({ age, end, nrAccesses, start }) => ({ start, end, accesses: nrAccesses, age }))
        const frame = frameOf({ target: 0, time: 0, regions: heat }, atMs)
        return frame === undefined ? [] : [frame]
      })
    ).pipe(
      Stream.flattenIterable,
      // The kdamond ends with its last process.
      Stream.catchTag("DamonNotRunning", () => Stream.empty)
    )

    const tell = Effect.gen(function* () {
      yield* owned.stage(setUp())
      const { state } = yield* owned.read()
      yield* state === "on" ? owned.commit() : owned.start()
    })
    /** A process that ended between the look and the commit is refused, and the kdamond ends with its last one, though others have come. */
    const tellAnew = Effect.gen(function* () {
      targets = (yield* find).targets
      yield* tell
    }).pipe(
      Effect.retry({
        times: 5,
        schedule: Schedule.spaced("50 millis"),
        while: (error) => error._tag === "DamonRejected" || error._tag === "DamonNotRunning"
      })
    )

    /** Looks at mappings and members anew; tells the kdamond where that makes a difference. */
    const follow = Effect.gen(function* () {
      const found = yield* find
      leftOut = found.leftOut
      const isSame =
        found.targets.length === targets.length && found.targets.every(({ subject }, i) => subject.name === targets[i]!.subject.name)
      if (isSame && !found.targets.some(({ ranges }, i) => haveMoved(targets[i]!.ranges, ranges))) {
        targets = found.targets.map((target, i) => ({
          ...target,
          ranges: targets[i]!.ranges,
          mappings: areAlike(targets[i]!.mappings, target.mappings) ? targets[i]!.mappings : target.mappings
        }))
        return
      }
      targets = found.targets
      yield* Effect.catchTags(tell, { DamonNotRunning: () => tellAnew, DamonRejected: () => tellAnew })
      if (!isSame) assembler.forget()
    })
    /** Ends when nothing is left to look at. */
    const following: Effect.Effect<void, HeatError> = Effect.forever(
      Effect.andThen(Effect.sleep(`${intervals.updateUs / 1000} millis`), follow)
    ).pipe(
      Effect.catchIf(
        (error) => error._tag === "DamonNotRunning" || (error._tag === "HeatUnavailable" && error.why === "nothing"),
        () => Effect.void
      )
    )

    const events = reads === "trace" ? yield* tracing.open() : undefined
    yield* owned.start()
    const seen = events === undefined ? snapshots : traced(events)
    return {
      source,
      reads,
      intervals,
      nrRegions,
      get leftOut() {
        return leftOut
      },
      get incomplete() {
        return assembler.incomplete
      },
      frames: isPhysical ? seen : Stream.interruptWhen(seen, following)
    }
  })
