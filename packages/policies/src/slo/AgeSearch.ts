/**
 * The search for the age to evict at. What comes back is looked at for one age at a time (generations tell no more apart): had everything so old
 * been evicted, so much would have been brought back. Too much: the age rises, and how far is extrapolated. Little enough: the age is in force,
 * and lower ones are looked at beside it, at no cost, until the lowest that will do is found. Pure.
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
  /** The highest age that was too low, and by what factor too much came back; the lowest that was not. */
  readonly bad: { readonly ageMs: Milliseconds; readonly excess: number } | undefined
  readonly good: Milliseconds | undefined
  /** The lowest of all ages: how patient the search is. */
  readonly leastMs: Milliseconds
  /** Time in force before what was too low is looked at again; doubles each time that it still is. */
  readonly restMs: Milliseconds
}

export interface SearchInput {
  readonly atMs: Milliseconds
  /** Since the last tick. */
  readonly elapsedMs: Milliseconds
  /** Ascending; not empty. */
  readonly ages: ReadonlyArray<Milliseconds>
  /** What came back in all so far of at least an age: a counter. */
  readonly cameBack: (ageMs: Milliseconds) => Pages
  /** Pages that may come back a minute. */
  readonly allowedPages: Pages
  /** The lowest age that would have kept within the budget of the last hour; and by what factor the age in force did not. */
  readonly lowestMs: Milliseconds
  readonly overdrawn: number
  /** Share of the last hour's budget that was used. */
  readonly spent: number
  /** Enough has been evicted, and long enough ago, to tell by what came back of it. */
  readonly hasOutcome: boolean
  /** There is memory of the age in force that has not been evicted yet. */
  readonly isBusy: boolean
}

/**
 * Times of the search are multiples of the lowest age: with 10 s most of what is used every two minutes is seen before anything is evicted (all but what
 * is used in the first 30 s only, since nothing is known to be as old by then). Beside an age that is in force a look may take longer to find what comes
 * seldom.
 */
const looks = { first: 13, shortest: 12, still: 10, trial: 24, settle: 3, rest: 30, longestRest: 720, guess: 60 }

/** Where less than this share of what may come back does, a short look at an age that rose need not last to its end: */
const nextToNothing = 0.1
/** it ends so long after its second generation is due, by when what came back of that is seen. */
const slackMs = 5000

/** A guessed age that has used less than this share of the budget for some time is proved. */
const thrifty = 0.4
/** Share of the budget that an age may use: what is left is for what was not seen. */
const share = 0.8
/**
 * So many times too much is a cliff: memory that is used in turns of about that age. A walk sees a turn of one to two times the age that it
 * looks at by chance only, so an age is in force that is twice as high as the one that seemed to do.
 */
const cliff = 12
/** Where two ages tell how the amount falls with age, the next may be this far off; where one does, only that far. */
const largestLeap = 8
const largestStep = 3
/** What was so little too much cannot be far off. */
const nearMiss = 4
const nearStep = 2

/** The lowest age that is as high; the highest of all where none is. */
const atLeast = (ages: ReadonlyArray<Milliseconds>, ageMs: Milliseconds): Milliseconds =>
  ages.find((age) => age >= ageMs) ?? ages.at(-1) ?? Infinity

/** `ages`: ascending. Begins at three times the lowest: to look at that takes no longer, and says how much comes back of what is older still. */
export const startSearch = (ages: ReadonlyArray<Milliseconds>, atMs: Milliseconds): AgeSearch => {
  const leastMs = ages[0]!
  const ageMs = atLeast(ages, 3 * leastMs)
  return {
    ageMs,
    phase: "first",
    lookMs: ageMs,
    sinceMs: atMs,
    from: undefined,
    bad: undefined,
    good: undefined,
    leastMs,
    restMs: looks.rest * leastMs
  }
}

/** Whether nothing may be evicted before there is an answer. */
export const isOpen = ({ phase }: AgeSearch): boolean => phase === "first" || phase === "rise"

