/**
 * The journal: every change to the machine is written down before it is made, and undone in reverse order on exit, on error and,
 * after a crash, by the next start. One file per process in a state directory (JournalFile has the format).
 * What somebody else has changed since is reported and left alone. What is in the journal of another process that lives is refused: two
 * programs on one knob would undo each other's work. One-shot commands (reclaim, aging) have no old value and no entry.
 */
import { Context, Data, Effect, Layer, Semaphore } from "effect"
import {
  type Holdings,
  JournalFile,
  type JournalHeader,
  type JournalLine,
  keyOf,
  listJournals,
  readJournal,
  removeJournal,
  type Replay,
  replaceJournal
} from "./JournalFile.ts"
import { KernFs } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { isDead, processStat } from "./processes/ProcessStat.ts"
import { sameSetting, settingAfter } from "./settingText.ts"
import { undoChanges, type Undone } from "./undoChanges.ts"

export type { Replay } from "./JournalFile.ts"
export type { Undone } from "./undoChanges.ts"

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

/** Another process of ours has changed it, or claimed it, and has not ended yet. */
export class HeldByAnother extends Data.TaggedError("HeldByAnother")<{
  readonly path: string
  readonly pid: number
  readonly command: string
}> {
  override get message(): string {
    return `${this.path} is in the hands of pid ${this.pid} (${this.command}): end that first, or choose another`
  }
}

/** Why a change was not made, beside the kernel's refusal. */
export type JournalFailure = JournalError | HeldByAnother

const utf8 = new TextDecoder()
const bootUnknown = "unknown"
/** Writers share the lock, an undo takes it whole: it must not read a setting that a write is about to change. */
const allPermits = 2 ** 30

/** The start time of a process in clock ticks since boot; undefined when it is gone or only waits for its parent (a zombie). */
const processStartTime = (fs: KernFs["Service"], proc: string, pid: number) =>
  fs.decode(`${proc}/${pid}/stat`, processStat).pipe(
    Effect.map((stat) => (isDead(stat) ? undefined : String(stat.startTime))),
    Effect.orElseSucceed(() => undefined)
  )

const bootId = (fs: KernFs["Service"], proc: string) =>
  fs.read(`${proc}/sys/kernel/random/boot_id`).pipe(
    Effect.map((bytes) => utf8.decode(bytes).trim()),
    Effect.orElseSucceed(() => bootUnknown)
  )

