/**
 * What was evicted and came back, by the age it had then, against what may: both remembered for about an hour and then forgotten, so that a policy
 * can say at which age its evictions would have kept within the budget lately. Pure values. Ages are inferred (see monitors' EvictionHistory).
 */
import { type Milliseconds, type Pages, pageSize } from "@wmo/core"

export interface PromotionLedger {
  /** Lower edges of the bins, ascending; `pages[i]` came back with an age in [edges[i], edges[i + 1]). */
  readonly edgesMs: ReadonlyArray<Milliseconds>
  readonly pages: ReadonlyArray<number>
  /** What may have come back meanwhile. */
  readonly allowedPages: number
}

/** What is left of a memory after some time: 1/e after an hour. */
export const keptAfter = (elapsedMs: Milliseconds): number => Math.exp(-elapsedMs / 3_600_000)

/** What may come back before there is much of a past: two minutes' worth, and a few pages that any program touches now and then. */
const leadMs = 120_000
const leadPages = 32

export const openLedger = (edgesMs: ReadonlyArray<Milliseconds>): PromotionLedger => ({
  edgesMs,
  pages: edgesMs.map(() => 0),
  allowedPages: 0
})

/** Books what came back in the last `elapsedMs`, bin by bin, in which `allowedPages` may have. */
export const book = (
  ledger: PromotionLedger,
  pages: ReadonlyArray<Pages>,
  elapsedMs: Milliseconds,
  allowedPages: Pages
): PromotionLedger => {
  const kept = keptAfter(elapsedMs)
  return {
    edgesMs: ledger.edgesMs,
    pages: ledger.pages.map((before, i) => before * kept + (pages[i] ?? 0)),
    allowedPages: ledger.allowedPages * kept + allowedPages
  }
}

/** Pages that came back lately of at least that age. */
export const cameBack = (ledger: PromotionLedger, ageMs: Milliseconds): number =>
  ledger.pages.reduce((sum, pages, i) => (ledger.edgesMs[i]! >= ageMs ? sum + pages : sum), 0)

/** What may have come back by now; `allowedPages` is what may in a minute. */
export const budgetOf = (ledger: PromotionLedger, allowedPages: Pages): number =>
  ledger.allowedPages + (allowedPages * leadMs) / 60_000 + leadPages

/** The lowest of the ages at which evicting would have kept within the budget lately; Infinity: none would. */
export const lowestAge = (ledger: PromotionLedger, ages: ReadonlyArray<Milliseconds>, allowedPages: Pages): Milliseconds =>
  ages.find((ageMs) => cameBack(ledger, ageMs) <= budgetOf(ledger, allowedPages)) ?? Infinity

/** Of `bytes` of working set, the pages that may come back in a minute at `percent` a minute. */
export const allowedPerMinute = (bytes: number, percent: number): Pages => (bytes / pageSize) * (percent / 100)
