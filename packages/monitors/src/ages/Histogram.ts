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

/** Counts pages that came back, by the age they had. */
export class PromotionCounter {
  private readonly ladder: AgeLadder
  private anon: Float64Array
  private file: Float64Array
  private refaulted: Float64Array
  private sinceMs: Milliseconds

  constructor(ladder: AgeLadder, nowMs: Milliseconds) {
    this.ladder = ladder
    this.anon = new Float64Array(ladder.length + 1)
    this.file = new Float64Array(ladder.length + 1)
    this.refaulted = new Float64Array(ladder.length + 1)
    this.sinceMs = nowMs
  }

  /** `refaultedPages`: how many of both kinds had been evicted. */
  add(ageMs: Milliseconds, anonPages: Pages, filePages: Pages, refaultedPages: Pages = 0): void {
    const step = stepOf(this.ladder, ageMs)
    this.anon[step]! += anonPages
    this.file[step]! += filePages
    this.refaulted[step]! += refaultedPages
  }

  /** What was counted since the last time it was taken, in whole pages: the rest is counted next time. Counts anew from now. */
  take(nowMs: Milliseconds): { readonly windowMs: Milliseconds; readonly bins: ReadonlyArray<PromotionBin> } {
    const { anon, file, ladder, refaulted, sinceMs } = this
    this.sinceMs = nowMs
    const whole = (counts: Float64Array, i: number) => {
      const pages = Math.floor(counts[i]! + 1e-6)
      counts[i] = Math.max(0, counts[i]! - pages)
      return pages
    }
    return {
      windowMs: nowMs - sinceMs,
      bins: Array.from(anon, (_, i) => {
        const filePages = whole(file, i)
        return {
          lowerMs: i === 0 ? 0 : ladder[i - 1]!,
          upperMs: ladder[i] ?? Infinity,
          pages: whole(anon, i) + filePages,
          filePages,
          refaultedPages: whole(refaulted, i)
        }
      })
    }
  }
}

/** All of it. */
export const totalBytes = ({ bins }: PageAge): Bytes => bins.reduce((sum, { anonBytes, fileBytes }) => sum + anonBytes + fileBytes, 0)
