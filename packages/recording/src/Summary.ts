/**
 * A run in a few numbers: memory, refaults, pressure, swap, actions and what the workload said of itself.
 * Means are weighted by time, from one observation to the next; counters are differences over the window.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { WorkloadResult } from "./Entry.ts"
import type { ObservationRow } from "./Recording.ts"
import type { RunInfo } from "./RecordingReader.ts"
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

const meanPeak = (rows: ReadonlyArray<ObservationRow>, column: string): MeanPeak => {
  let area = 0
  let peak = 0
  let sum = 0
  rows.forEach((row, i) => {
    const value = Number(row[column] ?? 0)
    peak = Math.max(peak, value)
    sum += value
    const next = rows[i + 1]
    if (next !== undefined) area += ((value + Number(next[column] ?? 0)) / 2) * (next.at_ms - row.at_ms)
  })
  const length = (rows.at(-1)?.at_ms ?? 0) - (rows[0]?.at_ms ?? 0)
  return { mean: length > 0 ? Math.round(area / length) : peak, sample_mean: Math.round(sum / Math.max(1, rows.length)), peak }
}

const difference = (rows: ReadonlyArray<ObservationRow>, column: string): number => {
  const first = rows[0]?.[column]
  const last = rows.at(-1)?.[column]
  return first === undefined || last === undefined ? 0 : Math.max(0, Number(BigInt(last) - BigInt(first)))
}

/** Operations a second between two moments, from whole seconds that lie in between. */
const paceWithin = (result: WorkloadResult | undefined, fromMs: number, toMs: number): number | null => {
  const { measured_from_ms: startMs, operations_by_second: counts, operations_per_second: overall } = result ?? {}
  if (counts === undefined || startMs === undefined) return overall ?? null
  const inside = counts.filter((_, second) => startMs + second * 1000 >= fromMs && startMs + (second + 1) * 1000 <= toMs)
  return inside.length === 0 ? (overall ?? null) : inside.reduce((sum, count) => sum + count, 0) / inside.length
}

/** Sums up one run from its rows. A run without observations has zeros. */
export const summarize = (
  run: RunInfo,
  observations: ReadonlyArray<ObservationRow>,
  actions: ReadonlyArray<ActionRow>,
  window: Window = whole
): Summary => {
  const rows = cut(observations, window)
  const from = rows[0]?.at_ms ?? run.startedMs
  const to = rows.at(-1)?.at_ms ?? run.startedMs
  const inWindow = actions.filter(({ atMs }) => atMs >= from && atMs <= to)
  const counts: Record<string, number> = {}
  for (const { status } of inWindow) counts[status] = (counts[status] ?? 0) + 1
  const known = (column: string) => (rows.at(-1)?.[column] === undefined ? null : difference(rows, column))
  const stalledUs = known("memory_pressure_some_us")
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
    samples: rows.length,
    missed_ticks: run.missedTicks ?? null,
    memory_current_bytes: meanPeak(rows, "memory_current_bytes"),
    swap_current_bytes: meanPeak(rows, "memory_swap_current_bytes"),
    zswap_current_bytes: meanPeak(rows, "memory_zswap_current_bytes"),
    refaults: difference(rows, "memory_stat_workingset_refault_anon") + difference(rows, "memory_stat_workingset_refault_file"),
    major_faults: difference(rows, "memory_stat_pgmajfault"),
    psi_some_us: stalledUs,
    psi_some_pct: stalledUs === null ? null : to > from ? stalledUs / 10 / (to - from) : 0,
    psi_full_us: known("memory_pressure_full_us"),
    actions: counts,
    reclaimed_bytes: inWindow.reduce((sum, { reclaimedBytes }) => sum + Math.max(0, reclaimedBytes ?? 0), 0),
    operations_per_second: paceWithin(run.result, from, to),
    result: run.result ?? null
  }
}
