/**
 * An arena against no arena, workload by workload: on plain memory, on the reactive arena (`none`), with a predictor, and with the oracle
 * where one is asked for. One run after the other, each in a process of its own, with the same seed.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import type { MemoryWorkloadName } from "../workloads/memory/plans.ts"
import type { ProcessArenaPart } from "./advisedRun.ts"
import { type Watched, watchedRun, type WatchedRunFailed } from "./watchedRun.ts"

/** A run, under the process arena where that is what is measured. */
export interface BenchRun extends Watched {
  readonly process_arena?: ProcessArenaPart
}

export interface ArenaBenchOptions<E, R> {
  readonly workloads: ReadonlyArray<MemoryWorkloadName>
  /** `none` is always run. */
  readonly predictors: ReadonlyArray<string>
  /** Runs a workload on an arena with a predictor. `args`: the workload's name, and what all runs of it have in common. */
  readonly onArena: (predictor: string, args: ReadonlyArray<string>) => Effect.Effect<BenchRun, E, R>
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
   * Of the whole process, Node and all bookkeeping included, against the run on plain memory; of the process arena against what the target would
   * have taken, with what lies compressed counted. Null for the oracle: the future that it is given takes memory, too.
   */
  readonly pss_byte_seconds_saved_share: number | null
  readonly pss_saved_mean_bytes: Bytes | null
  readonly rss_before_bytes: Bytes
  readonly rss_mean_bytes: Bytes
  /** In this run and in those it is compared with. */
  readonly wrong_bytes: Bytes
  /**
   * What the managed arena took of a core by the clock: compressing, restoring, predicting; of the process arena, CPU time of who runs it and of
   * kdamonds. And CPU time of the workload's process, here and on plain memory.
   */
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
  readonly runs: ReadonlyArray<BenchRun>
}

/** Around a run: starting, loading, comparing everything. */
const runExtraMs: Milliseconds = 4000

export const arenaBenchRuns = ({ predictors, workloads }: Pick<ArenaBenchOptions<never, never>, "predictors" | "workloads">): number =>
  workloads.length * (1 + new Set(["none", ...predictors]).size)

export const arenaBenchMs = (runs: number, durationMs: Milliseconds): Milliseconds => runs * (durationMs + runExtraMs)

const percent = (share: number | null | undefined): number | null => (share === null || share === undefined ? null : 100 * share)

interface Saved {
  readonly share: number | null
  readonly meanBytes: Bytes | null
}

const savedOf = (plain: Watched, { process_arena: arena, pss_mean_bytes, result }: BenchRun): Saved => {
  if (arena !== undefined) return { share: arena.saved_share, meanBytes: arena.saved_mean_bytes }
  if (result.arena?.predictor === "oracle") return { share: null, meanBytes: null }
  return { share: 1 - pss_mean_bytes / plain.pss_mean_bytes, meanBytes: plain.pss_mean_bytes - pss_mean_bytes }
}

export const arenaBenchRow = (plain: Watched, reactive: BenchRun, run: BenchRun): ArenaBenchRow => {
  const { result } = run
  const arena = run.process_arena ?? result.arena
  const saved = savedOf(plain, run)
  const runs = [...new Set([plain, reactive, run])]
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
    pss_byte_seconds_saved_share: saved.share,
    pss_saved_mean_bytes: saved.meanBytes,
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

/** The managed arena: in the workload's own process. */
export const onManagedArena =
  (program: string): ArenaBenchOptions<WatchedRunFailed, never>["onArena"] =>
  (predictor, args) =>
    watchedRun(program, [...args, "--on", "arena", "--predictor", predictor])

export const runArenaBench = <E, R>(options: ArenaBenchOptions<E, R>): Effect.Effect<ArenaBench, E | WatchedRunFailed, R> =>
  Effect.gen(function* () {
    const rows: Array<ArenaBenchRow> = []
    const runs: Array<BenchRun> = []
    const run = Effect.fnUntraced(function* (label: string, running: Effect.Effect<BenchRun, E | WatchedRunFailed, R>) {
      options.onRun(runs.length, label)
      const watched = yield* running
      runs.push(watched)
      return watched
    })
    for (const workload of options.workloads) {
      const args = [workload, ...options.args]
      const plain = yield* run(`${workload} on plain memory`, watchedRun(options.program, [...args, "--on", "plain"]))
      const onArena = (predictor: string) => run(`${workload} on the arena, ${predictor}`, options.onArena(predictor, args))
      const reactive = yield* onArena("none")
      if (options.predictors.includes("none")) rows.push(arenaBenchRow(plain, reactive, reactive))
      for (const predictor of options.predictors) {
        if (predictor !== "none") rows.push(arenaBenchRow(plain, reactive, yield* onArena(predictor)))
      }
    }
    return { rows, runs }
  })
