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
  /** What an opened descriptor answers where that differs by descriptor (PSI triggers, `memory.peak`); `descriptor` sends it events. */
  readonly open?: (descriptor: FakeDescriptor) => FakeOpenFile
}

/** A descriptor as the file behind it sees it. */
export interface FakeDescriptor {
  /** Whoever waits for an event on it is woken; if nobody does, the next wait ends at once. */
  readonly notify: () => void
}

/** A file as one descriptor has it. */
export interface FakeOpenFile {
  readonly read?: () => string
  readonly write?: (text: string) => void
  /** Whether POLLPRI comes from `notify` of the descriptor alone; otherwise from `FakeFs.notify`, until the file is read again. */
  readonly isTrigger?: () => boolean
  readonly close?: () => void
}

interface OpenDescriptor {
  readonly path: string
  snapshot: Uint8Array | undefined
  position: number
  isDead: boolean
  own?: FakeOpenFile | undefined
  /** An event that nobody has heard of yet. kernfs says so of every file that has not been read. */
  isPending: boolean
  waiter?: ((isError: boolean) => void) | undefined
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
  private readonly open = new Map<number, OpenDescriptor>()
  private readonly directoryListeners = new Map<string, Set<() => void>>()
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

  /** Removes a file or a whole tree; descriptors into it answer ENODEV from then on, those of processes ESRCH. */
  remove(path: string): void {
    this.fs.rmSync(path, { recursive: true, force: true })
    for (const file of this.open.values()) {
      if (file.path !== path && !file.path.startsWith(`${path}/`)) continue
      file.isDead = true
      // kernfs does not wake who waits on a file that it removes; pressure triggers do.
      if (file.own?.isTrigger?.() === true) this.deliver(file)
    }
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
    const file: OpenDescriptor = { path, snapshot: undefined, position: 0, isDead: false, isPending: true }
    this.open.set(fd, file)
    file.own = this.files.get(path)?.open?.({
      notify: () => {
        file.isPending = true
        this.deliver(file)
      }
    })
    return fd
  }

  closeSync(fd: number): void {
    this.open.get(fd)?.own?.close?.()
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
    if (at === 0 || file.snapshot === undefined) {
      file.snapshot = new TextEncoder().encode(file.own?.read?.() ?? this.text(file.path))
      if (file.own?.isTrigger?.() !== true) file.isPending = false
    }
    const chunk = file.snapshot.subarray(at, at + length)
    buffer.set(chunk, offset)
    if (position === null) file.position += chunk.length
    return chunk.length
  }

  writeSync(fd: number, buffer: Uint8Array, _offset?: number, _length?: number, position?: number | null): number {
    const file = this.descriptor(fd)
    const { own, path } = file
    const writeAt = this.files.get(path)?.writeAt
    if (writeAt !== undefined) {
      writeAt(position ?? 0, buffer)
      return buffer.length
    }
    const text = new TextDecoder().decode(buffer)
    this.writes.push({ path, text })
    const handler = own?.write ?? this.files.get(path)?.write
    if (handler === undefined) throw new Errno("EINVAL")
    handler(text)
    // A trigger that has just been set has nothing to say yet.
    if (own?.isTrigger?.() === true) file.isPending = false
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
    this.directoryChanged(path)
  }

  rmdirSync(path: string): void {
    const watcher = this.hooks.find(({ hooks, root }) => path.startsWith(`${root}/`) && hooks.onRmdir !== undefined)
    if (!this.fs.existsSync(path)) throw new Errno("ENOENT")
    if (watcher === undefined) return this.fs.rmdirSync(path)
    watcher.hooks.onRmdir!(path)
    this.remove(path)
    this.directoryChanged(path)
  }

  existsSync(path: string): boolean {
    return this.fs.existsSync(path)
  }

  statSync(path: string): { readonly mode: number } {
    return { mode: Number(this.fs.statSync(path).mode) }
  }

  directoriesSync(path: string): ReadonlyArray<string> {
    return this.readdirSync(path).filter((name) => this.fs.statSync(`${path}/${name}`).isDirectory())
  }

  /** An event on the file: whoever waits on a descriptor of it is woken, and who waits before reading it again is too. */
  notify(path: string): void {
    for (const file of this.open.values()) {
      if (file.path !== path || file.own?.isTrigger?.() === true) continue
      file.isPending = true
      this.deliver(file)
    }
  }

  awaitEvent(fd: number, resume: (isError: boolean, problem?: unknown) => void): () => void {
    const file = this.open.get(fd)
    if (file === undefined) {
      queueMicrotask(() => resume(true))
      return () => undefined
    }
    file.waiter = resume
    if (file.isPending || file.isDead) this.deliver(file)
    return () => {
      if (file.waiter === resume) file.waiter = undefined
    }
  }

  watchDirectory(path: string, listener: () => void): () => void {
    const listeners = this.directoryListeners.get(path) ?? new Set()
    this.directoryListeners.set(path, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  private directoryChanged(path: string): void {
    for (const listener of this.directoryListeners.get(path.slice(0, path.lastIndexOf("/"))) ?? []) queueMicrotask(listener)
  }

  private deliver(file: OpenDescriptor): void {
    const { waiter } = file
    if (waiter === undefined) return
    file.waiter = undefined
    const isTrigger = file.own?.isTrigger?.() === true
    if (isTrigger) file.isPending = false
    // Files of kernfs say POLLERR with every event; a trigger says it only when its group is gone.
    const isError = file.isDead || !isTrigger
    queueMicrotask(() => waiter(isError))
  }

  private descriptor(fd: number): OpenDescriptor {
    const file = this.open.get(fd)
    if (file === undefined) throw new Errno("EBADF")
    if (file.isDead) throw new Errno(/^\/proc\/\d+\//.test(file.path) ? "ESRCH" : "ENODEV")
    return file
  }
}
