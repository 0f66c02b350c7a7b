/**
 * Who won: of the entries that slow a workload by at most 1 % and stall it for at most 0.1 % of the time, the one that saved most; and WMO's own policy
 * against senpai and against the best-tuned rival that sees by DAMON. By medians; a lead within the intervals is named as such. Pure.
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
  readonly slo_saved_mib: number | null
  readonly slo_within_limits: boolean | null
  /** Null where one of the two did not play, or the rival is outside the limits or saved nothing: see the sentence. */
  readonly slo_to_senpai: number | null
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

const most = (rows: ReadonlyArray<LeagueRow>): LeagueRow | undefined => rows.toSorted((a, b) => saved(b) - saved(a))[0]

const mibText = (value: number): string => `${value.toFixed(0)} MiB`

const ratioText = (ratio: number | null, name: string, row: LeagueRow | undefined): string =>
  row === undefined
    ? `${name}: not in the table`
    : ratio === null
      ? `${name} saved ${mibText(saved(row))}, no ratio`
      : `${ratio.toFixed(2)}× ${name} (${mibText(saved(row))})`

export const verdictOf = (workload: string, all: ReadonlyArray<LeagueRow>, limits = defaultLimits): Verdict => {
  const rows = all.filter((row) => row.workload === workload && row.repeats > 0)
  const within = rows.filter((row) => isWithin(row, limits))
  const winner = most(within.filter((row) => saved(row) > 0))
  const slo = rows.find(({ policy }) => policy === "slo")
  const senpai = rows.find(({ entry }) => entry === "senpai")
  const damon = most(within.filter(isDamon))
  const ratioTo = (rival: LeagueRow | undefined): number | null =>
    slo === undefined || rival === undefined || !(saved(rival) > 0) ? null : saved(slo) / saved(rival)
  const toSenpai = ratioTo(senpai)
  const toDamon = ratioTo(damon)
  const limitText = `≤ ${limits.lossPct} % loss and PSI ≤ ${limits.psiPct} %`
  const best =
    winner === undefined
      ? `no entry saved anything at ${limitText}`
      : `${winner.entry} saved most at ${limitText}: ${mibText(saved(winner))} (${medianOf(winner, "saved_pct")!.toFixed(0)} %)`
  const damonText =
    damon === undefined && rows.some(isDamon)
      ? "no entry by DAMON is within these limits"
      : ratioText(toDamon, damon?.entry ?? "best of DAMON", damon)
  const ours =
    slo === undefined
      ? "slo did not play"
      : `slo saved ${mibText(saved(slo))}${isWithin(slo, limits) ? "" : " OUTSIDE these limits"}: ${ratioText(toSenpai, "senpai", senpai)}; ${damonText}`
  return {
    workload,
    best: winner?.entry ?? null,
    best_saved_mib: winner === undefined ? null : saved(winner),
    slo_saved_mib: slo === undefined ? null : saved(slo),
    slo_within_limits: slo === undefined ? null : isWithin(slo, limits),
    slo_to_senpai: toSenpai,
    best_damon: damon?.entry ?? null,
    slo_to_best_damon: toDamon,
    sentence: `${workload}: ${best}; ${ours}.`
  }
}
