/**
 * The files of a directory of recordings: their names, which are recordings, who writes them. A name is the UTC time at which the file was
 * begun, so that names sort as the files' contents do.
 */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { writerOf } from "./createFile.ts"
import { isSqlite } from "./isSqlite.ts"

const pattern = /^(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})-(\d{2}\.\d{3})Z(?:-\d+)?\.wmo$/

/** A name for a file begun at this time: `2026-11-21T13-45-00.123Z.wmo`; `n` tells files of the same millisecond apart. */
export const nameAt = (atMs: number, n = 0): string => {
  const time = new Date(atMs).toISOString().replaceAll(":", "-")
  return `${time}${n === 0 ? "" : `-${n}`}.wmo`
}

/** The time in a name; undefined where it is not a name of ours. */
export const timeOf = (name: string): number | undefined => {
  const match = pattern.exec(name)
  return match === null ? undefined : Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`)
}

/** What `meta` says; undefined where the file is not a recording. */
const metaOf = (file: string): ReadonlyMap<string, string> | undefined => {
  if (!statSync(file).isFile() || !isSqlite(file)) return undefined
  const database = new DatabaseSync(file)
  try {
    const meta = new Map(
      database
        .prepare("SELECT key, value FROM meta")
        .all()
        .map(({ key, value }) => [String(key), String(value)])
    )
    return meta.get("created_by") === "wmo" ? meta : undefined
  } catch {
    return undefined
  } finally {
    database.close()
  }
}

export const isRecording = (file: string): boolean => metaOf(file) !== undefined

/** Whether a process that is alive is writing it. */
export const isInUse = (file: string): boolean => {
  const writer = metaOf(file)?.get("writer")
  return writer !== undefined && writerOf(Number(writer.split(" ")[0])) === writer
}

/** What it takes on disk, its log included. */
export const bytesOnDisk = (file: string): number =>
  ["", "-wal", "-shm"].reduce((sum, suffix) => sum + (existsSync(file + suffix) ? statSync(file + suffix).size : 0), 0)

const halfMade = /^\.(.+)\.(\d+)\.new(?:-wal|-shm|-journal)?$/

/** Removes what a process left that was killed while it made a file, before that had its name. */
export const removeHalfMade = (directory: string): void => {
  for (const name of readdirSync(directory)) {
    const [, base, pid] = halfMade.exec(name) ?? []
    if (base !== undefined && timeOf(base) !== undefined && writerOf(Number(pid)) === undefined)
      rmSync(join(directory, name), { force: true })
  }
}

/** The recordings of a directory, oldest first: those named after their time, then others by name. */
export const filesOf = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".wmo") && !name.startsWith("."))
    .toSorted()
    .map((name) => join(directory, name))
    .filter(isRecording)
