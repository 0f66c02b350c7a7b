/**
 * Reads a group's page ages from the best source that this kernel has. Does not age anything itself (an action does), but reading a
 * stale working-set report makes the kernel do so.
 */
import { Cgroups, type KernelError, Mglru, WorkingSet } from "@wmo/core"
import { Effect } from "effect"
import type { PageAgeSource } from "./ages/AgeSource.ts"
import { fromGenerations, fromWorkingSet, type PageAge } from "./PageAge.ts"

/** `auto`: working-set reports where the kernel has them, else MGLRU generations, else none. */
export type PageAgeChoice = PageAgeSource | "auto" | "none"

export interface PageAgeMonitor {
  /** The source in use; undefined: this kernel tells nothing about page ages. */
  readonly source: PageAgeSource | undefined
  /** Ages now; undefined when the kernel reports none for the group (yet). */
  readonly read: Effect.Effect<PageAge | undefined, KernelError>
}

/** Chooses the source once. A source that was asked for by name is used whether or not it answers yet. */
export const makePageAgeMonitor: (
  group: string,
  choice: PageAgeChoice
) => Effect.Effect<PageAgeMonitor, never, Cgroups | Mglru | WorkingSet> = Effect.fnUntraced(function* (group, choice) {
  const cgroups = yield* Cgroups
  const mglru = yield* Mglru
  const workingSet = yield* WorkingSet
  const name = cgroups.normalize(group)

  const workingSetMonitor: PageAgeMonitor = {
    source: "working-set",
    read: Effect.map(workingSet.group(name), (nodes) => (nodes.length === 0 ? undefined : fromWorkingSet(nodes)))
  }
  const mglruMonitor: PageAgeMonitor = {
    source: "mglru",
    read: Effect.map(mglru.group(name), (memcg) => (memcg === undefined ? undefined : fromGenerations(memcg)))
  }
  if (choice === "working-set") return workingSetMonitor
  if (choice === "mglru") return mglruMonitor
  if (choice === "auto") {
    if (yield* workingSet.supports(name)) return workingSetMonitor
    const usable = mglru.enabled.pipe(
      Effect.andThen((enabled) => (enabled ? Effect.map(mglru.table, (table) => table.length > 0) : Effect.succeed(false))),
      Effect.orElseSucceed(() => false)
    )
    if (yield* usable) return mglruMonitor
  }
  return { source: undefined, read: Effect.succeed(undefined) }
})
