/**
 * The DAMON tree in files: reading parts of it, writing it whole in the kernel's safe order, changing only what is named.
 * Goes by DamonLayout. Does not know commands or owners. What this kernel has is told from the names in its directories, which are
 * listed once per kind of directory; nothing is written to find out.
 */
import { Effect, Schedule } from "effect"
import type { Codec } from "../Codec.ts"
import type { KernelError, KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { DamonUnsupported } from "./DamonErrors.ts"
import { signedFile } from "./DamonFiles.ts"
import { below, type Fields, type FileField, type ListField, mayBeMissing } from "./DamonLayout.ts"

/** Only what is named is changed; entries of lists are named by their index, the one after the last adds an entry. */
export type DamonPatch<A> =
  A extends ReadonlyArray<infer B>
    ? { readonly [index: number]: DamonPatch<B> }
    : A extends object
      ? { readonly [K in keyof A]?: DamonPatch<A[K]> | undefined }
      : A

const count = signedFile("nr_*")
const busyWait = { times: 250, schedule: Schedule.spaced("20 millis") }
const isBusy = (error: { readonly _tag: string; readonly reason?: unknown }): boolean =>
  error._tag === "KernFsError" && (error as KernFsError).reason._tag === "Busy"

/** Tries for five seconds what is Busy: the kernel gives up at once where it finds its lock taken. */
export const whileBusy = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchIf(effect, isBusy, () => Effect.retry(effect, { while: isBusy, ...busyWait })) as Effect.Effect<A, E, R>

const isNumber = (name: string): boolean => /^\d+$/.test(name)

/** Writes one file of the tree. `isCount`: the number of a list's entries, whose write empties all of them. */
export type WriteFile = (path: string, text: string, isCount: boolean) => Effect.Effect<void, KernelError>

/** The text of an input. Paths of groups are stored with their line end, so none is written. */
const textOf = (field: FileField, value: unknown): string => field.codec.encode(value).trimEnd()

export class TreeFiles {
  private readonly fs: KernFs["Service"]
  /** Names in a directory, by its path without indexes: the same for all of a kind as long as the kernel runs. */
  private readonly namesByKind = new Map<string, ReadonlySet<string>>()

  constructor(fs: KernFs["Service"]) {
    this.fs = fs
  }

  /** Whether this kernel has the file or directory, as told by its siblings; undefined where there is no such directory to tell from. */
  readonly has: (path: string) => Effect.Effect<boolean | undefined> = Effect.fnUntraced({ self: this }, function* (path) {
    const directory = path.slice(0, path.lastIndexOf("/"))
    const kind = directory.replaceAll(/\/\d+(?=\/|$)/g, "/#")
    let names = this.namesByKind.get(kind)
    if (names === undefined) {
      const listed = yield* Effect.orElseSucceed(this.fs.list(directory), () => undefined)
      if (listed === undefined) return undefined
      names = new Set(listed.filter((name) => !isNumber(name)))
      this.namesByKind.set(kind, names)
    }
    return names.has(path.slice(directory.length + 1))
  })

  readonly decode = <A>(path: string, codec: Codec<A>): Effect.Effect<A, KernelError> => whileBusy(this.fs.decode(path, codec))

  /** The keys whose files this kernel has, in a directory that exists. */
  private readonly present = Effect.fnUntraced({ self: this }, function* (this: TreeFiles, directory: string, fields: Fields) {
    const found: Array<[key: string, field: Fields[string]]> = []
    for (const entry of Object.entries(fields)) {
      if (!mayBeMissing(entry[1]) || (yield* this.has(below(directory, entry[1].path))) === true) found.push(entry)
    }
    return found
  })

  /** Reads what the directory holds. */
  readonly read: (directory: string, fields: Fields) => Effect.Effect<any, KernelError> = Effect.fnUntraced(
    { self: this },
    function* (directory, fields) {
      return yield* this.readEntries(directory, yield* this.present(directory, fields))
    }
  )

  private readonly readEntries: (
    directory: string,
    entries: ReadonlyArray<[key: string, field: Fields[string]]>
  ) => Effect.Effect<any, KernelError> = Effect.fnUntraced({ self: this }, function* (directory, entries) {
    const value: Record<string, unknown> = {}
    for (const [key, field] of entries) {
      const path = below(directory, field.path)
      const part =
        field.kind === "file"
          ? yield* this.decode(path, field.codec)
          : field.kind === "group"
            ? yield* this.read(path, field.fields)
            : yield* this.readList(path, field)
      if (part !== undefined) value[key] = part
    }
    return value
  })

  /** Entries of a list are of one kind: what they have is told from the first. */
  private readonly readList: (directory: string, field: ListField) => Effect.Effect<ReadonlyArray<any>, KernelError> = Effect.fnUntraced(
    { self: this },
    function* (directory, field) {
      const length =
        field.count === undefined
          ? (yield* this.fs.list(directory)).filter(isNumber).length
          : yield* this.decode(below(directory, field.count), count)
      if (length === 0) return []
      const entries = yield* this.present(below(directory, 0), field.fields)
      const values: Array<unknown> = []
      for (let i = 0; i < length; i++) values.push(yield* this.readEntries(below(directory, i), entries))
      return values
    }
  )

  /** Writes all inputs of the directory: what the value lacks gets what the kernel begins with. */
  readonly stage: (directory: string, fields: Fields, value: any, write: WriteFile) => Effect.Effect<void, KernelError | DamonUnsupported> =
    Effect.fnUntraced({ self: this }, function* (directory, fields, value, write) {
      for (const [key, field] of Object.entries(fields)) {
        const path = below(directory, field.path)
        const part = value?.[key]
        if (mayBeMissing(field) && (yield* this.has(path)) === false) {
          yield* refuseUnlessInitial(path, field, part)
        } else if (field.kind === "group") {
          yield* this.stage(path, field.fields, part, write)
        } else if (field.kind === "list") {
          if (field.count !== undefined) yield* this.stageList(path, field, Object.values(part ?? []), write)
        } else if (field.use === "input") {
          yield* write(path, textOf(field, part ?? field.initial), false)
        }
      }
    })

  private readonly stageList = Effect.fnUntraced(
    { self: this },
    function* (this: TreeFiles, path: string, field: ListField, values: ReadonlyArray<unknown>, write: WriteFile) {
      yield* write(below(path, field.count!), String(values.length), true)
      for (const [i, value] of values.entries()) yield* this.stage(below(path, i), field.fields, value, write)
    }
  )

  /** Writes only what the patch names. */
  readonly tune: (directory: string, fields: Fields, patch: any, write: WriteFile) => Effect.Effect<void, KernelError | DamonUnsupported> =
    Effect.fnUntraced({ self: this }, function* (directory, fields, patch, write) {
      for (const [key, field] of Object.entries(fields)) {
        const part = patch[key]
        const path = below(directory, field.path)
        if (part === undefined) continue
        if (mayBeMissing(field) && (yield* this.has(path)) === false) {
          yield* refuseUnlessInitial(path, field, part)
        } else if (field.kind === "group") {
          yield* this.tune(path, field.fields, part, write)
        } else if (field.kind === "list") {
          if (field.count !== undefined) yield* this.tuneList(path, field, part, write)
        } else if (field.use === "input") {
          yield* write(path, textOf(field, part), false)
        }
      }
    })

  /** Changing the number of entries empties all of them: those that were there are written again. */
  private readonly tuneList = Effect.fnUntraced(
    { self: this },
    function* (this: TreeFiles, path: string, field: ListField, patch: Readonly<Record<string, unknown>>, write: WriteFile) {
      const indexes = Object.keys(patch)
        .map(Number)
        .filter((index) => patch[index] !== undefined)
        .toSorted((a, b) => a - b)
      const length = yield* this.decode(below(path, field.count!), count)
      const wanted = Math.max(length, (indexes.at(-1) ?? -1) + 1)
      if (wanted > length) {
        const before = yield* this.readList(path, field)
        const added = Array.from({ length: wanted - length }, (_, i) => patch[length + i])
        yield* this.stageList(path, field, [...before, ...added], write)
      }
      for (const index of indexes) if (index < length) yield* this.tune(below(path, index), field.fields, patch[index], write)
    }
  )

  /** Writes to the running kernel; a count only where it changes. */
  readonly write: WriteFile = Effect.fnUntraced({ self: this }, function* (path, text, isCount) {
    if (isCount && String(yield* this.decode(path, count)) === text) return
    if (text === "") return yield* this.clear(path)
    yield* whileBusy(this.fs.write(path, text))
  })

  /** Writes a command to `state`, on a pool thread: the kernel works, or waits for a kdamond, inside the write. */
  command(path: string, word: string): Effect.Effect<void, KernFsError> {
    return whileBusy(this.fs.writeBlocking(path, word))
  }

  /** A path of a group cannot be unset by an empty write, which the kernel does not see. */
  private readonly clear = Effect.fnUntraced({ self: this }, function* (this: TreeFiles, path: string) {
    if (new TextDecoder().decode(yield* this.fs.read(path)).trim() !== "") yield* whileBusy(this.fs.write(path, "\n"))
  })
}

const isInitial = (field: Fields[string], value: any): boolean => {
  if (value === undefined) return true
  if (field.kind === "list") return field.count === undefined || value.length === 0 || Object.keys(value).length === 0
  if (field.kind === "file") return field.use !== "input" || value === field.initial
  return Object.entries(field.fields).every(([key, part]) => isInitial(part, value[key]))
}

const refuseUnlessInitial = (path: string, field: Fields[string], value: unknown) =>
  isInitial(field, value)
    ? Effect.void
    : Effect.fail(new DamonUnsupported({ what: path.slice(path.lastIndexOf("/kdamonds/") + 1), since: field.since, value }))
