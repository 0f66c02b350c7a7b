/** `wmo recording summary|export`: reads recordings. */
import { type ObservationRow, openRecording, type Recording, type RunInfo, summarize, type Summary, type Window } from "@wmo/recording"
import { summarySentence, summaryTable } from "@wmo/report"
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ExitCode, Failure } from "../Exit.ts"
import { json, time } from "../flags.ts"

const usage = (message: string) => Effect.fail(new Failure({ message, exitCode: ExitCode.usage }))

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

const summary = Command.make(
  "summary",
  {
    files: Argument.String("file").pipe(
      Argument.variadic({ min: 1 }),
      Argument.withDescription("recordings; several are compared in one table")
    ),
    from: time("from").pipe(Flag.withDefault(0), Flag.withDescription("leave out what came before this time in each run")),
    to: time("to").pipe(Flag.withDefault(Infinity), Flag.withDescription("leave out what came after this time in each run")),
    json
  },
  Effect.fn("wmo recording summary")(function* ({ files, from, json, to }) {
    if (to <= from) return yield* usage("--to must be later than --from")
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
).pipe(Command.withDescription("Sum up recordings: memory, refaults, pressure, slowdown, run by run."))

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

const exportCommand = Command.make(
  "export",
  {
    file: Argument.String("file"),
    format: Flag.Literals("format", ["csv", "json"]).pipe(Flag.withDefault("csv"), Flag.withDescription("csv, or json: one object a line")),
    run: Flag.Int("run").pipe(Flag.withDefault(0), Flag.withDescription("export only the run with this id"))
  },
  Effect.fn("wmo recording export")(function* ({ file, format, run: only }) {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const recording = yield* openRecording(file)
        const runs = yield* recording.runs
        const chosen = only === 0 ? runs : runs.filter(({ id }) => id === only)
        if (chosen.length === 0) return yield* usage(`${file} has no run ${only}; it has ${runs.map(({ id }) => id).join(", ") || "none"}`)
        for (const run of chosen) yield* exportRun(recording, run, format)
      })
    )
  })
).pipe(Command.withDescription("Print the samples of a recording as CSV or JSON lines."))

export const recording = Command.make("recording").pipe(
  Command.withDescription("Read recordings."),
  Command.withSubcommands([summary, exportCommand])
)
