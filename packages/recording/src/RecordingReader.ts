/**
 * Reads one recording file, also one that is still being written or whose writer was killed. Synchronous, throws; everything long comes page
 * by page, so that hours of many groups need no more memory than minutes. `Recording` is the Effect side of it, over one file or many.
 */
import { existsSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { inflateRawSync } from "node:zlib"
import type { Subject, SubjectKind, WorkloadResult } from "./Entry.ts"
import { FrameDecoder, type Values } from "./Frame.ts"
import { isSqlite } from "./isSqlite.ts"
import { schemaVersion } from "./Schema.ts"
import { type Row, type Tables, tables } from "./tables.ts"
import { inVersion2 } from "./version1.ts"

/** One run as it was recorded; `endedMs` is undefined where the writer was killed. */
export interface RunInfo {
  readonly id: number
  /** The same in all files that a run went through. */
  readonly uid: string
  readonly label: string
  readonly group: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  readonly kernel: string
  readonly clock: "real" | "simulated"
  readonly command: string | undefined
  readonly everyMs: number
  readonly dryRun: boolean
  readonly machine: Readonly<Record<string, unknown>> | undefined
  readonly configuration: Readonly<Record<string, unknown>> | undefined
  readonly startedMs: number
  readonly endedMs: number | undefined
  readonly exitCode: number | undefined
  readonly missedTicks: number | undefined
  readonly result: WorkloadResult | undefined
}

/** A subject of a run, and when it was seen first and last. */
export interface SubjectInfo extends Subject {
  readonly firstMs: number
  readonly lastMs: number
}

/** A subject at one moment. Values of unchanged subjects are the same object as before. */
export interface Point {
  readonly atMs: number
  readonly subject: SubjectInfo
  readonly values: Values
}

/** A snapshot of samples: every subject that it observed, unchanged ones included. */
export interface Frame {
  readonly atMs: number
  readonly missedTicks: number
  readonly complete: ReadonlyArray<SubjectKind>
  /** Those that were asked for. */
  readonly points: ReadonlyArray<Point>
}

/** Which part of a run: times are inclusive; the default is all of it. */
export interface Query {
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly isWanted?: ((subject: Subject) => boolean) | undefined
}

/** Ticks that were due just before `atMs` and were not taken. */
export interface MissedTicks {
  readonly atMs: number
  readonly count: number
}

const notOurs = "it is not a wmo recording"

const open = (file: string): DatabaseSync => {
  if (!existsSync(file)) throw new Error("there is no such file")
  if (statSync(file).isDirectory()) throw new Error("it is a directory")
  if (!isSqlite(file)) throw new Error(notOurs)
  // Not read-only: after kill -9 the write-ahead log must be folded in, which needs to write beside the file.
  const database = new DatabaseSync(file, { timeout: busyMs })
  try {
    const version = database.prepare("SELECT value FROM meta WHERE key = 'schema_version'").get()?.["value"]
    if (version === "1") return inVersion2(database)
    if (version === String(schemaVersion)) return database
    const isNewer = Number(version) > schemaVersion
    throw new Error(
      isNewer
        ? `it has schema version ${version}, this wmo reads up to ${schemaVersion}; use the wmo that wrote it, or a newer one`
        : `${notOurs} (its schema version is ${JSON.stringify(version)})`
    )
  } catch (error) {
    database.close()
    throw error instanceof Error && /^no such (?:table|column)|not a database/.test(error.message) ? new Error(notOurs) : error
  }
}

/** Waits so long for another process that folds in the log. */
const busyMs = 2000
/** Rows read at a time; frames of many subjects are large. */
const pageRows = 256
const pageFrames = 32

export class RecordingReader {
  readonly file: string
  private readonly database: DatabaseSync
  private metrics: ReadonlyMap<number, string> = new Map()

  constructor(file: string) {
    this.file = file
    this.database = open(file)
  }

  close(): void {
    this.database.close()
  }

  private rows(sql: string, ...parameters: ReadonlyArray<number>): ReadonlyArray<Row> {
    return this.database.prepare(sql).all(...parameters)
  }

  runs(): ReadonlyArray<RunInfo> {
    return this.rows("SELECT * FROM run ORDER BY id").map((row): RunInfo => ({
      id: row["id"],
      uid: row["uid"],
      label: row["label"],
      group: row["group"],
      policy: row["policy"],
      settings: JSON.parse(row["settings"]),
      kernel: row["kernel"],
      clock: row["clock"],
      command: row["command"] ?? undefined,
      everyMs: row["every_ms"],
      dryRun: row["dry_run"] === 1,
      machine: row["machine"] === null ? undefined : JSON.parse(row["machine"]),
      configuration: row["configuration"] === null ? undefined : JSON.parse(row["configuration"]),
      startedMs: row["started_ms"],
      endedMs: row["ended_ms"] ?? undefined,
      exitCode: row["exit_code"] ?? undefined,
      missedTicks: row["missed_ticks"] ?? undefined,
      result: row["result"] === null ? undefined : JSON.parse(row["result"])
    }))
  }

  /** Time of a run's first snapshot of samples; undefined before it. */
  firstMs(runId: number): number | undefined {
    return this.rows("SELECT at_ms FROM observation WHERE run_id = ? ORDER BY id LIMIT 1", runId)[0]?.["at_ms"]
  }

  /** Time of a run's last snapshot; undefined before the first. */
  lastMs(runId: number): number | undefined {
    const last = (table: string) => this.rows(`SELECT at_ms FROM ${table} WHERE run_id = ? ORDER BY id DESC LIMIT 1`, runId)[0]?.["at_ms"]
    const times = ["observation", "page_age", "cold_age", "promotion", "working_set", "heat", "decision"].map(last)
    const known = times.filter((time): time is number => time !== undefined)
    return known.length === 0 ? undefined : Math.max(...known)
  }

  private subjectsById(runId: number): ReadonlyMap<number, SubjectInfo> {
    const last = this.lastMs(runId)
    return new Map(
      this.rows("SELECT * FROM subject WHERE run_id = ? ORDER BY id", runId).map((row) => [
        row["id"],
        {
          kind: row["kind"],
          name: row["name"],
          ...(row["detail"] === null ? {} : { detail: JSON.parse(row["detail"]) }),
          firstMs: row["first_ms"],
          lastMs: row["last_ms"] ?? last ?? row["first_ms"]
        }
      ])
    )
  }

  subjects(runId: number): ReadonlyArray<SubjectInfo> {
    return [...this.subjectsById(runId).values()]
  }

  missed(runId: number): ReadonlyArray<MissedTicks> {
    return this.rows("SELECT at_ms AS atMs, missed AS count FROM observation WHERE run_id = ? AND missed > 0 ORDER BY id", runId) as any
  }

  private metricName = (id: number): string => {
    if (!this.metrics.has(id)) {
      this.metrics = new Map(this.rows("SELECT id, name FROM metric").map((row) => [row["id"], row["name"]]))
    }
    return this.metrics.get(id) ?? `metric_${id}`
  };

  /** Rows of a table in the order they were written, page by page; `from` is an id. */
  private *pages(table: string, runId: number, from: number, size = pageRows): Generator<ReadonlyArray<Row>> {
    const statement = this.database.prepare(`SELECT * FROM ${table} WHERE run_id = ? AND id >= ? ORDER BY id LIMIT ${size}`)
    for (let next = from; ;) {
      const rows = statement.all(runId, next)
      if (rows.length > 0) yield rows
      if (rows.length < size) return
      next = Number(rows.at(-1)!["id"]) + 1
    }
  }

  /** The snapshots of samples, with the subjects at each: unchanged ones are in it, too. */
  *frames(runId: number, { fromMs = -Infinity, isWanted = () => true, toMs = Infinity }: Query = {}): Generator<Frame> {
    let subjects = this.subjectsById(runId)
    // A subject may turn up while a live recording is read.
    const subjectOf = (id: number): SubjectInfo | undefined => {
      if (!subjects.has(id)) subjects = this.subjectsById(runId)
      return subjects.get(id)
    }
    const wanted = new Map<number, boolean>()
    const wants = (id: number): boolean => {
      let answer = wanted.get(id)
      if (answer === undefined) {
        const subject = subjectOf(id)
        wanted.set(id, (answer = subject !== undefined && isWanted(subject)))
      }
      return answer
    }
    const decoder = new FrameDecoder(this.metricName, wants)
    const present = new Map<SubjectKind, Map<number, Values>>()
    const start =
      fromMs === -Infinity
        ? undefined
        : this.rows(
            "SELECT max(id) AS id FROM observation WHERE run_id = ? AND is_full = 1 AND at_ms <= ?",
            runId,
            Math.floor(fromMs)
          )[0]?.["id"]
    for (const rows of this.pages("observation", runId, start ?? 0, pageFrames)) {
      for (const row of rows) {
        const atMs: number = row["at_ms"]
        const isFull = row["is_full"] === 1
        if (isFull) present.clear()
        const isInside = atMs >= fromMs && atMs <= toMs
        const points: Array<Point> = []
        const named = new Set<number>()
        decoder.apply(row["encoding"] === 1 ? inflateRawSync(row["data"]) : row["data"], isFull, (id, values) => {
          const subject = subjectOf(id)!
          let ofKind = present.get(subject.kind)
          if (ofKind === undefined) present.set(subject.kind, (ofKind = new Map()))
          if (values === undefined) ofKind.delete(id)
          else {
            ofKind.set(id, values)
            named.add(id)
            if (isInside) points.push({ atMs, subject, values })
          }
        })
        if (!isInside) continue
        const complete = row["complete"] === "" ? [] : String(row["complete"]).split(" ")
        for (const kind of complete) {
          for (const [id, values] of present.get(kind) ?? []) if (!named.has(id)) points.push({ atMs, subject: subjectOf(id)!, values })
        }
        yield { atMs, missedTicks: row["missed"], complete, points }
      }
      // The clock may have been set back, so one late row is no end; a page of them is.
      if (rows.every((row) => row["at_ms"] > toMs)) return
    }
  }

  /** Rows of one of the other tables, a page at a time. */
  *entries<K extends keyof Tables>(
    name: K,
    runId: number,
    { fromMs = -Infinity, isWanted = () => true, toMs = Infinity }: Query = {}
  ): Generator<ReadonlyArray<Tables[K]>> {
    const { make, table } = tables[name]
    let subjects = this.subjectsById(runId)
    // What a column held last for each subject: NULL says that it is the same.
    const repeated = table === "decision" ? "reason" : "bins"
    const before = new Map<number, string>()
    for (const rows of this.pages(table, runId, 0)) {
      const entries: Array<Tables[K]> = []
      for (const row of rows) {
        const id: number = row["subject_id"]
        if (typeof row[repeated] === "string") before.set(id, row[repeated])
        if (row["at_ms"] < fromMs || row["at_ms"] > toMs) continue
        if (!subjects.has(id)) subjects = this.subjectsById(runId)
        const { detail: _detail, firstMs: _first, lastMs: _last, ...subject } = subjects.get(id)!
        if (isWanted(subject)) entries.push(make(row[repeated] === null ? { ...row, [repeated]: before.get(id) } : row, subject))
      }
      if (entries.length > 0) yield entries
    }
  }
}
