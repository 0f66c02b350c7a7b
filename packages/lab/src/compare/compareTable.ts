/** A comparison for people: a table of all rows, one of policies, one of the bounds, and a sentence that says who came closest. */
import { type Column, table } from "@wmo/report"
import { type CompareRow, type PolicySummary, policyTitle } from "./compareRows.ts"
import type { PolicyComparison, WorkloadBound } from "./compare.ts"
import { sloPromotionsPct, sloPsiPct } from "./measures.ts"

const unknown = "–"

/** Without the sign of what rounds to zero. */
const fixed = (value: number | undefined, digits: number): string =>
  value === undefined ? unknown : value.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, "")

const percent = (share: number | undefined): string => (share === undefined ? unknown : `${fixed(share * 100, 0)} %`)

/** `92 ± 3 %`. */
const percentWithin = (share: number | undefined, ci: number | null | undefined): string =>
  share === undefined || ci === null || ci === undefined ? percent(share) : `${fixed(share * 100, 0)} ± ${(ci * 100).toFixed(0)} %`

const micros = (us: number | undefined): string =>
  us === undefined ? unknown : us >= 1e6 ? `${(us / 1e6).toFixed(1)} s` : us >= 1e3 ? `${(us / 1e3).toFixed(1)} ms` : `${us.toFixed(0)} µs`

const title = ({ policy, settings }: Pick<CompareRow, "policy" | "settings">): string => policyTitle({ name: policy, settings })

const rowColumns: ReadonlyArray<Column<CompareRow>> = [
  { head: "workload", align: "left", cell: (row) => row.workload },
  { head: "policy", align: "left", cell: title },
  { head: "of bound", cell: (row) => percentWithin(row.saved_share_of_bound, row.saved_share_of_bound_ci95) },
  { head: "at own rate", cell: (row) => percentWithin(row.saved_share_at_own_rate, row.saved_share_at_own_rate_ci95) },
  { head: "saved MiB", cell: (row) => fixed(row.saved_mib, 1) },
  { head: "bound MiB", cell: (row) => fixed(row.bound_mib, 1) },
  { head: "promoted %/min", cell: (row) => fixed(row.promotions_pct_per_min, 3) },
  { head: "PSI some %", cell: (row) => fixed(row.psi_some_pct, 3) },
  { head: "stall p99", cell: (row) => micros(row.stall_p99_us) },
  { head: "slowdown %", cell: (row) => fixed(row.slowdown_pct, 2) },
  { head: "CPU/min", cell: (row) => micros(row.policy_cpu_us_per_min) },
  { head: "SLO held", cell: (row) => (row.slo_minutes_pct === undefined ? unknown : `${row.slo_minutes_pct.toFixed(0)} %`) },
  { head: "learning", cell: (row) => percent(row.learning_saved_share_of_bound) },
  { head: "", align: "left", cell: (row) => row.problems.join("; ") }
]

/** One line a policy and workload. "learning" is the share of the bound in the first minutes. */
export const comparisonTable = (rows: ReadonlyArray<CompareRow>): string => table(rowColumns, rows)

/** One line a policy: means over workloads, best first. */
export const policyTable = (summaries: ReadonlyArray<PolicySummary>): string =>
  table(
    [
      { head: "policy", align: "left", cell: title },
      { head: "workloads", cell: ({ workloads }) => String(workloads) },
      { head: "within SLO", cell: (row) => percent(row.saved_share_within_slo) },
      { head: "of bound", cell: (row) => percent(row.saved_share_of_bound) },
      { head: "pooled", cell: (row) => percent(row.saved_share_pooled) },
      { head: "at own rate", cell: (row) => percent(row.saved_share_at_own_rate) },
      { head: "saved MiB", cell: (row) => fixed(row.saved_mib, 1) },
      { head: "promoted %/min", cell: (row) => fixed(row.promotions_pct_per_min, 3) },
      { head: "PSI some %", cell: (row) => fixed(row.psi_some_pct, 3) },
      { head: "stall p99", cell: (row) => micros(row.stall_p99_us) },
      { head: "slowdown %", cell: (row) => fixed(row.slowdown_pct, 2) },
      { head: "CPU/min", cell: (row) => micros(row.policy_cpu_us_per_min) },
      { head: "SLO held", cell: (row) => `${row.slo_minutes_pct.toFixed(0)} %` },
      { head: "over SLO", cell: (row) => `${row.over_slo.length} of ${row.workloads}` }
    ],
    summaries.toSorted((a, b) => b.saved_share_within_slo - a.saved_share_within_slo || b.saved_share_of_bound - a.saved_share_of_bound)
  )

/** What there is to save, by how many promotions are allowed. */
export const boundTable = (bounds: ReadonlyArray<WorkloadBound>): string => {
  const rates = bounds[0]?.curve.map(({ promotions_pct_per_min }) => promotions_pct_per_min) ?? []
  return table(
    [
      { head: "workload", align: "left", cell: ({ workload }) => workload },
      { head: "mean MiB", cell: (row) => fixed(row.mean_mib, 0) },
      { head: "working set MiB", cell: (row) => fixed(row.working_set_mib, 0) },
      {
        head: "best fixed age",
        cell: ({ best_fixed_age_net_mib, best_fixed_age_seconds }) =>
          best_fixed_age_seconds === null ? unknown : `${fixed(best_fixed_age_net_mib ?? 0, 1)} at ${best_fixed_age_seconds} s`
      },
      ...rates.map((rate, i): Column<WorkloadBound> => ({ head: `${rate} %/min`, cell: ({ curve }) => fixed(curve[i]?.net_mib, 1) }))
    ],
    bounds
  )
}

/** Who came closest to the bound within the objective. Undefined when nothing but the baseline ran. */
export const comparisonSentence = ({ summaries }: PolicyComparison): string | undefined => {
  const acting = summaries.filter(({ policy }) => policy !== "none")
  const best = acting.toSorted((a, b) => b.saved_share_within_slo - a.saved_share_within_slo)[0]
  if (best === undefined) return undefined
  const objective = `${sloPromotionsPct} % promotions a minute and ${sloPsiPct} % pressure`
  if (best.saved_share_within_slo <= 0) return `No policy saved anything on any workload within ${objective}.`
  const held = best.over_slo.length === 0 ? "everywhere" : `on ${best.workloads - best.over_slo.length} of ${best.workloads} workloads`
  return (
    `${title(best)} came closest to what is possible within ${objective}: it held them ${held} and reached ` +
    `${percent(best.saved_share_within_slo)} of the bound, workloads on which it did not hold them counted as nothing.`
  )
}
