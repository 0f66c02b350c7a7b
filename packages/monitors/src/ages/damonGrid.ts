/**
 * How DAMON is set up to tell ages: what a process has in memory, cut into regions of one size that the kernel neither merges nor splits, each
 * looked at once an interval. Why: merging puts regions together that are idle alike, and averages their ages; and with more than one
 * sample an interval a use that is seen once is within the noise of the busiest region, and resets no age.
 */
import { type DamonRegion, type PageRun, pageSize, type SmapsMapping } from "@wmo/core"
import type { WeightedRange } from "./RegionAges.ts"

/** Holes that are smaller are monitored with what is around them. */
const gapBytes = 64 * 1024
const smallestChunk = 512 * 1024

const floorTo = (value: number, unit: number): number => Math.floor(value / unit) * unit

/** What there is of a process: the populated parts of its mappings, with what a byte of them stands for. Ordered by address. */
export const populatedRanges = (mappings: ReadonlyArray<SmapsMapping>, runs: ReadonlyArray<PageRun>): ReadonlyArray<WeightedRange> => {
  const found: Array<WeightedRange> = []
  const sorted = runs
    .map(({ bytes, start }) => ({ start: Number(start), end: Number(start) + bytes }))
    .toSorted((a, b) => a.start - b.start)
  let r = 0
  for (const mapping of mappings) {
    const { Anonymous = 0, Pss, Rss = 0, Swap = 0, SwapPss } = mapping.amounts
    if (Rss + Swap === 0) continue
    const from = Number(mapping.start)
    const to = Number(mapping.end)
    const share = Math.min(1, ((Pss ?? Rss) + (SwapPss ?? Swap)) / (Rss + Swap))
    const isAnon = 2 * (Anonymous + Swap) >= Rss + Swap
    let open: { start: number; end: number; populated: number } | undefined
    const close = () => {
      if (open !== undefined)
        found.push({ start: open.start, end: open.end, weight: (open.populated / (open.end - open.start)) * share, isAnon })
      open = undefined
    }
    while (r < sorted.length && sorted[r]!.end <= from) r++
    for (let i = r; i < sorted.length && sorted[i]!.start < to; i++) {
      const start = Math.max(from, sorted[i]!.start)
      const end = Math.min(to, sorted[i]!.end)
      if (open !== undefined && start - open.end < gapBytes) {
        open.end = end
        open.populated += end - start
      } else {
        close()
        open = { start, end, populated: end - start }
      }
    }
    close()
  }
  return found
}

const sizeOf = (ranges: ReadonlyArray<WeightedRange>): number => ranges.reduce((sum, { end, start }) => sum + end - start, 0)

/** The size of a region, for so many bytes in all: a power of two, of which about `regionsAtMost` make all. */
export const chunkFor = (bytes: number, regionsAtMost: number): number => {
  let chunk = smallestChunk
  while (bytes / chunk > regionsAtMost) chunk *= 2
  return chunk
}

/** Regions whose borders are multiples of the chunk, so that they stay the same ones when a range grows. */
export const gridOf = (ranges: ReadonlyArray<WeightedRange>, chunk: number): ReadonlyArray<DamonRegion> => {
  const regions: Array<DamonRegion> = []
  for (const { end, start } of ranges) {
    for (let at = start; at < end;) {
      const next = Math.min(end, floorTo(at, chunk) + chunk)
      regions.push({ start: BigInt(at), end: BigInt(next) })
      at = next
    }
  }
  return regions
}

/** Leaves out the smallest ranges where there are more than `atMost`: they hold next to nothing. */
export const largest = (ranges: ReadonlyArray<WeightedRange>, atMost: number): ReadonlyArray<WeightedRange> =>
  ranges.length <= atMost
    ? ranges
    : ranges
        .toSorted((a, b) => b.end - b.start - (a.end - a.start))
        .slice(0, atMost)
        .toSorted((a, b) => a.start - b.start)

/** Whether enough is mapped otherwise now that the kernel should be told: a fiftieth. */
export const hasMoved = (before: ReadonlyArray<WeightedRange>, now: ReadonlyArray<WeightedRange>): boolean => {
  let common = 0
  let b = 0
  for (const { end, start } of now) {
    while (b < before.length && before[b]!.end <= start) b++
    for (let i = b; i < before.length && before[i]!.start < end; i++) {
      common += Math.min(end, before[i]!.end) - Math.max(start, before[i]!.start)
    }
  }
  return Math.max(sizeOf(before), sizeOf(now)) - common > Math.max(pageSize, sizeOf(before) / 50)
}

export { sizeOf as bytesOfRanges }
