/**
 * What `slo` knows of one kind of memory, anon or file: the age to evict it at, what came back of it, and what may. The kinds are searched for
 * their ages apart, since programs use them differently; generations are common to both, so one of them leads and says how far apart they are made.
 */
import type { Bytes, Milliseconds, Pages } from "@wmo/core"
import type { Promotions } from "@wmo/monitors"
import { type AgeSearch, isOpen, restart, type SearchInput, searchOn, startSearch } from "./AgeSearch.ts"
import { type EvictionOutcome, follow, noOutcome } from "./EvictionOutcome.ts"
import { book, budgetOf, cameBack, lowestAge, openLedger, type PromotionLedger } from "./PromotionLedger.ts"

export type Kind = "anon" | "file"
export const kinds: ReadonlyArray<Kind> = ["anon", "file"]

export interface KindState {
  readonly search: AgeSearch
  readonly ledger: PromotionLedger
  readonly outcome: EvictionOutcome
}

/** What happened to a kind since the last look. */
export interface KindNews {
  readonly elapsedMs: Milliseconds
  /** By bin of the promotions. */
  readonly refaultedPages: ReadonlyArray<Pages>
  readonly evictedPages: Pages
  /** Pages that may come back a minute. */
  readonly allowedPages: Pages
}

export const openKind = (promotions: Promotions, leastAgeMs: Milliseconds, atMs: Milliseconds): KindState => ({
  search: startSearch(leastAgeMs, atMs),
  ledger: openLedger(promotions.bins.map(({ lowerMs }) => lowerMs)),
  outcome: noOutcome
})

/** Books the news. */
export const learn = (state: KindState, { allowedPages, elapsedMs, evictedPages, refaultedPages }: KindNews): KindState => ({
  ...state,
  ledger: book(state.ledger, refaultedPages, elapsedMs, (allowedPages * elapsedMs) / 60_000),
  outcome: follow(
    state.outcome,
    evictedPages,
    refaultedPages.reduce((sum, pages) => sum + pages, 0),
    elapsedMs
  )
})

/** The part of a search's input that is the same for both kinds. */
export interface LookInput extends Pick<SearchInput, "atMs" | "ages"> {
  readonly promotions: Promotions
  readonly allowedPages: Readonly<Record<Kind, Pages>>
  /** Whether there is memory of the age in force that has not been evicted yet. */
  readonly isBusy: Readonly<Record<Kind, boolean>>
  /** In memory. */
  readonly bytes: Readonly<Record<Kind, Bytes>>
}

/** So many evicted pages tell something. */
const tellingPages = 256

const searchInput = ({ ledger, outcome, search }: KindState, kind: Kind, input: LookInput): SearchInput => {
  const { ages, allowedPages, atMs, isBusy, promotions } = input
  const allowed = allowedPages[kind]
  return {
    atMs,
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

/** Who says how far apart generations are made, and since when. */
export interface Lead {
  readonly kind: Kind
  readonly sinceMs: Milliseconds
  /** When there was something to evict of it last. */
  readonly busyMs?: Milliseconds
  /** Turns in a row of a kind of which there was nothing to evict. */
  readonly vain?: number
}

const otherThan = (kind: Kind): Kind => (kind === "anon" ? "file" : "anon")

/** What waits for an answer comes before what does not, since nothing of it can go; then what is tried beside. */
const rank = ({ search }: KindState): number => (isOpen(search) ? 0 : search.phase === "trial" ? 1 : 2)

/** A kind of which there is next to nothing leads no one. */
const leastShare = 1 / 64

/** A kind of which nothing becomes old enough gives its turn back after so many times the lowest age. */
const shortestTurn = 6

/** With generations so many times its own look apart, memory of an age is still told from younger. */
const reach = 3

/**
 * Who leads. Where both ages are settled and generations that suit the lower one would never be old enough for the higher one, they take turns: the
 * higher one for as long as it takes to find what is so old, the lower one for longer, but only while there is something for it to evict.
 */
export const leaderOf = (states: BothKinds, lead: Lead, { atMs, bytes, isBusy }: LookInput): Lead => {
  const leadBy = (kind: Kind, vain = 0): Lead => (lead.kind === kind ? lead : { kind, sinceMs: atMs, vain })
  const all = bytes.anon + bytes.file
  for (const kind of kinds) if (bytes[kind] < all * leastShare) return leadBy(otherThan(kind))
  const { anon, file } = states
  if (rank(anon) !== rank(file)) return leadBy(rank(anon) < rank(file) ? "anon" : "file")
  const low: Kind = anon.search.lookMs <= file.search.lookMs ? "anon" : "file"
  const high = otherThan(low)
  const { ageMs } = states[high].search
  if (rank(anon) < 2 || ageMs === Infinity || ageMs <= reach * states[low].search.lookMs) return leadBy(low)
  const vain = lead.vain ?? 0
  if (lead.kind === high) return atMs - lead.sinceMs >= 2 * ageMs * 2 ** vain && !isBusy[high] ? leadBy(low, vain) : lead
  const busyMs = isBusy[low] ? atMs : (lead.busyMs ?? lead.sinceMs)
  const isIdle = atMs - busyMs > Math.max(shortestTurn * states[low].search.leastMs, 4 * states[low].search.lookMs)
  if (isIdle) return leadBy(high, busyMs === lead.sinceMs ? Math.min(vain + 1, 5) : 0)
  return atMs - lead.sinceMs >= 3 * ageMs ? leadBy(high) : { ...lead, busyMs }
}

/**
 * Goes on with the search of whoever leads, and of the other as far as the same look tells it something: at the same age; or by what has come back
 * of what was evicted.
 */
export const searchBoth = (states: BothKinds, leader: Kind, input: LookInput): BothKinds => {
  const other = otherThan(leader)
  const led = searchOn(states[leader].search, searchInput(states[leader], leader, input))
  const own = searchInput(states[other], other, input)
  const { search } = states[other]
  const isTogether = search.lookMs === states[leader].search.lookMs && search.sinceMs === states[leader].search.sinceMs
  const isFree = search.phase === "hold" && led.phase === "hold"
  const followed = isTogether || isFree || own.lowestMs > search.ageMs ? searchOn(search, own) : restart(search, input.atMs)
  return {
    ...states,
    [leader]: { ...states[leader], search: led },
    [other]: { ...states[other], search: followed }
  }
}
