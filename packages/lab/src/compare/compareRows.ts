/** The rows of a comparison: every measure of a policy on a workload as a mean over seeds with its interval, the learning phase beside it. */
import { type Measures } from "./measures.ts"
import type { PolicyChoice } from "./Job.ts"
import { type Estimate, estimate } from "./statistics.ts"

/** One run that came to an end, or one line on why it did not. */
export type RunOutcome =
  | { readonly measured: Measures; readonly learning: Measures; readonly trouble: ReadonlyArray<string> }
  | { readonly problem: string }

type MeasureName = keyof Measures
type Intervals = { readonly [K in MeasureName as `${K}_ci95`]: number | null }
type Learning = { readonly [K in MeasureName as `learning_${K}`]: number }

/** Means over the seeds under the measures' own names, `…_ci95` half the width of the 95 % interval. */
export type CompareRow = {
  readonly workload: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  /** Seeds that came to an end. */
  readonly seeds: number
  readonly problems: ReadonlyArray<string>
} & Partial<Measures & Intervals & Learning>

const meansOf = (all: ReadonlyArray<Measures>): Record<MeasureName, Estimate> => {
  const names = Object.keys(all[0]!) as ReadonlyArray<MeasureName>
  return Object.fromEntries(names.map((name) => [name, estimate(all.map((one) => one[name]))])) as Record<MeasureName, Estimate>
}

/** A policy's name as tables show it, with what is set differently. */
export const policyTitle = ({ name, settings }: PolicyChoice): string => {
  const set = Object.entries(settings).map(([key, value]) => `${key}=${value}`)
  return set.length === 0 ? name : `${name} ${set.join(" ")}`
}

export const compareRow = (workload: string, policy: PolicyChoice, outcomes: ReadonlyArray<RunOutcome>): CompareRow => {
  const problems = [...new Set(outcomes.flatMap((outcome) => ("problem" in outcome ? [outcome.problem] : outcome.trouble)))]
  const done = outcomes.filter((outcome) => "measured" in outcome)
  const base = { workload, policy: policy.name, settings: policy.settings, seeds: done.length, problems }
  if (done.length === 0) return base
  const measured = Object.entries(meansOf(done.map((outcome) => outcome.measured)))
  const learning = Object.entries(meansOf(done.map((outcome) => outcome.learning)))
  return {
    ...base,
    ...Object.fromEntries(measured.map(([name, { mean }]) => [name, mean])),
    ...Object.fromEntries(measured.map(([name, { ci95 }]) => [`${name}_ci95`, ci95])),
    ...Object.fromEntries(learning.map(([name, { mean }]) => [`learning_${name}`, mean]))
  } as CompareRow
}

/** What a policy did over all workloads: plain means of its rows, and how often it was ahead of all others and behind them. */
export interface PolicySummary {
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  readonly workloads: number
  readonly saved_share_of_bound: number
  /** The same, but a workload on which it broke the objective counts as nothing saved: what the policy can be trusted with. */
  readonly saved_share_within_slo: number
  readonly saved_share_at_own_rate: number
  /** All that was saved over all that could be, at 0.2 % a minute: workloads weigh as much as there is to save. */
  readonly saved_share_pooled: number
  readonly promotions_pct_per_min: number
  readonly psi_some_pct: number
  readonly stall_p99_us: number
  readonly slowdown_pct: number
  readonly saved_mib: number
  readonly policy_cpu_us_per_min: number
  readonly slo_minutes_pct: number
  /** Workloads on which its mean promotions or pressure broke the objective. */
  readonly over_slo: ReadonlyArray<string>
}

export const summarizePolicies = (
  rows: ReadonlyArray<CompareRow>,
  isOverSlo: (row: CompareRow) => boolean
): ReadonlyArray<PolicySummary> => {
  const groups = Object.values(Object.groupBy(rows, ({ policy, settings }) => JSON.stringify([policy, settings]))).map((group) => group!)
  return groups.flatMap((group) => {
    const done = group.filter(({ seeds }) => seeds > 0)
    if (done.length === 0) return []
    const mean = (name: MeasureName) => estimate(done.map((row) => row[name] ?? 0)).mean
    return [
      {
        policy: group[0]!.policy,
        settings: group[0]!.settings,
        workloads: done.length,
        saved_share_of_bound: mean("saved_share_of_bound"),
        saved_share_within_slo: estimate(done.map((row) => (isOverSlo(row) ? 0 : (row.saved_share_of_bound ?? 0)))).mean,
        saved_share_at_own_rate: mean("saved_share_at_own_rate"),
        saved_share_pooled: mean("bound_mib") > 0 ? mean("saved_mib") / mean("bound_mib") : 1,
        promotions_pct_per_min: mean("promotions_pct_per_min"),
        psi_some_pct: mean("psi_some_pct"),
        stall_p99_us: mean("stall_p99_us"),
        slowdown_pct: mean("slowdown_pct"),
        saved_mib: mean("saved_mib"),
        policy_cpu_us_per_min: mean("policy_cpu_us_per_min"),
        slo_minutes_pct: mean("slo_minutes_pct"),
        over_slo: done.filter(isOverSlo).map(({ workload }) => workload)
      }
    ]
  })
}
