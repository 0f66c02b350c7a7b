/** What `wmo recording list` prints: a line a run. */
import { formatBytes, formatDuration } from "@wmo/core"
import { bytesOnDisk, filesOf, openRecording } from "@wmo/recording"
import { type Column, table } from "@wmo/report"
import { Console, Effect } from "effect"
import { existsSync, statSync } from "node:fs"
import type { RecordingListFlags } from "../commands/recording.ts"
import { runStart } from "../recordingParts.ts"

/** Keys carry units: this is what `--json` prints. */
interface Listed {
  readonly file: string
  readonly file_bytes: number
  readonly run_id: number
  readonly label: string
  readonly policy: string
  readonly group: string
  readonly first_ms: number
  readonly last_ms: number
  /** False: it is still being written, its writer was killed, or it goes on in another file. */
  readonly is_ended: boolean
  readonly subjects: Readonly<Record<string, number>>
  readonly missed_ticks: number
}

const listFile = (file: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecording(file)
      const listed: Array<Listed> = []
      for (const run of yield* recording.runs) {
        const subjects = yield* recording.subjects(run.id)
        const counts: Record<string, number> = {}
        for (const { kind } of subjects) counts[kind] = (counts[kind] ?? 0) + 1
        listed.push({
          file,
          file_bytes: bytesOnDisk(file),
          run_id: run.id,
          label: run.label,
          policy: run.policy,
          group: run.group,
          first_ms: yield* runStart(recording, run),
          last_ms: subjects.reduce((last, { lastMs }) => Math.max(last, lastMs), run.startedMs),
          is_ended: run.endedMs !== undefined,
          subjects: counts,
          missed_ticks: run.missedTicks ?? (yield* recording.missed(run.id)).reduce((sum, { count }) => sum + count, 0)
        })
      }
      return listed
    })
  )

const columns: ReadonlyArray<Column<Listed>> = [
  { head: "file", align: "left", cell: ({ file }) => file },
  { head: "run", cell: ({ run_id: id }) => String(id) },
  { head: "policy", align: "left", cell: ({ label }) => label },
  { head: "group", align: "left", cell: ({ group }) => group || "/" },
  { head: "from", align: "left", cell: ({ first_ms: first }) => new Date(first).toISOString().slice(0, 19).concat("Z") },
  {
    head: "length",
    cell: ({ first_ms: first, is_ended: isEnded, last_ms: last }) => `${formatDuration(last - first)}${isEnded ? "" : ", no end"}`
  },
  {
    head: "subjects",
    align: "left",
    cell: ({ subjects }) =>
      Object.entries(subjects)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(", ")
  },
  { head: "missed", cell: ({ missed_ticks: missed }) => String(missed) },
  { head: "size", cell: ({ file_bytes: bytes }) => formatBytes(bytes) }
]

export const recordingList = Effect.fn("wmo recording list")(function* ({ json, paths }: RecordingListFlags) {
  const given = paths.length === 0 ? ["."] : paths
  const files = given.flatMap((path) => (existsSync(path) && statSync(path).isDirectory() ? filesOf(path) : [path]))
  const listed = (yield* Effect.forEach(files, listFile)).flat()
  if (json) return yield* Console.log(JSON.stringify(listed, null, 2))
  yield* Console.log(listed.length === 0 ? `There is no recording in ${given.join(", ")}.` : table(columns, listed))
})
