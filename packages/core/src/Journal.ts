/**
 * The journal: every change to the machine is written down before it is made, and undone in reverse order on exit, on error and,
 * after a crash, by the next start. One file per process in a state directory: JSON lines, synced before the change they describe.
 * What somebody else has changed since is reported and left alone. One-shot commands (reclaim, aging) have no old value and no entry.
 */
import { Context, Data, Effect, Layer, Result } from "effect"
import * as nodeFs from "node:fs"
import { KernFs } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"

type Entry =
  | { readonly kind: "write"; readonly path: string; readonly was: string; readonly is: string }
  | { readonly kind: "mkdir"; readonly path: string }

/** Who made the changes. A process is identified by pid and start time, a boot by the kernel's boot id. */
interface Header {
  readonly version: 1
  readonly pid: number
  readonly startTime: string
  readonly bootId: string
  readonly command: string
}

/** What became of one change when it was undone. */
export interface Undone {
  readonly path: string
  /** `restored` to `was`; `removed` a group; `gone`: nothing left to undo; `kept`: left as it is, `why` says why. */
  readonly result: "restored" | "removed" | "gone" | "kept"
  readonly was?: string
  readonly why?: string
}

/** What the journal of a dead process had to undo. */
export interface Recovery {
  readonly pid: number
  readonly command: string
  readonly undone: ReadonlyArray<Undone>
}

/** The state directory cannot be used. */
export class JournalError extends Data.TaggedError("JournalError")<{ readonly directory: string; readonly problem: string }> {
  override get message(): string {
    return `cannot keep the journal in ${this.directory}: ${this.problem}; choose another with WMO_STATE_DIR`
  }
}

const filePattern = /^journal-\d+-\d+\.jsonl$/
const utf8 = new TextDecoder()

/** `Y` and `1`, `N` and `0` are the same setting; numbers are compared by page, as the kernel rounds limits down. */
const sameSetting = (a: string, b: string): boolean => {
  const canonical = (text: string) => {
    const word = text.trim()
    if (/^[Yy]$/.test(word)) return "1"
    if (/^[Nn]$/.test(word)) return "0"
    return /^\d{4,}$/.test(word) ? String(BigInt(word) / 4096n) : word
  }
  return canonical(a) === canonical(b)
}

/** Entries as they were appended; a torn last line (power loss while it was written) describes a change that was not made. */
const parse = (text: string): { readonly header: Header | undefined; readonly entries: Array<Entry> } => {
  const values = text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line)]
    } catch {
      return []
    }
  })
  return { header: values[0], entries: values.slice(1) }
}

/** Undoes entries, newest first; each path once, to its oldest value. Returns the entries that must be tried again later. */
const undo = Effect.fnUntraced(function* (fs: KernFs["Service"], entries: ReadonlyArray<Entry>) {
  const undone: Array<Undone> = []
  const again: Array<Entry> = []
  const done = new Set<string>()
  for (const entry of entries.toReversed()) {
    if (done.has(entry.path)) continue
    done.add(entry.path)
    if (!(yield* fs.exists(entry.path))) {
      undone.push({ path: entry.path, result: "gone" })
      continue
    }
    const attempt: Effect.Effect<Undone, KernFsError> =
      entry.kind === "mkdir"
        ? Effect.as(fs.rmdir(entry.path), { path: entry.path, result: "removed" })
        : undoWrite(
            fs,
            entries.filter((other) => other.kind === "write" && other.path === entry.path)
          )
    const result = yield* Effect.result(attempt)
    if (Result.isSuccess(result)) {
      undone.push(result.success)
    } else if (result.failure.isGone) {
      undone.push({ path: entry.path, result: "gone" })
    } else {
      const why = entry.kind === "mkdir" && result.failure.reason._tag === "Busy" ? "processes still run in it" : result.failure.message
      undone.push({ path: entry.path, result: "kept", why })
      again.push(...entries.filter((other) => other.path === entry.path))
    }
  }
  return { undone, again: again.reverse() }
})

const undoWrite = Effect.fnUntraced(function* (fs: KernFs["Service"], writes: ReadonlyArray<Entry>) {
  const ours = writes.filter((entry) => entry.kind === "write")
  const { path, was } = ours[0]!
  const now = utf8.decode(yield* fs.read(path)).trim()
  if (sameSetting(now, was)) return { path, result: "restored", was } satisfies Undone
  if (!ours.some((entry) => sameSetting(now, entry.is))) {
    return { path, result: "kept", why: `it is ${now} now: somebody else has changed it since` } satisfies Undone
  }
  yield* fs.writeBlocking(path, was)
  return { path, result: "restored", was } satisfies Undone
})

const processStartTime = (fs: KernFs["Service"], proc: string, pid: number) =>
  fs.read(`${proc}/${pid}/stat`).pipe(
    Effect.map((bytes) => utf8.decode(bytes).split(") ").at(-1)!.split(" ")[19]),
    Effect.orElseSucceed(() => undefined)
  )

