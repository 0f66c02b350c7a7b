/**
 * The tables of a recording, one SQLite file; README.md documents them. Append-only: nothing is updated but the end of a run and the
 * first and last sight of a subject. Times are milliseconds since 1970 (virtual ones in simulated runs).
 * Version 1 had one group a run, one row an observation, one row a bin; `version1.ts` reads it.
 */
export const schemaVersion = 2

export const createTables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run (
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL, part INTEGER NOT NULL,
  label TEXT NOT NULL, "group" TEXT NOT NULL, policy TEXT NOT NULL, settings TEXT NOT NULL,
  kernel TEXT NOT NULL, clock TEXT NOT NULL, command TEXT, every_ms REAL NOT NULL, dry_run INTEGER NOT NULL,
  machine TEXT, configuration TEXT,
  started_ms INTEGER NOT NULL, ended_ms INTEGER, exit_code INTEGER, missed_ticks INTEGER, result TEXT
);
CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE subject (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, detail TEXT,
  first_ms INTEGER NOT NULL, last_ms INTEGER
);
CREATE TABLE observation (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, missed INTEGER NOT NULL, is_full INTEGER NOT NULL,
  complete TEXT NOT NULL, encoding INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX observation_full ON observation (run_id, at_ms) WHERE is_full = 1;
CREATE TABLE page_age (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, source TEXT NOT NULL,
  bins TEXT
);
CREATE TABLE cold_age (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, source TEXT NOT NULL,
  is_estimate INTEGER NOT NULL, bins TEXT
);
CREATE TABLE promotion (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, source TEXT NOT NULL,
  is_estimate INTEGER NOT NULL, window_ms INTEGER NOT NULL, bins TEXT
);
CREATE TABLE working_set (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, source TEXT NOT NULL,
  is_estimate INTEGER NOT NULL, threshold_ms INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TABLE heat (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, source TEXT NOT NULL,
  sample_us INTEGER NOT NULL, aggregation_us INTEGER NOT NULL, regions BLOB NOT NULL
);
CREATE TABLE decision (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, reason TEXT);
CREATE TABLE action (
  id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, subject_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  asked TEXT NOT NULL, allowed TEXT, status TEXT NOT NULL, reclaimed_bytes INTEGER, took_ms REAL NOT NULL, detail TEXT
);
`
