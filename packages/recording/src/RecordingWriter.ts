/**
 * Writes one recording file: SQLite in WAL mode, one transaction a snapshot, so that kill -9 loses at most the snapshot it fell into. The
 * file comes into being whole, under its name only when its tables are there. Synchronous, throws; `Recorder` is the service around it.
 */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { deflateRawSync } from "node:zlib"
import type { DecisionEntry, RunEnd, RunStart, Sample, Snapshot, Subject } from "./Entry.ts"
import { FrameEncoder, type Values } from "./Frame.ts"
import { encodeRegions } from "./heatBlob.ts"
import { createTables, schemaVersion } from "./Schema.ts"
import type { ActionRow } from "./tables.ts"

/** A full frame at least this often, so that reading from the middle need not begin at the start. */
const framesPerFull = 600
/** Frames that are at least this long are deflated. */
const deflateFrom = 1024
/** Waits so long for another process that folds in the log. */
const busyMs = 2000

/** Whose process writes: pid, start time and boot, which together no other process has. */
export const writerOf = (pid: number): string | undefined => {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()
    // Fields after the name, which may hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return `${pid} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]} ${boot}`
  } catch {
    return undefined
  }
}

const suffixes = ["", "-wal", "-shm", "-journal"]

/** Removes a recording with what SQLite keeps beside it. */
export const removeRecording = (file: string): void => {
  for (const suffix of suffixes) rmSync(`${file}${suffix}`, { force: true })
}

const makeTables = (file: string): void => {
  const database = new DatabaseSync(file)
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    database.exec(`BEGIN;${createTables}COMMIT`)
    const meta = database.prepare("INSERT INTO meta VALUES (?, ?)")
    meta.run("schema_version", String(schemaVersion))
    meta.run("created_by", "wmo")
    meta.run("writer", writerOf(process.pid) ?? String(process.pid))
  } finally {
    database.close()
  }
}

/** Gives it its name, unless something has that name: `link` never overwrites. Where there are no links, checks first. */
const giveName = (from: string, file: string): void => {
  const taken = () => new Error("the file exists; remove it or choose another name")
  try {
    linkSync(from, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" || existsSync(file)) throw taken()
    renameSync(from, file)
  }
}

const create = (file: string): DatabaseSync => {
  const directory = dirname(resolve(file))
  if (existsSync(file)) throw new Error("the file exists; remove it or choose another name")
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    throw new Error(`there is no directory ${dirname(file)}; make it first`)
  }
  const unnamed = join(directory, `.${basename(file)}.${process.pid}.new`)
  removeRecording(unnamed)
  try {
    makeTables(unnamed)
    giveName(unnamed, file)
  } finally {
    removeRecording(unnamed)
  }
  const database = new DatabaseSync(file, { timeout: busyMs })
  database.exec("PRAGMA synchronous = NORMAL")
  return database
}

const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))
const edge = (ms: number): number | null => (ms === Infinity ? null : ms)

/** A file that is being written. Several runs may write to it. */
export class RecordingWriter {
  readonly file: string
  readonly database: DatabaseSync
  private readonly metrics = new Map<string, number>()
  private readonly statements = new Map<string, StatementSync>()
  private readonly shapes = new Map<string, ReadonlyArray<string>>()
  private readonly samples = new WeakMap<Values, Pick<Sample, "metrics" | "values">>()

  /** Makes a new file; throws where one exists. */
  constructor(file: string) {
    this.file = file
    this.database = create(file)
  }

  /** How large the file is, its log left out. */
  get bytes(): number {
    const pages = Number(this.statement("PRAGMA page_count").get()!["page_count"])
    return pages * Number(this.statement("PRAGMA page_size").get()!["page_size"])
  }

  statement(sql: string): StatementSync {
    let statement = this.statements.get(sql)
    if (statement === undefined) this.statements.set(sql, (statement = this.database.prepare(sql)))
    return statement
  }

