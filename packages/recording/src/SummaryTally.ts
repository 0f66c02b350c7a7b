/** Sums up a series as it comes: areas, peaks, first and last values. Holds no rows, so a week costs as much memory as a minute. */
import type { Values } from "./Frame.ts"
import type { MeanPeak } from "./Summary.ts"

type AnyValues = Values | Readonly<Record<string, number | bigint | undefined>>

/** Columns that are averaged, and those whose growth counts. */
const amounts = ["memory_current_bytes", "memory_swap_current_bytes", "memory_zswap_current_bytes"] as const

export type Amount = (typeof amounts)[number]

class AmountTally {
  private area = 0
  private sum = 0
  private peak = 0
  private last = 0

  add(value: number, sinceLastMs: number): void {
    this.area += ((this.last + value) / 2) * sinceLastMs
    this.sum += value
    this.peak = Math.max(this.peak, value)
    this.last = value
  }

  finish(lengthMs: number, samples: number): MeanPeak {
    return {
      mean: lengthMs > 0 ? Math.round(this.area / lengthMs) : this.peak,
      sample_mean: Math.round(this.sum / Math.max(1, samples)),
      peak: this.peak
    }
  }
}

export class SummaryTally {
  samples = 0
  firstMs: number | undefined
  lastMs: number | undefined
  private first: AnyValues = {}
  private last: AnyValues = {}
  private readonly tallies = new Map<Amount, AmountTally>(amounts.map((column) => [column, new AmountTally()]))

  add(atMs: number, values: AnyValues): void {
    const sinceLastMs = this.lastMs === undefined ? 0 : atMs - this.lastMs
    for (const [column, tally] of this.tallies) tally.add(Number(values[column] ?? 0), sinceLastMs)
    if (this.firstMs === undefined) {
      this.firstMs = atMs
      this.first = values
    }
    this.lastMs = atMs
    this.last = values
    this.samples++
  }

  meanPeak(column: Amount): MeanPeak {
    return this.tallies.get(column)!.finish((this.lastMs ?? 0) - (this.firstMs ?? 0), this.samples)
  }

  /** How much a counter grew from the first sample to the last; null where the last one does not say. */
  growth(column: string): number | null {
    const last = this.last[column]
    if (last === undefined) return null
    const first = this.first[column]
    return first === undefined ? 0 : Math.max(0, Number(BigInt(last) - BigInt(first)))
  }
}
