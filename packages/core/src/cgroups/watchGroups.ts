/**
 * Groups that come and go below a group, as a stream of changes. Directories are watched (inotify: kernfs reports the mkdir and rmdir
 * of processes) and listed again from time to time, since watches can run out. Does not read any file of a group. A group that was removed
 * and made again between two looks is the same group here; descriptors held in the old one answer ENODEV.
 */
import { type Cause, Duration, Effect, Exit, Option, Queue, Scope, Stream } from "effect"
import type { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import type { Milliseconds } from "../Units.ts"

export interface GroupChange {
  readonly _tag: "Appeared" | "Gone"
  /** The group's name below the mount. */
  readonly group: string
}

interface Known {
  readonly children: Set<string>
  scope: Scope.Closeable
}

const below = (group: string, name: string): string => (group === "" ? name : `${group}/${name}`)

/** See `Cgroups.watch`. */
export const watchGroups = (
  fs: KernFs["Service"],
  path: (group: string) => string,
  root: string,
  everyMs: Milliseconds
): Stream.Stream<GroupChange, KernFsError> =>
  Stream.callback<GroupChange, KernFsError>((queue) =>
    Effect.gen(function* () {
      const known = new Map<string, Known>()
      const changed = new Set<string>()
      const wakes = yield* Queue.sliding<void>(1)
      const tell = (_tag: GroupChange["_tag"], group: string) => Queue.offerUnsafe(queue, { _tag, group })

      const heard = (group: string) => {
        changed.add(group)
        Queue.offerUnsafe(wakes, undefined)
      }

      const listen = Effect.fnUntraced(function* (group: string) {
        const scope = yield* Scope.make()
        yield* Scope.provide(
          fs.watchDirectory(path(group), () => heard(group)),
          scope
        )
        return scope
      })

      /** A watch is of a directory, not of a name: what had an event may be another directory of the same name now. */
      const listenAgain = Effect.fnUntraced(function* (group: string) {
        const entry = known.get(group)
        if (entry === undefined) return
        yield* Scope.close(entry.scope, Exit.void)
        entry.scope = yield* listen(group)
      })

      const leave: (group: string) => Effect.Effect<void> = Effect.fnUntraced(function* (group) {
        const { children, scope } = known.get(group)!
        for (const name of children) yield* leave(below(group, name))
        known.delete(group)
        yield* Scope.close(scope, Exit.void)
        tell("Gone", group)
      })

      const enter: (group: string) => Effect.Effect<void, KernFsError> = Effect.fnUntraced(function* (group) {
        known.set(group, { children: new Set(), scope: yield* listen(group) })
        // Watched before it is listed, so that nothing made in between is missed.
        yield* compare(group)
      })

      const compare: (group: string) => Effect.Effect<void, KernFsError> = Effect.fnUntraced(function* (group) {
        const entry = known.get(group)
        if (entry === undefined) return
        const names = yield* fs.directories(path(group)).pipe(
          Effect.catchIf(
            (error) => error.isGone,
            () => Effect.succeed(undefined)
          )
        )
        // The group itself is gone: its parent says so; the root of the watch has nobody who would.
        if (names === undefined) return group === root ? yield* leave(root) : undefined
        for (const name of entry.children) {
          if (names.includes(name)) continue
          entry.children.delete(name)
          yield* leave(below(group, name))
        }
        for (const name of names) {
          if (entry.children.has(name)) continue
          entry.children.add(name)
          tell("Appeared", below(group, name))
          yield* enter(below(group, name))
        }
      })

      yield* Effect.addFinalizer(() => Effect.forEach([...known.values()], ({ scope }) => Scope.close(scope, Exit.void), { discard: true }))
      // A root that is not there is an error, not an end.
      yield* fs.directories(path(root))
      // Nobody tells a directory that it is removed: its parent is told.
      if (root !== "") yield* fs.watchDirectory(path(root.slice(0, Math.max(0, root.lastIndexOf("/")))), () => heard(root))
      yield* enter(root)
      const loop = Effect.gen(function* () {
        while (known.has(root)) {
          const woken = yield* Effect.timeoutOption(Queue.take(wakes), Duration.millis(everyMs))
          const groups = Option.isSome(woken) ? [...changed] : [...known.keys()]
          changed.clear()
          for (const group of groups) {
            yield* listenAgain(group)
            yield* compare(group)
          }
        }
        Queue.endUnsafe(queue as Queue.Enqueue<GroupChange, KernFsError | Cause.Done>)
      })
      yield* Effect.forkScoped(Effect.catch(loop, (error) => Queue.fail(queue, error)))
    })
  )
