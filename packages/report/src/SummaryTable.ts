/**
 * Policies side by side: what each saved, and what that cost. Runs of the same policy with the same settings are one row of medians.
 * The policy `none` is the baseline; without it, savings and slowdowns are unknown and shown as –.
 */
import { formatBytes } from "@wmo/core"
import type { Summary } from "@wmo/recording"
import { type Column, table } from "./Table.ts"

/** One row: the medians over `runs` runs. Shares are 0..1; undefined where there is nothing to compare with. */
export interface Comparison {
  readonly label: string
  readonly policy: string
  readonly runs: number
  readonly meanBytes: number
  readonly peakBytes: number
  readonly refaults: number
  /** Undefined where no run says. */
  readonly psiSomePct: number | undefined
  /** Mean memory saved, as a share of the baseline's mean. */
  readonly saved: number | undefined
  /** Operations a second lost, as a share of the baseline's. Negative: it was faster. */
  readonly slowdown: number | undefined
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median over the runs that have a value. */
const medianKnown = (values: ReadonlyArray<number | null>): number | undefined => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? undefined : median(known)
}

const medianPace = (runs: ReadonlyArray<Summary>): number | undefined => medianKnown(runs.map((run) => run.operations_per_second))

/** Groups runs, takes medians, and compares every group with the baseline. Order: as the first run of each group came. */
export const compare = (summaries: ReadonlyArray<Summary>): ReadonlyArray<Comparison> => {
  const groups = Object.values(Object.groupBy(summaries, ({ label, settings }) => JSON.stringify([label, settings]))).map((runs) => runs!)
  const baseline = groups.find(([first]) => first!.policy === "none")
  const baselineBytes = baseline === undefined ? undefined : median(baseline.map((run) => run.memory_current_bytes.mean))
  const baselinePace = baseline === undefined ? undefined : medianPace(baseline)
  return groups.map((runs) => {
    const meanBytes = median(runs.map((run) => run.memory_current_bytes.mean))
    const pace = medianPace(runs)
    return {
      label: runs.length === 1 ? runs[0]!.label : `${runs[0]!.label} (${runs.length} runs)`,
      policy: runs[0]!.policy,
      runs: runs.length,
      meanBytes,
      peakBytes: median(runs.map((run) => run.memory_current_bytes.peak)),
      refaults: median(runs.map((run) => run.refaults)),
      psiSomePct: medianKnown(runs.map((run) => run.psi_some_pct)),
      saved: baselineBytes ? 1 - meanBytes / baselineBytes : undefined,
      slowdown: baselinePace && pace !== undefined ? 1 - pace / baselinePace : undefined
    }
  })
}

const unknown = "–"

const percent = (share: number | undefined, digits = 1): string => (share === undefined ? unknown : `${(share * 100).toFixed(digits)} %`)

const columns = (size: (bytes: number) => string): ReadonlyArray<Column<Comparison>> => [
  { head: "policy", align: "left", cell: ({ label }) => label },
  { head: "mean memory", cell: ({ meanBytes }) => size(meanBytes) },
  { head: "peak memory", cell: ({ peakBytes }) => size(peakBytes) },
  { head: "saved", cell: ({ saved }) => percent(saved) },
  { head: "refaults", cell: ({ refaults }) => Math.round(refaults).toLocaleString("en-US") },
  { head: "PSI some", cell: ({ psiSomePct }) => (psiSomePct === undefined ? unknown : `${psiSomePct.toFixed(2)} %`) },
  { head: "slowdown", cell: ({ slowdown }) => percent(slowdown) }
]

/** The table: policy · mean and peak memory · saved · refaults · PSI some · slowdown. Sizes are printed by `size`. */
export const summaryTable = (summaries: ReadonlyArray<Summary>, size: (bytes: number) => string = formatBytes): string =>
  table(columns(size), compare(summaries))

/** One sentence that says what the table means: the best saving among policies that cost at most `slowdownLimit` (a share). */
export const summarySentence = (summaries: ReadonlyArray<Summary>, slowdownLimit: number): string | undefined => {
  const rows = compare(summaries)
  const baseline = rows.find(({ policy }) => policy === "none")
  const candidates = rows.filter(({ policy, saved }) => saved !== undefined && policy !== "none")
  const cheap = candidates.filter(({ slowdown }) => (slowdown ?? 0) <= slowdownLimit)
  const best = (cheap.length > 0 ? cheap : candidates).toSorted((a, b) => b.saved! - a.saved!)[0]
  if (best === undefined || baseline === undefined) return undefined
  if (best.saved! <= 0.005) return "No policy saved memory: this workload uses what it holds."
  const pace =
    best.slowdown === undefined
      ? ""
      : best.slowdown < 0.0005
        ? " and the workload ran as fast as without it"
        : ` and the workload ran ${percent(best.slowdown)} slower`
  return `${best.label} gave back ${formatBytes(baseline.meanBytes - best.meanBytes)} of ${formatBytes(baseline.meanBytes)} (${percent(best.saved)})${pace}.`
}
