/**
 * Who won: of the entries that slow a workload by at most 1 % and stall it for at most 0.1 % of the time, the one that saved most; and WMO's own policy
 * against senpai and against the best-tuned rival that sees by DAMON. Of several entries of a policy its best within the limits counts. By medians; a
 * lead is named as within the intervals where those of what was saved overlap. Pure.
 */
import { isDamon } from "./entries.ts"
import type { LeagueRow, MeasureName } from "./pairing.ts"

interface Limits {
  readonly lossPct: number
  readonly psiPct: number
}

const defaultLimits: Limits = { lossPct: 1, psiPct: 0.1 }

export interface Verdict {
  readonly workload: string
  /** Of those within the limits that saved anything; null where there is none. */
  readonly best: string | null
  readonly best_saved_mib: number | null
  /** Whether the interval of another within the limits reaches into its own; null where there is no other. */
  readonly best_within_intervals: boolean | null
  /** The entry of slo that is judged: the best one within the limits, else the best. */
  readonly slo: string | null
  readonly slo_saved_mib: number | null
  readonly slo_within_limits: boolean | null
  /** Null where one of the two did not play, or the rival is outside the limits or saved nothing: see the sentence. */
  readonly slo_to_senpai: number | null
  /** The entry of senpai, chosen as that of slo. */
  readonly senpai: string | null
  readonly best_damon: string | null
  readonly slo_to_best_damon: number | null
  readonly sentence: string
}

const medianOf = (row: LeagueRow, name: MeasureName): number | undefined => row.measures[name]?.median

const isWithin = (row: LeagueRow, limits: Limits): boolean => {
  const loss = medianOf(row, "throughput_loss_pct")
  return loss !== undefined && loss <= limits.lossPct && (medianOf(row, "psi_some_pct") ?? 0) <= limits.psiPct
}

const saved = (row: LeagueRow): number => medianOf(row, "saved_mib") ?? -Infinity

const bySaved = (rows: ReadonlyArray<LeagueRow>): ReadonlyArray<LeagueRow> => rows.toSorted((a, b) => saved(b) - saved(a))

/** Whether what the two saved may be the same: their intervals overlap. A single repeat has none. */
const isTie = (left: LeagueRow, right: LeagueRow): boolean => {
  const [a, b] = [left.measures.saved_mib, right.measures.saved_mib]
  return a !== undefined && b !== undefined && (a.n > 1 || b.n > 1) && a.low <= b.high && b.low <= a.high
}

const mibText = (value: number): string => `${value.toFixed(0)} MiB`

const tieText = (isSo: boolean): string => (isSo ? " (within the intervals)" : "")

/** What `slo` saved beside a rival. */
const againstText = (slo: LeagueRow, ratio: number | null, name: string, rival: LeagueRow | undefined): string =>
  rival === undefined
    ? `${name}: not in the table`
    : ratio === null
      ? `${rival.entry} saved ${mibText(saved(rival))}, no ratio`
      : `${ratio.toFixed(2)}× ${rival.entry} (${mibText(saved(rival))})${tieText(isTie(slo, rival))}`

export const verdictOf = (workload: string, all: ReadonlyArray<LeagueRow>, limits = defaultLimits): Verdict => {
  const rows = all.filter((row) => row.workload === workload && row.repeats > 0)
  const within = rows.filter((row) => isWithin(row, limits))
  const bestOfPolicy = (name: string): LeagueRow | undefined => {
    const isIts = ({ policy }: LeagueRow) => policy === name
    return bySaved(within.filter(isIts))[0] ?? bySaved(rows.filter(isIts))[0]
  }
  const [winner, ...others] = bySaved(within.filter((row) => saved(row) > 0))
  const slo = bestOfPolicy("slo")
  const senpai = bestOfPolicy("senpai")
  const damon = bySaved(within.filter(isDamon))[0]
  const ratioTo = (rival: LeagueRow | undefined): number | null =>
    slo === undefined || rival === undefined || !(saved(rival) > 0) ? null : saved(slo) / saved(rival)
  const toSenpai = ratioTo(senpai)
  const toDamon = ratioTo(damon)
  const close = winner === undefined ? undefined : others.find((row) => isTie(winner, row))
  const limitText = `≤ ${limits.lossPct} % loss and PSI ≤ ${limits.psiPct} %`
  const best =
    winner === undefined
      ? `no entry saved anything at ${limitText}`
      : `${winner.entry} saved most at ${limitText}: ${mibText(saved(winner))} (${medianOf(winner, "saved_pct")!.toFixed(0)} %)` +
        (close === undefined ? "" : `, ${close.entry} ${mibText(saved(close))}${tieText(true)}`)
  const ours = (row: LeagueRow): string => {
    const toSenpaiText = againstText(row, toSenpai, "senpai", senpai)
    const toDamonText =
      damon === undefined && rows.some(isDamon)
        ? "no entry by DAMON is within these limits"
        : againstText(row, toDamon, "best of DAMON", damon)
    return `${row.entry} saved ${mibText(saved(row))}${isWithin(row, limits) ? "" : " OUTSIDE these limits"}: ${toSenpaiText}; ${toDamonText}`
  }
  return {
    workload,
    best: winner?.entry ?? null,
    best_saved_mib: winner === undefined ? null : saved(winner),
    best_within_intervals: others.length === 0 ? null : close !== undefined,
    slo: slo?.entry ?? null,
    slo_saved_mib: slo === undefined ? null : saved(slo),
    slo_within_limits: slo === undefined ? null : isWithin(slo, limits),
    slo_to_senpai: toSenpai,
    senpai: senpai?.entry ?? null,
    best_damon: damon?.entry ?? null,
    slo_to_best_damon: toDamon,
    sentence: `${workload}: ${best}; ${slo === undefined ? "slo did not play" : ours(slo)}.`
  }
}
