/**
 * Writes one run to one file: a transaction a snapshot. Knows which subjects are there and what was last written of each, so that what stays
 * the same costs nothing. Synchronous, throws.
 */
import { deflateRawSync } from "node:zlib"
import type { DecisionEntry, RunEnd, Snapshot, Subject } from "./Entry.ts"
import { FrameEncoder } from "./Frame.ts"
import { encodeRegions } from "./heatBlob.ts"
import type { RecordingWriter } from "./RecordingWriter.ts"
import type { ActionRow } from "./tables.ts"

/** A full frame at least this often, so that reading from the middle need not begin at the start. */
const framesPerFull = 600
/** Frames that are at least this long are deflated. */
const deflateFrom = 1024

/** As `printAction` of policies has it, too: no limit is `"Infinity"`, addresses are decimal strings. */
const json = (value: unknown): string | null =>
  value === undefined
    ? null
    : JSON.stringify(value, (_, part: unknown) => (part === Infinity ? "Infinity" : typeof part === "bigint" ? part.toString() : part))
const edge = (ms: number): number | null => (ms === Infinity ? null : ms)

interface KnownSubject {
  readonly id: number
  readonly kind: string
  isPresent: boolean
  /** Samples of it come, so that it is gone when they stop. A subject may be known from histograms alone. */
  isSampled: boolean
  /** Number of the snapshot that saw it last. */
  snapshot: number
  lastReason: string | undefined
  /** Bins of its last histogram, by table. */
  readonly lastBins: Map<string, string>
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
          this.ofKind(kind).set(name, {
            id,
            kind,
            isPresent: lastMs === null,
            isSampled: true,
            snapshot: 0,
            lastReason: undefined,
            lastBins: new Map()
          })
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
        (known = {
          id: Number(lastInsertRowid),
          kind,
          isPresent: true,
          isSampled: false,
          snapshot: 0,
          lastReason: undefined,
          lastBins: new Map()
        })
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
      const known = this.see(subject, atMs)
      const bins = pageAge.bins.map(({ anonBytes, fileBytes, lowerMs, upperMs }) => [lowerMs, edge(upperMs), anonBytes, fileBytes])
      this.out
        .statement("INSERT INTO page_age (run_id, subject_id, at_ms, source, bins) VALUES (?, ?, ?, ?, ?)")
        .run(this.id, known.id, atMs, pageAge.source, this.binsOf(known, "page_age", bins))
    }
    for (const { bins: given, isEstimate, source, subject } of snapshot.coldAges ?? []) {
      const known = this.see(subject, atMs)
      const bins = given.map(({ bytes, thresholdMs }) => [thresholdMs, bytes])
      this.out
        .statement("INSERT INTO cold_age (run_id, subject_id, at_ms, source, is_estimate, bins) VALUES (?, ?, ?, ?, ?, ?)")
        .run(this.id, known.id, atMs, source, isEstimate ? 1 : 0, this.binsOf(known, "cold_age", bins))
    }
    for (const { bins: given, isEstimate, source, subject, windowMs } of snapshot.promotions ?? []) {
      const known = this.see(subject, atMs)
      const bins = given.map(({ lowerMs, pages, upperMs }) => [lowerMs, edge(upperMs), pages])
      this.out
        .statement("INSERT INTO promotion (run_id, subject_id, at_ms, source, is_estimate, window_ms, bins) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .run(this.id, known.id, atMs, source, isEstimate ? 1 : 0, Math.round(windowMs), this.binsOf(known, "promotion", bins))
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

  /** Bins as JSON; NULL where the subject's histogram before in this table had the same. */
  private binsOf(known: KnownSubject, table: string, bins: ReadonlyArray<ReadonlyArray<number | null>>): string | null {
    const text = JSON.stringify(bins)
    if (known.lastBins.get(table) === text) return null
    known.lastBins.set(table, text)
    return text
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
      this.insertAction(known.id, atMs, [json(asked), json(allowed), status, reclaimed, tookMs, detail ?? null])
    }
  }
}
