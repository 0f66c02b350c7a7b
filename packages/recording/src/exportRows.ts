/**
 * The samples of a recording as text, a line each: CSV with a head, or JSON lines. Metrics are columns, named as they are recorded; what was
 * unknown is empty (CSV) or left out (JSON). Counters above 2^53 are strings in JSON. The decision about a group is in its sample's line.
 */
import { Effect, Stream } from "effect"
import { metricNames, type RunParts } from "./metricNames.ts"
import type { Recording } from "./Recording.ts"
import type { Point, RunInfo } from "./RecordingReader.ts"

const csvCell = (value: unknown): string => {
  const text = value === undefined || value === null ? "" : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const printable = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value)

const decisionKey = (atMs: number, name: string): string => `${atMs} ${name}`

/** Lines of each page of points, joined. */
const lines = (recording: Recording, runs: RunParts, line: (run: RunInfo, point: Point, decision: string | undefined) => string) =>
  Stream.flatMap(Stream.fromIterable(runs), ([run, query]) =>
    Stream.unwrap(
      Effect.map(Stream.runCollect(recording.entries(run.id, "decisions", query)), (decisions) => {
        const reasons = new Map(decisions.map(({ atMs, reason, subject }) => [decisionKey(atMs, subject.name), reason]))
        const ofPoint = (point: Point) =>
          point.subject.kind === "cgroup" ? reasons.get(decisionKey(point.atMs, point.subject.name)) : undefined
        return Stream.map(recording.points(run.id, query), (point) => line(run, point, ofPoint(point)))
      })
    )
  )

/** A stream of lines without their ends. */
export const csvLines = (recording: Recording, runs: RunParts) =>
  Stream.unwrap(
    Effect.map(metricNames(recording, runs), (metrics) =>
      Stream.concat(
        Stream.make(["run_id", "policy", "at_ms", "kind", "name", ...metrics, "decision"].map(csvCell).join(",")),
        lines(recording, runs, (run, { atMs, subject, values }, decision) =>
          [run.id, run.label, atMs, subject.kind, subject.name, ...metrics.map((metric) => values[metric]), decision].map(csvCell).join(",")
        )
      )
    )
  )

/** A stream of JSON objects, one a line. */
export const jsonLines = (recording: Recording, runs: RunParts) =>
  lines(recording, runs, (run, { atMs, subject, values }, decision) =>
    JSON.stringify(
      { run_id: run.id, policy: run.label, at_ms: atMs, kind: subject.kind, name: subject.name, ...values, decision },
      printable
    )
  )
