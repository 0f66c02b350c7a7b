/**
 * What `slo` knows of one kind of memory, anon or file: the age to evict it at, what came back of it, and what may. The kinds are searched for
 * their ages apart, since programs use them differently.
 */
import type { Bytes, Milliseconds, Pages } from "@wmo/core"
import type { Promotions } from "@wmo/monitors"
import { type AgeSearch, type SearchInput, startSearch } from "./AgeSearch.ts"
import { type EvictionOutcome, follow, noOutcome } from "./EvictionOutcome.ts"
import { leaveAlone, noRemnant, type Remnant } from "./Remnant.ts"
import { book, budgetOf, cameBack, lowestAge, openLedger, type PromotionLedger } from "./PromotionLedger.ts"

export type Kind = "anon" | "file"
export const kinds: ReadonlyArray<Kind> = ["anon", "file"]

export interface KindState {
  readonly search: AgeSearch
  readonly ledger: PromotionLedger
  readonly outcome: EvictionOutcome
  readonly remnant: Remnant
}

/** What happened to a kind since the last look. */
export interface KindNews {
  readonly elapsedMs: Milliseconds
  /** By bin of the promotions. */
  readonly refaultedPages: ReadonlyArray<Pages>
  readonly evictedPages: Pages
  /** Pages that may come back a minute. */
  readonly allowedPages: Pages
  /** Old enough to go now, and what came of the last request; undefined: nothing was asked for, or nothing is carried out. */
  readonly coldBytes: Bytes
  readonly reclaimedBytes: Bytes | undefined
  readonly atMs: Milliseconds
}

export const openKind = (promotions: Promotions, ages: ReadonlyArray<Milliseconds>, atMs: Milliseconds): KindState => ({
  search: startSearch(ages, atMs),
  ledger: openLedger(promotions.bins.map(({ lowerMs }) => lowerMs)),
  outcome: noOutcome,
  remnant: noRemnant
})

/** Books the news. */
export const learn = (state: KindState, news: KindNews): KindState => {
  const { allowedPages, atMs, coldBytes, elapsedMs, evictedPages, reclaimedBytes, refaultedPages } = news
  return {
    ...state,
    remnant: leaveAlone(state.remnant, coldBytes, reclaimedBytes, atMs),
    ledger: book(state.ledger, refaultedPages, elapsedMs, (allowedPages * elapsedMs) / 60_000),
    outcome: follow(
      state.outcome,
      evictedPages,
      refaultedPages.reduce((sum, pages) => sum + pages, 0),
      elapsedMs
    )
  }
}

/** The part of a search's input that is the same for both kinds. */
export interface LookInput extends Pick<SearchInput, "atMs" | "elapsedMs" | "ages"> {
  readonly promotions: Promotions
  readonly allowedPages: Readonly<Record<Kind, Pages>>
  /** Whether there is memory of the age in force that has not been evicted yet. */
  readonly isBusy: Readonly<Record<Kind, boolean>>
  /** In memory. */
  readonly bytes: Readonly<Record<Kind, Bytes>>
}

/** So many evicted pages tell something. */
const tellingPages = 256

/** What a kind's search is told. */
export const searchInput = ({ ledger, outcome, search }: KindState, kind: Kind, input: LookInput): SearchInput => {
  const { ages, allowedPages, atMs, elapsedMs, isBusy, promotions } = input
  const allowed = allowedPages[kind]
  return {
    atMs,
    elapsedMs,
    ages,
    cameBack: (ageMs) =>
      promotions.bins.reduce((sum, { filePages, lowerMs, pages }) => {
        if (lowerMs < ageMs) return sum
        return sum + (kind === "file" ? filePages : pages - filePages)
      }, 0),
    allowedPages: allowed,
    lowestMs: lowestAge(ledger, ages, allowed),
    overdrawn: cameBack(ledger, search.ageMs) / budgetOf(ledger, allowed),
    spent: cameBack(ledger, 0) / budgetOf(ledger, allowed),
    hasOutcome: outcome.settled >= tellingPages,
    isBusy: isBusy[kind]
  }
}

export type BothKinds = Readonly<Record<Kind, KindState>>
