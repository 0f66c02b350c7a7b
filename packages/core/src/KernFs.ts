/**
 * The one door to kernel pseudo-files, over a `node:fs`-shaped object so that `node:fs` and memfs both fit.
 * Reads are synchronous (kernfs does not wait for a disk) into one reused buffer; writes that can block for long go to the thread pool.
 * Does not know any file by name: formats are codecs, meanings are services.
 */
import { Context, Effect, Layer, Result, Scope } from "effect"
import * as nodeFs from "node:fs"
import type { Codec, CodecError } from "./Codec.ts"
import { fromThrown, KernFsError } from "./KernFsError.ts"
import { awaitEvent } from "./native/awaitEvent.ts"

/** The part of `node:fs` that pseudo-files need. */
export interface FsLike {
  openSync(path: string, flags: number): number
  closeSync(fd: number): void
  readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number
  writeSync(fd: number, buffer: Uint8Array, offset?: number, length?: number, position?: number | null): number
  write(fd: number, buffer: Uint8Array, callback: (error: unknown, written: number) => void): void
  readdirSync(path: string): ReadonlyArray<string>
  mkdirSync(path: string): unknown
  rmdirSync(path: string): void
  existsSync(path: string): boolean
  statSync(path: string): { readonly mode: number } | undefined
  /**
   * Calls back once the descriptor has an event (POLLPRI, POLLERR), at once if it has one already; or with `problem` if it cannot be
   * waited for. Gives what cancels.
   */
  awaitEvent?(fd: number, resume: (isError: boolean, problem?: unknown) => void): () => void
  /** Calls back after something was made or removed in the directory. Gives what ends it. Throws where the system cannot. */
  watchDirectory?(path: string, listener: () => void): () => void
  /** Names of the directories in a directory. */
  directoriesSync?(path: string): ReadonlyArray<string>
}

/** What reading a typed file can fail with. */
export type KernelError = KernFsError | CodecError

/** A file kept open for sampling: a read costs one `pread(2)`, and a decode where the file has changed; else it gives the same value again. */
export interface Held<A> {
  readonly path: string
  /** Reads now, outside Effect: for sampling loops. */
  readonly readResult: () => Result.Result<A, KernelError>
  readonly read: Effect.Effect<A, KernelError>
}

/**
 * A file kept open for reads and writes at positions, for system calls on its descriptor, or because it means something while it is open
 * (`pagemap`, `page_idle/bitmap`, a PSI trigger). Synchronous, outside Effect: for page loops.
 */
export interface OpenFile {
  readonly path: string
  readonly fd: number
  /** Reads up to `buffer.length` bytes from `position`, or what comes next where none is given; gives how many there were. */
  readonly readInto: (buffer: Uint8Array, position?: number) => Result.Result<number, KernFsError>
  /** One `pwrite(2)`, or `write(2)` where no position is given; gives how many bytes were taken. */
  readonly write: (bytes: Uint8Array, position?: number) => Result.Result<number, KernFsError>
}

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = nodeFs.constants
const openFlags = { read: O_RDONLY, write: O_WRONLY, readWrite: O_RDWR | O_NONBLOCK, readAvailable: O_RDONLY | O_NONBLOCK }

/** How many held files are given up when descriptors run out, so that everybody else has some. */
const spare = 64

const utf8 = new TextEncoder()

