/** What `wmo recording summary` and `wmo recording export` print. */
import { type ObservationRow, openRecording, type Recording, type RunInfo, summarize, type Summary, type Window } from "@wmo/recording"
import { summarySentence, summaryTable } from "@wmo/report"
import { Console, Effect } from "effect"
import type { RecordingExportFlags, RecordingSummaryFlags } from "../commands/recording.ts"
import { usageError } from "../Exit.ts"

const summaries = Effect.fnUntraced(function* (recording: Recording, window: { readonly from: number; readonly to: number }) {
  const all: Array<Summary> = []
  for (const run of yield* recording.runs) {
    const rows = yield* recording.observations(run.id)
    const length = Math.max(1, (rows.at(-1)?.at_ms ?? 0) - (rows[0]?.at_ms ?? 0))
    const shares: Window = { from: window.from / length, to: window.to / length }
    all.push(summarize(run, rows, yield* recording.actions(run.id), shares))
  }
  return all
})

export const recordingSummary = Effect.fn("wmo recording summary")(function* ({ files, from, json, to }: RecordingSummaryFlags) {
  if (to <= from) return yield* usageError("--to must be later than --from")
  const all = yield* Effect.forEach(files, (file) =>
    Effect.scoped(Effect.flatMap(openRecording(file), (recording) => summaries(recording, { from, to })))
  )
  const flat = all.flat()
  if (json) return yield* Console.log(JSON.stringify(flat.length === 1 ? flat[0] : flat, null, 2))
  if (flat.length === 0) return yield* Console.log("The recording holds no runs.")
  yield* Console.log(summaryTable(flat))
  const sentence = summarySentence(flat, 0.05)
  if (sentence !== undefined) yield* Console.log(`\n${sentence}`)
})

/** Columns in which at least one row has a value. */
const usedColumns = (rows: ReadonlyArray<ObservationRow>): ReadonlyArray<string> =>
  Object.keys(rows[0] ?? {}).filter((column) => rows.some((row) => row[column] !== null))

const csvCell = (value: unknown): string => {
  const text = value === null || value === undefined ? "" : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const printable = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value)

const exportRun = Effect.fnUntraced(function* (recording: Recording, run: RunInfo, format: "csv" | "json") {
  const rows = yield* recording.observations(run.id)
  const reasons = new Map((yield* recording.decisions(run.id)).map(({ atMs, reason }) => [atMs, reason]))
  const columns = usedColumns(rows)
  if (format === "csv") {
    yield* Console.log(["run_id", "policy", ...columns, "decision"].join(","))
    for (const row of rows) {
      yield* Console.log([run.id, run.label, ...columns.map((column) => row[column]), reasons.get(row.at_ms)].map(csvCell).join(","))
    }
    return
  }
  for (const row of rows) {
    const values = Object.fromEntries(columns.map((column) => [column, row[column]]))
    yield* Console.log(JSON.stringify({ run_id: run.id, policy: run.label, ...values, decision: reasons.get(row.at_ms) }, printable))
  }
})

export const recordingExport = Effect.fn("wmo recording export")(function* ({ file, format, run: only }: RecordingExportFlags) {
  yield* Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecording(file)
      const runs = yield* recording.runs
      const chosen = only === 0 ? runs : runs.filter(({ id }) => id === only)
      if (chosen.length === 0)
        return yield* usageError(`${file} has no run ${only}; it has ${runs.map(({ id }) => id).join(", ") || "none"}`)
      for (const run of chosen) yield* exportRun(recording, run, format)
    })
  )
})
