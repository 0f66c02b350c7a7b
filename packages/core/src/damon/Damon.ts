/**
 * DAMON through sysfs: reading the tree, and, for whoever has acquired it, setting kdamonds up, running and tuning them.
 * A kdamond that exists already, or a DAMON module that runs, is somebody's: acquiring is refused, unless it is taken over and then put
 * back at the end, or by the next start after a crash. Needs root and CONFIG_DAMON_SYSFS (5.18).
 * Source: kernel Documentation/admin-guide/mm/damon/usage.rst.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { Journal, type JournalFailure } from "../Journal.ts"
import { type KernelError, KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { DamonInUse, type DamonUser } from "./DamonErrors.ts"
import { adminFields, type Fields, kdamondFields, mayBeMissing, type Since } from "./DamonLayout.ts"
import type { Kdamond } from "./DamonTree.ts"
import { damonPaths, findDamonUsers } from "./damonUsers.ts"
import { makeOwned, type OwnedDamon } from "./OwnedDamon.ts"
import { TreeFiles } from "./treeFiles.ts"

/** A part of the tree that not every kernel has. */
export interface DamonFeature {
  /** Its path below a kdamond without indexes: `contexts/schemes/quotas/goals`. */
  readonly path: string
  readonly since: Since
  /** Undefined where there is no directory to tell it from, as long as nobody has set up a scheme, for example. */
  readonly isThere: boolean | undefined
}

export class Damon extends Context.Service<
  Damon,
  {
    /** Whether this kernel has DAMON in sysfs. */
    readonly isPresent: Effect.Effect<boolean>
    /** All kdamonds with everything below them; what other programs have set up, too. Reading changes nothing. */
    readonly read: Effect.Effect<ReadonlyArray<Kdamond>, KernelError>
    /** Who uses DAMON: kdamonds that exist, and modules that are on. Empty: it is free, or not there. */
    readonly users: Effect.Effect<ReadonlyArray<DamonUser>, KernelError>
    /** What this kernel has, told from which files are there. Knows most once a kdamond with a scheme is set up. */
    readonly features: Effect.Effect<ReadonlyArray<DamonFeature>, KernelError>
    /**
     * Makes `count` kdamonds (by default one) for the caller until the scope closes; then all is as before. The journal sees to it after a
     * crash. `takeOver`: stops whoever uses DAMON, and starts it again with the same set-up afterwards.
     */
    readonly acquire: (options?: {
      readonly count?: number
      readonly takeOver?: boolean
    }) => Effect.Effect<OwnedDamon, KernelError | JournalFailure | DamonInUse, Scope.Scope | Journal>
  }
>()("@wmo/core/Damon") {
  static readonly layer: Layer.Layer<Damon, never, KernFs> = Layer.effect(
    Damon,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const tree = new TreeFiles(fs)
      const paths = damonPaths(yield* KernelRoots)
      const { admin, kdamonds, count: countPath, module: modulePath } = paths
      const read = Effect.map(tree.read(admin, adminFields), (value): ReadonlyArray<Kdamond> => value.kdamonds)

      const users = findDamonUsers(fs, tree, paths)

      /** Has what others have set up written again once ours is gone, and stops it. */
      const setAside = Effect.fnUntraced(function* (journal: Journal["Service"], found: ReadonlyArray<DamonUser>) {
        for (const user of found) if (user.kind === "module") yield* journal.set(`${modulePath(user.name)}/enabled`, "N")
        const before = (yield* fs.exists(countPath)) ? yield* read : []
        if (before.length === 0) return
        const writes: Array<readonly [string, string]> = []
        for (const [index, kdamond] of before.entries()) {
          const directory = `${kdamonds}/${index}`
          // The files are there, or it could not have been read: nothing can be unsupported.
          const write = (path: string, text: string) => Effect.sync(() => void (text !== "" && writes.push([path, text])))
          yield* Effect.ignore(tree.stage(directory, kdamondFields, kdamond, write))
          if (kdamond.state === "on") writes.push([`${directory}/state`, "on"])
        }
        const expects: Array<readonly [string, string]> = [
          [countPath, String(before.length)],
          ...before.map((_, index) => [`${kdamonds}/${index}/state`, "off"] as const)
        ]
        yield* journal.replayLater({ path: kdamonds, expects, writes })
        for (const [index, { state }] of before.entries()) {
          if (state === "on") yield* tree.command(`${kdamonds}/${index}/state`, "off")
        }
      })

      /** Journals of those who have it: giving back for one who is refused would give back what is theirs in the same journal. */
      const holders = new Set<Journal["Service"]>()

      const acquire = Effect.fn("Damon.acquire")(function* (options?: { readonly count?: number; readonly takeOver?: boolean }) {
        const { count = 1, takeOver = false } = options ?? {}
        const journal = yield* Journal
        let stopped: ReadonlyArray<DamonUser> = []
        const giveBack = Effect.gen(function* () {
          yield* journal.restoreBelow(admin)
          for (const user of stopped) if (user.kind === "module") yield* journal.restoreBelow(modulePath(user.name))
        })
        const take = Effect.gen(function* () {
          // Of two that find it free at the same time, one is refused here.
          yield* journal.claim(admin)
          const found = yield* users
          if (found.length > 0 && !takeOver) return yield* new DamonInUse({ users: found })
          stopped = found
          if (found.length > 0) yield* setAside(journal, found)
          yield* journal.set(countPath, String(count))
          holders.add(journal)
        })
        if (holders.has(journal)) return yield* new DamonInUse({ users: yield* users })
        yield* Effect.acquireRelease(
          Effect.tapError(take, () => giveBack),
          () =>
            Effect.andThen(
              giveBack,
              Effect.sync(() => holders.delete(journal))
            )
        )
        return makeOwned({ fs, tree, journal, kdamonds, count })
      })

      return Damon.of({
        isPresent: fs.exists(countPath),
        read: read.pipe(Effect.withSpan("Damon.read")),
        users,
        features: Effect.gen(function* () {
          yield* read
          const found: Array<DamonFeature> = []
          const walk: (prefix: string, directory: string, fields: Fields) => Effect.Effect<void> = Effect.fnUntraced(
            function* (prefix, directory, fields) {
              for (const field of Object.values(fields)) {
                const path = field.path === "" ? directory : `${directory}/${field.path}`
                const name = field.path === "" ? prefix : `${prefix}${prefix === "" ? "" : "/"}${field.path}`
                if (mayBeMissing(field)) {
                  found.push({ path: name, since: field.since, isThere: yield* tree.has(path) })
                }
                if (field.kind === "group") yield* walk(name, path, field.fields)
                if (field.kind === "list") yield* walk(name, `${path}/0`, field.fields)
              }
            }
          )
          yield* walk("", `${kdamonds}/0`, kdamondFields)
          return found
        }),
        acquire
      })
    })
  )
}