/** See the module's header. Paths are absolute. */
export class KernFs extends Context.Service<
  KernFs,
  {
    /** Reads a file whole. The bytes are a copy. */
    readonly read: (path: string) => Effect.Effect<Uint8Array, KernFsError>
    /** Reads a file and decodes it. */
    readonly decode: <A>(path: string, codec: Codec<A>) => Effect.Effect<A, KernelError>
    /**
     * Opens a file for repeated reading; it is closed with the scope. After its group is gone reads fail with `NoDevice`. Where the process
     * has no descriptors left, some held files are opened at every read instead: slower (and then `NotFound` is how a group that is gone
     * answers), but any number can be held.
     */
    readonly hold: <A>(path: string, codec: Codec<A>) => Effect.Effect<Held<A>, KernFsError, Scope.Scope>
    /** Writes with one `write(2)`, at once. Only for files whose writers return quickly. */
    readonly write: (path: string, text: string) => Effect.Effect<void, KernFsError>
    /**
     * Writes with one `write(2)` on a pool thread: for `memory.reclaim`, `memory.high`, `lru_gen`, which work inside the write.
     * Not interruptible: the kernel finishes what it began. The pool has four threads unless UV_THREADPOOL_SIZE says otherwise.
     */
    readonly writeBlocking: (path: string, text: string) => Effect.Effect<void, KernFsError>
    /**
     * Opens a file as such; it is closed with the scope. `readWrite` does not block (`O_NONBLOCK`), as PSI triggers want it; nor does
     * `readAvailable`, whose reads are `Again` where there is nothing yet (`trace_pipe`).
     */
    readonly open: (path: string, mode: keyof typeof openFlags) => Effect.Effect<OpenFile, KernFsError, Scope.Scope>
    /**
     * Waits for an event on an open file: a PSI trigger that fired, an events file that changed since it was read last (read it again before
     * the next wait). `error` (POLLERR) comes with every event of an events file, and on a trigger when its group is gone. All waits of the
     * process share one pool thread, and none when nobody waits.
     */
    readonly awaitEvent: (file: OpenFile) => Effect.Effect<"event" | "error", KernFsError>
    /**
     * Calls back after something was made or removed in the directory (inotify; kernfs reports what processes do, not what the kernel does
     * by itself). Ends with the scope; does nothing where the system has no more watches.
     */
    readonly watchDirectory: (path: string, listener: () => void) => Effect.Effect<void, never, Scope.Scope>
    /** Names of the directories in a directory. */
    readonly directories: (path: string) => Effect.Effect<ReadonlyArray<string>, KernFsError>
    /** Names in a directory. */
    readonly list: (path: string) => Effect.Effect<ReadonlyArray<string>, KernFsError>
    readonly exists: (path: string) => Effect.Effect<boolean>
    /** The permission bits of a file, `0o644` for example. */
    readonly mode: (path: string) => Effect.Effect<number, KernFsError>
    readonly mkdir: (path: string) => Effect.Effect<void, KernFsError>
    readonly rmdir: (path: string) => Effect.Effect<void, KernFsError>
  }
>()("@wmo/core/KernFs") {
  /** Over any `node:fs`-shaped object. */
  static readonly layerOver = (fs: FsLike): Layer.Layer<KernFs> => Layer.sync(KernFs, () => make(fs))
  /** The running kernel. */
  static readonly layer: Layer.Layer<KernFs> = KernFs.layerOver({
    ...nodeFs,
    statSync: (path) => nodeFs.statSync(path),
    awaitEvent,
    watchDirectory: (path, listener) => {
      const watcher = nodeFs.watch(path, (kind) => kind === "rename" && listener())
      watcher.on("error", () => watcher.close())
      return () => watcher.close()
    },
    directoriesSync: (path) =>
      nodeFs
        .readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
  })
}

/** Closes the files that are in the list by then. Holds on to nothing else that was there when they were opened. */
const closing = (files: ReadonlyArray<{ readonly close: () => void }>): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const file of files) file.close()
  })

