/**
 * Whose age the generations are made for: they are common to anon and file, and tell one age at a time. One kind leads, the other learns what the same
 * look happens to tell it. Pure.
 */
import type { Milliseconds } from "@wmo/core"
import { isOpen, restart, searchOn } from "./AgeSearch.ts"
import { type BothKinds, type Kind, kinds, type KindState, type LookInput, searchInput } from "./KindState.ts"

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

/**
 * So many times as far apart as generations are an age may be, and memory of it still be told from younger. Less for anon, which is taken only where
 * the youngest generation's own age comes on top (`evictAgeOf`).
 */
const reach: Readonly<Record<Kind, number>> = { anon: 2, file: 3 }

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
  if (rank(anon) < 2 || ageMs === Infinity || ageMs <= reach[high] * states[low].search.lookMs) return leadBy(low)
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
