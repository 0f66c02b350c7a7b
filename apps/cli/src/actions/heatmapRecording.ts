/**
 * Heatmaps in recordings. A frame is a heat entry of its subject; mappings are samples of subjects of kind `mapping`, named
 * `<subject> <start>-<end> <name>`, written when they change. Ages are page ages of their group.
 */
import { KernFs, KernelRoots } from "@wmo/core"
import type { HeatFrame, HeatMapping, PageAge } from "@wmo/monitors"
import {
  type HeatEntry,
  openRecordings,
  type Recording,
  Recorder,
  type RecordingError,
  type RunInfo,
  type Sample,
  type Tables
} from "@wmo/recording"
import { Clock, Effect, Exit, Layer, Option, Scope, Stream } from "effect"
import type { HeatmapFlags } from "../commands/heatmap.ts"
import { usageError } from "../Exit.ts"
import { parseWindow } from "../moment.ts"
import type { HeatFeed, HeatItem } from "./heatmapFeed.ts"

const metrics = ["mapping_resident_bytes", "mapping_anon_bytes"] as const
const kind = "mapping"

const samplesOf = (subject: string, mappings: ReadonlyArray<HeatMapping>): ReadonlyArray<Sample> =>
  mappings.map(({ anonBytes, end, name, residentBytes, start }) => ({
    subject: { kind, name: `${subject} ${start.toString(16)}-${end.toString(16)} ${name}` },
    metrics,
    values: [Math.round(residentBytes), Math.round(anonBytes)]
  }))

export interface HeatRecorder {
  readonly write: (item: HeatItem) => Effect.Effect<void, unknown>
  readonly close: Effect.Effect<void>
}

/** A new recording of what is shown; it is ended by `close`. */
export const openHeatRecorder = Effect.fnUntraced(function* (file: string, detail: string) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Recorder.layerFile(file), scope)
  const fs = yield* KernFs
  const { proc } = yield* KernelRoots
  const kernel = yield* fs.read(`${proc}/sys/kernel/osrelease`).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes).trim()),
    Effect.orElseSucceed(() => "unknown")
  )
  const recorder = yield* Effect.provide(Recorder, context)
  const run = yield* recorder.start({
    label: "heatmap",
    group: "",
    policy: "none",
    settings: { detail },
    kernel,
    clock: "real",
    everyMs: 0,
    dryRun: false,
    startedMs: yield* Clock.currentTimeMillis
  })
  const mapped = new Map<string, ReadonlyArray<HeatMapping>>()
  const entryOf = ({ aggregationUs, regions, sampleUs, source, subject, title }: HeatFrame): HeatEntry => ({
    subject: { ...subject, detail: { title } },
    source,
    sampleUs,
    aggregationUs,
    regions
  })
  const write = (item: HeatItem): Effect.Effect<void, unknown> => {
    const { atMs } = item.frame
    if (item.kind === "ages") {
      const { group, pageAge } = item.frame
      return run.snapshot({ atMs, complete: [], pageAges: [{ subject: { kind: "cgroup", name: group }, pageAge }] })
    }
    const { mappings, subject } = item.frame
    const heat = [entryOf(item.frame)]
    if (mapped.get(subject.name) === mappings) return run.snapshot({ atMs, complete: [], heat })
    mapped.set(subject.name, mappings)
    return run.snapshot({ atMs, complete: [kind], samples: [...mapped].flatMap(([name, of]) => samplesOf(name, of)), heat })
  }
  const close = Effect.gen(function* () {
    yield* Effect.ignore(run.end({ endedMs: yield* Clock.currentTimeMillis, missedTicks: 0 }))
    yield* Scope.close(scope, Exit.void)
  })
  return { write, close: Effect.uninterruptible(close) } satisfies HeatRecorder
})

const named = /^(\S+) ([0-9a-f]+)-([0-9a-f]+) ([^]*)$/

/** The mappings of all subjects from a time on. */
interface Mapped {
  readonly atMs: number
  readonly bySubject: ReadonlyMap<string, ReadonlyArray<HeatMapping>>
}

/** Mappings are written when they change: those of before the window count. */
const readMappings = (recording: Recording, run: RunInfo, toMs: number) =>
  recording.frames(run.id, { toMs, isWanted: (subject) => subject.kind === kind }).pipe(
    Stream.filter(({ complete }) => complete.includes(kind)),
    Stream.map(({ atMs, points }): Mapped => {
      const bySubject = new Map<string, Array<HeatMapping>>()
      for (const { subject, values } of points) {
        const [, of, start, end, name] = named.exec(subject.name) ?? []
        if (of === undefined) continue
        const list = bySubject.get(of) ?? []
        bySubject.set(of, list)
        list.push({
          start: BigInt(`0x${start!}`),
          end: BigInt(`0x${end!}`),
          name: name!,
          residentBytes: Number(values[metrics[0]] ?? 0),
          anonBytes: Number(values[metrics[1]] ?? 0)
        })
      }
      for (const list of bySubject.values()) list.sort((a, b) => (a.start < b.start ? -1 : 1))
      return { atMs, bySubject }
    }),
    Stream.runCollect
  )

