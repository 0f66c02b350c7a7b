/**
 * The comparison: every policy on every workload with every seed, each run beside the same workload without a policy, which also gives the
 * bound. Runs are independent and go wherever `runJob` takes them; one that fails becomes a problem in its row.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import { compareRow, type CompareRow, type PolicySummary, type RunOutcome, summarizePolicies } from "./compareRows.ts"
import type { BoundResult, Job, PolicyChoice, PolicyResult } from "./Job.ts"
import { bestFixedAge, boundCurve, measure, sloPromotionsPct, sloPsiPct, workingSetMib } from "./measures.ts"
import type { JobFailed } from "./scenario.ts"
import { estimate } from "./statistics.ts"

export interface CompareOptions {
  readonly workloads: ReadonlyArray<string>
  readonly policies: ReadonlyArray<PolicyChoice>
  readonly seeds: ReadonlyArray<number>
  readonly durationMs: Milliseconds
  readonly learningMs: Milliseconds
  /** Runs at the same time. */
  readonly jobs: number
  readonly runJob: (job: Job, onProgress: (share: number) => void) => Effect.Effect<BoundResult | PolicyResult, JobFailed>
  /** How many of all runs are done, partly done ones counted by their share. */
  readonly onProgress?: ((done: number, all: number, label: string) => void) | undefined
}

/** What a workload is like without a policy, and what could be saved: means over the seeds. */
export interface WorkloadBound {
  readonly workload: string
  readonly mean_mib: number
  readonly working_set_mib: number
  /** What one age for the whole run could save at 0.2 % a minute, chosen afterwards; null where no age keeps to that. Ages: median of the seeds. */
  readonly best_fixed_age_seconds: number | null
  readonly best_fixed_age_net_mib: number | null
  readonly curve: ReadonlyArray<{ readonly promotions_pct_per_min: number; readonly net_mib: number; readonly gross_mib: number }>
}

export interface PolicyComparison {
  readonly rows: ReadonlyArray<CompareRow>
  readonly summaries: ReadonlyArray<PolicySummary>
  readonly bounds: ReadonlyArray<WorkloadBound>
}

const curveRatesPct = [0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
const mib = 2 ** 20

const isOverSlo = (row: CompareRow): boolean => (row.promotions_pct_per_min ?? 0) > sloPromotionsPct || (row.psi_some_pct ?? 0) > sloPsiPct

const boundRow = (workload: string, results: ReadonlyArray<BoundResult>): ReadonlyArray<WorkloadBound> => {
  if (results.length === 0) return []
  const measured = results.map((result) => result.measured)
  const fixed = measured.flatMap((part) => bestFixedAge(part) ?? [])
  const curves = measured.map((part) => boundCurve(part, curveRatesPct))
  return [
    {
      workload,
      mean_mib: estimate(measured.map(({ byteSeconds, seconds }) => byteSeconds / seconds / mib)).mean,
      working_set_mib: estimate(measured.map(workingSetMib)).mean,
      best_fixed_age_seconds: fixed.map((one) => one.age_seconds).toSorted((a, b) => a - b)[Math.floor(fixed.length / 2)] ?? null,
      best_fixed_age_net_mib: fixed.length === 0 ? null : estimate(fixed.map((one) => one.net_mib)).mean,
      curve: curveRatesPct.map((rate, i) => ({
        promotions_pct_per_min: rate,
        net_mib: estimate(curves.map((curve) => curve[i]!.net_mib)).mean,
        gross_mib: estimate(curves.map((curve) => curve[i]!.gross_mib)).mean
      }))
    }
  ]
}

/** What a reader of the row must know, though the run came to its end. */
const troubleOf = ({ actions, failedActions, firstFailure, oomKilled }: PolicyResult): ReadonlyArray<string> => [
  ...(oomKilled ? ["killed: out of memory"] : []),
  ...(failedActions === 0 ? [] : [`${failedActions === actions ? "all" : "some"} actions failed: ${firstFailure ?? "no reason given"}`])
]

type Attempt<A> = { readonly result: A } | { readonly problem: string }

export const comparePolicies = Effect.fnUntraced(function* (options: CompareOptions) {
  const { durationMs, learningMs, onProgress, policies, seeds, workloads } = options
  const base = { durationMs, learningMs }
  const planned: ReadonlyArray<Job> = workloads.flatMap((workload) =>
    seeds.flatMap((seed) => [
      { ...base, kind: "bound" as const, workload, seed },
      ...policies.map((policy) => ({ ...base, kind: "policy" as const, workload, seed, policy }))
    ])
  )
  const shares = planned.map(() => 0)
  const show = (index: number, share: number): void => {
    shares[index] = share
    const job = planned[index]!
    onProgress?.(
      shares.reduce((sum, one) => sum + one, 0),
      planned.length,
      `${job.workload} · ${job.kind === "bound" ? "bound" : job.policy.name} · seed ${job.seed}`
    )
  }
  const attempts = yield* Effect.forEach(
    planned,
    (job, index) =>
      options
        .runJob(job, (share) => show(index, Math.min(0.99, share)))
        .pipe(
          Effect.map((result): Attempt<BoundResult | PolicyResult> => ({ result })),
          Effect.catchTag("JobFailed", ({ message }) => Effect.succeed<Attempt<never>>({ problem: message })),
          Effect.tap(() => Effect.sync(() => show(index, 1)))
        ),
    { concurrency: options.jobs }
  )
  const byKey = new Map(
    planned.map((job, i) => [keyOf(job.workload, job.seed, job.kind === "bound" ? undefined : job.policy), attempts[i]!])
  )
  const boundFor = (workload: string, seed: number) => byKey.get(keyOf(workload, seed, undefined)) as Attempt<BoundResult>
  const rows = workloads.flatMap((workload) =>
    policies.map((policy) =>
      compareRow(
        workload,
        policy,
        seeds.map((seed): RunOutcome => {
          const bound = boundFor(workload, seed)
          const run = byKey.get(keyOf(workload, seed, policy)) as Attempt<PolicyResult>
          if ("problem" in bound) return bound
          if ("problem" in run) return run
          return {
            measured: measure(run.result.measured, bound.result.measured),
            learning: measure(run.result.learning, bound.result.learning),
            trouble: troubleOf(run.result)
          }
        })
      )
    )
  )
  const bounds = workloads.flatMap((workload) =>
    boundRow(
      workload,
      seeds.flatMap((seed) => {
        const bound = boundFor(workload, seed)
        return "result" in bound ? [bound.result] : []
      })
    )
  )
  return { rows, summaries: summarizePolicies(rows, isOverSlo), bounds } satisfies PolicyComparison
})

const keyOf = (workload: string, seed: number, policy: PolicyChoice | undefined): string =>
  JSON.stringify([workload, seed, policy?.name, policy?.settings])