const bootId = (fs: KernFs["Service"], proc: string) =>
  fs.read(`${proc}/sys/kernel/random/boot_id`).pipe(
    Effect.map((bytes) => utf8.decode(bytes).trim()),
    Effect.orElseSucceed(() => "unknown")
  )

/** See the module's header. */
export class Journal extends Context.Service<
  Journal,
  {
    /** Writes a setting, its old value on record first. Blocks a pool thread, not the event loop. */
    readonly set: (path: string, value: string) => Effect.Effect<void, KernFsError | JournalError>
    /** Creates a directory (a cgroup) that will be removed again. */
    readonly mkdir: (path: string) => Effect.Effect<void, KernFsError | JournalError>
    /** Undoes everything now, newest first. Also happens when the layer's scope closes. Never fails: what cannot be undone is `kept`. */
    readonly restore: Effect.Effect<ReadonlyArray<Undone>>
  }
>()("@wmo/core/Journal") {
  /**
   * A journal in `directory` (created if missing), named for this process. Closing the scope restores everything; what could not be
   * restored then stays on record for the next start.
   */
  static readonly layer = (options: { readonly directory: string; readonly command: string }): Layer.Layer<Journal, never, KernFs> =>
    Layer.effect(
      Journal,
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { proc } = yield* KernelRoots
        const header: Header = {
          version: 1,
          pid: process.pid,
          startTime: (yield* processStartTime(fs, proc, process.pid)) ?? "0",
          bootId: yield* bootId(fs, proc),
          command: options.command
        }
        const file = `${options.directory}/journal-${header.pid}-${header.startTime}.jsonl`
        let entries: Array<Entry> = []
        let fd: number | undefined

        const append = (entry: Entry) =>
          Effect.try({
            try: () => {
              if (fd === undefined) {
                nodeFs.mkdirSync(options.directory, { recursive: true, mode: 0o700 })
                fd = nodeFs.openSync(file, "a", 0o600)
                nodeFs.writeSync(fd, `${JSON.stringify(header)}\n`)
              }
              nodeFs.writeSync(fd, `${JSON.stringify(entry)}\n`)
              nodeFs.fsyncSync(fd)
              entries.push(entry)
            },
            catch: (cause) =>
              new JournalError({ directory: options.directory, problem: cause instanceof Error ? cause.message : String(cause) })
          })

        const restore = Effect.gen(function* () {
          const { again, undone } = yield* undo(fs, entries)
          entries = again
          yield* Effect.sync(() => {
            if (fd === undefined) return
            nodeFs.closeSync(fd)
            fd = undefined
            rewrite(file, header, again)
          })
          return undone
        })

        yield* Effect.addFinalizer(() => restore)
        return Journal.of({
          restore,
          set: Effect.fnUntraced(function* (path, value) {
            const known = entries.find((entry) => entry.kind === "write" && entry.path === path)
            const was = known?.kind === "write" ? known.was : utf8.decode(yield* fs.read(path)).trim()
            yield* append({ kind: "write", path, was, is: value })
            yield* fs.writeBlocking(path, value)
          }),
          mkdir: Effect.fnUntraced(function* (path) {
            yield* append({ kind: "mkdir", path })
            yield* fs
              .mkdir(path)
              .pipe(
                Effect.tapError(() =>
                  Effect.sync(() => (entries = entries.filter((entry) => entry.kind !== "mkdir" || entry.path !== path)))
                )
              )
          })
        })
      })
    )

  /**
   * Undoes what dead processes left behind, and says what it did. Journals of living processes are not touched; those of another boot
   * are deleted, since a reboot has undone them.
   */
  static readonly recover: (directory: string) => Effect.Effect<ReadonlyArray<Recovery>, never, KernFs> = Effect.fnUntraced(
    function* (directory) {
      const fs = yield* KernFs
      const { proc } = yield* KernelRoots
      const boot = yield* bootId(fs, proc)
      const recoveries: Array<Recovery> = []
      for (const name of listJournals(directory)) {
        const file = `${directory}/${name}`
        const { entries, header } = parse(nodeFs.readFileSync(file, "utf8"))
        if (header === undefined || header.bootId !== boot) {
          nodeFs.rmSync(file, { force: true })
          continue
        }
        if ((yield* processStartTime(fs, proc, header.pid)) === header.startTime) continue
        const { again, undone } = yield* undo(fs, entries)
        rewrite(file, header, again)
        recoveries.push({ pid: header.pid, command: header.command, undone })
      }
      return recoveries
    }
  )
}

/** Replaces a journal atomically by what is still to be undone; removes it when nothing is. */
const rewrite = (file: string, header: Header, entries: ReadonlyArray<Entry>): void => {
  if (entries.length === 0) return nodeFs.rmSync(file, { force: true })
  nodeFs.writeFileSync(`${file}.tmp`, [header, ...entries].map((value) => `${JSON.stringify(value)}\n`).join(""), { mode: 0o600 })
  nodeFs.renameSync(`${file}.tmp`, file)
}

const listJournals = (directory: string): ReadonlyArray<string> => {
  try {
    return nodeFs.readdirSync(directory).filter((name) => filePattern.test(name))
  } catch {
    return []
  }
}
