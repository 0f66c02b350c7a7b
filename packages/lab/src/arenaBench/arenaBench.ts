/**
 * The managed arena against no arena, workload by workload: on plain memory, on the reactive arena (`none`), with a predictor, and with the oracle
 * where one is asked for. One run after the other, each in a process of its own, with the same seed.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import type { MemoryWorkloadName } from "../workloads/memory/plans.ts"
import { type Watched, watchedRun, type WatchedRunFailed } from "./watchedRun.ts"

export interface ArenaBenchOptions {
  readonly workloads: ReadonlyArray<MemoryWorkloadName>
  /** Of `wmo workload NAME --on arena`; `none` is always run. */
  readonly predictors: ReadonlyArray<string>
  /** Further arguments for all runs, as `wmo workload` knows them. */
  readonly args: ReadonlyArray<string>
  readonly program: string
  readonly onRun: (done: number, label: string) => void
}

/** One predictor on one workload. Shares are 0 to 1, `_pct` percent; null where there is nothing to divide by. */
export interface ArenaBenchRow {
  readonly workload: string
  readonly predictor: string
  readonly bytes: Bytes
  readonly seconds: number
  readonly accuracy: number | null
  readonly coverage: number | null
  readonly early_pct: number | null
  readonly late_pct: number | null
  readonly pollution_pct: number | null
  /** Touches of pages, in a burst the first of each: in this run, on the reactive arena, on plain memory. */
  readonly burst_touch_p50_us: number | null
  readonly burst_touch_p99_us: number | null
  readonly burst_touch_max_us: number | null
  readonly reactive_touch_p99_us: number | null
  readonly plain_touch_p99_us: number | null
  /** Of these only the first ones of chunks that were left alone for the cold age: a sixteenth with chunks of 64 KiB. */
  readonly cold_touch_p50_us: number | null
  readonly cold_touch_p99_us: number | null
  readonly reactive_cold_touch_p99_us: number | null
  readonly plain_cold_touch_p99_us: number | null
  /**
   * Of the whole process, Node and all bookkeeping included, against the run on plain memory. Null for the oracle: the future that it is given
   * takes memory, too.
   */
  readonly pss_byte_seconds_saved_share: number | null
  readonly pss_saved_mean_bytes: Bytes | null
  readonly rss_before_bytes: Bytes
  readonly rss_mean_bytes: Bytes
  /** In this run and in those it is compared with. */
  readonly wrong_bytes: Bytes
  /** What the arena took of a core by the clock: compressing, restoring, predicting; and CPU time of the whole process, here and on plain memory. */
  readonly cpu_pct: number
  readonly process_cpu_pct: number
  readonly plain_process_cpu_pct: number
  readonly operations_per_second: number
  /** Operations fewer than on plain memory. */
  readonly slowdown_pct: number
  readonly operation_mean_us: number
  readonly plain_operation_mean_us: number
}

export interface ArenaBench {
  readonly rows: ReadonlyArray<ArenaBenchRow>
  readonly runs: ReadonlyArray<Watched>
}

/** Around a run: starting, loading, comparing everything. */
const runExtraMs: Milliseconds = 4000

export const arenaBenchRuns = ({ predictors, workloads }: Pick<ArenaBenchOptions, "predictors" | "workloads">): number =>
  workloads.length * (1 + new Set(["none", ...predictors]).size)

export const arenaBenchMs = (runs: number, durationMs: Milliseconds): Milliseconds => runs * (durationMs + runExtraMs)

const percent = (share: number | null | undefined): number | null => (share === null || share === undefined ? null : 100 * share)

export const arenaBenchRow = (plain: Watched, reactive: Watched, run: Watched): ArenaBenchRow => {
  const { result } = run
  const { arena } = result
  const runs = [...new Set([plain, reactive, run])]
  const isOracle = arena?.predictor === "oracle"
  const cold = (watched: Watched) => watched.result.phases.cold_touch
  const touches = ({ result: { phases } }: Watched) => phases.burst_touch ?? phases.stream ?? phases.random ?? phases.heap
  return {
    workload: result.workload,
    predictor: arena?.predictor ?? "–",
    bytes: result.bytes,
    seconds: result.seconds,
    accuracy: arena?.accuracy ?? null,
    coverage: arena?.coverage ?? null,
    early_pct: percent(arena?.early),
    late_pct: percent(arena?.late),
    pollution_pct: percent(arena?.pollution),
    burst_touch_p50_us: touches(run)?.p50_us ?? null,
    burst_touch_p99_us: touches(run)?.p99_us ?? null,
    burst_touch_max_us: touches(run)?.max_us ?? null,
    reactive_touch_p99_us: touches(reactive)?.p99_us ?? null,
    plain_touch_p99_us: touches(plain)?.p99_us ?? null,
    cold_touch_p50_us: cold(run)?.p50_us ?? null,
    cold_touch_p99_us: cold(run)?.p99_us ?? null,
    reactive_cold_touch_p99_us: cold(reactive)?.p99_us ?? null,
    plain_cold_touch_p99_us: cold(plain)?.p99_us ?? null,
    pss_byte_seconds_saved_share: isOracle ? null : 1 - run.pss_mean_bytes / plain.pss_mean_bytes,
    pss_saved_mean_bytes: isOracle ? null : plain.pss_mean_bytes - run.pss_mean_bytes,
    rss_before_bytes: run.rss_before_bytes,
    rss_mean_bytes: run.rss_mean_bytes,
    wrong_bytes: runs.reduce((sum, watched) => sum + watched.result.wrong_bytes, 0),
    cpu_pct: arena?.cpu_pct ?? 0,
    process_cpu_pct: result.process_cpu_pct,
    plain_process_cpu_pct: plain.result.process_cpu_pct,
    operations_per_second: result.operations_per_second,
    slowdown_pct: 100 * (1 - result.operations_per_second / plain.result.operations_per_second),
    operation_mean_us: result.mean_us,
    plain_operation_mean_us: plain.result.mean_us
  }
}

export const runArenaBench = (options: ArenaBenchOptions): Effect.Effect<ArenaBench, WatchedRunFailed> =>
  Effect.gen(function* () {
    const rows: Array<ArenaBenchRow> = []
    const runs: Array<Watched> = []
    const run = Effect.fnUntraced(function* (workload: string, on: string, ...args: ReadonlyArray<string>) {
      options.onRun(runs.length, `${workload} on ${on}`)
      const watched = yield* watchedRun(options.program, [workload, ...args, ...options.args])
      runs.push(watched)
      return watched
    })
    for (const workload of options.workloads) {
      const plain = yield* run(workload, "plain memory", "--on", "plain")
      const onArena = (predictor: string) => run(workload, `the arena, ${predictor}`, "--on", "arena", "--predictor", predictor)
      const reactive = yield* onArena("none")
      if (options.predictors.includes("none")) rows.push(arenaBenchRow(plain, reactive, reactive))
      for (const predictor of options.predictors) {
        if (predictor !== "none") rows.push(arenaBenchRow(plain, reactive, yield* onArena(predictor)))
      }
    }
    return { rows, runs }
  })
