/**
 * What every source of page ages does: look at some groups again and again, say how old their pages are now, and which came back into use.
 * See `describeAgeSource` for what each is worth.
 */
import type { DamonCommandError, DamonInUse, DamonUnsupported, JournalFailure, KernelError, MemoryStat, Milliseconds } from "@wmo/core"
import type { Effect } from "effect"
import type { PageAge } from "../PageAge.ts"
import type { Provenance } from "../Sample.ts"
import type { PageAgeSource } from "./AgeSource.ts"
import type { PromotionBin } from "./Histogram.ts"

export type AgeError = KernelError | JournalFailure | DamonCommandError | DamonInUse | DamonUnsupported

/** Pages that came back into use since this was asked last. */
export interface WindowPromotions extends Provenance {
  readonly windowMs: Milliseconds
  readonly bins: ReadonlyArray<PromotionBin>
}

/** The page ages of a group. */
export interface TrackedAges {
  readonly pageAge: PageAge
  /** Nothing can be told of ages beyond: what began later to look, or to age, does not know. */
  readonly knownMs: Milliseconds
}

export interface AgeTracker {
  readonly source: PageAgeSource
  /** How often it wants to look. */
  readonly everyMs: Milliseconds
  /**
   * Looks at these groups now (their names below the mount), and forgets others. What vanishes meanwhile is left out. `stat`: what `memory.stat` of the
   * only group said a moment ago; else whoever needs it reads it.
   */
  readonly look: (groups: ReadonlyArray<string>, stat?: MemoryStat) => Effect.Effect<void, AgeError>
  /** As of the last look; undefined while nothing is known of the group. A group's ages are those of all that is in it and below. */
  readonly ages: (group: string) => TrackedAges | undefined
  readonly takePromotions: (group: string, nowMs: Milliseconds) => WindowPromotions | undefined
  /** What a person should know of how it goes: processes that are left out, refusals. */
  readonly notes: () => ReadonlyArray<string>
}
