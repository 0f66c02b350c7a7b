/**
 * Where the frames of `wmo heatmap` come from: DAMON, MGLRU where there is no DAMON, or a recording. All give the same items, so that what
 * shows them does not know which it was.
 */
import { Cgroups, Damon, DamonTrace, findCgroupMount, Journal, KernelRoots, Mglru, PageMap, Processes } from "@wmo/core"
import {
  type AgeFrame,
  type HeatFrame,
  type HeatOf,
  HeatUnavailable,
  makeGenerationAges,
  makeHeatMonitor,
  parseInterest
} from "@wmo/monitors"
import { Effect, Layer, Option, Stream } from "effect"
import type { HeatmapFlags } from "../commands/heatmap.ts"
import { ExitCode, Failure, unsupported, usageError } from "../Exit.ts"
import { restoreAtEnd } from "../live.ts"
import { stateDirectory } from "../stateDirectory.ts"

export type HeatItem = { readonly kind: "heat"; readonly frame: HeatFrame } | { readonly kind: "ages"; readonly frame: AgeFrame }

export interface HeatFeed<E> {
  /** One line: what looks, how often. */
  readonly detail: string
  /** Things to know that are not in the picture. */
  readonly notes: ReadonlyArray<string>
  readonly items: Stream.Stream<HeatItem, E>
  /** Frames that could not be shown, so far. */
  readonly missed?: () => number
  /** Time from the first item to the last, where it is known beforehand. */
  readonly spanMs?: number | undefined
  /** Time from one item of a subject to the next: columns are of no less. */
  readonly stepMs: number
  readonly isRecording: boolean
}

/** What was asked for, checked. Undefined: a recording. */
export const chosenTarget = Effect.fnUntraced(function* (flags: HeatmapFlags) {
  const given = [
    ...(Option.isSome(flags.pid) ? ["--pid"] : []),
    ...(Option.isSome(flags.cgroup) ? ["--cgroup"] : []),
    ...(flags.paddr ? ["--paddr"] : []),
    ...(Option.isSome(flags.play) ? ["--play"] : [])
  ]
  if (given.length === 0) return yield* usageError("say what to look at: --pid N, --cgroup GROUP, --paddr, or --play FILE")
  if (given.length > 1) return yield* usageError(`${given.join(" and ")} exclude each other: give one`)
  if (Option.isNone(flags.play) && (Option.isSome(flags.from) || Option.isSome(flags.to))) {
    return yield* usageError("--from and --to are for --play")
  }
  if (flags.sample <= 0) return yield* usageError("--sample must be more than 0, such as 5ms")
  if (flags.aggregation < flags.sample) return yield* usageError("--aggregation must be at least --sample: it counts samples")
  if (flags.update < 100) return yield* usageError("--update must be at least 100ms")
  if (flags.minRegions < 3) return yield* usageError("--min-regions must be at least 3: the kernel takes no less")
  if (flags.maxRegions < flags.minRegions) return yield* usageError("--max-regions must be at least --min-regions")
  if (flags.average < 1 || flags.average > 1000) return yield* usageError("--average must be from 1 to 1000")
  if (Option.isSome(flags.column) && flags.column.value < 10) return yield* usageError("--column must be at least 10ms")
  if (Option.isSome(flags.play) && Option.isSome(flags.for)) {
    return yield* usageError("--for is for what is live: choose a part of a recording with --from and --to")
  }
  if (flags.rows < 1) return yield* usageError("--rows must be at least 1")
  if (!(flags.speed > 0)) return yield* usageError("--speed must be more than 0")
  if (Option.isSome(flags.pid)) return { kind: "process", pid: flags.pid.value } satisfies HeatOf
  if (Option.isSome(flags.cgroup)) return { kind: "cgroup", group: flags.cgroup.value } satisfies HeatOf
  return flags.paddr ? ({ kind: "physical" } satisfies HeatOf) : undefined
})

