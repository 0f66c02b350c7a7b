/**
 * Far memory's two histograms from page ages: how many bytes are idle for at least T, for a ladder of T, and how old the pages were that came
 * back into use. Pure. Source of the definitions: Lagar-Cavilla et al., ASPLOS 2019, section 4.
 */
import type { Bytes, Milliseconds, PageAgeBin, Pages } from "@wmo/core"
import { coldBytes, type PageAge } from "../PageAge.ts"
import type { ColdAgeEntry } from "../Sample.ts"

/** Ascending ages. */
export type AgeLadder = ReadonlyArray<Milliseconds>

/** From a second to an hour. */
export const defaultAgeLadder: AgeLadder = [1, 2, 5, 10, 20, 30, 60, 120, 240, 300, 600, 1200, 1800, 3600].map((seconds) => seconds * 1000)

/** Page ages into the bins between the steps of a ladder: what is as old as a step is in the bin above it. */
export class AgeBins {
  private readonly ladder: AgeLadder
  private readonly anon: Float64Array
  private readonly file: Float64Array

  constructor(ladder: AgeLadder) {
    this.ladder = ladder
    this.anon = new Float64Array(ladder.length + 1)
    this.file = new Float64Array(ladder.length + 1)
  }

  add(idleMs: Milliseconds, anonBytes: Bytes, fileBytes: Bytes): void {
    const bin = stepOf(this.ladder, idleMs)
    this.anon[bin]! += anonBytes
    this.file[bin]! += fileBytes
  }

  /** Whole bytes. */
  get bins(): ReadonlyArray<PageAgeBin> {
    return Array.from(this.anon, (anonBytes, i) => ({
      lowerMs: i === 0 ? 0 : this.ladder[i - 1]!,
      upperMs: this.ladder[i] ?? Infinity,
      anonBytes: Math.round(anonBytes),
      fileBytes: Math.round(this.file[i]!)
    }))
  }
}

/** How many steps of the ladder an age has reached. */
export const stepOf = (ladder: AgeLadder, ageMs: Milliseconds): number => {
  let low = 0
  let high = ladder.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ladder[middle]! <= ageMs) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Bytes idle for at least each step that can be known: nobody who began to look (or to age) a minute ago knows what is idle for two.
 * A step that is not known is left out, which is not the same as 0.
 */
export const coldAgeBins = (age: PageAge, ladder: AgeLadder, knownMs: Milliseconds): ColdAgeEntry["bins"] =>
  ladder
    .filter((thresholdMs) => thresholdMs <= knownMs)
    .map((thresholdMs) => {
      const { anonBytes, fileBytes } = coldBytes(age, thresholdMs)
      return { thresholdMs, bytes: anonBytes + fileBytes }
    })

/** Pages that came back into use, of an age in [lowerMs, upperMs). */
export interface PromotionBin {
  readonly lowerMs: Milliseconds
  readonly upperMs: Milliseconds
  /** Of both kinds. */
  readonly pages: Pages
  readonly filePages: Pages
  /** Those of both kinds that had been evicted and were faulted in again; the others never left. 0 from sources that do not know. */
  readonly refaultedPages: Pages
}

/** Bins of a ladder in which nothing is: one list for all who have nothing to tell. */
const emptyBins = new WeakMap<AgeLadder, ReadonlyArray<PromotionBin>>()
const binsOf = (ladder: AgeLadder, of: (step: number) => Pick<PromotionBin, "pages" | "filePages" | "refaultedPages">) =>
  Array.from({ length: ladder.length + 1 }, (_, i) => ({
    lowerMs: i === 0 ? 0 : ladder[i - 1]!,
    upperMs: ladder[i] ?? Infinity,
    ...of(i)
  }))
const emptyBinsOf = (ladder: AgeLadder): ReadonlyArray<PromotionBin> => {
  const known = emptyBins.get(ladder)
  if (known !== undefined) return known
  const bins = binsOf(ladder, () => ({ pages: 0, filePages: 0, refaultedPages: 0 }))
  emptyBins.set(ladder, bins)
  return bins
}

/** Adds what came back; gives one of the two lists where nothing is in the other. */
export const addPromotions = (a: ReadonlyArray<PromotionBin>, b: ReadonlyArray<PromotionBin>): ReadonlyArray<PromotionBin> => {
  const isEmpty = (bins: ReadonlyArray<PromotionBin>) => bins.every(({ pages, refaultedPages }) => pages === 0 && refaultedPages === 0)
  if (isEmpty(b)) return a
  if (isEmpty(a)) return b
  return b.map((bin, i) => ({
    ...bin,
    pages: bin.pages + a[i]!.pages,
    filePages: bin.filePages + a[i]!.filePages,
    refaultedPages: bin.refaultedPages + a[i]!.refaultedPages
  }))
}

/** Counts pages that came back, by the age they had. */
export class PromotionCounter {
  private readonly ladder: AgeLadder
  /** By step of the ladder: anonymous pages, then those of files, then those that had been evicted. */
  private readonly counts: Float64Array
  private readonly steps: number
  private sinceMs: Milliseconds

  constructor(ladder: AgeLadder, nowMs: Milliseconds) {
    this.ladder = ladder
    this.steps = ladder.length + 1
    this.counts = new Float64Array(3 * this.steps)
    this.sinceMs = nowMs
  }

  /** `refaultedPages`: how many of both kinds had been evicted. */
  add(ageMs: Milliseconds, anonPages: Pages, filePages: Pages, refaultedPages: Pages = 0): void {
    const step = stepOf(this.ladder, ageMs)
    this.counts[step]! += anonPages
    this.counts[this.steps + step]! += filePages
    this.counts[2 * this.steps + step]! += refaultedPages
  }

  /** What was counted since the last time it was taken, in whole pages: the rest is counted next time. Counts anew from now. */
  take(nowMs: Milliseconds): { readonly windowMs: Milliseconds; readonly bins: ReadonlyArray<PromotionBin> } {
    const { counts, ladder, sinceMs, steps } = this
    this.sinceMs = nowMs
    const windowMs = nowMs - sinceMs
    if (counts.every((count) => count + roundedUp < 1)) return { windowMs, bins: emptyBinsOf(ladder) }
    const whole = (i: number) => {
      const pages = Math.floor(counts[i]! + roundedUp)
      counts[i] = Math.max(0, counts[i]! - pages)
      return pages
    }
    return {
      windowMs,
      bins: binsOf(ladder, (i) => {
        const filePages = whole(steps + i)
        return { pages: whole(i) + filePages, filePages, refaultedPages: whole(2 * steps + i) }
      })
    }
  }
}

/** Sums of shares fall short of whole pages by rounding. */
const roundedUp = 1e-6

/** All of it. */
export const totalBytes = ({ bins }: PageAge): Bytes => bins.reduce((sum, { anonBytes, fileBytes }) => sum + anonBytes + fileBytes, 0)