  /** Its id, which is new if the name is. */
  metricId = (name: string): number => {
    let id = this.metrics.get(name)
    if (id === undefined) {
      id = this.metrics.size + 1
      this.statement("INSERT INTO metric VALUES (?, ?)").run(id, name)
      this.metrics.set(name, id)
    }
    return id
  }

  /** Values by name as a sample has them; one array of names for all values that have the same. */
  shared(values: Values): Pick<Sample, "metrics" | "values"> {
    let sample = this.samples.get(values)
    if (sample === undefined) {
      const names = Object.keys(values)
      const key = names.join(" ")
      let metrics = this.shapes.get(key)
      if (metrics === undefined) this.shapes.set(key, (metrics = names))
      this.samples.set(values, (sample = { metrics, values: Object.values(values) }))
    }
    return sample
  }

  transaction(body: () => void, onFailure: () => void): void {
    this.database.exec("BEGIN IMMEDIATE")
    try {
      body()
      this.database.exec("COMMIT")
    } catch (error) {
      try {
        this.database.exec("ROLLBACK")
      } catch {
        // A full disk rolls back by itself; the error to tell is the first one.
      }
      this.metrics.clear()
      for (const { id, name } of this.statement("SELECT id, name FROM metric").all()) this.metrics.set(String(name), Number(id))
      onFailure()
      throw error
    }
  }

