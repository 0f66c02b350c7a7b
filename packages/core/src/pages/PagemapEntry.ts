/**
 * Entries of `/proc/PID/pagemap`, one 64-bit word a virtual page, read as pairs of 32-bit words (little-endian, as on x86-64 and arm64) so
 * that counting a range builds no objects and no bigints. Does not read the file: see PageMap.
 * Format: kernel Documentation/admin-guide/mm/pagemap.rst.
 */
import type { Pages } from "../Units.ts"

/** What `pagemap` says of a virtual page. */
export interface PagemapEntry {
  readonly present: boolean
  readonly swapped: boolean
  /** Written since soft-dirty bits were cleared; also set in mappings younger than that. */
  readonly softDirty: boolean
  /** Mapped by this process only (4.2). */
  readonly exclusive: boolean
  /** Write-protected through userfaultfd (5.13). */
  readonly uffdWriteProtected: boolean
  /** A guard region (6.14). */
  readonly guard: boolean
  /** Of a file, or shared anonymous memory (3.5). */
  readonly file: boolean
  /** Of a present page; 0 without CAP_SYS_ADMIN. */
  readonly pfn?: number
  /** Of a swapped page. */
  readonly swap?: { readonly type: number; readonly offset: number }
}

// Bits of the upper 32-bit word: bit 63 of an entry is its bit 31.
const presentShift = 31
const swappedShift = 30
const fileShift = 29
const guardShift = 26
const uffdShift = 25
const exclusiveShift = 24
const softDirtyShift = 23
const frameMask = (1 << softDirtyShift) - 1
const swapTypeBits = 5

const upperScale = 2 ** 32

/** The page frame number of a present page; 0 where it is hidden. */
export const frameOf = (words: Uint32Array, index: number): number => (words[2 * index + 1]! & frameMask) * upperScale + words[2 * index]!

/** Entry number `index`. `words` has two words an entry, the lower first. */
export const pagemapEntry = (words: Uint32Array, index: number): PagemapEntry => {
  const lower = words[2 * index]!
  const upper = words[2 * index + 1]!
  const bit = (shift: number): boolean => ((upper >>> shift) & 1) === 1
  const present = bit(presentShift)
  const swapped = bit(swappedShift)
  const swapOffset = (upper & frameMask) * 2 ** (32 - swapTypeBits) + (lower >>> swapTypeBits)
  return {
    present,
    swapped,
    softDirty: bit(softDirtyShift),
    exclusive: bit(exclusiveShift),
    uffdWriteProtected: bit(uffdShift),
    guard: bit(guardShift),
    file: bit(fileShift),
    ...(present ? { pfn: frameOf(words, index) } : {}),
    ...(swapped && !present ? { swap: { type: lower & ((1 << swapTypeBits) - 1), offset: swapOffset } } : {})
  }
}

/** Writes entry number `index`, for fakes and tests. */
export const putPagemapEntry = (words: Uint32Array, index: number, entry: PagemapEntry): void => {
  const flag = (isSet: boolean, shift: number): number => (isSet ? 1 << shift : 0)
  const { pfn = 0, swap } = entry
  const lowerScale = 2 ** (32 - swapTypeBits)
  words[2 * index] = swap === undefined ? pfn % upperScale : (swap.offset % lowerScale) * 2 ** swapTypeBits + swap.type
  words[2 * index + 1] =
    (Math.floor(swap === undefined ? pfn / upperScale : swap.offset / lowerScale) & frameMask) |
    flag(entry.present, presentShift) |
    flag(entry.swapped, swappedShift) |
    flag(entry.softDirty, softDirtyShift) |
    flag(entry.exclusive, exclusiveShift) |
    flag(entry.uffdWriteProtected, uffdShift) |
    flag(entry.guard, guardShift) |
    flag(entry.file, fileShift)
}

/** How many pages of a range are what. `softDirty`, `exclusive` and `file` count pages that are present or swapped only. */
export interface PagemapCounts {
  pages: Pages
  present: Pages
  swapped: Pages
  softDirty: Pages
  exclusive: Pages
  uffdWriteProtected: Pages
  guard: Pages
  file: Pages
}

export const noPages = (): PagemapCounts => ({
  pages: 0,
  present: 0,
  swapped: 0,
  softDirty: 0,
  exclusive: 0,
  uffdWriteProtected: 0,
  guard: 0,
  file: 0
})

/** Adds entries `from` to `to` (exclusive) to `counts`. */
export const countPages = (words: Uint32Array, from: number, to: number, counts: PagemapCounts): void => {
  let present = 0
  let swapped = 0
  let softDirty = 0
  let exclusive = 0
  let uffd = 0
  let guard = 0
  let file = 0
  for (let i = 2 * from + 1; i < 2 * to; i += 2) {
    const upper = words[i]!
    if (upper === 0) continue
    const isPresent = upper >>> presentShift
    const isSwapped = (upper >>> swappedShift) & 1
    const isThere = isPresent | isSwapped
    present += isPresent
    swapped += isSwapped
    softDirty += (upper >>> softDirtyShift) & isThere
    exclusive += (upper >>> exclusiveShift) & isThere
    file += (upper >>> fileShift) & isThere
    uffd += (upper >>> uffdShift) & 1
    guard += (upper >>> guardShift) & 1
  }
  counts.pages += to - from
  counts.present += present
  counts.swapped += swapped
  counts.softDirty += softDirty
  counts.exclusive += exclusive
  counts.uffdWriteProtected += uffd
  counts.guard += guard
  counts.file += file
}

/** Where a page is: nowhere, in swap, in memory. The two upper bits of an entry. */
export const placeOf = (words: Uint32Array, index: number): 0 | 1 | 2 => {
  const bits = words[2 * index + 1]! >>> swappedShift
  return bits > 2 ? 2 : (bits as 0 | 1 | 2)
}

/** Whether a page that is somewhere was written since soft-dirty bits were cleared. */
export const isSoftDirty = (words: Uint32Array, index: number): boolean =>
  placeOf(words, index) !== 0 && ((words[2 * index + 1]! >>> softDirtyShift) & 1) === 1
