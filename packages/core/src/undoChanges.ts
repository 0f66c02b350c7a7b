/**
 * Undoing changes: newest first, each path once, to its oldest value; and never against somebody else's hand.
 * Settings inside a directory that was created go with the directory: they are written back only if it cannot be removed.
 */
import { Effect, Result, Schedule } from "effect"
import type { Change } from "./JournalFile.ts"
import type { KernFs } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { sameSetting, undoingWrites } from "./settingText.ts"

/** What became of one change when it was undone. */
export interface Undone {
  readonly path: string
  /**
   * `restored` to `was`; `removed` a group; `gone`: nothing left to undo; `kept`: left as it is, `why` says why; `passed on`: another
   * process of ours is still using it, and undoes it when it ends.
   */
  readonly result: "restored" | "removed" | "gone" | "kept" | "passed on"
  readonly was?: string
  readonly why?: string
}

type Setting = Extract<Change, { kind: "write" }>

type Replaying = Extract<Change, { kind: "replay" }>

const utf8 = new TextDecoder()
const controlFile = "/cgroup.subtree_control"
const damonTree = "/mm/damon/admin/"

/** DAMON gives up at once where it finds its lock taken: tried again for two seconds. */
const patiently = <A>(path: string, effect: Effect.Effect<A, KernFsError>): Effect.Effect<A, KernFsError> =>
  path.includes(damonTree)
    ? Effect.retry(effect, { while: ({ reason }) => reason._tag === "Busy", schedule: Schedule.spaced("20 millis"), times: 100 })
    : effect

const undoSetting = Effect.fnUntraced(function* (fs: KernFs["Service"], { ours, path, was }: Setting) {
  const now = utf8.decode(yield* patiently(path, fs.read(path))).trim()
  if (sameSetting(path, now, was)) return { path, result: "restored", was } satisfies Undone
  if (!ours.some((text) => sameSetting(path, now, text))) {
    return { path, result: "kept", why: `it is ${now.split("\n")[0]} now: somebody else has changed it since` } satisfies Undone
  }
  for (const text of undoingWrites(path, was, now)) yield* patiently(path, fs.writeBlocking(path, text))
  return { path, result: "restored", was } satisfies Undone
})

const undoReplay = Effect.fnUntraced(function* (fs: KernFs["Service"], { expects, path, writes }: Replaying) {
  for (const [file, text] of expects) {
    const now = utf8.decode(yield* patiently(file, fs.read(file))).trim()
    if (sameSetting(file, now, text)) continue
    return { path, result: "kept", why: `${file} is ${now.split("\n")[0]} now: somebody else has changed it since` } satisfies Undone
  }
  for (const [file, text] of writes) yield* patiently(file, fs.writeBlocking(file, text))
  return { path, result: "restored" } satisfies Undone
})

/** Undoes `changes` (oldest first); `again` holds what must be tried later, in the same order. Never fails. */
export const undoChanges = Effect.fnUntraced(function* (fs: KernFs["Service"], changes: ReadonlyArray<Change>) {
  const undone: Array<Undone> = []
  const again = new Set<Change>()
  /** Settings by the innermost created directory that holds them. */
  const inside = new Map<string, Array<Setting>>(changes.filter(({ kind }) => kind === "mkdir").map(({ path }) => [path, []]))
  const homeOf = (path: string): string | undefined => {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (inside.has(path.slice(0, end))) return path.slice(0, end)
    }
    return undefined
  }
  for (const change of changes) if (change.kind === "write") inside.get(homeOf(change.path) ?? "")?.unshift(change)

  const run = Effect.fnUntraced(function* (change: Change, attempt: Effect.Effect<Undone, KernFsError>) {
    const result: Result.Result<Undone, KernFsError> = (yield* fs.exists(change.path))
      ? yield* Effect.result(attempt)
      : Result.succeed({ path: change.path, result: "gone" })
    if (Result.isSuccess(result)) undone.push(result.success)
    else if (result.failure.isGone && !(yield* fs.exists(change.path))) undone.push({ path: change.path, result: "gone" })
    else {
      const isBusyGroup = change.kind === "mkdir" && result.failure.reason._tag === "Busy"
      undone.push({ path: change.path, result: "kept", why: isBusyGroup ? "processes or groups are still in it" : result.failure.message })
      again.add(change)
    }
    return !again.has(change)
  })

  /** Controllers that a group which stays needs: without them it would lose its limits and its accounts while it is in use. */
  const isNeeded = ({ path }: Setting): boolean =>
    path.endsWith(controlFile) &&
    [...again].some((kept) => kept.kind === "mkdir" && `${kept.path}/`.startsWith(path.slice(0, -controlFile.length + 1)))
  const undo = Effect.fnUntraced(function* (setting: Setting) {
    if (!isNeeded(setting)) return yield* run(setting, undoSetting(fs, setting))
    undone.push({ path: setting.path, result: "kept", why: "groups that are still there need it" })
    again.add(setting)
  })

  for (const change of changes.toReversed()) {
    if (change.kind === "write") {
      if (homeOf(change.path) === undefined) yield* undo(change)
      continue
    }
    if (change.kind === "replay") {
      yield* run(change, undoReplay(fs, change))
      continue
    }
    const isRemoved = yield* run(change, Effect.as(fs.rmdir(change.path), { path: change.path, result: "removed" }))
    for (const setting of inside.get(change.path)!) {
      if (isRemoved) undone.push({ path: setting.path, result: "gone" })
      else yield* undo(setting)
    }
  }
  return { undone, again: changes.filter((change) => again.has(change)) }
})
