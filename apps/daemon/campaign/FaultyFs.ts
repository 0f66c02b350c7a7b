/**
 * The fake kernel's files with faults between them and whoever asks: errors by operation, path and chance; somebody who acts just before an operation;
 * and a death, after which nothing comes through any more. One for each life of a daemon. Has no faults of its own accord.
 */
import type { FsLike } from "@wmo/core"
import { Errno, type FakeFs } from "@wmo/core/testing"
import type { Seeded } from "./seeded.ts"

export type Operation = "open" | "read" | "write" | "list" | "mkdir" | "rmdir"

export interface KernelFault {
  readonly operations: ReadonlyArray<Operation>
  readonly path: RegExp
  readonly errno: string
  /** Of each operation that it is about. */
  readonly probability: number
}

export class FaultyFs implements FsLike {
  faults: ReadonlyArray<KernelFault> = []
  /** Called before every operation; what it throws is what the operation throws. */
  before: ((operation: Operation, path: string) => void) | undefined
  isDead = false
  /** How many operations a fault has hit. */
  hits = 0
  private readonly fs: FakeFs
  private readonly seeded: Seeded
  private readonly paths = new Map<number, string>()

  constructor(fs: FakeFs, seeded: Seeded) {
    this.fs = fs
    this.seeded = seeded
  }

  /** Closes what a dead process had open, as the kernel does. */
  die(): void {
    this.isDead = true
    for (const fd of this.paths.keys()) this.fs.closeSync(fd)
    this.paths.clear()
  }

  openSync(path: string, flags: number): number {
    this.meet("open", path)
    const fd = this.fs.openSync(path, flags)
    this.paths.set(fd, path)
    return fd
  }

  closeSync(fd: number): void {
    if (this.paths.delete(fd)) this.fs.closeSync(fd)
  }

  readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
    this.meet("read", this.paths.get(fd) ?? "")
    return this.fs.readSync(fd, buffer, offset, length, position)
  }

  writeSync(fd: number, buffer: Uint8Array, offset?: number, length?: number, position?: number | null): number {
    this.meet("write", this.paths.get(fd) ?? "")
    return this.fs.writeSync(fd, buffer, offset, length, position)
  }

  write(fd: number, buffer: Uint8Array, callback: (error: unknown, written: number) => void): void {
    try {
      this.meet("write", this.paths.get(fd) ?? "")
    } catch (error) {
      return queueMicrotask(() => callback(error, 0))
    }
    this.fs.write(fd, buffer, callback)
  }

  readdirSync(path: string): ReadonlyArray<string> {
    this.meet("list", path)
    return this.fs.readdirSync(path)
  }

  directoriesSync(path: string): ReadonlyArray<string> {
    this.meet("list", path)
    return this.fs.directoriesSync(path)
  }

  mkdirSync(path: string): unknown {
    this.meet("mkdir", path)
    return this.fs.mkdirSync(path)
  }

  rmdirSync(path: string): void {
    this.meet("rmdir", path)
    this.fs.rmdirSync(path)
  }

  existsSync(path: string): boolean {
    return !this.isDead && this.fs.existsSync(path)
  }

  statSync(path: string): { readonly mode: number } {
    return this.fs.statSync(path)
  }

  awaitEvent(fd: number, resume: (isError: boolean, problem?: unknown) => void): () => void {
    return this.fs.awaitEvent(fd, resume)
  }

  watchDirectory(path: string, listener: () => void): () => void {
    return this.fs.watchDirectory(path, listener)
  }

  private meet(operation: Operation, path: string): void {
    if (!this.isDead) this.before?.(operation, path)
    if (this.isDead) throw new Errno("EIO")
    for (const fault of this.faults) {
      if (!fault.operations.includes(operation) || !fault.path.test(path) || !this.seeded.chance(fault.probability)) continue
      this.hits++
      throw new Errno(fault.errno)
    }
  }
}