const make = (fs: FsLike): KernFs["Service"] => {
  let buffer = new Uint8Array(64 * 1024)

  /** Fills the shared buffer from the start of the file; the view is valid until the next read. */
  const readView = (fd: number, isOneRecord: boolean, isSeekable: boolean): Uint8Array => {
    let length = 0
    for (;;) {
      const room = buffer.length - length
      const got = fs.readSync(fd, buffer, length, room, isSeekable ? length : null)
      length += got
      if (got === 0 || (isOneRecord && got < room)) return buffer.subarray(0, length)
      if (length === buffer.length) {
        const larger = new Uint8Array(buffer.length * 2)
        larger.set(buffer)
        buffer = larger
      }
    }
  }

  const attempt = <A>(operation: KernFsError["operation"], path: string, run: () => A, written?: string) =>
    Effect.suspend(() => {
      try {
        return Effect.succeed(run())
      } catch (thrown) {
        return Effect.fail(fromThrown(operation, path, thrown, written))
      }
    })

  /** Held files that keep a descriptor, in the order in which they got it; and how many may. */
  const keepers = new Set<HeldFile<any>>()
  let keepersAtMost = Infinity

  /** Opens a file; where the process has no descriptors left, held files give up some of theirs. */
  const open = (path: string, flags: number): number => {
    try {
      return fs.openSync(path, flags)
    } catch (thrown) {
      if (keepers.size === 0 || fromThrown("open", path, thrown).reason._tag !== "TooManyOpen") throw thrown
      for (const file of [...keepers].slice(-spare)) file.giveUp()
      keepersAtMost = keepers.size
      return fs.openSync(path, flags)
    }
  }

  /** A thousand groups hold twelve thousand of them: what each keeps is counted. */
  class HeldFile<A> implements Held<A> {
    readonly path: string
    private readonly codec: Codec<A>
    private fd: number | undefined
    private isClosed = false
    private bytes: Buffer | undefined
    private result: Result.Result<A, KernelError> | undefined

    constructor(path: string, codec: Codec<A>) {
      this.path = path
      this.codec = codec
      this.leave(this.descriptor())
    }

    get read(): Effect.Effect<A, KernelError> {
      return Effect.suspend(() => Effect.fromResult(this.readResult()))
    }

    readResult(): Result.Result<A, KernelError> {
      let view: Uint8Array
      try {
        view = this.view()
      } catch (thrown) {
        return Result.fail(fromThrown("read", this.path, thrown))
      }
      // Most files of most groups say what they said a second ago: comparing costs a tenth of decoding.
      if (this.result === undefined || this.bytes === undefined || !this.bytes.equals(view)) {
        this.bytes = Buffer.from(view)
        this.result = this.codec.decode(view)
      }
      return this.result
    }

    /** The view is valid until the next read. Throws what the file system throws. */
    private view(): Uint8Array {
      const fd = this.descriptor()
      try {
        return readView(fd, this.codec.isOneRecord === true, true)
      } catch (thrown) {
        const { reason } = fromThrown("read", this.path, thrown)
        // Numbers in debugfs cannot be read a second time: they are opened anew.
        if (reason._tag === "Other" && reason.errno === "ESPIPE") return withView(this.path, (view) => view)
        throw thrown
      } finally {
        this.leave(fd)
      }
    }

    /** Closes its descriptor; the next read opens the file again. */
    giveUp(): void {
      if (this.fd !== undefined) fs.closeSync(this.fd)
      this.fd = undefined
      keepers.delete(this)
    }

    close(): void {
      this.giveUp()
      this.isClosed = true
    }

    /** The file's own descriptor, or one for once. */
    private descriptor(): number {
      if (this.fd !== undefined) return this.fd
      if (this.isClosed) throw Object.assign(new Error(`${this.path} is not held any more`), { code: "EBADF" })
      const fd = open(this.path, O_RDONLY)
      if (keepers.size >= keepersAtMost) return fd
      keepers.add(this)
      return (this.fd = fd)
    }

    private leave(fd: number): void {
      if (fd !== this.fd) fs.closeSync(fd)
    }
  }

  /** Files by the scope that they are closed with: a scope has one finalizer for all of them. */
  const heldBy = new WeakMap<Scope.Scope, Array<HeldFile<any>>>()

  const withView = <A>(path: string, use: (view: Uint8Array) => A, isOneRecord = false): A => {
    const fd = open(path, O_RDONLY)
    try {
      return use(readView(fd, isOneRecord, false))
    } finally {
      fs.closeSync(fd)
    }
  }

  return {
    read: (path) => attempt("read", path, () => withView(path, (view) => view.slice())),
    decode: (path, codec) =>
      Effect.flatMap(
        attempt("read", path, () => withView(path, codec.decode, codec.isOneRecord)),
        Effect.fromResult
      ),
    hold: (path, codec) =>
      Effect.flatMap(Effect.scope, (scope) =>
        Effect.uninterruptible(
          Effect.flatMap(
            attempt("open", path, () => new HeldFile(path, codec)),
            (file) => {
              const others = heldBy.get(scope)
              if (others !== undefined && scope.state._tag !== "Closed") {
                others.push(file)
                return Effect.succeed(file)
              }
              const files = [file]
              heldBy.set(scope, files)
              return Effect.as(Scope.addFinalizer(scope, closing(files)), file)
            }
          )
        )
      ),
    open: (path, mode) =>
      Effect.acquireRelease(
        attempt("open", path, () => open(path, openFlags[mode])),
        (fd) => Effect.sync(() => fs.closeSync(fd))
      ).pipe(
        Effect.map((fd) => {
          const now = <A>(operation: "read" | "write", run: () => A): Result.Result<A, KernFsError> => {
            try {
              return Result.succeed(run())
            } catch (thrown) {
              return Result.fail(fromThrown(operation, path, thrown))
            }
          }
          return {
            path,
            fd,
            readInto: (bytes, position) => now("read", () => fs.readSync(fd, bytes, 0, bytes.length, position ?? null)),
            write: (bytes, position) => now("write", () => fs.writeSync(fd, bytes, 0, bytes.length, position ?? null))
          }
        })
      ),
    write: (path, text) =>
      attempt(
        "write",
        path,
        () => {
          const fd = open(path, O_WRONLY | O_TRUNC)
          try {
            fs.writeSync(fd, utf8.encode(text))
          } finally {
            fs.closeSync(fd)
          }
        },
        text
      ),
    writeBlocking: (path, text) =>
      Effect.flatMap(
        attempt("write", path, () => open(path, O_WRONLY | O_TRUNC), text),
        (fd) =>
          Effect.callback<void, KernFsError>((resume) => {
            fs.write(fd, utf8.encode(text), (error) => {
              try {
                fs.closeSync(fd)
              } catch {
                // The write is what was asked for; its answer must arrive whatever close says.
              }
              resume(error ? Effect.fail(fromThrown("write", path, error, text)) : Effect.void)
            })
          })
      ).pipe(Effect.uninterruptible),
    awaitEvent: ({ fd, path }) =>
      Effect.callback<"event" | "error", KernFsError>((resume) => {
        if (fs.awaitEvent === undefined) {
          return resume(Effect.fail(new KernFsError({ operation: "poll", path, reason: { _tag: "NotSupported" } })))
        }
        const cancel = fs.awaitEvent(fd, (isError, problem) =>
          resume(problem === undefined ? Effect.succeed(isError ? "error" : "event") : Effect.fail(fromThrown("poll", path, problem)))
        )
        return Effect.sync(cancel)
      }),
    watchDirectory: (path, listener) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          try {
            return fs.watchDirectory?.(path, listener)
          } catch {
            return undefined
          }
        }),
        (end) => Effect.sync(() => end?.())
      ).pipe(Effect.asVoid),
    directories: (path) =>
      attempt("list", path, () => {
        if (fs.directoriesSync !== undefined) return fs.directoriesSync(path)
        return fs.readdirSync(path).filter((name) => ((fs.statSync(`${path}/${name}`)?.mode ?? 0) & 0o170000) === 0o040000)
      }),
    list: (path) => attempt("list", path, () => fs.readdirSync(path)),
    exists: (path) => Effect.sync(() => fs.existsSync(path)),
    mode: (path) => attempt("stat", path, () => (fs.statSync(path)?.mode ?? 0) & 0o7777),
    mkdir: (path) => attempt("mkdir", path, () => void fs.mkdirSync(path)),
    rmdir: (path) => attempt("rmdir", path, () => fs.rmdirSync(path))
  }
}

export { KernFsError }
