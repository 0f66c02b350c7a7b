/**
 * Makes the file of a recording: under its name only when its tables are there, and never over another. Says in `meta` who writes it.
 */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { createTables, schemaVersion } from "./Schema.ts"

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

/** Makes a new file with its tables and opens it; throws where there is one of that name. */
export const createFile = (file: string): DatabaseSync => {
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
