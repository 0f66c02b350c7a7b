/**
 * Reads recordings of schema version 1, in memory: the file stays as it is. Version 1 knew one group a run, had a column for each value
 * (`observation`, `memory_stat_unknown` as JSON), and a row for each bin (`page_age`). `wmo recording merge OLD -o NEW` writes it anew.
 */
import { DatabaseSync } from "node:sqlite"
import type { Sample, SampleValue } from "./Entry.ts"
import { FrameEncoder } from "./Frame.ts"
import { createTables, schemaVersion } from "./Schema.ts"

type Row = Readonly<Record<string, number | bigint | string | null>>

/** A database of today's schema with the same runs; closes the old one. */
export const inVersion2 = (old: DatabaseSync): DatabaseSync => {
  const now = new DatabaseSync(":memory:")
  now.exec(`BEGIN;${createTables}`)
  now.prepare("INSERT INTO meta VALUES ('schema_version', ?), ('created_by', 'wmo')").run(String(schemaVersion))
  const metrics = new Map<string, number>()
  const metricId = (name: string): number => {
    let id = metrics.get(name)
    if (id === undefined) {
      metrics.set(name, (id = metrics.size + 1))
      now.prepare("INSERT INTO metric VALUES (?, ?)").run(id, name)
    }
    return id
  }
  now.exec("COMMIT; BEGIN")
  for (const run of old.prepare("SELECT * FROM run ORDER BY id").iterate()) copyRun(old, now, run as Row, metricId)
  now.exec("COMMIT")
  old.close()
  return now
}

const copyRun = (old: DatabaseSync, now: DatabaseSync, run: Row, metricId: (name: string) => number): void => {
  const runId = Number(run["id"])
  now
    .prepare(
      `INSERT INTO run (id, uid, part, label, "group", policy, settings, kernel, clock, command, every_ms, dry_run, started_ms, ended_ms, exit_code,
       missed_ticks, result) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
    )
    .run(
      runId,
      `v1-${String(run["started_ms"])}-${runId}`,
      ...[
        "label",
        "group",
        "policy",
        "settings",
        "kernel",
        "clock",
        "command",
        "every_ms",
        "dry_run",
        "started_ms",
        "ended_ms",
        "exit_code",
        "missed_ticks",
        "result"
      ].map((column) => run[column]!)
    )
  const times = old.prepare("SELECT min(at_ms) AS first, max(at_ms) AS last FROM observation WHERE run_id = ?").get(runId)!
  const { lastInsertRowid: subjectId } = now
    .prepare("INSERT INTO subject (run_id, kind, name, first_ms, last_ms) VALUES (?, 'cgroup', ?, ?, ?)")
    .run(runId, run["group"]!, times["first"] ?? run["started_ms"]!, times["last"]!)
  copyObservations(old, now, runId, Number(subjectId), metricId)
  copyPageAges(old, now, runId, Number(subjectId))
  const decision = now.prepare("INSERT INTO decision (run_id, subject_id, at_ms, reason) VALUES (?, ?, ?, ?)")
  for (const row of old.prepare("SELECT at_ms, reason FROM decision WHERE run_id = ? ORDER BY at_ms").iterate(runId)) {
    decision.run(runId, subjectId, row["at_ms"]!, row["reason"]!)
  }
  const action = now.prepare(
    `INSERT INTO action (run_id, subject_id, at_ms, asked, allowed, status, reclaimed_bytes, took_ms, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const columns = ["at_ms", "asked", "allowed", "status", "reclaimed_bytes", "took_ms", "detail"]
  for (const row of old.prepare("SELECT * FROM action WHERE run_id = ? ORDER BY id").iterate(runId)) {
    action.run(runId, subjectId, ...columns.map((column) => row[column]!))
  }
}

const copyObservations = (
  old: DatabaseSync,
  now: DatabaseSync,
  runId: number,
  subjectId: number,
  metricId: (name: string) => number
): void => {
  const read = old.prepare("SELECT * FROM observation WHERE run_id = ? ORDER BY at_ms")
  read.setReadBigInts(true)
  const insert = now.prepare(
    "INSERT INTO observation (run_id, at_ms, missed, is_full, complete, encoding, data) VALUES (?, ?, 0, ?, 'cgroup', 0, ?)"
  )
  const encoder = new FrameEncoder(metricId)
  const shapes = new Map<string, ReadonlyArray<string>>()
  let isFirst = true
  for (const row of read.iterate(runId) as Iterable<Row>) {
    const values: Record<string, SampleValue> = {}
    for (const [column, value] of Object.entries(row)) {
      if (value !== null && typeof value !== "string" && column !== "run_id" && column !== "at_ms") values[column] = value
    }
    const unknown = row["memory_stat_unknown"]
    if (typeof unknown === "string") {
      for (const [key, value] of Object.entries(JSON.parse(unknown) as Record<string, string>)) values[`memory_stat_${key}`] = BigInt(value)
    }
    const names = Object.keys(values)
    const key = names.join(" ")
    let metrics = shapes.get(key)
    if (metrics === undefined) shapes.set(key, (metrics = names))
    const sample: Sample = { subject: { kind: "cgroup", name: "" }, metrics, values: Object.values(values) }
    encoder.begin(isFirst)
    encoder.add(subjectId, sample, false)
    insert.run(runId, row["at_ms"]!, isFirst ? 1 : 0, encoder.frame())
    isFirst = false
  }
}

const copyPageAges = (old: DatabaseSync, now: DatabaseSync, runId: number, subjectId: number): void => {
  const insert = now.prepare("INSERT INTO page_age (run_id, subject_id, at_ms, source, bins) VALUES (?, ?, ?, ?, ?)")
  let atMs: unknown
  let source = ""
  let bins: Array<ReadonlyArray<unknown>> = []
  const flush = () => {
    if (bins.length > 0) insert.run(runId, subjectId, Number(atMs), source, JSON.stringify(bins))
    bins = []
  }
  for (const row of old.prepare("SELECT * FROM page_age WHERE run_id = ? ORDER BY at_ms, lower_ms").iterate(runId) as Iterable<Row>) {
    if (row["at_ms"] !== atMs) flush()
    atMs = row["at_ms"]
    source = String(row["source"])
    bins.push([row["lower_ms"], row["upper_ms"], row["anon_bytes"], row["file_bytes"]])
  }
  flush()
}
