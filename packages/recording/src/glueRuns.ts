/**
 * Makes runs whole again that went through several files: parts of one `uid`, in the order of time, are one run. Ids are those of the file
 * where there is one file, and counted anew where there are several.
 */
import type { RecordingReader, RunInfo } from "./RecordingReader.ts"

/** A run in one file. */
export interface Part {
  readonly reader: RecordingReader
  readonly runId: number
}

export interface GluedRun {
  readonly info: RunInfo
  readonly parts: ReadonlyArray<Part>
}

interface TimedPart extends Part {
  readonly info: RunInfo
  readonly firstMs: number
  readonly lastMs: number
}

const timedParts = (reader: RecordingReader): ReadonlyArray<TimedPart> =>
  reader.runs().map((info) => ({
    reader,
    runId: info.id,
    info,
    firstMs: reader.firstMs(info.id) ?? info.startedMs,
    lastMs: reader.lastMs(info.id) ?? info.startedMs
  }))

/** Throws where two files hold the same time of the same run. */
export const glueRuns = (readers: ReadonlyArray<RecordingReader>): ReadonlyArray<GluedRun> => {
  const runs = new Map<string, Array<TimedPart>>()
  for (const part of readers.flatMap(timedParts)) {
    const parts = runs.get(part.info.uid)
    if (parts === undefined) runs.set(part.info.uid, [part])
    else parts.push(part)
  }
  return [...runs.values()].map((unordered, i): GluedRun => {
    const parts = unordered.toSorted((a, b) => a.firstMs - b.firstMs)
    parts.forEach((part, n) => {
      const before = parts[n - 1]
      if (before !== undefined && before.reader !== part.reader && before.lastMs > part.firstMs) {
        throw new Error(`${before.reader.file} and ${part.reader.file} hold the same time of run ${part.info.label}; leave one out`)
      }
    })
    const first = parts[0]!.info
    const last = parts.at(-1)!.info
    const info = { ...first, endedMs: last.endedMs, exitCode: last.exitCode, missedTicks: last.missedTicks, result: last.result }
    return { info: readers.length === 1 ? info : { ...info, id: i + 1 }, parts }
  })
}
