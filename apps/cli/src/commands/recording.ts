/** `wmo recording summary|export`: reads recordings. */
import { Argument, Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const summaryFlags = {
  files: Argument.String("file").pipe(
    Argument.variadic({ min: 1 }),
    Argument.withDescription("recordings; several are compared in one table")
  ),
  from: time("from").pipe(Flag.withDefault(0), Flag.withDescription("leave out what came before this time in each run")),
  to: time("to").pipe(Flag.withDefault(Infinity), Flag.withDescription("leave out what came after this time in each run")),
  json
}
export type RecordingSummaryFlags = Command.Command.Config.Infer<typeof summaryFlags>

const summary = Command.make(
  "summary",
  summaryFlags,
  lazily(async () => (await import("../actions/recording.ts")).recordingSummary)
).pipe(Command.withDescription("Sum up recordings: memory, refaults, pressure, slowdown, run by run."))

const exportFlags = {
  file: Argument.String("file"),
  format: Flag.Literals("format", ["csv", "json"]).pipe(Flag.withDefault("csv"), Flag.withDescription("csv, or json: one object a line")),
  run: Flag.Int("run").pipe(Flag.withDefault(0), Flag.withDescription("export only the run with this id"))
}
export type RecordingExportFlags = Command.Command.Config.Infer<typeof exportFlags>

const exportCommand = Command.make(
  "export",
  exportFlags,
  lazily(async () => (await import("../actions/recording.ts")).recordingExport)
).pipe(Command.withDescription("Print the samples of a recording as CSV or JSON lines."))

export const recording = Command.make("recording").pipe(
  Command.withDescription("Read recordings."),
  Command.withSubcommands([summary, exportCommand])
)