/** Each generation is made at the tick after it is due. */
const twoGenerationsMs = (lookMs: Milliseconds, tickMs: Milliseconds): Milliseconds => 2 * (lookMs + tickMs)

/**
 * When a look is over: two generations of that age, and some time; less after the first one, which has seen what comes back often. `tickMs`: from one
 * tick to the next.
 */
export const lookEndsMs = ({ leastMs, lookMs, phase, sinceMs }: AgeSearch, tickMs: Milliseconds): Milliseconds => {
  const seenMs = twoGenerationsMs(lookMs, tickMs) + tickMs
  if (phase === "trial") return sinceMs + Math.max(looks.trial * leastMs, 2.5 * lookMs, seenMs)
  if (phase === "first") return sinceMs + Math.max(looks.first * leastMs, 2.5 * lookMs, seenMs)
  return sinceMs + Math.max(looks.shortest * leastMs + lookMs, 2.5 * lookMs - 2 * leastMs, seenMs)
}

/** When a look is over at which next to nothing has come back: longer ones wait for what comes every ten minutes. */
const stillEndsMs = ({ leastMs, lookMs, phase, sinceMs }: AgeSearch, tickMs: Milliseconds): Milliseconds =>
  phase === "rise" && lookMs <= looks.still * leastMs
    ? sinceMs + Math.max(looks.still * leastMs + lookMs, twoGenerationsMs(lookMs, tickMs) + Math.max(leastMs, slackMs))
    : Infinity

const lookAt = (search: AgeSearch, atMs: Milliseconds, lookMs: Milliseconds, change: Partial<AgeSearch>): AgeSearch => ({
  ...search,
  ...change,
  lookMs: lookMs === Infinity ? search.lookMs : lookMs,
  sinceMs: atMs,
  from: undefined
})

/** Somebody else's age is looked at: what is seen meanwhile says nothing, and time in force goes on. */
export const restart = (search: AgeSearch, atMs: Milliseconds): AgeSearch =>
  search.phase === "hold" ? search : { ...search, sinceMs: atMs, from: undefined }

/** How fast what comes back falls with age, as a power of it: from an excess now and one before. 0: not known. */
const slopeOf = (ageMs: Milliseconds, excess: number, bad: AgeSearch["bad"]): number => {
  const slope = bad === undefined || bad.ageMs >= ageMs ? 0 : Math.log(bad.excess / excess) / Math.log(ageMs / bad.ageMs)
  return slope > 0.5 ? slope : 0
}

/**
 * An age will do: it is in force, or twice as much, if what is below is a cliff. Generations are then at least half as far apart: of four, the oldest
 * begins two looks before the youngest, or nothing would ever be old enough.
 */
const settle = (search: AgeSearch, { ages, atMs, lowestMs }: SearchInput, good: Milliseconds): AgeSearch => {
  const isCliff = search.bad !== undefined && search.bad.excess > cliff
  const ageMs = Math.max(lowestMs, isCliff ? atLeast(ages, 2 * good) : good)
  return lookAt(search, atMs, Math.max(good, ageMs / 2), { phase: "hold", good, ageMs })
}

/**
 * Between the age that was too low and the one that will do, the next to look at; undefined: they are neighbours. Not less than a third of the
 * age in force: of generations that are closer together none would be old enough to be evicted. The lowest of them first, while none was too low.
 */
const between = ({ ageMs, bad, good }: AgeSearch, ages: ReadonlyArray<Milliseconds>): Milliseconds | undefined => {
  const open = ages.filter((age) => age > (bad?.ageMs ?? 0) && age < (good ?? 0) && age >= ageMs / 3)
  return open[bad === undefined ? 0 : Math.floor((open.length - 1) / 2)]
}

/** Before lower ages are looked at. Where generations are made further apart for the age in force, it takes two of them before any is old enough. */
const settlingMs = ({ good, leastMs, lookMs }: AgeSearch): Milliseconds =>
  lookMs > (good ?? lookMs) ? 2 * lookMs + looks.settle * leastMs : looks.settle * leastMs

