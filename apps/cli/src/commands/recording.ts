/** `wmo recording list|summary|export|trim|merge|import`: reads recordings, and makes new ones of them. None is ever changed or overwritten. */
import { Argument, Command, Flag } from "effect/cli"
import { json } from "../flags.ts"
import { lazily } from "../lazily.ts"

const moment = (name: "from" | "to", what: string) =>
  Flag.String(name).pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription(`${what}: 90s after each run's begin, or 2026-11-21T13:45`)
  )

const from = moment("from", "leave out what came before")
const to = moment("to", "leave out what came after")

const group = Flag.String("group").pipe(
  Flag.optional,
  Flag.withMetavar("GLOB"),
  Flag.withDescription("only these cgroups: system.slice/*, **/web.service")
)

const run = Flag.Int("run").pipe(Flag.withDefault(0), Flag.withDescription("only the run with this id"))

const output = Flag.String("output").pipe(Flag.withAlias("o"), Flag.withMetavar("FILE"), Flag.withDescription("the new recording"))

const several = (what: string) => Argument.String("file").pipe(Argument.variadic({ min: 1 }), Argument.withDescription(what))

const listFlags = {
  paths: Argument.String("path").pipe(
    Argument.variadic({ min: 0 }),
    Argument.withDescription("recordings, or directories of them (default: the current directory)")
  ),
  json
}
export type RecordingListFlags = Command.Command.Config.Infer<typeof listFlags>

const list = Command.make(
  "list",
  listFlags,
  lazily(async () => (await import("../actions/recordingList.ts")).recordingList)
).pipe(Command.withDescription("List recordings: their runs, time, subjects and size."))

const summaryFlags = {
  files: several("recordings; several are compared in one table. A directory of a daemon is one recording"),
  from,
  to,
  group,
  unit: Flag.Literals("unit", ["auto", "MiB", "GiB"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("unit of memory in the table: auto, MiB or GiB")
  ),
  mean: Flag.Literals("mean", ["time", "samples"]).pipe(
    Flag.withDefault("time"),
    Flag.withDescription("means weighted by time, or plain ones over the samples, as the original WMO's")
  ),
  json
}
export type RecordingSummaryFlags = Command.Command.Config.Infer<typeof summaryFlags>

const summary = Command.make(
  "summary",
  summaryFlags,
  lazily(async () => (await import("../actions/recording.ts")).recordingSummary)
).pipe(Command.withDescription("Sum up recordings: memory, refaults, pressure, slowdown, run by run; with --group, group by group."))

const exportFlags = {
  file: Argument.String("path").pipe(Argument.withDescription("a recording, or a daemon's directory of them")),
  format: Flag.Literals("format", ["csv", "json", "openmetrics"]).pipe(
    Flag.withDefault("csv"),
    Flag.withDescription("csv; json: one object a line; openmetrics: text with timestamps")
  ),
  run,
  group,
  from,
  to
}
export type RecordingExportFlags = Command.Command.Config.Infer<typeof exportFlags>

const exportCommand = Command.make(
  "export",
  exportFlags,
  lazily(async () => (await import("../actions/recording.ts")).recordingExport)
).pipe(Command.withDescription("Print the samples of a recording as CSV, JSON lines or OpenMetrics."))

const trimFlags = {
  file: Argument.String("path").pipe(Argument.withDescription("a recording, or a daemon's directory of them")),
  output,
  run,
  group,
  without: Flag.String("without").pipe(
    Flag.optional,
    Flag.withMetavar("GLOB"),
    Flag.withDescription("leave out these cgroups; all else stays")
  ),
  from,
  to
}
export type RecordingTrimFlags = Command.Command.Config.Infer<typeof trimFlags>

const trim = Command.make(
  "trim",
  trimFlags,
  lazily(async () => (await import("../actions/recordingFiles.ts")).recordingTrim)
).pipe(Command.withDescription("Write a part of a recording to a new one: some of its time, its runs, its groups."))

const mergeFlags = { files: several("recordings, or directories of them"), output }
export type RecordingMergeFlags = Command.Command.Config.Infer<typeof mergeFlags>

const merge = Command.make(
  "merge",
  mergeFlags,
  lazily(async () => (await import("../actions/recordingFiles.ts")).recordingMerge)
).pipe(Command.withDescription("Write several recordings to a new one; runs that went through several files are made whole."))

const importFlags = {
  files: Argument.String("file").pipe(Argument.variadic({ min: 1 }), Argument.withDescription("CSV files of the original WMO scripts")),
  output,
  date: Flag.String("date").pipe(
    Flag.optional,
    Flag.withMetavar("YYYY-MM-DD"),
    Flag.withDescription("the day of files that have only times of day (default 1970-01-01)")
  )
}
export type RecordingImportFlags = Command.Command.Config.Infer<typeof importFlags>

const importCommand = Command.make(
  "import",
  importFlags,
  lazily(async () => (await import("../actions/recordingFiles.ts")).recordingImport)
).pipe(Command.withDescription("Write CSV files of the original WMO scripts to a new recording, a run each."))

export const recording = Command.make("recording").pipe(
  Command.withDescription("Read, cut, join and import recordings."),
  Command.withSubcommands([list, summary, exportCommand, trim, merge, importCommand])
)
