/**
 * What came of what was evicted: how much of it came back, so how much more may go while it is not certain that the age is right. Each page that
 * comes back costs from the budget; those that stay away cost nothing. Pure.
 */
import type { Milliseconds, Pages } from "@wmo/core"
import { keptAfter } from "./PromotionLedger.ts"

export interface EvictionOutcome {
  /** Evicted lately, and the part of it that has been away for some minutes. */
  readonly evicted: Pages
  readonly settled: Pages
  /** Came back lately. */
  readonly returned: Pages
}

/** How long it takes until it shows whether something comes back. */
const settlingMs = 300_000
/** As many pages are taken to have come back before anything is known: the first that go are few. */
const doubtPages = 256

export const noOutcome: EvictionOutcome = { evicted: 0, settled: 0, returned: 0 }

export const follow = (outcome: EvictionOutcome, evicted: Pages, returned: Pages, elapsedMs: Milliseconds): EvictionOutcome => {
  const kept = keptAfter(elapsedMs)
  const settling = 1 - Math.exp(-elapsedMs / settlingMs)
  return {
    evicted: outcome.evicted * kept + evicted,
    settled: (outcome.settled + (outcome.evicted - outcome.settled) * settling) * kept,
    returned: outcome.returned * kept + returned
  }
}

/** Share of what is evicted that comes back, 0 to 1, on the cautious side. */
export const returningShare = ({ returned, settled }: EvictionOutcome): number =>
  Math.min(1, (returned + doubtPages) / (settled + doubtPages))

/** Pages that may be evicted now, if no more than `mayReturn` may come back from here on. */
export const evictable = (outcome: EvictionOutcome, mayReturn: Pages): Pages => {
  const share = returningShare(outcome)
  const underWay = Math.max(0, share * outcome.evicted - outcome.returned)
  return Math.max(0, (mayReturn - underWay) / share)
}
