/**
 * What one run of a policy saved and cost, measured against the same workload with the same seed without a policy, and against the bound.
 * Saved is what is out of memory beyond what a limit of the group's own pushes out anyway. Promotions are refaults beyond those of the run without a policy: what a limit of the group's own causes anyway is not the policy's doing.
 * The working set that they are a share of is that of the run without a policy, too, so that a policy cannot enlarge it.
 */
import { pageSize } from "@wmo/core"
import { boundOf } from "@wmo/sim"
import type { Bound, Part } from "./Job.ts"

/** Promotions in percent of the working set a minute, and PSI some in percent of time: what `slo` promises, and what the bound is for. */
export const sloPromotionsPct = 0.2
export const sloPsiPct = 0.1

/** Keys carry units, since this is what `--json` prints. */
export interface Measures {
  /** Saved byte-seconds as a share of what could be saved at 0.2 % promotions a minute, and at this run's own rate. */
  readonly saved_share_of_bound: number
  readonly saved_share_at_own_rate: number
  readonly promotions_pct_per_min: number
  readonly psi_some_pct: number
  /** In 99 % of all seconds the tasks together stood still for no longer. */
  readonly stall_p99_us: number
  readonly slowdown_pct: number
  /** Mean, net of what is in zswap. */
  readonly saved_mib: number
  readonly saved_gross_mib: number
  readonly bound_mib: number
  readonly mean_mib: number
  readonly peak_mib: number
  /** Of reclaim and aging that the policy asked for, and of DAMON. */
  readonly policy_cpu_us_per_min: number
  /** Minutes in which promotions and pressure were within the objective. */
  readonly slo_minutes_pct: number
}

const mib = 2 ** 20

/** Promotions that are allowed in the window: the rate, of each minute's working set. */
const budgetOf = (baseline: Part, pctPerMinute: number = sloPromotionsPct): number => {
  const { minuteWorkingSets, seconds } = baseline
  const mean = minuteWorkingSets.reduce((sum, pages) => sum + pages, 0) / Math.max(1, minuteWorkingSets.length)
  return ((pctPerMinute / 100) * mean * seconds) / 60
}

/** A ratio of savings; where there is nothing to save, saving nothing is all of it. */
const share = (saved: number, bound: number): number => (bound > 0 ? saved / bound : 1)

export const measure = (run: Part, baseline: Part & Bound): Measures => {
  const minutes = run.seconds / 60
  const promotions = Math.max(0, run.refaults - baseline.refaults)
  const onePercentOfSet = budgetOf(baseline, 1) / Math.max(1e-9, baseline.seconds / 60)
  const savedBytes = run.netOffloadByteSeconds / run.seconds - baseline.netOffloadByteSeconds / baseline.seconds
  const savedGrossBytes = run.grossOffloadByteSeconds / run.seconds - baseline.grossOffloadByteSeconds / baseline.seconds
  const boundBytes = boundOf(baseline.net, budgetOf(baseline)) / baseline.seconds
  const ownBoundBytes = boundOf(baseline.net, promotions) / baseline.seconds
  const heldMinutes = run.minuteRefaults.filter((refaults, minute) => {
    const workingSet = baseline.minuteWorkingSets[minute] ?? baseline.minuteWorkingSets.at(-1) ?? 0
    const own = refaults - (baseline.minuteRefaults[minute] ?? 0)
    const psiUs = (run.minutePsiUs[minute] ?? 0) - (baseline.minutePsiUs[minute] ?? 0)
    return own <= (sloPromotionsPct / 100) * workingSet && psiUs <= (sloPsiPct / 100) * 60e6
  }).length
  return {
    saved_share_of_bound: share(savedBytes, boundBytes),
    saved_share_at_own_rate: share(savedBytes, ownBoundBytes),
    promotions_pct_per_min: onePercentOfSet > 0 ? promotions / minutes / onePercentOfSet : 0,
    psi_some_pct: run.psiSomeUs / 1e4 / run.seconds,
    stall_p99_us: run.stallP99Us,
    slowdown_pct: run.thinkUs > 0 ? (run.overheadUs / run.thinkUs - baseline.overheadUs / Math.max(1, baseline.thinkUs)) * 100 : 0,
    saved_mib: savedBytes / mib,
    saved_gross_mib: savedGrossBytes / mib,
    bound_mib: boundBytes / mib,
    mean_mib: run.byteSeconds / run.seconds / mib,
    peak_mib: run.peakBytes / mib,
    policy_cpu_us_per_min: run.policyCpuUs / minutes,
    slo_minutes_pct: (heldMinutes / Math.max(1, run.minuteRefaults.length)) * 100
  }
}

/** Most that could be saved net, in MiB on average, for a number of promotion rates in percent of the working set a minute. */
export const boundCurve = (baseline: Part & Bound, ratesPct: ReadonlyArray<number>) =>
  ratesPct.map((ratePct) => ({
    promotions_pct_per_min: ratePct,
    net_mib: boundOf(baseline.net, budgetOf(baseline, ratePct)) / baseline.seconds / mib,
    gross_mib: boundOf(baseline.gross, budgetOf(baseline, ratePct)) / baseline.seconds / mib
  }))

/** The fixed age that saves most within the budget, were evicting at that very age free of error; undefined where none keeps it. */
export const bestFixedAge = (baseline: Part & Bound): { readonly age_seconds: number; readonly net_mib: number } | undefined => {
  const budget = budgetOf(baseline)
  const [best] = baseline.fixedAges.filter(({ promotions }) => promotions <= budget).toSorted((a, b) => b.net - a.net)
  return best === undefined ? undefined : { age_seconds: best.ageMs / 1000, net_mib: best.net / baseline.seconds / mib }
}

/** The working set in MiB, on average. */
export const workingSetMib = ({ minuteWorkingSets }: Part): number =>
  (minuteWorkingSets.reduce((sum, pages) => sum + pages, 0) / Math.max(1, minuteWorkingSets.length)) * (pageSize / mib)
