/**
 * Writes one recording file: SQLite in WAL mode, one transaction a snapshot, so that kill -9 loses at most the snapshot it fell into.
 * Holds what its runs share: statements and names of metrics. Synchronous, throws; `Recorder` is the service around it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { createFile } from "./createFile.ts"
import type { RunStart, Sample } from "./Entry.ts"
import type { Values } from "./Frame.ts"
import { RunWriter } from "./RunWriter.ts"

const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))

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
    this.database = createFile(file)
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