const milliseconds = (ms: number): string => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`)

const damonFeed = Effect.fnUntraced(function* (of: HeatOf, flags: HeatmapFlags) {
  const text = Option.getOrUndefined(flags.only)
  const interest = text === undefined ? undefined : parseInterest(text)
  if (text !== undefined && interest === undefined) {
    return yield* usageError(`--only: "${text}" is neither addresses, such as 7f1200000000-7f1300000000, nor a part of a mapping's name`)
  }
  if (of.kind === "physical" && interest !== undefined && "name" in interest) {
    return yield* usageError("--only: physical memory has no names, give addresses: see /proc/iomem")
  }
  const monitor = yield* makeHeatMonitor({
    of,
    interest,
    takeOver: flags.takeOver,
    intervals: { sampleUs: flags.sample * 1000, aggrUs: flags.aggregation * 1000, updateUs: flags.update * 1000 },
    nrRegions: { min: flags.minRegions, max: flags.maxRegions }
  })
  const { leftOut, nrRegions } = monitor
  return {
    detail: `DAMON ${monitor.source === "damon-paddr" ? "paddr" : "vaddr"}, sample ${milliseconds(flags.sample)}, aggregation ${milliseconds(flags.aggregation)}, ${nrRegions.min}–${nrRegions.max} regions`,
    notes: [
      ...(monitor.reads === "snapshot" ? ["no tracefs: frames are read region by region, and some aggregations are missed"] : []),
      ...(leftOut > 0 ? [`${leftOut} smaller processes of the group are left out`] : [])
    ],
    items: Stream.map(monitor.frames, (frame): HeatItem => ({ kind: "heat", frame })),
    missed: () => monitor.incomplete,
    stepMs: flags.aggregation,
    isRecording: false
  }
})

const groupOf = Effect.fnUntraced(function* (of: HeatOf) {
  if (of.kind === "physical") return ""
  if (of.kind === "cgroup") return (yield* Cgroups).normalize(of.group)
  return (yield* (yield* Processes).cgroup(of.pid)) ?? ""
})

const agesFeed = Effect.fnUntraced(function* (of: HeatOf, flags: HeatmapFlags, why: string) {
  const group = yield* groupOf(of)
  const everyMs = Math.max(
    100,
    Option.getOrElse(flags.column, () => 1000)
  )
  const frames = yield* makeGenerationAges({ group, everyMs, ageEveryMs: flags.ageEvery })
  return {
    detail: `MGLRU generations of cgroup ${group || "/"}${flags.ageEvery > 0 ? `, a new one every ${milliseconds(flags.ageEvery)}` : ""}`,
    notes: [`${why}ages of the whole cgroup ${group || "/"}, by MGLRU: how long memory has been idle, not which`],
    items: Stream.map(frames, (frame): HeatItem => ({ kind: "ages", frame })),
    stepMs: everyMs,
    isRecording: false
  }
})

/** Live frames; whatever the kernel was told for them is undone with the scope. */
export const liveFeed = Effect.fnUntraced(function* (of: HeatOf, flags: HeatmapFlags) {
  const asFailure = (error: HeatUnavailable) =>
    error.why === "unsupported" ? unsupported(error.message) : new Failure({ message: error.message, exitCode: ExitCode.failed })
  const refused = (error: unknown): error is HeatUnavailable => error instanceof HeatUnavailable
  const ages = (why: string) => Effect.catchIf(agesFeed(of, flags, why), refused, (error) => Effect.fail(asFailure(error)))
  if (flags.source === "mglru") return yield* ages("")
  return yield* damonFeed(of, flags).pipe(
    Effect.catchIf(refused, (error) => {
      if (error.why !== "unsupported" || flags.source === "damon") return Effect.fail(asFailure(error))
      return ages(`${error.message}: `)
    })
  )
})

/** The services that live frames need, over this machine's kernel. Groups are found where the kernel has them. */
export const withKernel = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const mount = yield* Effect.orElseSucceed(findCgroupMount, () => undefined)
    const services = Layer.mergeAll(Damon.layer, DamonTrace.layer, PageMap.layer, Processes.layer, Mglru.layer).pipe(
      Layer.provideMerge(Cgroups.layer),
      Layer.provideMerge(Journal.layer({ directory: stateDirectory(), command: process.argv.slice(2).join(" ") }))
    )
    return yield* Effect.scoped(effect).pipe(
      Effect.ensuring(restoreAtEnd),
      Effect.provide(services),
      Effect.updateService(KernelRoots, (roots) => (mount === undefined ? roots : { ...roots, cgroup: mount.path }))
    )
  })
