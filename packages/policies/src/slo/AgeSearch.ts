/**
 * The search for the age to evict at. What comes back is looked at for one age at a time (generations tell no more apart): so much of it an
 * hour would have been brought back if everything so old had been evicted. Too much: the age rises, and how far is extrapolated. Little enough:
 * the age is in force, and now and then a lower one is looked at beside it, at no cost. Pure.
 */
import type { Milliseconds, Pages } from "@wmo/core"

export interface AgeSearch {
  /** Evict what is as old; Infinity: no age would do. */
  readonly ageMs: Milliseconds
  /**
   * `first`: nothing is known yet. `rise`: the last was too low, and nothing is known of this one. `aim`: two ages that were too low say that this
   * one should do. `hold`: it does. `trial`: as well, and a lower one is looked at. In the first two nothing is to be evicted.
   */
  readonly phase: "first" | "rise" | "aim" | "hold" | "trial"
  /** The age that is looked at: generations are made that far apart. */
  readonly lookMs: Milliseconds
  /** Since when it is looked at. */
  readonly sinceMs: Milliseconds
  /** From when on something so old can be seen to come back, and what had by then; undefined before that. */
  readonly from: { readonly atMs: Milliseconds; readonly cameBack: Pages } | undefined
  /** What the last age that was too low had: by what factor too much. */
  readonly tooLow: { readonly ageMs: Milliseconds; readonly excess: number } | undefined
  /** Time in force before the next trial; doubles when one fails. */
  readonly restMs: Milliseconds
  /** Of a trial: how many steps below the age in force is looked at. */
  readonly below: 1 | 2
}

export interface SearchInput {
  readonly atMs: Milliseconds
  /** Ascending. */
  readonly ages: ReadonlyArray<Milliseconds>
  /** What came back in all so far of at least an age: a counter. */
  readonly cameBack: (ageMs: Milliseconds) => Pages
  /** Pages that may come back a minute. */
  readonly allowedPages: Pages
  /** The lowest age that would have kept within the budget of the last hour. */
  readonly lowestMs: Milliseconds
}

/** What is used every two minutes should have been seen before anything is evicted. */
const firstLookMs = 150_000
const shortestLookMs = 60_000
const shortestRestMs = 240_000
const longestRestMs = 7_200_000
/** Share of the budget that an age may use: what is left is for what was not seen. */
const caution = 0.7
/**
 * So many times too much is a cliff: memory that is used in turns of that age. When the next turn takes a little longer, all of it comes back:
 * the age in force stays two steps away.
 */
const cliff = 12
/** Where two ages tell how the amount falls with age, the next may be this far off; where one does, only that far. */
const largestLeap = 16
const largestStep = 4

export const startSearch = (ageMs: Milliseconds, atMs: Milliseconds): AgeSearch => ({
  ageMs,
  phase: "first",
  lookMs: ageMs,
  sinceMs: atMs,
  from: undefined,
  tooLow: undefined,
  restMs: shortestRestMs,
  below: 2
})

/** When a look is over: two generations of that age, and some time. */
export const lookEndsMs = ({ lookMs, phase, sinceMs }: AgeSearch): Milliseconds =>
  sinceMs + Math.max(phase === "first" ? firstLookMs : shortestLookMs, phase === "trial" ? 4 * lookMs : 2.5 * lookMs)

const lookAt = (search: AgeSearch, atMs: Milliseconds, change: Partial<AgeSearch>): AgeSearch => ({
  ...search,
  ...change,
  sinceMs: atMs,
  from: undefined
})

/** How fast what comes back falls with age, as a power of it: from an excess now and one before. 0: not known. */
const slopeOf = (ageMs: Milliseconds, excess: number, tooLow: AgeSearch["tooLow"]): number => {
  const slope = tooLow === undefined || tooLow.ageMs >= ageMs ? 0 : Math.log(tooLow.excess / excess) / Math.log(ageMs / tooLow.ageMs)
  return slope > 0.5 ? slope : 0
}

/** Looks at a lower age beside the one in force; stays where there is none. */
const tryBelow = (search: AgeSearch, { ages, atMs, lowestMs }: SearchInput, below: 1 | 2): AgeSearch => {
  const lower = ages[Math.max(0, ages.indexOf(search.ageMs) - below)]!
  if (lower >= search.ageMs || lower < lowestMs) return lookAt(search, atMs, { phase: "hold", lookMs: search.ageMs })
  return lookAt(search, atMs, { phase: "trial", lookMs: lower, below })
}

/** Takes what has been seen by now. */
export const searchOn = (before: AgeSearch, input: SearchInput): AgeSearch => {
  const { ages, allowedPages, atMs, cameBack, lowestMs } = input
  const isSeen = atMs - before.sinceMs >= before.lookMs
  const search = before.from === undefined && isSeen ? { ...before, from: { atMs, cameBack: cameBack(before.lookMs) } } : before
  const { ageMs, from, lookMs, phase } = search

  // What came back of what had been evicted, by the age that it had: no use in trying less.
  if (lowestMs > ageMs) return lookAt(search, atMs, { ageMs: lowestMs, phase: "rise", lookMs: lowestMs === Infinity ? lookMs : lowestMs })
  if (ageMs === Infinity) return lookAt(search, atMs, { ageMs: lowestMs, phase: "rise", lookMs: lowestMs })
  if (phase === "hold") {
    if (atMs - search.sinceMs < Math.max(search.restMs, 2 * ageMs)) return search
    return tryBelow(search, input, 2)
  }
  if (from === undefined) return search
  const came = cameBack(lookMs) - from.cameBack
  const excess = came / Math.max(1, caution * allowedPages * Math.max(1, (atMs - from.atMs) / 60_000))
  const isOver = atMs >= lookEndsMs(search)
  if (phase === "trial") {
    const isTooMuch = excess > 1 && (isOver || excess > cliff)
    if (!isOver && !isTooMuch) return search
    // No cliff two steps below, yet too much there: perhaps not so one step below.
    if (isTooMuch && search.below === 2 && excess <= cliff) return tryBelow(search, input, 1)
    if (isTooMuch) return lookAt(search, atMs, { phase: "hold", lookMs: ageMs, restMs: Math.min(longestRestMs, search.restMs * 2) })
    const lower = ages[ages.indexOf(ageMs) - 1] ?? ageMs
    return lookAt(search, atMs, { phase: "hold", ageMs: lower, lookMs: lower, restMs: shortestRestMs })
  }
  if (!isOver) return search
  if (excess <= 1) return lookAt(search, atMs, { phase: "hold" })
  const slope = slopeOf(ageMs, excess, search.tooLow)
  const aim = ageMs * (slope > 0 ? Math.min(largestLeap, excess ** (1 / slope)) : Math.min(largestStep, excess))
  const next = ages.find((age) => age > ageMs && age >= aim * 0.9) ?? ages.findLast((age) => age > ageMs) ?? Infinity
  return lookAt(search, atMs, {
    ageMs: next,
    phase: slope > 0 ? "aim" : "rise",
    lookMs: next === Infinity ? lookMs : next,
    tooLow: { ageMs, excess }
  })
}