/** Takes what has been seen by now. */
export const searchOn = (before: AgeSearch, input: SearchInput): AgeSearch => {
  const { ages, allowedPages, atMs, cameBack, elapsedMs, lowestMs } = input
  const isSeen = atMs - before.sinceMs >= before.lookMs
  const search = before.from === undefined && isSeen ? { ...before, from: { atMs, cameBack: cameBack(before.lookMs) } } : before
  const { ageMs, bad, from, lookMs, phase } = search

  // What came back of what had been evicted, by the age that it had: no use in trying less.
  if (lowestMs > ageMs) {
    const next = Math.max(lowestMs, atLeast(ages, ageMs * Math.min(largestStep, input.overdrawn) * 0.9))
    const tooLow = ages.findLast((age) => age < next) ?? ageMs
    return lookAt(search, atMs, next, {
      ageMs: next,
      phase: "aim",
      bad: { ageMs: tooLow, excess: Math.max(cliff, input.overdrawn) },
      good: undefined
    })
  }
  if (ageMs === Infinity) return lookAt(search, atMs, lowestMs, { ageMs: lowestMs, phase: "rise", good: undefined })
  if (phase === "hold") {
    // Generations that are made closer together would make it look younger than it is.
    if (input.isBusy || atMs - search.sinceMs < settlingMs(search)) return search
    const next = between(search, ages)
    if (next !== undefined) return lookAt(search, atMs, next, { phase: "trial" })
    if (bad === undefined || atMs - search.sinceMs < Math.max(search.restMs, 2 * ageMs)) return search
    return lookAt(search, atMs, bad.ageMs, { phase: "trial" })
  }
  // What was evicted at an age that was only guessed has mostly stayed away: it will do, and perhaps a lower one, too.
  const isGuessed = phase === "aim" && atMs - search.sinceMs >= Math.max(looks.guess * search.leastMs, ageMs / 2)
  if (isGuessed && input.hasOutcome && input.spent < thrifty && !input.isBusy) {
    return lookAt(search, atMs, ageMs, { phase: "hold", good: ageMs, bad: bad === undefined ? bad : { ...bad, excess: cliff } })
  }
  if (from === undefined) return search
  const came = cameBack(lookMs) - from.cameBack
  const excess = came / Math.max(1, share * allowedPages * Math.max(1, (atMs - from.atMs) / 60_000))
  const isOver = atMs >= lookEndsMs(search, elapsedMs)
  if (phase === "trial") {
    if (excess > cliff || (isOver && excess > 1)) {
      const restMs = bad?.ageMs === lookMs ? Math.min(looks.longestRest * search.leastMs, search.restMs * 2) : search.restMs
      return settle({ ...search, bad: { ageMs: lookMs, excess }, restMs }, input, search.good ?? ageMs)
    }
    if (!isOver) return search
    if (bad?.ageMs !== lookMs) return settle(search, input, lookMs)
    // What was too low is so no more: look further down.
    return { ...settle(search, input, lookMs), bad: undefined, restMs: looks.rest * search.leastMs }
  }
  if (!isOver && !(excess < nextToNothing && atMs >= stillEndsMs(search, elapsedMs))) return search
  if (excess <= 1) return settle(search, input, lookMs)
  const slope = slopeOf(ageMs, excess, bad)
  const furthest = excess <= nearMiss ? nearStep : slope > 0 ? largestLeap : largestStep
  const times = Math.min(furthest, slope > 0 ? excess ** (1 / slope) : excess)
  const next = Math.max(atLeast(ages, ageMs * times * 0.9), atLeast(ages, ageMs + 1))
  return lookAt(search, atMs, next, {
    ageMs: next,
    phase: slope > 0 ? "aim" : "rise",
    bad: { ageMs, excess },
    good: undefined
  })
}
