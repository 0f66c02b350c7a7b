/**
 * One copy of a journal on disk: lines that are appended and synced. Does not know what they say. A line that did not fit is ended by the next
 * one, so that it damages nothing but itself. Everything here is synchronous.
 */
import * as nodeFs from "node:fs"
import { dirname } from "node:path"

const utf8 = new TextEncoder()

/** Replaces a file atomically. Throws what `node:fs` throws. */
export const replaceFile = (file: string, text: string): void => {
  nodeFs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  nodeFs.writeFileSync(`${file}.tmp`, text, { mode: 0o600, flush: true })
  nodeFs.renameSync(`${file}.tmp`, file)
}

/** Methods throw what `node:fs` throws. */
export class JournalCopy {
  private readonly file: string
  private fd: number | undefined
  /** At least so many, unless somebody else was at it. */
  private bytesOnDisk = 0
  private isTorn = false

  constructor(file: string) {
    this.file = file
  }

  get isOpen(): boolean {
    return this.fd !== undefined
  }

  /** Whether somebody has removed the file, or cut it off: what is appended then is nothing that a next start could read. */
  get isTakenAway(): boolean {
    if (this.fd === undefined) return false
    const { nlink, size } = nodeFs.fstatSync(this.fd)
    return nlink === 0 || size < this.bytesOnDisk
  }

  /** Opens the file; a new one begins with a first line, or is not left there. */
  open(first: string): void {
    if (this.fd !== undefined) return
    nodeFs.mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 })
    const fd = nodeFs.openSync(this.file, "a", 0o600)
    this.bytesOnDisk = nodeFs.fstatSync(fd).size
    this.fd = fd
    if (this.bytesOnDisk > 0) return
    try {
      this.isTorn = false
      this.print(first)
    } catch (error) {
      this.close()
      nodeFs.rmSync(this.file, { force: true })
      throw error
    }
  }

  /** With one sync for all. */
  append(lines: ReadonlyArray<string>): void {
    for (const line of lines) this.print(line)
    nodeFs.fsyncSync(this.fd!)
  }

  /** What was torn is not there any more when the file has been replaced. */
  close(): void {
    if (this.fd !== undefined) nodeFs.closeSync(this.fd)
    this.fd = undefined
  }

  /** The file has been replaced by whole lines. */
  mend(): void {
    this.isTorn = false
  }

  private print(line: string): void {
    const bytes = utf8.encode(`${this.isTorn ? "\n" : ""}${line}`)
    this.isTorn = true
    const written = nodeFs.writeSync(this.fd!, bytes)
    this.bytesOnDisk += written
    if (written < bytes.length) throw new Error("there is no room for it")
    this.isTorn = false
  }
}
