/**
 * A group's page ages for a loop, from the best source that this kernel has: ages now, and what came back into use since the start. Does not
 * age anything itself (an action does), but reading a stale working-set report makes the kernel do so.
 */
import { Cgroups, type KernelError, type MemoryStat, Mglru, type Milliseconds, WorkingSet } from "@wmo/core"
import { Clock, Effect } from "effect"
import type { PageAgeSource } from "./ages/AgeSource.ts"
import type { AgeTracker } from "./ages/AgeTracker.ts"
import { makeGenerationTracker } from "./ages/GenerationTracker.ts"
import { addPromotions, type AgeLadder, type PromotionBin } from "./ages/Histogram.ts"
import type { Promotions } from "./Observation.ts"
import type { PageAge } from "./PageAge.ts"

/** `auto`: working-set reports where the kernel has them, else MGLRU generations, else none. */
export type PageAgeChoice = PageAgeSource | "auto" | "none"

/** What is known at a moment; either part may be missing (yet). */
export interface PageAgeReading {
  readonly pageAge: PageAge | undefined
  readonly promotions: Promotions | undefined
}

export interface PageAgeMonitor {
  /** The source in use; undefined: this kernel tells nothing about page ages. */
  readonly source: PageAgeSource | undefined
  readonly read: Effect.Effect<PageAgeReading, KernelError>
  /** As `read`, for whoever has just read the group's `memory.stat`: it is not read a second time. */
  readonly readWith?: ((stat: MemoryStat) => Effect.Effect<PageAgeReading, KernelError>) | undefined
}

/** Ages at which policies may ask for promotions: steps of about 1.4. */
export const policyAgeLadder: AgeLadder = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1440, 1920, 2880, 3840, 5760, 7680
].map((seconds) => seconds * 1000)

const nothing: PageAgeReading = { pageAge: undefined, promotions: undefined }

/** Makes a monitor of a tracker: `look` when it is read, and count promotions from the beginning. */
export const pageAgeMonitor = <E>(
  group: string,
  tracker: AgeTracker,
  look: (stat?: MemoryStat) => Effect.Effect<void, E>
): {
  readonly source: PageAgeSource
  readonly read: Effect.Effect<PageAgeReading, E>
  readonly readWith: (stat: MemoryStat) => Effect.Effect<PageAgeReading, E>
} => {
  let total: ReadonlyArray<PromotionBin> | undefined
  const read = (stat?: MemoryStat) =>
    Effect.gen(function* () {
      yield* look(stat)
      const nowMs: Milliseconds = yield* Clock.currentTimeMillis
      const taken = tracker.takePromotions(group, nowMs)
      const pageAge = tracker.ages(group)?.pageAge
      if (taken === undefined) return { pageAge, promotions: undefined }
      total = total === undefined ? taken.bins : addPromotions(total, taken.bins)
      return { pageAge, promotions: { source: taken.source, isEstimate: taken.isEstimate, bins: total } }
    })
  return { source: tracker.source, read: read(), readWith: read }
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

  const fromGenerations = Effect.fnUntraced(function* (source: "mglru" | "working-set") {
    const tracker = yield* makeGenerationTracker({ source, ladder: policyAgeLadder })
    return pageAgeMonitor(name, tracker, (stat) => tracker.look([name], stat))
  })
  if (choice === "working-set" || choice === "mglru") return yield* fromGenerations(choice)
  if (choice === "auto") {
    if (yield* workingSet.supports(name)) return yield* fromGenerations("working-set")
    const usable = mglru.enabled.pipe(
      Effect.andThen((enabled) => (enabled ? mglru.isListing : Effect.succeed(false))),
      Effect.orElseSucceed(() => false)
    )
    if (yield* usable) return yield* fromGenerations("mglru")
  }
  return { source: undefined, read: Effect.succeed(nothing) }
})
