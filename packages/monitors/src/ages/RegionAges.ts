/**
 * What DAMON's regions of one process say about ages: from one aggregation to the next, which bytes are idle for how long, and which came back
 * into use. Pure: does not talk to DAMON. Expects intervals of one sample (`damonAgeAttributes`), so that a region was used or was not.
 */
import { type Bytes, type Milliseconds, pageSize } from "@wmo/core"
import type { AgeBins, PromotionCounter } from "./Histogram.ts"

/** A region; addresses as numbers, since those of processes are below 2^53. */
export interface AgedRegion {
  readonly start: number
  readonly end: number
  readonly accesses: number
  /** Aggregations since it was last found used, or since it is used. */
  readonly age: number
}

/** A range that is monitored, and how much memory a byte of it stands for: holes and what others share are taken off. */
export interface WeightedRange {
  readonly start: number
  readonly end: number
  readonly weight: number
  readonly isAnon: boolean
}

/** Calls back for every piece of a region that lies in a range; both ordered by address. */
const eachPiece = (
  regions: ReadonlyArray<AgedRegion>,
  ranges: ReadonlyArray<WeightedRange>,
  visit: (region: AgedRegion, range: WeightedRange, bytes: Bytes) => void
): void => {
  let r = 0
  for (const region of regions) {
    while (r < ranges.length && ranges[r]!.end <= region.start) r++
    for (let i = r; i < ranges.length && ranges[i]!.start < region.end; i++) {
      const range = ranges[i]!
      const bytes = Math.min(region.end, range.end) - Math.max(region.start, range.start)
      if (bytes > 0) visit(region, range, bytes)
    }
  }
}

/** At least so long idle at the end of the aggregation: it was used in the one before those that `age` counts, perhaps at its end. */
const idleMs = ({ accesses, age }: AgedRegion, aggrMs: Milliseconds): Milliseconds => (accesses > 0 ? 0 : (age + 1) * aggrMs)

export class RegionAges {
  private readonly aggrMs: Milliseconds
  private regions: ReadonlyArray<AgedRegion> = []
  private atMs = 0
  ranges: ReadonlyArray<WeightedRange>

  constructor(aggrMs: Milliseconds, ranges: ReadonlyArray<WeightedRange>) {
    this.aggrMs = aggrMs
    this.ranges = ranges
  }

  /** Takes the regions of an aggregation, all of them, by address; counts the pages that came back since the one before. */
  observe(regions: ReadonlyArray<AgedRegion>, atMs: Milliseconds, promotions: Pick<PromotionCounter, "add">): void {
    const before = this.regions
    const turns = Math.max(1, Math.round((atMs - this.atMs) / this.aggrMs))
    let b = 0
    for (const now of before.length === 0 ? [] : regions) {
      // When its last use (or, of what is in use, the first) was, in aggregations before this one.
      const usedAgo = now.accesses > 0 ? now.age : now.age + 1
      if (usedAgo >= turns && now.accesses === 0) continue
      while (b < before.length && before[b]!.end <= now.start) b++
      for (let i = b; i < before.length && before[i]!.start < now.end; i++) {
        const was = before[i]!
        if (was.accesses > 0) continue
        const start = Math.max(was.start, now.start)
        const end = Math.min(was.end, now.end)
        // Both ends are somewhere within an aggregation.
        const ageMs = (was.age + 2 + Math.max(0, turns - 1 - usedAgo)) * this.aggrMs
        const { anonBytes, fileBytes } = this.weigh(start, end)
        if (anonBytes + fileBytes > 0) promotions.add(ageMs, anonBytes / pageSize, fileBytes / pageSize)
      }
    }
    this.regions = regions
    this.atMs = atMs
  }

  addTo(bins: AgeBins): void {
    eachPiece(this.regions, this.ranges, (region, { isAnon, weight }, bytes) => {
      const idle = idleMs(region, this.aggrMs)
      bins.add(idle, isAnon ? bytes * weight : 0, isAnon ? 0 : bytes * weight)
    })
  }

  private weigh(start: number, end: number): { readonly anonBytes: Bytes; readonly fileBytes: Bytes } {
    let anonBytes = 0
    let fileBytes = 0
    eachPiece([{ start, end, accesses: 0, age: 0 }], this.ranges, (_, { isAnon, weight }, bytes) => {
      if (isAnon) anonBytes += bytes * weight
      else fileBytes += bytes * weight
    })
    return { anonBytes, fileBytes }
  }
}