/** See the module's header. */
export class Journal extends Context.Service<
  Journal,
  {
    /**
     * Writes a setting, its old value on record first. Blocks a pool thread, not the event loop. Knows how to undo single values,
     * choices (`always [madvise] never`), nested keys (`N0=2000`) and `cgroup.subtree_control`.
     */
    readonly set: (path: string, value: string) => Effect.Effect<void, KernFsError | JournalFailure>
    /** Creates a directory (a cgroup) that will be removed again. Fails with `Exists`, and takes nothing over, if it is there already. */
    readonly mkdir: (path: string) => Effect.Effect<void, KernFsError | JournalError>
    /**
     * Takes a name for this process until `restore`, where no other living process has claimed it: the group that a policy acts on, for
     * example. Of two processes that claim the same thing at the same instant, both may be refused.
     */
    readonly claim: (path: string) => Effect.Effect<void, JournalFailure>
    /**
     * Has writes made when what comes after this is undone: for what was set up in many files and is about to be cleared away. One per
     * path; a second one changes nothing.
     */
    readonly replayLater: (replay: Replay) => Effect.Effect<void, JournalError>
    /** As `restore`, for what was changed or claimed at a path and below it. */
    readonly restoreBelow: (path: string) => Effect.Effect<ReadonlyArray<Undone>>
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
        const lock = yield* Semaphore.make(allPermits)
        const header: JournalHeader = {
          version: 1,
          pid: process.pid,
          startTime: (yield* processStartTime(fs, proc, process.pid)) ?? "0",
          bootId: yield* bootId(fs, proc),
          command: options.command
        }
        const file = new JournalFile(options.directory, header)

        const append = (line: JournalLine) =>
          Effect.try({
            try: () => file.append(line),
            catch: (cause) =>
              new JournalError({
                directory: options.directory,
                problem: (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!
              })
          })

        /** Undoes the changes of chosen paths and gives up the claims on them. */
        const restoreThose = (isChosen: (path: string) => boolean) =>
          Effect.gen(function* () {
            const chosen = [...file.held.changes.values()].filter(({ path }) => isChosen(path))
            const { again, undone } = yield* undoChanges(fs, chosen)
            const kept = new Set(again)
            const done = chosen.filter((change) => !kept.has(change))
            const claims = [...file.held.claims].filter(isChosen)
            yield* Effect.try(() => file.giveUp(done, claims)).pipe(
              // The old file is still there: the next start finds what is undone already in place, and no harm in it.
              Effect.ignore
            )
            if (again.length === 0) return undone
            const others = yield* livingOthers(fs, proc, options.directory, header.bootId, file.name)
            const isUsedBy =
              (path: string) =>
              ({ changes }: Holdings): boolean =>
                [...changes.values()].some((change) => change.path.startsWith(`${path.replace(/\/cgroup\.subtree_control$/, "")}/`))
            return undone.map(({ path, result, ...rest }): Undone => {
              const isPassedOn = result === "kept" && again.some((change) => change.path === path) && others.some(isUsedBy(path))
              return { path, result: isPassedOn ? "passed on" : result, ...rest }
            })
          }).pipe(lock.withPermits(allPermits), Effect.uninterruptible)
        const restore = restoreThose(() => true)

        /** Puts the first line about a path on record, unless another living process has one of its kind. */
        const take = Effect.fnUntraced(function* (line: Extract<JournalLine, { kind: "write" | "claim" }>) {
          yield* append(line)
          const isHeldBy = ({ changes, claims }: Holdings): boolean =>
            line.kind === "claim" ? claims.has(line.path) : changes.has(keyOf("write", line.path))
          const others = yield* livingOthers(fs, proc, options.directory, header.bootId, file.name)
          const holder = others.find(isHeldBy)?.header
          if (holder === undefined) return
          yield* Effect.ignore(append({ kind: "cancel", of: line.kind, path: line.path }))
          return yield* new HeldByAnother({ path: line.path, pid: holder.pid, command: holder.command })
        })

        yield* Effect.addFinalizer(() => restore)
        return Journal.of({
          restore,
          restoreBelow: (path) => restoreThose((changed) => `${changed}/`.startsWith(`${path}/`)),
          replayLater: Effect.fnUntraced(function* (replay) {
            const isKnown = file.held.changes.has(keyOf("replay", replay.path))
            if (!isKnown) yield* append({ kind: "replay", ...replay })
          }, lock.withPermits(1)),
          set: Effect.fnUntraced(function* (path, value) {
            const known = file.held.changes.get(keyOf("write", path))
            const before = known?.kind === "write" ? known.ours.at(-1)! : utf8.decode(yield* fs.read(path)).trim()
            const was = known?.kind === "write" ? known.was : before
            const is = settingAfter(path, before, value)
            if (known?.kind !== "write") yield* take({ kind: "write", path, was, is })
            else if (before !== is) yield* append({ kind: "write", path, was, is })
            yield* fs.writeBlocking(path, value)
            // The kernel may spell it in its own way (`64M` reads 67108864): what it says now is what undoing will compare with.
            const says = yield* Effect.orElseSucceed(
              Effect.map(fs.read(path), (bytes) => utf8.decode(bytes).trim()),
              () => is
            )
            if (!sameSetting(path, says, is)) yield* Effect.ignore(append({ kind: "write", path, was, is: says }))
          }, lock.withPermits(1)),
          mkdir: Effect.fnUntraced(function* (path) {
            // On record already: mkdir answers Exists if it is still there, and the record stays as it is.
            const isKnown = file.held.changes.has(keyOf("mkdir", path))
            if (isKnown || (yield* fs.exists(path))) return yield* fs.mkdir(path)
            yield* append({ kind: "mkdir", path })
            yield* fs.mkdir(path).pipe(Effect.tapError(() => Effect.ignore(append({ kind: "cancel", of: "mkdir", path }))))
          }, lock.withPermits(1)),
          claim: (path) => (file.held.claims.has(path) ? Effect.void : lock.withPermits(1)(take({ kind: "claim", path })))
        })
      })
    )

  /**
   * Undoes what dead processes left behind, and says what it did. Journals of living processes are not touched; those of another boot
   * are deleted, since a reboot has undone them. Journals that cannot be read, and all of them while the boot id cannot, stay.
   */
  static readonly recover: (directory: string) => Effect.Effect<ReadonlyArray<Recovery>, never, KernFs> = Effect.fnUntraced(
    function* (directory) {
      const fs = yield* KernFs
      const { proc } = yield* KernelRoots
      const boot = yield* bootId(fs, proc)
      const recoveries: Array<Recovery> = []
      if (boot === bootUnknown) return recoveries
      for (const name of listJournals(directory)) {
        const file = `${directory}/${name}`
        const read = attempt(() => ({ journal: readJournal(directory, name, boot) }))
        if (read === undefined) continue
        if (read.journal === undefined) {
          attempt(() => removeJournal(file))
          continue
        }
        const { changes, header } = read.journal
        if ((yield* processStartTime(fs, proc, header.pid)) === header.startTime) continue
        const { again, undone } = yield* undoChanges(fs, [...changes.values()])
        const left = new Map(again.map((change) => [keyOf(change.kind, change.path), change]))
        attempt(() => replaceJournal(file, header, { changes: left, claims: new Set() }))
        if (undone.length > 0) recoveries.push({ pid: header.pid, command: header.command, undone })
      }
      return recoveries
    }
  )

  /** What living processes have claimed, by their journals in this directory. Reads only; what cannot be read holds nothing. */
  static readonly holders: (directory: string) => Effect.Effect<ReadonlyArray<Holder>, never, KernFs> = Effect.fnUntraced(
    function* (directory) {
      const fs = yield* KernFs
      const { proc } = yield* KernelRoots
      const boot = yield* bootId(fs, proc)
      const others = yield* livingOthers(fs, proc, directory, boot, "")
      return others.flatMap(({ claims, header: { command, pid } }) => (claims.size === 0 ? [] : [{ pid, command, claims: [...claims] }]))
    }
  )
}

/** What a living process has claimed. */
export interface Holder {
  readonly pid: number
  /** Its command line, without the program. */
  readonly command: string
  readonly claims: ReadonlyArray<string>
}

/** What the other processes that live hold. */
const livingOthers = Effect.fnUntraced(function* (fs: KernFs["Service"], proc: string, directory: string, boot: string, ownName: string) {
  const others: Array<Holdings & { readonly header: JournalHeader }> = []
  for (const name of listJournals(directory)) {
    // Our own may be long, and is asked about for every group.
    if (name === ownName) continue
    const journal = attempt(() => readJournal(directory, name, boot))
    if (journal === undefined) continue
    const { header } = journal
    if ((yield* processStartTime(fs, proc, header.pid)) === header.startTime) others.push(journal)
  }
  return others
})

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}
