/**
 * Which source of page ages there is here, and is best: one that measures before one that estimates, and of these the one that disturbs least.
 * Says why, and why not the others. Changes nothing; the source is made by `makeAgeTracker`.
 */
import { Cgroups, Damon, IdlePages, type KernelError, Mglru, WorkingSet } from "@wmo/core"
import { Effect } from "effect"
import type { PageAgeSource } from "./AgeSource.ts"

/** What people choose from. */
export type AgeSourceChoice = "auto" | "working-set" | "mglru" | "damon" | "idle" | "none"

export const ageSourceChoices = ["auto", "working-set", "mglru", "damon", "idle", "none"] as const

export interface ChosenAgeSource {
  /** Undefined: none is wanted, or none is there. */
  readonly source: PageAgeSource | undefined
  /** One line: why this one, and why not a better one. */
  readonly why: string
}

const byName = { "working-set": "working-set", mglru: "mglru", damon: "damon-vaddr", idle: "idle-pages" } as const

/** For `auto`: which is best of those that could work for the group; a source that is asked for by name is tried whatever this finds. */
export const chooseAgeSource: (
  choice: AgeSourceChoice,
  group: string
) => Effect.Effect<ChosenAgeSource, never, Cgroups | Damon | IdlePages | Mglru | WorkingSet> = Effect.fnUntraced(function* (choice, group) {
  if (choice === "none") return { source: undefined, why: "no page ages are wanted" }
  if (choice !== "auto") return { source: byName[choice], why: "it was asked for" }
  const damon = yield* Damon
  const mglru = yield* Mglru
  const workingSet = yield* WorkingSet
  const idle = yield* IdlePages
  const orFalse = (effect: Effect.Effect<boolean, KernelError>) => Effect.orElseSucceed(effect, () => false)
  const against: Array<string> = []
  const chosen = (source: PageAgeSource, merit: string): ChosenAgeSource => ({ source, why: [merit, ...against].join("; ") })

  if (!(yield* damon.isPresent)) against.push("this kernel has no DAMON")
  else {
    const users = yield* Effect.orElseSucceed(damon.users, () => undefined)
    if (users === undefined) against.push("DAMON is not to be read (it takes root)")
    else if (users.length > 0) against.push("DAMON is in use by somebody")
    else return chosen("damon-vaddr", "DAMON measures ages and promotions, and is free")
  }
  if (yield* idle.available) return chosen("idle-pages", "the idle bitmap measures ages and promotions page by page")
  against.push("no idle bitmap")
  if (yield* workingSet.supports(group)) return chosen("working-set", "the kernel makes working-set reports")
  against.push("no working-set reports")
  const hasGenerations = Effect.andThen(mglru.enabled, (on) =>
    on ? Effect.map(mglru.table, (table) => table.length > 0) : Effect.succeed(false)
  )
  if (yield* orFalse(hasGenerations)) return chosen("mglru", "MGLRU's generations tell ages apart in four steps")
  return { source: undefined, why: [...against, "MGLRU is off, or debugfs not to be read"].join("; ") }
})
