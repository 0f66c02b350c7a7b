/**
 * Runs side by side: what each policy saved, and what that cost. The first run with the policy `none` is the baseline; without one,
 * savings and slowdowns are unknown and shown as –.
 */
import { formatBytes } from "@wmo/core"
import type { Summary } from "@wmo/recording"
import { type Column, table } from "./Table.ts"

/** A run against the baseline. Shares are 0..1; undefined where there is nothing to compare with. */
export interface Comparison {
  readonly summary: Summary
  /** Mean memory saved, as a share of the baseline's mean. */
  readonly saved: number | undefined
  /** Operations a second lost, as a share of the baseline's. Negative: it was faster. */
  readonly slowdown: number | undefined
}

const unknown = "–"

/** Compares every run with the baseline. */
export const compare = (summaries: ReadonlyArray<Summary>): ReadonlyArray<Comparison> => {
  const baseline = summaries.find(({ policy }) => policy === "none")
  const pace = baseline?.result?.operations_per_second
  return summaries.map((summary) => {
    const own = summary.result?.operations_per_second
    const mean = baseline?.memory_current_bytes.mean
    return {
      summary,
      saved: mean === undefined || mean === 0 ? undefined : 1 - summary.memory_current_bytes.mean / mean,
      slowdown: pace === undefined || own === undefined || pace === 0 ? undefined : 1 - own / pace
    }
  })
}

const percent = (share: number | undefined, digits = 1): string => (share === undefined ? unknown : `${(share * 100).toFixed(digits)} %`)

const columns: ReadonlyArray<Column<Comparison>> = [
  { head: "policy", align: "left", cell: ({ summary }) => summary.label },
  { head: "mean memory", cell: ({ summary }) => formatBytes(summary.memory_current_bytes.mean) },
  { head: "peak memory", cell: ({ summary }) => formatBytes(summary.memory_current_bytes.peak) },
  { head: "saved", cell: ({ saved }) => percent(saved) },
  { head: "refaults", cell: ({ summary }) => summary.refaults.toLocaleString("en-US") },
  { head: "PSI some", cell: ({ summary }) => `${summary.psi_some_pct.toFixed(2)} %` },
  { head: "slowdown", cell: ({ slowdown }) => percent(slowdown) }
]

/** The table: policy · mean and peak memory · saved · refaults · PSI some · slowdown. */
export const summaryTable = (summaries: ReadonlyArray<Summary>): string => table(columns, compare(summaries))

/** One sentence that says what the table means: the best saving among runs that cost at most `slowdownLimit` (a share). */
export const summarySentence = (summaries: ReadonlyArray<Summary>, slowdownLimit: number): string | undefined => {
  const candidates = compare(summaries).filter(({ saved, summary }) => saved !== undefined && summary.policy !== "none")
  const cheap = candidates.filter(({ slowdown }) => (slowdown ?? 0) <= slowdownLimit)
  const best = (cheap.length > 0 ? cheap : candidates).toSorted((a, b) => b.saved! - a.saved!)[0]
  if (best === undefined) return undefined
  const baseline = summaries.find(({ policy }) => policy === "none")!
  const amount = formatBytes(baseline.memory_current_bytes.mean - best.summary.memory_current_bytes.mean)
  const cost = best.slowdown === undefined ? "" : ` while the workload ran ${Math.max(0, best.slowdown * 100).toFixed(1)} % slower`
  return best.saved! <= 0.005
    ? "No policy saved memory: this workload uses what it holds."
    : `${best.summary.label} gave back ${amount} of ${formatBytes(baseline.memory_current_bytes.mean)} (${percent(best.saved)})${cost}.`
}