const noMappings: ReadonlyArray<HeatMapping> = []

/** Frames of a run as they were written, each with the mappings of its time. */
const heatItems = (
  rows: Stream.Stream<Tables["heat"], RecordingError>,
  changes: ReadonlyArray<Mapped>,
  titles: ReadonlyMap<string, unknown>
): Stream.Stream<HeatItem, RecordingError> =>
  Stream.suspend(() => {
    let next = 0
    let mapped: Mapped["bySubject"] = new Map()
    return Stream.map(rows, ({ aggregationUs, atMs, regions, sampleUs, source, subject }): HeatItem => {
      for (; next < changes.length && changes[next]!.atMs <= atMs; next++) mapped = changes[next]!.bySubject
      const title = titles.get(subject.name)
      return {
        kind: "heat",
        frame: {
          atMs,
          subject: { kind: subject.kind === "process" ? "process" : "machine", name: subject.name },
          title: typeof title === "string" ? title : subject.name,
          source: source === "damon-paddr" ? "damon-paddr" : "damon-vaddr",
          sampleUs,
          aggregationUs,
          regions,
          mappings: mapped.get(subject.name) ?? noMappings
        }
      }
    })
  })

/** In the pace at which they were seen, `speed` times as fast. */
const paced = <E>(items: Stream.Stream<HeatItem, E>, speed: number): Stream.Stream<HeatItem, E> =>
  Stream.suspend(() => {
    let before: number | undefined
    return Stream.mapEffect(items, (item) => {
      const waitMs = Math.max(0, item.frame.atMs - (before ?? item.frame.atMs)) / speed
      before = item.frame.atMs
      return waitMs === 0 ? Effect.succeed(item) : Effect.as(Effect.sleep(`${waitMs} millis`), item)
    })
  })

/** Opens a recording and gives the items of its first run that has any, in real time divided by `speed`, or at once. */
export const recordedFeed = Effect.fnUntraced(function* (
  file: string,
  flags: Pick<HeatmapFlags, "from" | "to" | "speed">,
  atOnce: boolean
) {
  const windowOf = yield* parseWindow(flags.from, flags.to)
  const recording = yield* openRecordings(file)
  const runs = yield* recording.runs
  const spanOf = <A extends { readonly atMs: number }>(rows: Stream.Stream<A, RecordingError>) =>
    Stream.runFold(
      rows,
      (): { firstMs: number; lastMs: number } => ({ firstMs: Infinity, lastMs: -Infinity }),
      (span, { atMs }) => ({ firstMs: Math.min(span.firstMs, atMs), lastMs: Math.max(span.lastMs, atMs) })
    )
  for (const run of runs) {
    const window = windowOf(run.startedMs)
    const heat = recording.entries(run.id, "heat", window)
    const ages = recording.entries(run.id, "pageAges", window)
    let span = yield* spanOf(heat)
    const hasHeat = span.lastMs >= span.firstMs
    if (!hasHeat) span = yield* spanOf(ages)
    if (span.lastMs < span.firstMs) continue
    const first = yield* Stream.runHead(heat)
    const titles = new Map((yield* recording.subjects(run.id)).map(({ detail, name }) => [name, detail?.["title"]]))
    const items: Stream.Stream<HeatItem, RecordingError> = hasHeat
      ? heatItems(heat, yield* readMappings(recording, run, window.toMs), titles)
      : Stream.map(ages, ({ atMs, pageAge, subject }) => ({
          kind: "ages",
          frame: { atMs, group: subject.name, pageAge: pageAge as PageAge }
        }))
    return {
      detail: run.settings["detail"] ?? `recorded ${new Date(run.startedMs).toISOString()}`,
      notes: hasHeat ? [] : ["this recording has no addresses, only ages of whole cgroups"],
      items: atOnce ? items : paced(items, flags.speed),
      spanMs: span.lastMs - span.firstMs,
      stepMs: Option.match(first, { onNone: () => 1000, onSome: ({ aggregationUs }) => Math.max(1, aggregationUs / 1000) }),
      isRecording: true
    } satisfies HeatFeed<RecordingError>
  }
  return yield* usageError(
    runs.length === 0 ? `${file} holds no runs` : `${file} holds no heat in that time: make such a recording with \`wmo heatmap --record\``
  )
})
