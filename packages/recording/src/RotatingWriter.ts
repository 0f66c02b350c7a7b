/**
 * A directory of recordings for a daemon: a new file every while or when one is large, old ones removed by age and total size. Removes only
 * files that bear our names, are recordings, and that no living process writes. A kill at any moment leaves files that open.
 */
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type { RunEnd, RunStart, Snapshot } from "./Entry.ts"
import { removeRecording } from "./createFile.ts"
import { bytesOnDisk, isInUse, isRecording, nameAt, removeHalfMade, timeOf } from "./recordingFiles.ts"
import { RecordingWriter } from "./RecordingWriter.ts"
import type { RunWriter } from "./RunWriter.ts"

export interface RotationOptions {
  readonly directory: string
  /** Remove files whose last moment is longer ago. */
  readonly maxAgeMs?: number | undefined
  /** Remove the oldest files while all together take more; the one in use stays. */
  readonly maxBytes?: number | undefined
  /** Begin a new file after so much time (default 1 h). */
  readonly fileMs?: number | undefined
  /** Begin a new file when one takes so much (default: an eighth of `maxBytes`); at least 128 KiB, since empty tables take half of that. */
  readonly fileBytes?: number | undefined
}

const hourMs = 3_600_000
const leastFileBytes = 2 ** 17
const pageBytes = 4096

interface OpenFile {
  readonly writer: RecordingWriter
  readonly startedMs: number
  /** Its inode, and its size when it was new: it only grows. */
  readonly ino: number
  readonly size: number
}

/** SQLite's codes: read-only (a file that was moved, too), malformed, no database; and a read beyond the end. */
const damageCodes = [8, 11, 26]
const shortRead = 522

const isDamage = (error: unknown): boolean => {
  const code = (error as { readonly errcode?: unknown }).errcode
  return typeof code === "number" && (damageCodes.includes(code & 0xff) || code === shortRead)
}

/** Whether it was removed, replaced or cut off: SQLite would go on writing where nobody reads. */
const isNotThere = ({ ino, size, writer }: OpenFile): boolean => {
  const now = statSync(writer.file, { throwIfNoEntry: false })
  return now === undefined || now.ino !== ino || now.size < size
}

const attempt = (run: () => void): void => {
  try {
    run()
  } catch {
    // It is told of where somebody waits for it: by the next write.
  }
}

/** A run that goes on from file to file. */
interface RotatingRun {
  readonly start: RunStart
  readonly uid: string
  part: number
  writer: RunWriter | undefined
}

export class RotatingWriter {
  private readonly options: RotationOptions
  private readonly runs = new Set<RotatingRun>()
  private current: OpenFile | undefined
  private readonly fileMs: number
  private readonly fileBytes: number
  /** Pages in the log before it is folded into the file. */
  private readonly logPages: number

  constructor(options: RotationOptions) {
    if (!existsSync(options.directory) || !statSync(options.directory).isDirectory()) {
      throw new Error("there is no such directory; make it first")
    }
    removeHalfMade(options.directory)
    this.options = options
    this.fileMs = options.fileMs ?? hourMs
    this.fileBytes = Math.max(leastFileBytes, options.fileBytes ?? (options.maxBytes ?? Infinity) / 8)
    this.logPages = Math.floor(Math.min(1000, this.fileBytes / 8 / pageBytes))
  }

  start(start: RunStart, uid: string): { write(snapshot: Snapshot): void; end(end: RunEnd): void } {
    const run: RotatingRun = { start, uid, part: 0, writer: undefined }
    this.runs.add(run)
    return {
      write: (snapshot) => this.watching(() => this.writerOf(run, snapshot.atMs).write(snapshot)),
      end: (end) => {
        this.runs.delete(run)
        // Not a reason for a new file.
        this.watching(() => (run.writer ?? this.writerOf(run, end.endedMs)).end(end))
      }
    }
  }

  /** A damaged file is given up, so that the next write begins another; one without room has its chance later. */
  private watching(write: () => void): void {
    try {
      write()
    } catch (error) {
      if (isDamage(error)) this.closeFile()
      throw error
    }
  }

  close(): void {
    this.closeFile()
  }

  private writerOf(run: RotatingRun, atMs: number): RunWriter {
    if (this.current !== undefined && this.isFull(this.current, atMs)) this.closeFile()
    if (this.current === undefined) {
      const writer = this.newFile(atMs)
      const { ino, size } = statSync(writer.file)
      this.current = { writer, startedMs: atMs, ino, size }
      this.removeOld(atMs)
    }
    if (run.writer === undefined) run.writer = this.current.writer.start(run.start, run.uid, run.part++)
    return run.writer
  }

  /** A clock that was set back is as good a reason for a new file as an hour that is over. */
  private isFull(file: OpenFile, atMs: number): boolean {
    const { startedMs, writer } = file
    return isNotThere(file) || Math.abs(atMs - startedMs) >= this.fileMs || writer.bytes >= this.fileBytes
  }

  private newFile(atMs: number): RecordingWriter {
    for (let n = 0; ; n++) {
      const file = join(this.options.directory, nameAt(atMs, n))
      if (existsSync(file)) continue
      const writer = new RecordingWriter(file)
      // Or the log beside a small file would outgrow it.
      writer.database.exec(`PRAGMA wal_autocheckpoint = ${this.logPages}`)
      return writer
    }
  }

  /** What cannot be written any more is as after a kill: the file opens all the same. */
  private closeFile(): void {
    const { current } = this
    if (current === undefined) return
    this.current = undefined
    for (const run of this.runs) {
      attempt(() => run.writer?.close())
      run.writer = undefined
    }
    attempt(() => current.writer.close())
  }

  /** Retention; a file's last moment is taken to be the begin of the next one. */
  private removeOld(atMs: number): void {
    const { directory, maxAgeMs = Infinity, maxBytes = Infinity } = this.options
    if (maxAgeMs === Infinity && maxBytes === Infinity) return
    const files = readdirSync(directory)
      .filter((name) => timeOf(name) !== undefined)
      .toSorted()
      .map((name) => join(directory, name))
    const sizes = files.map(bytesOnDisk)
    let total = sizes.reduce((sum, size) => sum + size, 0)
    // The newest is ours: it must have room to grow to its full size, beside its log and the log's index.
    if (this.fileBytes !== Infinity) total += this.fileBytes + 2 * this.logPages * pageBytes + 32_768
    files.slice(0, -1).forEach((file, i) => {
      const endedMs = timeOf(files[i + 1]!.slice(directory.length + 1)) ?? atMs
      const isOld = endedMs < atMs - maxAgeMs
      if (!isOld && total <= maxBytes) return
      if (!isRecording(file) || isInUse(file)) return
      removeRecording(file)
      total -= sizes[i]!
    })
  }
}
