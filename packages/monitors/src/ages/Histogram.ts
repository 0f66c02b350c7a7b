/**
 * Far memory's two histograms from page ages: how many bytes are idle for at least T, for a ladder of T, and how old the pages were that came
 * back into use. Pure. Source of the definitions: Lagar-Cavilla et al., ASPLOS 2019, section 4.
 */
import type { Bytes, Milliseconds, PageAgeBin, Pages } from "@wmo/core"
import { coldBytes, type PageAge } from "../PageAge.ts"
import type { ColdAgeEntry, PromotionEntry } from "../Sample.ts"

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

/** Counts pages that came back, by the age they had. */
export class PromotionCounter {
  private readonly ladder: AgeLadder
  private pages: Float64Array
  private sinceMs: Milliseconds

  constructor(ladder: AgeLadder, nowMs: Milliseconds) {
    this.ladder = ladder
    this.pages = new Float64Array(ladder.length + 1)
    this.sinceMs = nowMs
  }

  add(ageMs: Milliseconds, pages: Pages): void {
    this.pages[stepOf(this.ladder, ageMs)]! += pages
  }

  /** What was counted since the last time it was taken; counts anew from now. */
  take(nowMs: Milliseconds): Pick<PromotionEntry, "windowMs" | "bins"> {
    const { ladder, pages, sinceMs } = this
    this.pages = new Float64Array(ladder.length + 1)
    this.sinceMs = nowMs
    return {
      windowMs: nowMs - sinceMs,
      bins: Array.from(pages, (count, i) => ({
        lowerMs: i === 0 ? 0 : ladder[i - 1]!,
        upperMs: ladder[i] ?? Infinity,
        pages: Math.round(count)
      }))
    }
  }
}

/** All of it. */
export const totalBytes = ({ bins }: PageAge): Bytes => bins.reduce((sum, { anonBytes, fileBytes }) => sum + anonBytes + fileBytes, 0)
