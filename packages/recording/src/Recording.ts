/**
 * Reads a recording, also one that is still being written or whose writer was killed.
 * Rows come as they were stored; `summarize` turns a run into the few numbers that tables show.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { closeSync, existsSync, openSync, readSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import type { WorkloadResult } from "./Entry.ts"
import { RecordingError } from "./RecordingError.ts"
import { observationColumns, schemaVersion } from "./Schema.ts"

/** One run as it was recorded; `endedMs` is undefined where the writer was killed. */
export interface RunInfo {
  readonly id: number
  readonly label: string
  readonly group: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  readonly kernel: string
  readonly clock: string
  readonly command: string | undefined
  readonly everyMs: Milliseconds
  readonly dryRun: boolean
  readonly startedMs: Milliseconds
  readonly endedMs: Milliseconds | undefined
  readonly exitCode: number | undefined
  readonly missedTicks: number | undefined
  readonly result: WorkloadResult | undefined
}

/** A row of `observation`: columns of the schema, null where the kernel did not say. Counters above 2^53 come as bigint. */
export type ObservationRow = Readonly<Record<string, number | bigint | string | null>> & { readonly at_ms: number }

export interface DecisionRow {
  readonly atMs: Milliseconds
  readonly reason: string
}

export interface ActionRow {
  readonly atMs: Milliseconds
  readonly asked: string
  readonly allowed: string | undefined
  readonly status: string
  readonly reclaimedBytes: Bytes | undefined
  readonly tookMs: Milliseconds
  readonly detail: string | undefined
}

export interface Recording {
  readonly file: string
  readonly runs: Effect.Effect<ReadonlyArray<RunInfo>, RecordingError>
  readonly observations: (runId: number) => Effect.Effect<ReadonlyArray<ObservationRow>, RecordingError>
  readonly decisions: (runId: number) => Effect.Effect<ReadonlyArray<DecisionRow>, RecordingError>
  readonly actions: (runId: number) => Effect.Effect<ReadonlyArray<ActionRow>, RecordingError>
}

const isSqlite = (file: string): boolean => {
  const header = Buffer.alloc(16)
  const fd = openSync(file, "r")
  try {
    readSync(fd, header, 0, 16, 0)
  } finally {
    closeSync(fd)
  }
  return header.toString("latin1").startsWith("SQLite format 3")
}

const open = (file: string): DatabaseSync => {
  if (!existsSync(file)) throw new Error("there is no such file")
  if (!isSqlite(file)) throw new Error("it is not a wmo recording")
  // Not read-only: after kill -9 the write-ahead log must be folded in, which needs to write beside the file.
  const database = new DatabaseSync(file)
  const version = database.prepare("SELECT value FROM meta WHERE key = 'schema_version'").get()?.["value"]
  if (version !== String(schemaVersion)) {
    database.close()
    throw new Error(`it has schema version ${version}, this wmo reads ${schemaVersion}; use the wmo that wrote it`)
  }
  return database
}

/** Shrinks the bigints that node:sqlite hands out to numbers wherever that is exact. */
const plain = (row: Record<string, unknown>): ObservationRow => {
  for (const [key, value] of Object.entries(row)) {
    if (typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER) row[key] = Number(value)
  }
  return row as ObservationRow
}

/** Opens a recording; it is closed with the scope. */
export const openRecording = (file: string): Effect.Effect<Recording, RecordingError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => open(file),
      catch: (cause) => {
        const message = cause instanceof Error ? cause.message : String(cause)
        const problem = message.startsWith("no such table") ? "it is not a wmo recording" : message
        return new RecordingError({ file, operation: "open", problem })
      }
    }),
    (database) => Effect.sync(() => database.close())
  ).pipe(
    Effect.map((database) => {
      const rows = (sql: string, ...parameters: ReadonlyArray<number>) =>
        Effect.try({
          try: () => {
            const statement = database.prepare(sql)
            statement.setReadBigInts(true)
            return statement.all(...parameters).map((row) => plain({ ...row })) as ReadonlyArray<any>
          },
          catch: (cause) => new RecordingError({ file, operation: "read", problem: cause instanceof Error ? cause.message : String(cause) })
        })
      return {
        file,
        runs: Effect.map(rows("SELECT * FROM run ORDER BY id"), (runs) =>
          runs.map((row): RunInfo => ({
            id: row.id,
            label: row.label,
            group: row.group,
            policy: row.policy,
            settings: JSON.parse(row.settings),
            kernel: row.kernel,
            clock: row.clock,
            command: row.command ?? undefined,
            everyMs: row.every_ms,
            dryRun: row.dry_run === 1,
            startedMs: row.started_ms,
            endedMs: row.ended_ms ?? undefined,
            exitCode: row.exit_code ?? undefined,
            missedTicks: row.missed_ticks ?? undefined,
            result: row.result === null ? undefined : JSON.parse(row.result)
          }))
        ),
        observations: (runId) =>
          rows(
            `SELECT at_ms, ${observationColumns.join(", ")}, memory_stat_unknown FROM observation WHERE run_id = ? ORDER BY at_ms`,
            runId
          ),
        decisions: (runId) => rows("SELECT at_ms AS atMs, reason FROM decision WHERE run_id = ? ORDER BY at_ms", runId),
        actions: (runId) =>
          Effect.map(rows("SELECT * FROM action WHERE run_id = ? ORDER BY id", runId), (actions) =>
            actions.map((row): ActionRow => ({
              atMs: row.at_ms,
              asked: row.asked,
              allowed: row.allowed ?? undefined,
              status: row.status,
              reclaimedBytes: row.reclaimed_bytes ?? undefined,
              tookMs: row.took_ms,
              detail: row.detail ?? undefined
            }))
          )
      }
    })
  )
