/** What `wmo recording trim`, `merge` and `import` do: new recordings from what there is. The old ones stay as they are. */
import {
  copyRuns,
  filesOf,
  importWmoCsv,
  openRecordings,
  openTogether,
  type Query,
  readWmoCsv,
  Recorder,
  type Subject
} from "@wmo/recording"
import { Console, Effect, Option } from "effect"
import { existsSync, rmSync, statSync } from "node:fs"
import type { RecordingImportFlags, RecordingMergeFlags, RecordingTrimFlags } from "../commands/recording.ts"
import { usageError } from "../Exit.ts"
import { parseWindow } from "../moment.ts"
import { chooseRuns, isGroup, runStart } from "../recordingParts.ts"

const said = (count: number, output: string): string => `${output}: ${count} ${count === 1 ? "run" : "runs"}`

/** Whether a subject is among those to keep; undefined: all are. */
const wanted = (group: Option.Option<string>, without: Option.Option<string>) => {
  if (Option.isNone(group) && Option.isNone(without)) return undefined
  const isKept = Option.isNone(group) ? () => true : isGroup(group.value)
  const isDropped = Option.isNone(without) ? () => false : isGroup(without.value)
  return (subject: Subject): boolean => isKept(subject) && !isDropped(subject)
}

export const recordingTrim = Effect.fn("wmo recording trim")(function* (flags: RecordingTrimFlags) {
  const { file, group, output } = flags
  const window = yield* parseWindow(flags.from, flags.to)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecordings(file)
      const isWanted = wanted(group, flags.without)
      const queries = new Map<number, Query>()
      for (const run of yield* chooseRuns(recording, flags.run)) {
        const query: Query = { ...window(yield* runStart(recording, run)), isWanted }
        const { fromMs = -Infinity, toMs = Infinity } = query
        const subjects = (yield* recording.subjects(run.id)).filter((subject) => isWanted?.(subject) ?? true)
        if (subjects.some(({ firstMs, lastMs }) => lastMs >= fromMs && firstMs <= toMs)) queries.set(run.id, query)
      }
      if (queries.size === 0) return yield* usageError(`nothing in ${file} is in that time and those groups`)
      const count = yield* copyRuns([recording], output, ({ id }) => queries.get(id))
      yield* Console.error(said(count, output))
    })
  )
})

/** The recordings below these paths; a directory stands for those in it. */
const expand = (paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.flatMap((path) => (existsSync(path) && statSync(path).isDirectory() ? filesOf(path) : [path]))

export const recordingMerge = Effect.fn("wmo recording merge")(function* ({ files, output }: RecordingMergeFlags) {
  yield* Effect.scoped(
    Effect.gen(function* () {
      const inputs = expand(files)
      if (inputs.length === 0) return yield* usageError(`there is no recording in ${files.join(", ")}`)
      const recording = yield* openTogether(inputs.join(", "), inputs)
      if ((yield* recording.runs).length === 0) return yield* usageError(`${files.join(", ")} hold no runs`)
      yield* Console.error(said(yield* copyRuns([recording], output, () => ({})), output))
    })
  )
})

const parseDate = (date: Option.Option<string>) => {
  if (Option.isNone(date)) return Effect.succeed(0)
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(date.value) ? Date.parse(date.value) : NaN
  return Number.isNaN(ms) ? Effect.fail(usageError(`--date: "${date.value}" is not a day, such as 2024-07-21`)) : Effect.succeed(ms)
}

export const recordingImport = Effect.fn("wmo recording import")(function* ({ date, files, output }: RecordingImportFlags) {
  const dayMs = yield* parseDate(date)
  // All are read before the first is written: a bad one leaves no half-made recording.
  const read = yield* Effect.forEach(files, (file) => Effect.map(readWmoCsv(file), (csv) => ({ csv, file })))
  let isOurs = false
  yield* Effect.gen(function* () {
    isOurs = true
    for (const { csv, file } of read) yield* importWmoCsv(csv, file, { dayMs })
  }).pipe(
    Effect.provide(Recorder.layerFile(output)),
    Effect.onError(() => Effect.sync(() => (isOurs ? rmSync(output, { force: true }) : undefined)))
  )
  const samples = read.reduce((sum, { csv }) => sum + csv.rows.length, 0)
  yield* Console.error(`${said(read.length, output)}, ${samples.toLocaleString("en-US")} samples`)
  if (dayMs === 0 && read.some(({ csv }) => !csv.isDated)) {
    yield* Console.error("wmo: the file has times of day only: they are taken to be of 1970-01-01, UTC; --date says otherwise")
  }
})
