/**
 * Each slot against the run without a policy of its own set, and the rows of the table: medians over repeats. What a slot saved is net: zswap's pool
 * is charged to the group, and the machine's own figure counts zram too. Pure.
 */
import { baseline, type LeagueEntry } from "./entries.ts"
import type { Measured } from "./measure.ts"
import type { PairedSet } from "./schedule.ts"
import { type MedianInterval, medianInterval } from "./statistics.ts"

/** How a slot ended: with numbers, or why without. */
export type SlotOutcome = { readonly measured: Measured } | { readonly failed: string }

export interface Pair {
  readonly set: string
  readonly workload: string
  readonly repeat: number
  readonly entry: LeagueEntry
  readonly with: Measured
  readonly without: Measured
}

export interface Failed {
  readonly workload: string
  readonly label: string
  readonly why: string
}

const mib = 2 ** 20

/** What is compared, for one pair. */
const pairMeasures = {
  saved_mib: (pair: Pair) => (pair.without.memory_mean_bytes - pair.with.memory_mean_bytes) / mib,
  saved_pct: (pair: Pair) => (1 - pair.with.memory_mean_bytes / pair.without.memory_mean_bytes) * 100,
  machine_saved_mib: (pair: Pair) => (pair.with.available_mean_bytes - pair.without.available_mean_bytes) / mib,
  zram_mib: (pair: Pair) => pair.with.zram_mean_bytes / mib,
  throughput_loss_pct: (pair: Pair) => (1 - pair.with.operations_per_second / pair.without.operations_per_second) * 100,
  steady_loss_pct: (pair: Pair) =>
    pair.without.steady_operations_per_second > 0
      ? (1 - pair.with.steady_operations_per_second / pair.without.steady_operations_per_second) * 100
      : undefined,
  p99_us: (pair: Pair) => pair.with.p99_us ?? undefined,
  p999_us: (pair: Pair) => pair.with.p999_us ?? undefined,
  p99_ratio: (pair: Pair) => (pair.with.p99_us === null || !pair.without.p99_us ? undefined : pair.with.p99_us / pair.without.p99_us),
  psi_some_pct: (pair: Pair) => pair.with.psi_some_pct ?? undefined,
  refaults: (pair: Pair) => pair.with.refaults_anon + pair.with.refaults_file,
  refaults_anon: (pair: Pair) => pair.with.refaults_anon,
  refaults_file: (pair: Pair) => pair.with.refaults_file,
  promotions: (pair: Pair) => pair.with.promotions,
  reclaimed_pages: (pair: Pair) => pair.with.reclaimed_pages,
  swapped_out_pages: (pair: Pair) => pair.with.swapped_out_pages,
  throttled: (pair: Pair) => pair.with.throttled,
  /** Beyond what watching alone takes. */
  policy_cpu_ms: (pair: Pair) => pair.with.wmo_cpu_ms + pair.with.kdamond_cpu_ms - (pair.without.wmo_cpu_ms + pair.without.kdamond_cpu_ms),
  kdamond_cpu_ms: (pair: Pair) => pair.with.kdamond_cpu_ms,
  wrong_bytes: (pair: Pair) => pair.with.wrong_bytes
} as const satisfies Readonly<Record<string, (pair: Pair) => number | undefined>>

export type MeasureName = keyof typeof pairMeasures

export interface LeagueRow {
  readonly workload: string
  readonly entry: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  readonly repeats: number
  readonly failures: ReadonlyArray<string>
  readonly measures: Readonly<Partial<Record<MeasureName, MedianInterval>>>
}

/** Pairs of all sets whose baseline was measured; and what failed. Where the baseline failed, so has every entry of its set: there is no pair. */
export const pairUp = (
  sets: ReadonlyArray<PairedSet>,
  outcomeOf: (slotId: string) => SlotOutcome | undefined
): { readonly pairs: ReadonlyArray<Pair>; readonly failed: ReadonlyArray<Failed> } => {
  const pairs: Array<Pair> = []
  const failed: Array<Failed> = []
  for (const { id, repeat, slots, workload } of sets) {
    const baseSlot = slots.find(({ entry }) => entry.label === baseline.label)
    const without = baseSlot === undefined ? undefined : outcomeOf(baseSlot.id)
    const whyNone = without !== undefined && "failed" in without ? without.failed : undefined
    for (const { entry, id: slotId } of slots.filter((slot) => slot !== baseSlot)) {
      const outcome = outcomeOf(slotId)
      if (outcome !== undefined && "failed" in outcome) failed.push({ workload: workload.name, label: entry.label, why: outcome.failed })
      else if (whyNone !== undefined) {
        failed.push({ workload: workload.name, label: entry.label, why: `the run without a policy beside it failed: ${whyNone}` })
      } else if (outcome !== undefined && without !== undefined && "measured" in without) {
        pairs.push({ set: id, workload: workload.name, repeat, entry, with: outcome.measured, without: without.measured })
      }
    }
  }
  return { pairs, failed }
}

/** One row a workload and entry, in the order of the schedule's lists; without a pair a row says only what failed. */
export const leagueRows = (
  workloads: ReadonlyArray<string>,
  entries: ReadonlyArray<LeagueEntry>,
  pairs: ReadonlyArray<Pair>,
  failed: ReadonlyArray<Failed>
): ReadonlyArray<LeagueRow> =>
  workloads.flatMap((workload) =>
    entries.flatMap((entry) => {
      const own = pairs.filter((pair) => pair.workload === workload && pair.entry.label === entry.label)
      const failures = failed.filter((each) => each.workload === workload && each.label === entry.label).map(({ why }) => why)
      if (own.length === 0 && failures.length === 0) return []
      const measures: Partial<Record<MeasureName, MedianInterval>> = {}
      for (const [name, value] of Object.entries(pairMeasures) as ReadonlyArray<[MeasureName, (pair: Pair) => number | undefined]>) {
        const interval = medianInterval(own.map(value).filter((each) => each !== undefined))
        if (interval !== undefined) measures[name] = interval
      }
      return [{ workload, entry: entry.label, policy: entry.policy, settings: entry.settings, repeats: own.length, failures, measures }]
    })
  )
