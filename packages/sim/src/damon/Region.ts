/**
 * DAMON's regions: ranges of addresses that are taken to be used alike, and how they are merged and split at each aggregation.
 * Addresses are doubles (exact below 2^53). Source: mm/damon/core.c of 6.12 (damon_merge_regions_of, kdamond_merge_regions,
 * damon_split_regions_of, kdamond_split_regions), mm/damon/vaddr.c (damon_va_evenly_split_region).
 */
import { pageSize } from "@wmo/core"
import type { Random } from "../Random.ts"

/** DAMON_MIN_REGION */
export const smallestRegion = pageSize

export class Region {
  start: number
  end: number
  /** Samples of this aggregation in which it was accessed. */
  nrAccesses = 0
  /** The same as a moving sum over the last aggregation's length, times 10,000. */
  nrAccessesBp = 0
  lastNrAccesses = 0
  /** Aggregations since its size or accesses last changed much. */
  age = 0
  samplingAddress = 0

  constructor(start: number, end: number) {
    this.start = start
    this.end = end
  }

  get size(): number {
    return this.end - this.start
  }
}

/** Cuts a region of the list in two, the first of `size` bytes; both know what the one knew. */
export const splitAt = (regions: Array<Region>, index: number, size: number): void => {
  const left = regions[index]!
  const right = new Region(left.start + size, left.end)
  left.end = right.start
  right.age = left.age
  right.lastNrAccesses = left.lastNrAccesses
  right.nrAccesses = left.nrAccesses
  right.nrAccessesBp = left.nrAccessesBp
  regions.splice(index + 1, 0, right)
}

const mergeInto = (left: Region, right: Region): void => {
  const size = left.size + right.size
  left.nrAccesses = Math.floor((left.nrAccesses * left.size + right.nrAccesses * right.size) / size)
  left.nrAccessesBp = left.nrAccesses * 10_000
  left.age = Math.floor((left.age * left.size + right.age * right.size) / size)
  left.end = right.end
}

/** One pass over a target: ages its regions, and joins neighbours that were used about alike. */
const mergeTarget = (regions: ReadonlyArray<Region>, threshold: number, largest: number): Array<Region> => {
  const merged: Array<Region> = []
  let previous: Region | undefined
  for (const region of regions) {
    const change = Math.abs(region.nrAccesses - region.lastNrAccesses)
    if (change > threshold || (region.nrAccesses === 0) !== (region.lastNrAccesses === 0)) region.age = 0
    else region.age++
    if (
      previous !== undefined &&
      previous.end === region.start &&
      Math.abs(previous.nrAccesses - region.nrAccesses) <= threshold &&
      previous.size + region.size <= largest
    ) {
      mergeInto(previous, region)
    } else {
      merged.push(region)
      previous = region
    }
  }
  return merged
}

/** Merges the regions of all targets; more boldly while there are too many. */
export const mergeRegions = (
  targets: ReadonlyArray<{ regions: Array<Region> }>,
  threshold: number,
  largest: number,
  atMost: number,
  maxThreshold: number
): void => {
  let bound = threshold
  let count: number
  do {
    count = 0
    for (const target of targets) {
      target.regions = mergeTarget(target.regions, bound, largest)
      count += target.regions.length
    }
    bound = Math.max(1, bound * 2)
  } while (count > atMost && bound / 2 < maxThreshold)
}

/** Cuts each region at a random place between a tenth and nine tenths of it: `parts` parts at most. */
const splitTarget = (regions: ReadonlyArray<Region>, parts: number, random: Random): Array<Region> => {
  const split: Array<Region> = []
  for (const region of regions) {
    const at = split.push(region) - 1
    let { size } = region
    for (let part = 1; part < parts && size > 2 * smallestRegion; part++) {
      const left = Math.floor(((1 + random.nextBelow(9)) * size) / 10 / smallestRegion) * smallestRegion
      if (left === 0 || left >= size) continue
      splitAt(split, at, left)
      size = left
    }
  }
  return split
}

/** Splits the regions of all targets, unless there are more than half of those allowed already; returns how many there were. */
export const splitRegions = (
  targets: ReadonlyArray<{ regions: Array<Region> }>,
  atMost: number,
  lastCount: number,
  random: Random
): number => {
  const count = targets.reduce((sum, { regions }) => sum + regions.length, 0)
  if (count > atMost / 2) return lastCount
  const parts = lastCount === count && count < atMost / 3 ? 3 : 2
  for (const target of targets) target.regions = splitTarget(target.regions, parts, random)
  return count
}

/** Ranges cut into pieces of about `piece` bytes. */
export const evenly = (ranges: ReadonlyArray<readonly [start: number, end: number]>, piece: number): Array<Region> => {
  const regions: Array<Region> = []
  for (const [start, end] of ranges) {
    const pieces = Math.max(1, Math.floor((end - start) / piece))
    const size = Math.max(smallestRegion, Math.floor((end - start) / pieces / smallestRegion) * smallestRegion)
    for (let i = 0, at = start; i < pieces && at < end; i++, at += size) regions.push(new Region(at, i === pieces - 1 ? end : at + size))
  }
  return regions
}
