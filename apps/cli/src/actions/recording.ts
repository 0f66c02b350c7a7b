/** What `wmo recording summary` and `wmo recording export` print. */
import {
  csvLines,
  jsonLines,
  type MeanPeak,
  openMetrics,
  openRecordings,
  type Recording,
  type RunParts,
  summarize,
  summarizeGroups,
  type Summary
} from "@wmo/recording"
import { formatBytes } from "@wmo/core"
import { type Column, summarySentence, summaryTable, table } from "@wmo/report"
import { Console, Effect, Option, Stream } from "effect"
import type { RecordingExportFlags, RecordingSummaryFlags } from "../commands/recording.ts"
import { usageError } from "../Exit.ts"
import { taken } from "../output.ts"
import { parseWindow } from "../moment.ts"
import { chooseRuns, isGroup, runStart, type RunWindow } from "../recordingParts.ts"

const summaries = Effect.fnUntraced(function* (recording: Recording, window: RunWindow, glob: Option.Option<string>) {
  const isWanted = Option.isNone(glob) ? undefined : isGroup(glob.value)
  const all: Array<Summary> = []
  for (const run of yield* recording.runs) {
    const groups = yield* summarizeGroups(recording, run, { ...window(yield* runStart(recording, run)), isWanted })
    // A run in which nothing was seen has a line, too.
    all.push(...(groups.length === 0 && isWanted === undefined ? [summarize(run, [], [])] : groups))
  }
  return all
})

const groupColumns = (size: (bytes: number) => string): ReadonlyArray<Column<Summary>> => [
  { head: "group", align: "left", cell: ({ group }) => group || "/" },
  { head: "run", align: "left", cell: ({ label }) => label },
  { head: "mean memory", cell: ({ memory_current_bytes: memory }) => size(memory.mean) },
  { head: "peak memory", cell: ({ memory_current_bytes: memory }) => size(memory.peak) },
  { head: "refaults", cell: ({ refaults }) => refaults.toLocaleString("en-US") },
  { head: "PSI some", cell: ({ psi_some_pct: share }) => (share === null ? "–" : `${share.toFixed(2)} %`) },
  { head: "samples", cell: ({ samples }) => String(samples) }
]

const withSampleMeans = (summary: Summary): Summary => {
  const plain = (of: MeanPeak): MeanPeak => ({ ...of, mean: of.sample_mean })
  return {
    ...summary,
    memory_current_bytes: plain(summary.memory_current_bytes),
    swap_current_bytes: plain(summary.swap_current_bytes),
    zswap_current_bytes: plain(summary.zswap_current_bytes)
  }
}

const sizes = {
  auto: formatBytes,
  MiB: (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`,
  GiB: (bytes: number) => `${(bytes / 2 ** 30).toFixed(3)} GiB`
}

export const recordingSummary = Effect.fn("wmo recording summary")(function* (flags: RecordingSummaryFlags) {
  const { files, group, json } = flags
  const window = yield* parseWindow(flags.from, flags.to)
  const all = yield* Effect.forEach(files, (file) =>
    Effect.scoped(Effect.flatMap(openRecordings(file), (recording) => summaries(recording, window, group)))
  )
  const flat = all.flat().map((summary) => (flags.mean === "samples" ? withSampleMeans(summary) : summary))
  if (json) return yield* Console.log(JSON.stringify(flat.length === 1 ? flat[0] : flat, null, 2))
  if (flat.length === 0) {
    return yield* Console.log(Option.isSome(group) ? `No group matches ${group.value}.` : "The recording holds no runs.")
  }
  const size = sizes[flags.unit]
  if (Option.isSome(group)) return yield* Console.log(table(groupColumns(size), flat))
  yield* Console.log(summaryTable(flat, size))
  const sentence = summarySentence(flat, 0.05)
  if (sentence !== undefined) yield* Console.log(`\n${sentence}`)
})

/** Lines are printed this many at a time. */
const linesAtOnce = 512

/** No faster than it is read: a recording may be larger than memory. */
const printed = (text: string) => Effect.andThen(Console.log(text), Effect.promise(taken))

const printLines = <E>(lines: Stream.Stream<string, E>) =>
  Stream.runForEachArray(Stream.rechunk(lines, linesAtOnce), (some) => printed(some.join("\n")))

const printText = <E>(pieces: Stream.Stream<string, E>) =>
  // Console.log ends a line by itself.
  Stream.runForEach(pieces, (piece) => (piece === "" ? Effect.void : printed(piece.replace(/\n$/, ""))))

export const recordingExport = Effect.fn("wmo recording export")(function* ({
  file,
  format,
  from,
  group,
  run: only,
  to
}: RecordingExportFlags) {
  const window = yield* parseWindow(from, to)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecordings(file)
      const isWanted = Option.isNone(group) ? undefined : isGroup(group.value)
      const parts: Array<RunParts[number]> = []
      for (const run of yield* chooseRuns(recording, only)) parts.push([run, { ...window(yield* runStart(recording, run)), isWanted }])
      if (isWanted !== undefined) {
        const subjects = yield* Effect.forEach(parts, ([run]) => recording.subjects(run.id))
        if (!subjects.flat().some(isWanted)) return yield* usageError(`${file} has no group that matches ${Option.getOrThrow(group)}`)
      }
      if (format === "openmetrics") return yield* printText(openMetrics(recording, parts))
      yield* printLines(format === "csv" ? csvLines(recording, parts) : jsonLines(recording, parts))
    })
  )
})
