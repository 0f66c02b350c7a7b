/**
 * Which addresses of a process are worth monitoring: what is in memory of its mappings, joined over small gaps. Left to itself DAMON spreads
 * its regions over three large areas, and runtimes such as Node or Java map terabytes that they never use. Pure.
 */
import type { Bytes, DamonRegion, SmapsMapping } from "@wmo/core"
import type { HeatMapping } from "./HeatFrame.ts"

/** What of an address space is wanted: a range of addresses, or mappings whose name contains a text. */
export type Interest = { readonly start: bigint; readonly end: bigint } | { readonly name: string }

/** Reads `7f0000000000-7f0010000000` (hexadecimal, `0x` or not) as a range, anything else as a part of a name. */
export const parseInterest = (text: string): Interest | undefined => {
  const [, from, to] = /^(?:0x)?([0-9a-f]{4,16})-(?:0x)?([0-9a-f]{4,16})$/i.exec(text.trim()) ?? []
  if (from === undefined) return text.trim() === "" ? undefined : { name: text.trim() }
  const start = BigInt(`0x${from}`)
  const end = BigInt(`0x${to!}`)
  return start < end ? { start, end } : undefined
}

const smallestGap = 64n * 1024n
/** A mapping of this size that is for the most part not in memory is looked at page by page. */
const sparseFromBytes = 8 * 2 ** 20
/** Reading eight bytes a page is worth it up to here, where the kernel has no better way (before 6.7). */
const readAtMostBytes = 4 * 2 ** 30
/** The kernel's own half, where the vsyscall page lies. */
const userEnd = 1n << 63n
const kernelMade = new Set(["[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]"])

const nameOf = ({ path }: SmapsMapping): string => (path === "" ? "[anon]" : path)

/** A mapping with what of it is swapped out, which is memory too: idle, until it comes back. */
export interface FoundMapping extends HeatMapping {
  readonly swappedBytes: Bytes
}

/** Mappings with memory or swap in them, cut to what is wanted. */
export const heatMappings = (mappings: ReadonlyArray<SmapsMapping>, interest?: Interest): ReadonlyArray<FoundMapping> => {
  const found: Array<FoundMapping> = []
  for (const mapping of mappings) {
    const name = nameOf(mapping)
    const residentBytes = mapping.amounts.Rss ?? 0
    const swappedBytes = mapping.amounts.Swap ?? 0
    if (residentBytes + swappedBytes === 0 || mapping.end > userEnd || kernelMade.has(name)) continue
    if (interest !== undefined && "name" in interest && !name.includes(interest.name)) continue
    let { end, start } = mapping
    if (interest !== undefined && "start" in interest) {
      if (start < interest.start) start = interest.start
      if (end > interest.end) end = interest.end
      if (start >= end) continue
    }
    found.push({ start, end, name, residentBytes, swappedBytes, anonBytes: mapping.amounts.Anonymous ?? 0 })
  }
  return found
}

/** Joins ranges, ordered by address, whose gaps are at most `gap`. */
const joinOver = (ranges: ReadonlyArray<DamonRegion>, gap: bigint): Array<DamonRegion> => {
  const joined: Array<{ start: bigint; end: bigint }> = []
  for (const { end, start } of ranges) {
    const last = joined.at(-1)
    if (last !== undefined && start - last.end <= gap) last.end = end
    else joined.push({ start, end })
  }
  return joined
}

/** Whether most of a mapping is only reserved, and how to find out what is not. */
export const isSparse = ({ end, residentBytes, start, swappedBytes }: FoundMapping): "no" | "scan" | "scan or read" => {
  const bytes = Number(end - start)
  if (bytes < sparseFromBytes || 2 * (residentBytes + swappedBytes) > bytes) return "no"
  return bytes <= readAtMostBytes ? "scan or read" : "scan"
}

/** Joins the pieces of a sparse mapping that lie near each other. */
export const joinPieces = (pieces: ReadonlyArray<DamonRegion>): ReadonlyArray<DamonRegion> => joinOver(pieces, smallestGap)

/** The ranges to monitor: at most `most`, so that regions are left to tell them apart; gaps are joined over until they are. */
export const targetRanges = (pieces: ReadonlyArray<DamonRegion>, most: number): ReadonlyArray<DamonRegion> => {
  let gap = 0n
  let ranges = joinOver(pieces, gap)
  while (ranges.length > Math.max(1, most)) {
    gap = gap === 0n ? smallestGap : gap * 2n
    ranges = joinOver(pieces, gap)
  }
  return ranges
}

const sizeOf = (ranges: ReadonlyArray<DamonRegion>): number => ranges.reduce((sum, { end, start }) => sum + Number(end - start), 0)

/** Bytes of `a` that are not in `b`; both ordered, without overlaps. */
const bytesOutside = (a: ReadonlyArray<DamonRegion>, b: ReadonlyArray<DamonRegion>): number => {
  let common = 0n
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const from = a[i]!.start > b[j]!.start ? a[i]!.start : b[j]!.start
    const to = a[i]!.end < b[j]!.end ? a[i]!.end : b[j]!.end
    if (to > from) common += to - from
    if (a[i]!.end < b[j]!.end) i++
    else j++
  }
  return sizeOf(a) - Number(common)
}

/** Whether what is monitored is too far from what should be: a kdamond is told anew only for what can be seen in a picture. */
export const haveMoved = (monitored: ReadonlyArray<DamonRegion>, wanted: ReadonlyArray<DamonRegion>): boolean => {
  const visible = Math.max(256 * 1024, sizeOf(wanted) / 200)
  return bytesOutside(wanted, monitored) > visible || bytesOutside(monitored, wanted) > 8 * visible
}

/** Whether two lists of mappings look the same in a picture: what is mapped is, and about as much of it is in memory. */
export const areAlike = (a: ReadonlyArray<HeatMapping>, b: ReadonlyArray<HeatMapping>): boolean =>
  a.length === b.length &&
  a.every((mapping, i) => {
    const other = b[i]!
    const isClose = (x: number, y: number) => Math.abs(x - y) <= Math.max(x, y) / 10
    return (
      mapping.start === other.start &&
      mapping.end === other.end &&
      mapping.name === other.name &&
      isClose(mapping.residentBytes, other.residentBytes) &&
      isClose(mapping.anonBytes, other.anonBytes)
    )
  })
