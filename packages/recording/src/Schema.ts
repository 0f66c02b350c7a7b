/**
 * The tables of a recording, one SQLite file. Append-only: nothing is ever updated but the end of a run.
 * Times are milliseconds since 1970 (virtual ones in simulated runs). Raw amounts and counters are stored; rates are computed by readers.
 *
 * | table | a row is |
 * | --- | --- |
 * | meta | a fact about the file: `schema_version`, `created_by` |
 * | run | one policy on one group: settings, machine, command, and how it ended |
 * | observation | what was seen at one tick: usage, limits, pressure, machine, and every known key of memory.stat |
 * | page_age | one bin of the page-age histogram of a tick |
 * | decision | what the policy said at a tick, and why |
 * | action | what was asked, what the guard rails allowed, what came of it |
 *
 * A column is named after the kernel file and key that it holds, with its unit: `memory_stat_anon_bytes`, `memory_stat_pgfault`.
 */
import { memoryStatAmounts, memoryStatCounters } from "@wmo/core"

export const schemaVersion = 1

/** Columns of `observation` beside the key, in order. Limits: NULL is `max`. */
export const observationColumns: ReadonlyArray<string> = [
  "memory_current_bytes",
  "memory_swap_current_bytes",
  "memory_zswap_current_bytes",
  "memory_min_bytes",
  "memory_low_bytes",
  "memory_high_bytes",
  "memory_max_bytes",
  "memory_pressure_some_us",
  "memory_pressure_full_us",
  "memory_events_high",
  "memory_events_oom_kill",
  "machine_mem_total_bytes",
  "machine_mem_available_bytes",
  "machine_swap_total_bytes",
  "machine_swap_free_bytes",
  ...memoryStatAmounts.map((key) => `memory_stat_${key}_bytes`),
  ...memoryStatCounters.map((key) => `memory_stat_${key}`)
]

export const createTables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  label TEXT NOT NULL, "group" TEXT NOT NULL, policy TEXT NOT NULL, settings TEXT NOT NULL,
  kernel TEXT NOT NULL, clock TEXT NOT NULL, command TEXT, every_ms REAL NOT NULL, dry_run INTEGER NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER, exit_code INTEGER, missed_ticks INTEGER, result TEXT
);
CREATE TABLE observation (
  run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  ${observationColumns.map((column) => `${column} INTEGER`).join(", ")}, memory_stat_unknown TEXT,
  PRIMARY KEY (run_id, at_ms)
) WITHOUT ROWID;
CREATE TABLE page_age (
  run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, lower_ms INTEGER NOT NULL, upper_ms INTEGER,
  source TEXT NOT NULL, anon_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL,
  PRIMARY KEY (run_id, at_ms, lower_ms)
) WITHOUT ROWID;
CREATE TABLE decision (run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (run_id, at_ms)) WITHOUT ROWID;
CREATE TABLE action (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  asked TEXT NOT NULL, allowed TEXT, status TEXT NOT NULL, reclaimed_bytes INTEGER, took_ms REAL NOT NULL, detail TEXT
);
`
