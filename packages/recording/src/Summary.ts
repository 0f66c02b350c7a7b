/**
 * A run in a few numbers: memory, refaults, pressure, swap, actions and what the workload said of itself.
 * Means are weighted by time, from one observation to the next; counters are differences over the window.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Subject, WorkloadResult } from "./Entry.ts"
import { Effect, Stream } from "effect"
import type { ObservationRow, Recording } from "./Recording.ts"
import type { RecordingError } from "./RecordingError.ts"
import type { Query, RunInfo } from "./RecordingReader.ts"
import { SummaryTally } from "./SummaryTally.ts"
import type { ActionRow } from "./tables.ts"

/** A part of a run, as shares of its length: `{ from: 0.5, to: 1 }` is its second half. */
export interface Window {
  readonly from: number
  readonly to: number
}

export interface MeanPeak {
  /** Weighted by time: straight lines between samples. */
  readonly mean: Bytes
  /** Plain mean over the samples, as the original WMO and spreadsheets have it. */
  readonly sample_mean: Bytes
  readonly peak: Bytes
}

/** Keys carry units, since this is what `--json` prints. */
export interface Summary {
  readonly run_id: number
  readonly label: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  readonly group: string
  readonly kernel: string
  readonly clock: string
  readonly command: string | null
  readonly exit_code: number | null
  readonly started_ms: Milliseconds
  readonly duration_seconds: number
  readonly samples: number
  readonly missed_ticks: number | null
  readonly memory_current_bytes: MeanPeak
  readonly swap_current_bytes: MeanPeak
  readonly zswap_current_bytes: MeanPeak
  readonly refaults: number
  readonly major_faults: number
  /** Stall time; null where the kernel, or the file that was imported, did not say. */
  readonly psi_some_us: number | null
  readonly psi_some_pct: number | null
  readonly psi_full_us: number | null
  readonly actions: Readonly<Record<string, number>>
  readonly reclaimed_bytes: Bytes
  /** The workload's pace inside the window where it kept count by the second, else over its whole run. */
  readonly operations_per_second: number | null
  readonly result: WorkloadResult | null
}

const whole: Window = { from: 0, to: 1 }

/** The observations inside the window; at least the last one, so that a summary of a short run is not empty. */
const cut = (rows: ReadonlyArray<ObservationRow>, window: Window): ReadonlyArray<ObservationRow> => {
  const start = rows[0]?.at_ms ?? 0
  const length = (rows.at(-1)?.at_ms ?? 0) - start
  const inside = rows.filter((row) => row.at_ms >= start + window.from * length && row.at_ms <= start + window.to * length)
  return inside.length > 0 ? inside : rows.slice(-1)
}

/** Operations a second between two moments, from whole seconds that lie in between. */
const paceWithin = (result: WorkloadResult | undefined, fromMs: number, toMs: number): number | null => {
  const { measured_from_ms: startMs, operations_by_second: counts, operations_per_second: overall } = result ?? {}
  if (counts === undefined || startMs === undefined) return overall ?? null
  const inside = counts.filter((_, second) => startMs + second * 1000 >= fromMs && startMs + (second + 1) * 1000 <= toMs)
  return inside.length === 0 ? (overall ?? null) : inside.reduce((sum, count) => sum + count, 0) / inside.length
}

/** What is counted of actions: all that a summary says of them. */
type ActionCount = Pick<ActionRow, "atMs" | "reclaimedBytes" | "status">

const finish = (run: RunInfo, tally: SummaryTally, actions: ReadonlyArray<ActionCount>): Summary => {
  const from = tally.firstMs ?? run.startedMs
  const to = tally.lastMs ?? run.startedMs
  const inWindow = actions.filter(({ atMs }) => atMs >= from && atMs <= to)
  const counts: Record<string, number> = {}
  for (const { status } of inWindow) counts[status] = (counts[status] ?? 0) + 1
  const grown = (column: string) => tally.growth(column) ?? 0
  const stalledUs = tally.growth("memory_pressure_some_us")
  return {
    run_id: run.id,
    label: run.label,
    policy: run.policy,
    settings: run.settings,
    group: run.group,
    kernel: run.kernel,
    clock: run.clock,
    command: run.command ?? null,
    exit_code: run.exitCode ?? null,
    started_ms: run.startedMs,
    duration_seconds: (to - from) / 1000,
    samples: tally.samples,
    missed_ticks: run.missedTicks ?? null,
    memory_current_bytes: tally.meanPeak("memory_current_bytes"),
    swap_current_bytes: tally.meanPeak("memory_swap_current_bytes"),
    zswap_current_bytes: tally.meanPeak("memory_zswap_current_bytes"),
    refaults: grown("memory_stat_workingset_refault_anon") + grown("memory_stat_workingset_refault_file"),
    major_faults: grown("memory_stat_pgmajfault"),
    psi_some_us: stalledUs,
    psi_some_pct: stalledUs === null ? null : to > from ? stalledUs / 10 / (to - from) : 0,
    psi_full_us: tally.growth("memory_pressure_full_us"),
    actions: counts,
    reclaimed_bytes: inWindow.reduce((sum, { reclaimedBytes }) => sum + Math.max(0, reclaimedBytes ?? 0), 0),
    operations_per_second: paceWithin(run.result, from, to),
    result: run.result ?? null
  }
}

/** Sums up one run from its rows. A run without observations has zeros. */
export const summarize = (
  run: RunInfo,
  observations: ReadonlyArray<ObservationRow>,
  actions: ReadonlyArray<ActionRow>,
  window: Window = whole
): Summary => {
  const tally = new SummaryTally()
  for (const row of cut(observations, window)) tally.add(row.at_ms, row)
  return finish(run, tally, actions)
}

/**
 * Sums up the groups of a run that are wanted (default: its own), one by one in the order in which they were first seen, in one reading and
 * without holding their series: for recordings of days, or of a thousand groups. Groups without a sample in that time are left out.
 */
export const summarizeGroups: (recording: Recording, run: RunInfo, query?: Query) => Effect.Effect<ReadonlyArray<Summary>, RecordingError> =
  Effect.fnUntraced(function* (recording, run, query = {}) {
    const own = yield* recording.ownGroup(run.id)
    const isWanted = (subject: Subject): boolean =>
      query.isWanted === undefined ? subject.kind === "cgroup" && subject.name === own : query.isWanted(subject)
    const groups = new Map<string, SummaryTally>()
    yield* Stream.runForEachArray(recording.points(run.id, { ...query, isWanted }), (points) =>
      Effect.sync(() => {
        for (const { atMs, subject, values } of points) {
          let tally = groups.get(subject.name)
          if (tally === undefined) groups.set(subject.name, (tally = new SummaryTally()))
          tally.add(atMs, values)
        }
      })
    )
    const actions = new Map<string, Array<ActionCount>>()
    yield* Stream.runForEach(recording.entries(run.id, "actions", { ...query, isWanted }), ({ atMs, reclaimedBytes, status, subject }) =>
      Effect.sync(() => {
        const known = actions.get(subject.name)
        if (known === undefined) actions.set(subject.name, [{ atMs, reclaimedBytes, status }])
        else known.push({ atMs, reclaimedBytes, status })
      })
    )
    const order = (yield* recording.subjects(run.id)).map(({ name }) => name)
    const inOrder = [...groups].toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    return inOrder.map(([name, tally]) => ({ ...finish(run, tally, actions.get(name) ?? []), group: name }))
  })
