/**
 * Idle gaps by length and by what their page saves, and the most that can be saved with them under a budget of promotions.
 * A gap is counted with one addition; memory does not depend on how many there are. For sorting, gaps go into bins by their saving a
 * thousandth wide: inside a bin all count with its mean, and only the bin in which the budget runs out is cut. So the bound is off by less
 * than 0.1 % of what that one bin holds (pages' sizes are told apart by 16 bytes before that: 0.8 % of a small page's saving at most).
 */
import { type Bytes, pageSize, type Pages } from "@wmo/core"

/** ln of the ratio between two bin edges. */
const logWidth = 0.001
const classBytes = 16
const classes = pageSize / classBytes + 1

/** As plain data: what one process hands to another. Savings in byte-seconds, bins ascending by saving. */
export interface SavingBins {
  /** Saved for nothing: gaps after which the page was not used again. */
  readonly free: number
  readonly bins: ReadonlyArray<readonly [bin: number, gaps: number, saving: number]>
}

const merged = (free: number, gaps: Iterable<readonly [count: number, saving: number]>): SavingBins => {
  const bins = new Map<number, [number, number]>()
  for (const [count, saving] of gaps) {
    const bin = Math.floor(Math.log(saving / count) / logWidth)
    const known = bins.get(bin)
    if (known === undefined) bins.set(bin, [count, saving])
    else {
      known[0] += count
      known[1] += saving
    }
  }
  return { free, bins: [...bins].toSorted(([a], [b]) => a - b).map(([bin, [count, saving]]) => [bin, count, saving] as const) }
}

export class SavingHistogram {
  private readonly tickSeconds: number
  /** By length in ticks and size class: how many gaps, and the bytes of their pages. */
  private counts = new Float64Array(0)
  private bytes = new Float64Array(0)
  private freePageTicks = 0
  private freeByteTicks = 0

  constructor(tickSeconds: number) {
    this.tickSeconds = tickSeconds
  }

  /** A gap of `ticks` ticks (a whole number) of a page that frees `netBytes` while it is away. `isFree`: no promotion ends it. */
  add(ticks: number, netBytes: Bytes, isFree: boolean): void {
    if (ticks <= 0) return
    if (isFree) {
      this.freePageTicks += ticks
      this.freeByteTicks += ticks * netBytes
      return
    }
    const at = ticks * classes + Math.floor(netBytes / classBytes)
    if (at >= this.counts.length) this.grow(at + 1)
    this.counts[at]!++
    this.bytes[at]! += netBytes
  }

  private *gaps(bytesOf: (at: number) => number): Generator<readonly [count: Pages, saving: number]> {
    for (let at = 0; at < this.counts.length; at++) {
      const count = this.counts[at]!
      const bytes = count === 0 ? 0 : bytesOf(at)
      if (bytes > 0) yield [count, bytes * Math.floor(at / classes) * this.tickSeconds]
    }
  }

  /** Savings of memory: a page less its compressed copy. */
  net(): SavingBins {
    return merged(
      this.freeByteTicks * this.tickSeconds,
      this.gaps((at) => this.bytes[at]!)
    )
  }

  /** The same without counting compressed copies. */
  gross(): SavingBins {
    return merged(
      this.freePageTicks * pageSize * this.tickSeconds,
      this.gaps((at) => this.counts[at]! * pageSize)
    )
  }

  private grow(length: number): void {
    const capacity = Math.max(length, 2 * this.counts.length)
    for (const key of ["counts", "bytes"] as const) {
      const grown = new Float64Array(capacity)
      grown.set(this[key])
      this[key] = grown
    }
  }
}

/** The most byte-seconds that can be saved with at most so many promotions. See docs/bound.md for the proof. */
export const boundOf = ({ bins, free }: SavingBins, promotions: number): number => {
  let left = Math.max(0, promotions)
  let saved = free
  for (let i = bins.length - 1; i >= 0 && left > 0; i--) {
    const [, gaps, saving] = bins[i]!
    const taken = Math.min(gaps, left)
    saved += (saving * taken) / gaps
    left -= taken
  }
  return saved
}