  /** Begins a run. `uid` is the same in every file that a run goes through; `part` counts those. */
  start(run: RunStart, uid: string, part: number): RunWriter {
    const { lastInsertRowid } = this.statement(
      `INSERT INTO run (uid, part, label, "group", policy, settings, kernel, clock, command, every_ms, dry_run, machine, configuration, started_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
    ).run(
      uid,
      part,
      run.label,
      run.group,
      run.policy,
      JSON.stringify(run.settings),
      run.kernel,
      run.clock,
      run.command ?? null,
      run.everyMs,
      run.dryRun ? 1 : 0,
      json(run.machine),
      json(run.configuration),
      Math.round(run.startedMs)
    )
    return new RunWriter(this, Number(lastInsertRowid))
  }

  /** Folds the log in, so that what is left is one file that opens anywhere, read-only places included. */
  close(): void {
    try {
      this.database.exec("DELETE FROM meta WHERE key = 'writer'")
      this.database.exec("PRAGMA journal_mode = DELETE")
    } catch {
      // Somebody reads it at this moment: the log stays beside the file until the next one opens it.
    }
    this.database.close()
  }
}

interface KnownSubject {
  readonly id: number
  readonly kind: string
  isPresent: boolean
  /** Samples of it come, so that it is gone when they stop. A subject may be known from histograms alone. */
  isSampled: boolean
  /** Number of the snapshot that saw it last. */
  snapshot: number
  lastReason: string | undefined
}

/** One run in one file. */
export class RunWriter {
  private readonly out: RecordingWriter
  private readonly id: number
  private encoder: FrameEncoder
  private readonly subjects = new Map<string, Map<string, KnownSubject>>()
  private snapshots = 0
  private framesSinceFull = 0
  private lastMs: number | undefined

  constructor(out: RecordingWriter, id: number) {
    this.out = out
    this.id = id
    this.encoder = new FrameEncoder(out.metricId)
  }

  /** Writes a snapshot in one transaction. If that fails, nothing of it is there, and the next one starts afresh. */
  write(snapshot: Snapshot): void {
    this.writeAll([snapshot])
  }

  /** Writes them in one transaction. */
  writeAll(snapshots: ReadonlyArray<Snapshot>): void {
    this.out.transaction(
      () => snapshots.forEach((snapshot) => this.insert(snapshot)),
      () => {
        // What the encoder and the table of subjects know may not be on disk.
        this.encoder = new FrameEncoder(this.out.metricId)
        this.framesSinceFull = 0
        this.subjects.clear()
        for (const row of this.out.statement("SELECT id, kind, name, last_ms FROM subject WHERE run_id = ?").all(this.id)) {
          const { id, kind, last_ms: lastMs, name } = row as { id: number; kind: string; name: string; last_ms: number | null }
          this.ofKind(kind).set(name, { id, kind, isPresent: lastMs === null, isSampled: true, snapshot: 0, lastReason: undefined })
        }
      }
    )
  }

  end({ endedMs, exitCode, missedTicks, result }: RunEnd): void {
    this.close()
    this.out
      .statement("UPDATE run SET ended_ms = ?, exit_code = ?, missed_ticks = ?, result = ? WHERE id = ?")
      .run(Math.round(endedMs), exitCode ?? null, missedTicks, json(result), this.id)
  }

  /** Says of all subjects still there when they were seen last: the run ends, or goes on in another file. */
  close(): void {
    if (this.lastMs === undefined) return
    this.out.statement("UPDATE subject SET last_ms = ? WHERE run_id = ? AND last_ms IS NULL").run(this.lastMs, this.id)
  }

  /** Corrects when a subject was seen first and last: copies know better than their own order of writing. */
  setSeen({ kind, name }: Subject, firstMs: number, lastMs: number): void {
    this.out
      .statement("UPDATE subject SET first_ms = ?, last_ms = ? WHERE run_id = ? AND kind = ? AND name = ?")
      .run(firstMs, lastMs, this.id, kind, name)
  }

  /** Adds actions as another recording had them. */
  copyActions(rows: ReadonlyArray<ActionRow>): void {
    this.out.transaction(
      () =>
        rows.forEach(({ allowed, asked, atMs, detail, reclaimedBytes, status, subject, tookMs }) =>
          this.insertAction(this.see(subject, atMs).id, atMs, [
            asked,
            allowed ?? null,
            status,
            reclaimedBytes ?? null,
            tookMs,
            detail ?? null
          ])
        ),
      () => undefined
    )
  }

  private insertAction(subjectId: number, atMs: number, cells: ReadonlyArray<string | number | null>): void {
    this.out
      .statement(
        "INSERT INTO action (run_id, subject_id, at_ms, asked, allowed, status, reclaimed_bytes, took_ms, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
      )
      .run(this.id, subjectId, atMs, ...cells)
  }

  private ofKind(kind: string): Map<string, KnownSubject> {
    let names = this.subjects.get(kind)
    if (names === undefined) this.subjects.set(kind, (names = new Map()))
    return names
  }

  /** The subject, known and present from now on. */
  private see({ detail, kind, name }: Subject, atMs: number): KnownSubject {
    const names = this.ofKind(kind)
    let known = names.get(name)
    if (known === undefined) {
      const { lastInsertRowid } = this.out
        .statement("INSERT INTO subject (run_id, kind, name, detail, first_ms) VALUES (?, ?, ?, ?, ?)")
        .run(this.id, kind, name, json(detail), atMs)
      names.set(
        name,
        (known = { id: Number(lastInsertRowid), kind, isPresent: true, isSampled: false, snapshot: 0, lastReason: undefined })
      )
    } else if (!known.isPresent) {
      known.isPresent = true
      this.out.statement("UPDATE subject SET last_ms = NULL WHERE id = ?").run(known.id)
    }
    return known
  }

  private insert(snapshot: Snapshot): void {
    const atMs = Math.round(snapshot.atMs)
    this.snapshots++
    if (snapshot.samples !== undefined || snapshot.missedTicks) this.insertFrame(snapshot, atMs)
    for (const { pageAge, subject } of snapshot.pageAges ?? []) {
      const bins = pageAge.bins.map(({ anonBytes, fileBytes, lowerMs, upperMs }) => [lowerMs, edge(upperMs), anonBytes, fileBytes])
      this.out
        .statement("INSERT INTO page_age (run_id, subject_id, at_ms, source, bins) VALUES (?, ?, ?, ?, ?)")
        .run(this.id, this.see(subject, atMs).id, atMs, pageAge.source, JSON.stringify(bins))
    }
    for (const { bins, isEstimate, source, subject } of snapshot.coldAges ?? []) {
      this.out
        .statement("INSERT INTO cold_age (run_id, subject_id, at_ms, source, is_estimate, bins) VALUES (?, ?, ?, ?, ?, ?)")
        .run(
          this.id,
          this.see(subject, atMs).id,
          atMs,
          source,
          isEstimate ? 1 : 0,
          JSON.stringify(bins.map(({ bytes, thresholdMs }) => [thresholdMs, bytes]))
        )
    }
    for (const { bins, isEstimate, source, subject, windowMs } of snapshot.promotions ?? []) {
      this.out
        .statement("INSERT INTO promotion (run_id, subject_id, at_ms, source, is_estimate, window_ms, bins) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .run(
          this.id,
          this.see(subject, atMs).id,
          atMs,
          source,
          isEstimate ? 1 : 0,
          Math.round(windowMs),
          JSON.stringify(bins.map(({ lowerMs, pages, upperMs }) => [lowerMs, edge(upperMs), pages]))
        )
    }
    for (const { bytes, isEstimate, source, subject, thresholdMs } of snapshot.workingSets ?? []) {
      this.out
        .statement(
          "INSERT INTO working_set (run_id, subject_id, at_ms, source, is_estimate, threshold_ms, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        .run(this.id, this.see(subject, atMs).id, atMs, source, isEstimate ? 1 : 0, Math.round(thresholdMs), Math.round(bytes))
    }
    for (const { aggregationUs, regions, sampleUs, source, subject } of snapshot.heat ?? []) {
      this.out
        .statement("INSERT INTO heat (run_id, subject_id, at_ms, source, sample_us, aggregation_us, regions) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .run(this.id, this.see(subject, atMs).id, atMs, source, Math.round(sampleUs), Math.round(aggregationUs), encodeRegions(regions))
    }
    for (const entry of snapshot.decisions ?? []) this.insertDecision(entry, atMs)
    this.lastMs = atMs
  }

  private insertFrame({ complete, missedTicks = 0, samples = [] }: Snapshot, atMs: number): void {
    const isFull = this.framesSinceFull === 0
    this.encoder.begin(isFull)
    const kinds = complete ?? [...new Set(samples.map(({ subject }) => subject.kind))]
    for (const sample of samples) {
      const known = this.see(sample.subject, atMs)
      known.snapshot = this.snapshots
      known.isSampled = true
      this.encoder.add(known.id, sample, !kinds.includes(known.kind))
    }
    for (const kind of kinds) {
      for (const known of this.subjects.get(kind)?.values() ?? []) {
        if (!known.isPresent || !known.isSampled || known.snapshot === this.snapshots) continue
        known.isPresent = false
        this.encoder.remove(known.id)
        this.out.statement("UPDATE subject SET last_ms = ? WHERE id = ?").run(this.lastMs ?? atMs, known.id)
      }
    }
    const frame = this.encoder.frame()
    const isDeflated = frame.length >= deflateFrom
    this.out
      .statement("INSERT INTO observation (run_id, at_ms, missed, is_full, complete, encoding, data) VALUES (?, ?, ?, ?, ?, ?, ?)")
      .run(
        this.id,
        atMs,
        missedTicks,
        isFull ? 1 : 0,
        kinds.join(" "),
        isDeflated ? 1 : 0,
        isDeflated ? deflateRawSync(frame, { level: 1 }) : frame
      )
    this.framesSinceFull = (this.framesSinceFull + 1) % framesPerFull
  }

  private insertDecision({ outcomes, reason, subject }: DecisionEntry, atMs: number): void {
    const known = this.see(subject, atMs)
    this.out
      .statement("INSERT INTO decision (run_id, subject_id, at_ms, reason) VALUES (?, ?, ?, ?)")
      .run(this.id, known.id, atMs, reason === known.lastReason ? null : reason)
    known.lastReason = reason
    for (const { allowed, asked, detail, reclaimedBytes, status, tookMs } of outcomes) {
      const reclaimed = reclaimedBytes === undefined ? null : Math.round(reclaimedBytes)
      this.insertAction(known.id, atMs, [JSON.stringify(asked), json(allowed), status, reclaimed, tookMs, detail ?? null])
    }
  }
}
