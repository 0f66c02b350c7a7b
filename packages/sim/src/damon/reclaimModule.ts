/**
 * DAMON_RECLAIM: what the module's parameters mean as a kdamond of physical memory with one pageout scheme.
 * Simplified: no autotuning of intervals. Source: mm/damon/reclaim.c (damon_reclaim_new_scheme, damon_reclaim_apply_parameters) of 6.12.
 */
import type { DamonContext, DamosFilter, DamosGoal } from "@wmo/core"
import { pageSize } from "@wmo/core"

/** The texts of the module's parameter files, by file. */
export const reclaimContext = (parameters: ReadonlyMap<string, string>): DamonContext => {
  const number = (file: string): number => Number(parameters.get(file) ?? 0)
  const aggrUs = number("aggr_interval")
  const goals: ReadonlyArray<DamosGoal> = [
    { metric: "some_mem_psi_us", targetValue: number("quota_mem_pressure_us"), currentValue: 0 },
    {
      metric: "user_input",
      targetValue: number("quota_autotune_feedback") > 0 ? 10_000 : 0,
      currentValue: number("quota_autotune_feedback")
    }
  ]
  const skipsAnon: ReadonlyArray<DamosFilter> =
    parameters.get("skip_anon") === "Y" ? [{ type: "anon", matching: true, allow: false, memcgPath: "" }] : []
  return {
    operations: "paddr",
    intervals: { sampleUs: number("sample_interval"), aggrUs, updateUs: 0 },
    nrRegions: { min: number("min_nr_regions"), max: number("max_nr_regions") },
    targets: [
      {
        pid: 0,
        regions: [{ start: BigInt(number("monitor_region_start")), end: BigInt(number("monitor_region_end")) }]
      }
    ],
    schemes: [
      {
        action: "pageout",
        applyIntervalUs: 0,
        pattern: {
          sz: { min: pageSize, max: Infinity },
          nrAccesses: { min: 0, max: 0 },
          age: { min: Math.floor(number("min_age") / Math.max(1, aggrUs)), max: Infinity }
        },
        quotas: {
          ms: number("quota_ms"),
          bytes: number("quota_sz"),
          resetIntervalMs: number("quota_reset_interval_ms"),
          weights: { szPermil: 0, nrAccessesPermil: 0, agePermil: 1 },
          goals: goals.filter(({ targetValue }) => targetValue > 0)
        },
        watermarks: {
          metric: "free_mem_rate",
          intervalUs: number("wmarks_interval"),
          high: number("wmarks_high"),
          mid: number("wmarks_mid"),
          low: number("wmarks_low")
        },
        filters: skipsAnon
      }
    ]
  }
}
