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
      write: (snapshot) => {
        const writer = this.writerOf(run, snapshot.atMs)
        writer.write(snapshot)
      },
      end: (end) => {
        // Not a reason for a new file.
        ;(run.writer ?? this.writerOf(run, end.endedMs)).end(end)
        this.runs.delete(run)
      }
    }
  }

  close(): void {
    this.closeFile()
  }

  private writerOf(run: RotatingRun, atMs: number): RunWriter {
    if (this.current !== undefined && this.isFull(this.current, atMs)) this.closeFile()
    if (this.current === undefined) {
      this.current = { writer: this.newFile(atMs), startedMs: atMs }
      this.removeOld(atMs)
    }
    if (run.writer === undefined) run.writer = this.current.writer.start(run.start, run.uid, run.part++)
    return run.writer
  }

  private isFull({ startedMs, writer }: OpenFile, atMs: number): boolean {
    return atMs - startedMs >= this.fileMs || writer.bytes >= this.fileBytes
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

  private closeFile(): void {
    if (this.current === undefined) return
    for (const run of this.runs) {
      run.writer?.close()
      run.writer = undefined
    }
    this.current.writer.close()
    this.current = undefined
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
