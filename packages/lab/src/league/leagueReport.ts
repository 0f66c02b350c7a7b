/** What a league's directory says, as rows, sentences, JSON and Markdown. Can be made at any time, also of a league that is not finished. */
import { formatDuration } from "@wmo/core"
import { Effect } from "effect"
import { leagueMarkdown, leagueTable, legend } from "./leagueTable.ts"
import { readOutcomes } from "./outcomes.ts"
import { type LeagueRow, leagueRows, pairUp } from "./pairing.ts"
import type { LeaguePlan } from "./plan.ts"
import { scheduleOf } from "./runLeague.ts"
import { type Verdict, verdictOf } from "./verdict.ts"
import { describeWorkload } from "./workloads.ts"

export interface LeagueReport {
  readonly plan: LeaguePlan
  readonly slots: number
  readonly played: number
  readonly rows: ReadonlyArray<LeagueRow>
  readonly verdicts: ReadonlyArray<Verdict>
}

export const readReport = (directory: string, plan: LeaguePlan): Effect.Effect<LeagueReport> =>
  Effect.gen(function* () {
    const sets = scheduleOf(plan)
    const outcomes = yield* readOutcomes(directory, sets, plan)
    const { failed, pairs } = pairUp(sets, (id) => outcomes.get(id))
    const names = plan.workloads.map(({ name }) => name)
    const rows = leagueRows(names, plan.entries, pairs, failed)
    return {
      plan,
      slots: sets.reduce((sum, { slots }) => sum + slots.length, 0),
      played: outcomes.size,
      rows,
      verdicts: names.filter((name) => rows.some((row) => row.workload === name && row.repeats > 0)).map((name) => verdictOf(name, rows))
    }
  })

const widest = (rows: ReadonlyArray<LeagueRow>): number | undefined => {
  const all = rows.flatMap(({ measures }) => Object.values(measures)).filter(({ n }) => n > 1)
  return all.length === 0 ? undefined : Math.min(...all.map(({ coverage }) => coverage))
}

/** The machine in a sentence. */
const setting = ({ cpus, durationMs, icount, memory, settleMs }: LeaguePlan): string => {
  const clock = icount === null ? "the host's clock" : `counted time, ${2 ** icount} ns an instruction`
  return `Guests of ${memory / 2 ** 20} MiB, ${cpus} CPUs, zswap (lz4) on zram, ${clock}; ${formatDuration(durationMs)} a slot, the first ${formatDuration(settleMs)} not measured.`
}

const missing = ({ played, slots }: LeagueReport): string => (played < slots ? `${slots - played} of ${slots} slots were not played.` : "")

export const reportText = (report: LeagueReport): string =>
  report.played === 0
    ? "nothing was played yet"
    : [
        leagueTable(report.rows),
        "",
        ...report.verdicts.map(({ sentence }) => sentence),
        "",
        legend(widest(report.rows)),
        [setting(report.plan), missing(report)].filter((text) => text !== "").join(" ")
      ].join("\n")

export const reportMarkdown = (report: LeagueReport): string => {
  const settings = report.rows
    .filter(({ entry }, index) => report.rows.findIndex((row) => row.entry === entry) === index)
    .map(({ entry, policy, settings: set }) => {
      const words = Object.entries(set).map(([key, value]) => `${key}=${value}`)
      return `- \`${entry}\`: \`${policy}\`${words.length === 0 ? "" : ` with ${words.join(", ")}`}`
    })
  return [
    leagueMarkdown(report.rows),
    "",
    ...report.verdicts.map(({ sentence }) => `- ${sentence}`),
    "",
    legend(widest(report.rows)),
    [setting(report.plan), missing(report)].filter((text) => text !== "").join(" "),
    "",
    "Workloads:",
    ...report.plan.workloads.map((workload) => `- \`${workload.name}\`: \`${describeWorkload(workload, report.plan.durationMs)}\``),
    "",
    "Entries:",
    ...settings,
    ""
  ].join("\n")
}
