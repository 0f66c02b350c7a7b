/**
 * A scheme's turn at one region: what it skips because it had its turn already, DAMON's own filters, the quota, and the books.
 * Source: mm/damon/core.c of 6.12 (damos_skip_charged_region, damos_apply_scheme, damos_filter_match).
 */
import type { DamosFilter } from "@wmo/core"
import type { AddressSpace } from "./AddressSpace.ts"
import { applyAction, type ApplyContext } from "./applyScheme.ts"
import { type Region, smallestRegion, splitAt } from "./Region.ts"
import type { Scheme } from "./Scheme.ts"

/** A target as far as schemes are concerned. */
interface Monitored {
  readonly space: AddressSpace
  readonly regions: Array<Region>
}

export interface Turn {
  readonly scheme: Scheme
  readonly context: Omit<ApplyContext, "space">
  /** Somebody waits for the regions that it is tried on. */
  readonly wantsTried: boolean
  /** Told of every region before the action. */
  readonly applying: (target: number, region: Region) => void
}

/** What had its turn before the quota ran out last time. */
export const skipCharged = (scheme: Scheme, target: Monitored, index: number, at: number): "all" | "first" | "none" => {
  const { resume } = scheme
  if (resume === undefined) return "none"
  if (index !== resume.target) return "all"
  const region = target.regions[at]!
  if (at === target.regions.length - 1) {
    scheme.resume = undefined
    return "all"
  }
  if (region.end <= resume.address) return "all"
  scheme.resume = undefined
  if (region.start >= resume.address) return "none"
  const size = Math.max(smallestRegion, Math.floor((resume.address - region.start) / smallestRegion) * smallestRegion)
  if (region.size <= size) return "all"
  splitAt(target.regions, at, size)
  return "first"
}

/** Applies a scheme to a region, or to as much of it as the quota allows; the rest is split off. */
export const applyTo = (turn: Turn, target: Monitored, index: number, at: number): void => {
  const { context, scheme } = turn
  const { machine } = context
  const region = target.regions[at]!
  const { effectiveBytes, spec } = scheme
  if (effectiveBytes > 0 && scheme.chargedBytes + region.size > effectiveBytes) {
    const size = Math.floor((effectiveBytes - scheme.chargedBytes) / smallestRegion) * smallestRegion
    if (size <= 0) {
      scheme.stats.nrTried++
      return
    }
    splitAt(target.regions, at, size)
  }
  const filters = [...(spec.coreFilters ?? []), ...(spec.filters ?? []), ...(spec.opsFilters ?? [])]
  if (isFilteredOut(filters, target, index, at)) return
  turn.applying(index, region)
  if (turn.wantsTried) {
    const { age, end, nrAccesses, start } = region
    scheme.tried.push({ start: BigInt(start), end: BigInt(end), nrAccesses, age, szFilterPassed: 0 })
  }
  const beforeUs = machine.spentUs
  const applied = applyAction({ ...context, space: target.space }, spec.action, filters, region)
  scheme.totalChargedUs += machine.spentUs - beforeUs
  scheme.chargedBytes += region.size
  if (scheme.isUsedUp) scheme.resume = { target: index, address: region.end + 1 }
  if (spec.action !== "stat") region.age = 0
  scheme.stats.nrTried++
  scheme.stats.szTried += region.size
  if (applied > 0) scheme.stats.nrApplied++
  scheme.stats.szApplied += applied
}

/** Whether DAMON's own filters (addresses, targets) leave the region out; one that lies across an edge is cut there. */
const isFilteredOut = (filters: ReadonlyArray<DamosFilter>, target: Monitored, index: number, at: number): boolean => {
  const core = filters.filter(({ type }) => type === "addr" || type === "target")
  for (const filter of core) {
    const isMatch = filter.type === "target" ? filter.targetIndex === index : isInRange(filter, target, at)
    if (isMatch === filter.matching) return filter.allow !== true
  }
  return core.length > 0 && core.at(-1)!.allow === true && core.length === filters.length
}

const isInRange = (filter: DamosFilter, target: Monitored, at: number): boolean => {
  const region = target.regions[at]!
  const down = (address: bigint | undefined) => Math.floor(Number(address ?? 0n) / smallestRegion) * smallestRegion
  const start = down(filter.addrStart)
  const end = down(filter.addrEnd)
  if (region.start >= start && region.end <= end) return true
  if (region.end <= start || region.start >= end) return false
  if (region.start < start) {
    splitAt(target.regions, at, start - region.start)
    return false
  }
  splitAt(target.regions, at, end - region.start)
  return true
}
