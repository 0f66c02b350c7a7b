/**
 * Writes a recording: one SQLite file in WAL mode, one transaction a tick, so that kill -9 loses at most the tick it fell into.
 * Synchronous like `node:sqlite` itself: a tick costs well under a millisecond.
 */
import { limitBytes, memoryStatAmounts, memoryStatCounters } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import { Context, Effect, Layer, type Scope } from "effect"
import { existsSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { RunEnd, RunStart, Tick } from "./Entry.ts"
import { RecordingError } from "./RecordingError.ts"
import { createTables, observationColumns, schemaVersion } from "./Schema.ts"

/** A run that is being recorded. */
export interface RunRecorder {
  readonly tick: (tick: Tick) => Effect.Effect<void, RecordingError>
  readonly end: (end: RunEnd) => Effect.Effect<void, RecordingError>
}

export class Recorder extends Context.Service<
  Recorder,
  {
    /** Where the recording is; undefined when nothing is kept. */
    readonly file: string | undefined
    readonly start: (run: RunStart) => Effect.Effect<RunRecorder, RecordingError>
  }
>()("@wmo/recording/Recorder") {
  /** Keeps nothing. */
  static readonly layerNone: Layer.Layer<Recorder> = Layer.succeed(Recorder, {
    file: undefined,
    start: () => Effect.succeed({ tick: () => Effect.void, end: () => Effect.void })
  })

  /** A new file; fails if it exists, since a recording is never overwritten. */
  static readonly layerFile = (file: string): Layer.Layer<Recorder, RecordingError> =>
    Layer.effect(
      Recorder,
      Effect.map(openNew(file), (database) => ({ file, start: (run) => startRun(database, file, run) }))
    )
}

const problemOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const openNew = (file: string): Effect.Effect<DatabaseSync, RecordingError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        if (existsSync(file)) throw new Error("the file exists; remove it or choose another name")
        if (!existsSync(dirname(resolve(file)))) throw new Error(`there is no directory ${dirname(file)}; make it first`)
        const database = new DatabaseSync(file)
        database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        database.exec(`BEGIN;${createTables}COMMIT`)
        database.prepare("INSERT INTO meta VALUES ('schema_version', ?), ('created_by', 'wmo')").run(String(schemaVersion))
        return database
      },
      catch: (cause) => new RecordingError({ file, operation: "create", problem: problemOf(cause) })
    }),
    (database) =>
      Effect.sync(() => {
        // Folds the log in, so that what is left is one file that opens anywhere, read-only places included.
        try {
          database.exec("PRAGMA journal_mode = DELETE")
        } catch {
          // Somebody reads it at this moment: the log stays beside the file until the next one opens it.
        }
        database.close()
      })
  )

/** `max` and unknown are NULL: neither is an amount. */
const orNull = (value: number | bigint | undefined): number | bigint | null => (value === undefined || value === Infinity ? null : value)

const observationRow = ({ events, machine, pressure, stat, usage }: Observation): ReadonlyArray<number | bigint | null> =>
  [
    usage.currentBytes,
    usage.swapCurrentBytes,
    usage.zswapCurrentBytes,
    limitBytes(usage.min),
    limitBytes(usage.low),
    limitBytes(usage.high),
    limitBytes(usage.max),
    pressure?.some?.totalUs,
    pressure?.full?.totalUs,
    events?.["high"],
    events?.["oom_kill"],
    machine.memTotalBytes,
    machine.memAvailableBytes,
    machine.swapTotalBytes,
    machine.swapFreeBytes,
    ...memoryStatAmounts.map((key) => stat[key]),
    ...memoryStatCounters.map((key) => stat[key])
  ].map(orNull)

const startRun = (database: DatabaseSync, file: string, run: RunStart): Effect.Effect<RunRecorder, RecordingError> => {
  const write = <A>(body: () => A) =>
    Effect.try({ try: body, catch: (cause) => new RecordingError({ file, operation: "write", problem: problemOf(cause) }) })

  return write(() => {
    const { lastInsertRowid: id } = database
      .prepare(
        `INSERT INTO run (label, "group", policy, settings, kernel, clock, command, every_ms, dry_run, started_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
      )
      .run(
        run.label,
        run.group,
        run.policy,
        JSON.stringify(run.settings),
        run.kernel,
        run.clock,
        run.command ?? null,
        run.everyMs,
        run.dryRun ? 1 : 0,
        Math.round(run.startedMs)
      )
    const holes = observationColumns.map(() => "?").join(", ")
    const observation = database.prepare(`INSERT OR IGNORE INTO observation VALUES (?, ?, ${holes}, ?)`)
    const bin = database.prepare("INSERT OR IGNORE INTO page_age VALUES (?, ?, ?, ?, ?, ?, ?)")
    const decision = database.prepare("INSERT OR IGNORE INTO decision VALUES (?, ?, ?)")
    const action = database.prepare(
      "INSERT INTO action (run_id, at_ms, asked, allowed, status, reclaimed_bytes, took_ms, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    )
    const insertTick = ({ observation: seen, outcomes, reason }: Tick) => {
      const at = Math.round(seen.atMs)
      const unknown = seen.stat.unknown
      const unknownJson =
        unknown === undefined
          ? null
          : JSON.stringify(Object.fromEntries(Object.entries(unknown).map(([key, value]) => [key, String(value)])))
      observation.run(id, at, ...observationRow(seen), unknownJson)
      for (const { anonBytes, fileBytes, lowerMs, upperMs } of seen.pageAge?.bins ?? []) {
        bin.run(id, at, lowerMs, upperMs === Infinity ? null : upperMs, seen.pageAge!.source, anonBytes, fileBytes)
      }
      decision.run(id, at, reason)
      for (const { allowed, asked, detail, reclaimedBytes, status, tookMs } of outcomes) {
        action.run(
          id,
          at,
          JSON.stringify(asked),
          allowed === undefined ? null : JSON.stringify(allowed),
          status,
          reclaimedBytes ?? null,
          tookMs,
          detail ?? null
        )
      }
    }
    return {
      tick: (tick: Tick) =>
        write(() => {
          database.exec("BEGIN")
          try {
            insertTick(tick)
            database.exec("COMMIT")
          } catch (error) {
            database.exec("ROLLBACK")
            throw error
          }
        }),
      end: ({ endedMs, exitCode, missedTicks, result }: RunEnd) =>
        write(() => {
          database
            .prepare("UPDATE run SET ended_ms = ?, exit_code = ?, missed_ticks = ?, result = ? WHERE id = ?")
            .run(Math.round(endedMs), exitCode ?? null, missedTicks, result === undefined ? null : JSON.stringify(result), id)
        })
    }
  })
}
