/**
 * memfs with the manners of kernfs: files whose content is computed at read and whose writes are answered by a function, one write(2)
 * per command, no tails after a shorter write, descriptors that fail with ENODEV once their file is gone, directories that the fake
 * fills on mkdir. Shaped like `node:fs`, so the same `KernFs` code runs on it.
 */
import { createFsFromVolume, Volume } from "memfs"
import type { FsLike } from "../KernFs.ts"

/** What a handler throws to refuse a write or a read, as the kernel would. */
export class Errno extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export interface FakeFile {
  /** The content at the moment of the read. */
  readonly read?: () => string
  /** Answers a write; throws {@link Errno} to refuse it. Without it writes are EINVAL. */
  readonly write?: (text: string) => void
  /** Binary content at a position, instead of `read`: up to `length` bytes. */
  readonly readAt?: (position: number, length: number) => Uint8Array
  /** Binary writes at a position, instead of `write`. */
  readonly writeAt?: (position: number, bytes: Uint8Array) => void
  /** As numbers in debugfs are: `pread(2)` is ESPIPE. */
  readonly isNotSeekable?: boolean
}

export interface FakeDirectoryHooks {
  /** Called after a directory has been made below `path`, at any depth. Throws {@link Errno} to refuse it. */
  readonly onMkdir?: (path: string) => void
  /** Called instead of rmdir. Throws {@link Errno} to refuse it. */
  readonly onRmdir?: (path: string) => void
}

const fileOrder = (a: string, b: string): number => (a < b ? -1 : 1)

/** A file whose content is the string that was written last. */
const staticFile = (initial: string): FakeFile => {
  let content = initial
  return { read: () => content, write: (text) => void (content = text.endsWith("\n") ? text : `${text}\n`) }
}

export class FakeFs implements FsLike {
  readonly volume = new Volume()
  private readonly fs = createFsFromVolume(this.volume)
  private readonly files = new Map<string, FakeFile>()
  private readonly hooks: Array<{ readonly root: string; readonly hooks: FakeDirectoryHooks }> = []
  private readonly open = new Map<number, { readonly path: string; snapshot: Uint8Array | undefined; position: number; isDead: boolean }>()
  /** As RLIMIT_NOFILE: opening more is EMFILE. */
  descriptorsAtMost = Infinity
  get descriptorCount(): number {
    return this.open.size
  }

  /** Every write in order, for assertions. */
  readonly writes: Array<{ readonly path: string; readonly text: string }> = []

  /** Puts a file there, parents included. A string is static content. */
  file(path: string, content: string | FakeFile, mode = 0o644): void {
    this.directory(path.slice(0, path.lastIndexOf("/")))
    if (!this.fs.existsSync(path)) this.fs.writeFileSync(path, "")
    this.fs.chmodSync(path, mode)
    this.files.set(path, typeof content === "string" ? staticFile(content) : content)
  }

  directory(path: string): void {
    if (path !== "") this.fs.mkdirSync(path, { recursive: true })
  }

  /** Hooks for directories made and removed below `root`. */
  watch(root: string, hooks: FakeDirectoryHooks): void {
    this.hooks.push({ root, hooks })
  }

  /** Removes a file or a whole tree; descriptors into it answer ENODEV from then on. */
  remove(path: string): void {
    this.fs.rmSync(path, { recursive: true, force: true })
    for (const file of this.open.values()) if (file.path === path || file.path.startsWith(`${path}/`)) file.isDead = true
    for (const known of this.files.keys()) if (known === path || known.startsWith(`${path}/`)) this.files.delete(known)
  }

  /** The current content, as a reader would see it. */
  text(path: string): string {
    const file = this.files.get(path)
    if (file === undefined) throw new Errno("ENOENT")
    return file.read?.() ?? ""
  }

  openSync(path: string, flags: number): number {
    if (this.open.size >= this.descriptorsAtMost) throw new Errno("EMFILE")
    const fd = this.fs.openSync(path, flags & ~0o1000)
    this.open.set(fd, { path, snapshot: undefined, position: 0, isDead: false })
    return fd
  }

  closeSync(fd: number): void {
    this.open.delete(fd)
    this.fs.closeSync(fd)
  }

  readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
    const file = this.descriptor(fd)
    const at = position ?? file.position
    const content = this.files.get(file.path)
    if (position !== null && content?.isNotSeekable === true) throw new Errno("ESPIPE")
    if (content?.readAt !== undefined) {
      const chunk = content.readAt(at, length)
      buffer.set(chunk, offset)
      if (position === null) file.position += chunk.length
      return chunk.length
    }
    if (at === 0 || file.snapshot === undefined) file.snapshot = new TextEncoder().encode(this.text(file.path))
    const chunk = file.snapshot.subarray(at, at + length)
    buffer.set(chunk, offset)
    if (position === null) file.position += chunk.length
    return chunk.length
  }

  writeSync(fd: number, buffer: Uint8Array, _offset?: number, _length?: number, position?: number | null): number {
    const { path } = this.descriptor(fd)
    const writeAt = this.files.get(path)?.writeAt
    if (writeAt !== undefined) {
      writeAt(position ?? 0, buffer)
      return buffer.length
    }
    const text = new TextDecoder().decode(buffer)
    this.writes.push({ path, text })
    const handler = this.files.get(path)?.write
    if (handler === undefined) throw new Errno("EINVAL")
    handler(text)
    return buffer.length
  }

  write(fd: number, buffer: Uint8Array, callback: (error: unknown, written: number) => void): void {
    let written = 0
    let refused: unknown
    try {
      written = this.writeSync(fd, buffer)
    } catch (error) {
      refused = error
    }
    queueMicrotask(() => callback(refused, written))
  }

  readdirSync(path: string): ReadonlyArray<string> {
    return (this.fs.readdirSync(path) as Array<string>).toSorted(fileOrder)
  }

  mkdirSync(path: string): void {
    this.fs.mkdirSync(path)
    try {
      for (const { hooks, root } of this.hooks) if (path.startsWith(`${root}/`)) hooks.onMkdir?.(path)
    } catch (error) {
      this.remove(path)
      throw error
    }
  }

  rmdirSync(path: string): void {
    const watcher = this.hooks.find(({ hooks, root }) => path.startsWith(`${root}/`) && hooks.onRmdir !== undefined)
    if (!this.fs.existsSync(path)) throw new Errno("ENOENT")
    if (watcher === undefined) return this.fs.rmdirSync(path)
    watcher.hooks.onRmdir!(path)
    this.remove(path)
  }

  existsSync(path: string): boolean {
    return this.fs.existsSync(path)
  }

  statSync(path: string): { readonly mode: number } {
    return { mode: Number(this.fs.statSync(path).mode) }
  }

  private descriptor(fd: number) {
    const file = this.open.get(fd)
    if (file === undefined) throw new Errno("EBADF")
    if (file.isDead) throw new Errno("ENODEV")
    return file
  }
}
