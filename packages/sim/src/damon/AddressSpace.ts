/**
 * What addresses mean: the virtual memory of a process, or physical memory. A process has its anon pages, its files, and what it shares with
 * the process that it began with, each mapped as one piece, and a small stack.
 * Simplified: mappings do not come and go while a process lives; a process that the simulation does not know has empty mappings.
 */
import { pageSize } from "@wmo/core"
import { type Frames, firstFrame } from "../Frames.ts"
import type { MemoryGroup } from "../MemoryGroup.ts"
import type { RunningWorkload } from "../RunningWorkload.ts"

type AddressRange = readonly [start: number, end: number]

/** The page that the last successful look-up found. */
export const found: { group: MemoryGroup | undefined; page: number } = { group: undefined, page: -1 }

export interface AddressSpace {
  /** False once what it belongs to has ended. */
  readonly isValid: () => boolean
  /** What DAMON monitors by itself. */
  readonly ranges: () => ReadonlyArray<AddressRange>
  /** Whether a page can be at the address, which then is in {@link found}. */
  readonly look: (address: number) => boolean
  /** The first address from there on at which a page can be; Infinity: there is none. */
  readonly next: (address: number) => number
}

interface Mapped {
  readonly start: number
  readonly end: number
  readonly group: MemoryGroup | undefined
  readonly first: number
}

const heapStart = 0x5600_0000_0000
const filesStart = 0x7000_0000_0000
const sharedStart = 0x7f80_0000_0000
const stackStart = 0x7ffc_0000_0000
const stackBytes = 132 * 1024

/** What separates the two largest gaps between mappings: heap, mappings, stack. Source: mm/damon/vaddr.c (__damon_va_three_regions). */
const threeRegions = (mappings: ReadonlyArray<Mapped>): ReadonlyArray<AddressRange> => {
  const gaps = mappings
    .slice(1)
    .map(({ start }, i) => ({ at: i + 1, size: start - mappings[i]!.end }))
    .toSorted((a, b) => b.size - a.size)
    .slice(0, 2)
    .map(({ at }) => at)
    .toSorted((a, b) => a - b)
  const ends = [0, ...gaps, mappings.length]
  return ends.slice(1).map((end, i) => [mappings[ends[i]!]!.start, mappings[end - 1]!.end] as const)
}

const spaceOf = (mappings: ReadonlyArray<Mapped>, isValid: () => boolean): AddressSpace => ({
  isValid,
  ranges: () => threeRegions(mappings),
  look: (address) => {
    for (const { end, first, group, start } of mappings) {
      if (address < start || address >= end) continue
      if (group === undefined) return false
      found.group = group
      found.page = first + Math.floor((address - start) / pageSize)
      return true
    }
    return false
  },
  next: (address) => {
    for (const { end, group, start } of mappings) if (group !== undefined && end > address) return Math.max(address, start)
    return Infinity
  }
})

const stack: Mapped = { start: stackStart, end: stackStart + stackBytes, group: undefined, first: 0 }

export const processSpace = (process: RunningWorkload): AddressSpace => {
  const { base, group, root, workload } = process
  const mapped = (start: number, pages: number, first: number): ReadonlyArray<Mapped> =>
    pages === 0 ? [] : [{ start, end: start + pages * pageSize, group, first }]
  // A process without anything of its own still has a program.
  const { anonPages, filePages, reservedBytes = 0 } = workload
  const isScattered = reservedBytes > 0
  const hole = (start: number): ReadonlyArray<Mapped> =>
    isScattered ? [{ start, end: start + Math.floor(reservedBytes / 2 / pageSize) * pageSize, group: undefined, first: 0 }] : []
  const before = hole(filesStart)
  const anonStart = before[0]?.end ?? heapStart
  const after = hole(anonStart + anonPages * pageSize)
  const files = after[0]?.end ?? filesStart
  const own = [...before, ...mapped(anonStart, anonPages, base), ...after, ...mapped(files, filePages, base + anonPages)]
  const shared = root === process ? [] : mapped(sharedStart, root.pages, root.base)
  const empty: Mapped = { ...stack, start: heapStart, end: heapStart + stackBytes }
  const mappings = [...(anonPages === 0 || isScattered ? [empty] : []), ...own, ...shared, stack]
  if (mappings.length < 3) mappings.splice(1, 0, { ...empty, start: filesStart, end: filesStart + stackBytes })
  return spaceOf(mappings, () => !process.isFreed)
}

/** A process that lives outside of the simulation: it has memory, of which nothing is ever seen to be used. */
export const foreignSpace = (isValid: () => boolean): AddressSpace =>
  spaceOf(
    [
      { start: heapStart, end: heapStart + 2 ** 28, group: undefined, first: 0 },
      { start: filesStart, end: filesStart + 2 ** 28, group: undefined, first: 0 },
      stack
    ],
    isValid
  )

export const physicalSpace = (frames: Frames): AddressSpace => ({
  isValid: () => true,
  ranges: () => [[firstFrame * pageSize, frames.end * pageSize]],
  look: (address) => {
    const frame = Math.floor(address / pageSize)
    const page = frames.pageAt(frame)
    if (page < 0) return false
    found.group = frames.groupAt(frame)
    found.page = page
    return true
  },
  next: (address) => (address < frames.used * pageSize ? address : Infinity)
})
