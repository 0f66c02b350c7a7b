/**
 * One slot in numbers: what its recording and the machine's samples say of the part of the run that is measured, from the end of settling to
 * the end of the workload's own time (it verifies its memory after that, which touches everything). Pure.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { ObservationRow, RunInfo, WorkloadResult } from "@wmo/recording"
import type { LeaguePlan, MachineSample } from "./plan.ts"
import { median } from "./statistics.ts"

/** Keys carry units, since this is what `--json` prints. Null: the kernel or the workload did not say. */
export interface Measured {
  readonly seconds: number
  readonly memory_mean_bytes: Bytes
  readonly available_mean_bytes: Bytes
  /** Of zswap, which the group is charged for, and of zram, which it is not. */
  readonly zswap_mean_bytes: Bytes
  readonly zram_mean_bytes: Bytes
  readonly operations_per_second: number
  /** The median of the seconds: what a second without a hiccup is like. */
  readonly steady_operations_per_second: number
  /** Of the whole run. */
  readonly p50_us: number | null
  readonly p99_us: number | null
  readonly p999_us: number | null
  readonly psi_some_pct: number | null
  readonly refaults_anon: number
  readonly refaults_file: number
  /** Pages that came back from swap and zswap. */
  readonly promotions: number
  /** Pages that reclaim took, as the group's memory.stat counts them: what DAMON pages out is not among them. */
  readonly reclaimed_pages: number
  /** Pages that went to zswap or to swap beside it, whoever sent them. */
  readonly swapped_out_pages: number
  readonly throttled: number
  readonly wmo_cpu_ms: Milliseconds
  readonly kdamond_cpu_ms: Milliseconds
  readonly wrong_bytes: number
}

interface Window {
  readonly fromMs: number
  readonly toMs: number
}

/** Undefined where the workload did not get as far as saying when it started. */
const measuredWindow = (result: WorkloadResult | undefined, plan: Pick<LeaguePlan, "durationMs" | "settleMs">): Window | undefined => {
  const start = result?.measured_from_ms
  return start === undefined ? undefined : { fromMs: start + plan.settleMs, toMs: start + plan.durationMs }
}

/** Weighted by time: straight lines between samples. */
const meanOf = <Row>(rows: ReadonlyArray<Row>, at: (row: Row) => number, value: (row: Row) => number): number => {
  let area = 0
  for (let i = 1; i < rows.length; i++) area += ((value(rows[i - 1]!) + value(rows[i]!)) / 2) * (at(rows[i]!) - at(rows[i - 1]!))
  const length = rows.length === 0 ? 0 : at(rows.at(-1)!) - at(rows[0]!)
  return length > 0 ? area / length : rows.length === 0 ? 0 : value(rows.at(-1)!)
}

/** Operations a second from the whole seconds inside; the last one may be cut short and is left out. */
export const paceWithin = (result: WorkloadResult, { fromMs, toMs }: Window): { readonly mean: number; readonly median: number } => {
  const { measured_from_ms: start = 0, operations_by_second: counts = [], operations_per_second: overall = 0 } = result
  const inside = counts.filter((_, second) => start + second * 1000 >= fromMs && start + (second + 1) * 1000 <= toMs)
  if (inside.length === 0) return { mean: overall, median: overall }
  return { mean: inside.reduce((sum, count) => sum + count, 0) / inside.length, median: median(inside) }
}

/** Undefined where there is nothing to measure: no result, or fewer than two samples in the window. */
export const measure = (
  run: Pick<RunInfo, "result">,
  observations: ReadonlyArray<ObservationRow>,
  samples: ReadonlyArray<MachineSample>,
  plan: Pick<LeaguePlan, "durationMs" | "settleMs">
): Measured | undefined => {
  const window = measuredWindow(run.result, plan)
  if (window === undefined || run.result === undefined) return undefined
  const isInside = ({ at_ms: at }: { readonly at_ms: number }) => at >= window.fromMs && at <= window.toMs
  const rows = observations.filter(isInside)
  const machine = samples.filter(isInside)
  if (rows.length < 2 || machine.length < 2) return undefined
  const grown = (name: string): number | undefined => {
    const last = rows.at(-1)![name]
    return last === undefined ? undefined : Number(BigInt(last) - BigInt(rows[0]![name] ?? 0))
  }
  const growth = (name: string): number => grown(name) ?? 0
  const cpu = (name: "kdamond_cpu_ms" | "wmo_cpu_ms") => machine.at(-1)![name] - machine[0]![name]
  const machineMean = (name: "available_bytes" | "zram_bytes" | "zswap_bytes") =>
    meanOf(
      machine,
      (sample) => sample.at_ms,
      (sample) => sample[name]
    )
  const lengthMs = rows.at(-1)!.at_ms - rows[0]!.at_ms
  const pace = paceWithin(run.result, window)
  const stalledUs = grown("memory_pressure_some_us")
  return {
    seconds: lengthMs / 1000,
    memory_mean_bytes: meanOf(
      rows,
      (row) => row.at_ms,
      (row) => Number(row["memory_current_bytes"] ?? 0)
    ),
    available_mean_bytes: machineMean("available_bytes"),
    zswap_mean_bytes: machineMean("zswap_bytes"),
    zram_mean_bytes: machineMean("zram_bytes"),
    operations_per_second: pace.mean,
    steady_operations_per_second: pace.median,
    p50_us: run.result.p50_us ?? null,
    p99_us: run.result.p99_us ?? null,
    p999_us: run.result.p999_us ?? null,
    psi_some_pct: stalledUs === undefined ? null : stalledUs / 10 / lengthMs,
    refaults_anon: growth("memory_stat_workingset_refault_anon"),
    refaults_file: growth("memory_stat_workingset_refault_file"),
    promotions: growth("memory_stat_pswpin") + growth("memory_stat_zswpin"),
    reclaimed_pages: growth("memory_stat_pgsteal"),
    swapped_out_pages: growth("memory_stat_pswpout") + growth("memory_stat_zswpout"),
    throttled: growth("memory_events_high"),
    wmo_cpu_ms: cpu("wmo_cpu_ms"),
    kdamond_cpu_ms: cpu("kdamond_cpu_ms"),
    wrong_bytes: run.result.wrong_bytes ?? 0
  }
}
