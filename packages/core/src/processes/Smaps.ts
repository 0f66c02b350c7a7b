/**
 * `/proc/PID/smaps` and `smaps_rollup`: how much of each mapping is resident, shared, swapped, referenced; and the sums.
 * Reading makes the kernel walk the page tables of the process: milliseconds a GiB. Does not write `clear_refs` (see Processes).
 * Format: kernel Documentation/filesystems/proc.rst, "/proc/PID/smaps"; `smaps_rollup` since 4.14.
 */
import { bytesCodec, type Codec, oneRecord, printNumber, reject } from "../Codec.ts"
import type { Bytes } from "../Units.ts"
import { type Mapping, parseHeader, printHeader, startsHeader } from "./Mapping.ts"

/** Amounts of a mapping, or of all of them, in bytes, by the kernel's names. Which there are differs by kernel. */
export interface SmapsAmounts {
  /** Of the mapping; not in the rollup. */
  readonly Size?: Bytes
  readonly KernelPageSize?: Bytes
  readonly MMUPageSize?: Bytes
  readonly Rss?: Bytes
  /** Resident, each page divided by how many processes map it. */
  readonly Pss?: Bytes
  /** Since 6.0. */
  readonly Pss_Dirty?: Bytes
  /** `Pss_Anon`, `Pss_File`, `Pss_Shmem`: in the rollup, since 5.4. */
  readonly Pss_Anon?: Bytes
  readonly Pss_File?: Bytes
  readonly Pss_Shmem?: Bytes
  readonly Shared_Clean?: Bytes
  readonly Shared_Dirty?: Bytes
  readonly Private_Clean?: Bytes
  readonly Private_Dirty?: Bytes
  /** Resident pages that were used since somebody (the reclaimer, `clear_refs`) cleared their accessed bits. */
  readonly Referenced?: Bytes
  readonly Anonymous?: Bytes
  /** Since 6.6. */
  readonly KSM?: Bytes
  readonly LazyFree?: Bytes
  readonly AnonHugePages?: Bytes
  readonly ShmemPmdMapped?: Bytes
  readonly FilePmdMapped?: Bytes
  readonly Shared_Hugetlb?: Bytes
  readonly Private_Hugetlb?: Bytes
  /** Swapped-out pages, in zswap or on a device; those that are back in the swap cache only are still counted. */
  readonly Swap?: Bytes
  readonly SwapPss?: Bytes
  readonly Locked?: Bytes
  readonly [unknown: string]: Bytes | undefined
}

/** A mapping and what is in memory of it. */
export interface SmapsMapping extends Mapping {
  readonly amounts: SmapsAmounts
  /** Rows without a unit: `THPeligible`, `ProtectionKey`. */
  readonly counts: Readonly<Record<string, number>>
  /** `VmFlags`: `rd wr mr mw me ac sd` and the like; meanings in proc.rst. */
  readonly flags: ReadonlyArray<string>
}

/** The sums over all mappings, and the range from the first to the last of them. */
export interface SmapsRollup {
  readonly start: bigint
  readonly end: bigint
  readonly amounts: SmapsAmounts
}

const space = 0x20
const newline = 0x0a
const colon = 0x3a
const zero = 0x30
const nine = 0x39
const flagsKey = "VmFlags"
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

interface KnownKey {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Rows come in the same order in each mapping: keys are remembered by row and compared as bytes, and `VmFlags` by their text. */
const known: Array<KnownKey> = []
const knownFlags = new Map<string, ReadonlyArray<string>>()
const flagListsAtMost = 1000

const flagsOf = (text: string): ReadonlyArray<string> => {
  let words = knownFlags.get(text)
  if (words === undefined) {
    words = Object.freeze(text.split(" ").filter((word) => word !== ""))
    if (knownFlags.size < flagListsAtMost) knownFlags.set(text, words)
  }
  return words
}

const keyAt = (bytes: Uint8Array, start: number, end: number, row: number): string => {
  const key = known[row]
  if (key !== undefined && key.bytes.length === end - start) {
    let i = 0
    while (i < key.bytes.length && key.bytes[i] === bytes[start + i]) i++
    if (i === key.bytes.length) return key.name
  }
  const slice = bytes.slice(start, end)
  const name = utf8.decode(slice)
  if (row < 64) known[row] = { name, bytes: slice }
  return name
}

interface Rows {
  readonly amounts: Record<string, Bytes>
  counts: Record<string, number>
  flags: ReadonlyArray<string>
}

const noCounts: Record<string, number> = Object.freeze({})
const noFlags: ReadonlyArray<string> = Object.freeze([])

const lineEnd = (bytes: Uint8Array, from: number): number => {
  const next = bytes.indexOf(newline, from)
  return next < 0 ? bytes.length : next
}

/** Reads the row at `start` into `rows`; gives where its line ends. Looks at each byte once: this is the hot path. */
const parseRow = (bytes: Uint8Array, start: number, line: number, row: number, rows: Rows): number => {
  let at = start
  while (at < bytes.length && bytes[at] !== colon && bytes[at] !== newline) at++
  if (at === start || bytes[at] !== colon) return reject(line, "expected a key and an amount")
  const key = keyAt(bytes, start, at, row)
  at++
  if (key === flagsKey) {
    const end = lineEnd(bytes, at)
    rows.flags = flagsOf(utf8.decode(bytes.subarray(at, end)))
    return end
  }
  while (bytes[at] === space) at++
  const from = at
  let value = 0
  for (; at < bytes.length && bytes[at]! >= zero && bytes[at]! <= nine; at++) value = value * 10 + bytes[at]! - zero
  if (at === from || value > Number.MAX_SAFE_INTEGER) return reject(line, "expected an amount")
  if (at === bytes.length || bytes[at] === newline) {
    if (rows.counts === noCounts) rows.counts = {}
    rows.counts[key] = value
    return at
  }
  if (bytes[at] !== space || bytes[at + 1] !== 0x6b || bytes[at + 2] !== 0x42 || (at + 3 < bytes.length && bytes[at + 3] !== newline)) {
    return reject(line, "expected kB after the amount")
  }
  rows.amounts[key] = value * 1024
  return at + 3
}

const parse = (bytes: Uint8Array): ReadonlyArray<SmapsMapping> => {
  const mappings: Array<SmapsMapping> = []
  let rows: Rows | undefined
  let row = 0
  for (let start = 0, line = 1; start < bytes.length; line++) {
    let end: number
    if (startsHeader(bytes[start]!)) {
      end = lineEnd(bytes, start)
      const { device, end: to, inode, offset, path, permissions, start: from } = parseHeader(bytes, start, end, line)
      const mapping = {
        start: from,
        end: to,
        permissions,
        offset,
        device,
        inode,
        path,
        amounts: {},
        counts: noCounts,
        flags: noFlags
      }
      mappings.push(mapping)
      rows = mapping
      row = 0
    } else if (rows === undefined) return reject(line, "expected a mapping first")
    else end = parseRow(bytes, start, line, row++, rows)
    start = end + 1
  }
  return mappings
}

const printAmounts = (amounts: SmapsAmounts): string =>
  Object.entries(amounts)
    .map(([key, bytes]) => `${`${key}:`.padEnd(16)}${printNumber(bytes! / 1024).padStart(8)} kB\n`)
    .join("")

/** `/proc/PID/smaps`; empty for kernel threads and zombies. */
export const smaps: Codec<ReadonlyArray<SmapsMapping>> = bytesCodec("/proc/PID/smaps", parse, (mappings) =>
  mappings
    .map((mapping) => {
      const counts = Object.entries(mapping.counts).map(([key, value]) => `${`${key}:`.padEnd(16)}${String(value).padStart(8)}\n`)
      const flags = mapping.flags.length === 0 ? "" : `${flagsKey}: ${mapping.flags.join(" ")} \n`
      return `${printHeader(mapping)}${printAmounts(mapping.amounts)}${counts.join("")}${flags}`
    })
    .join("")
)

/** `/proc/PID/smaps_rollup`; reading it of kernel threads and zombies is ESRCH. */
export const smapsRollup: Codec<SmapsRollup> = oneRecord(
  bytesCodec(
    "/proc/PID/smaps_rollup",
    (bytes) => {
      const mappings = parse(bytes)
      const [sum] = mappings
      if (mappings.length !== 1 || sum!.path !== "[rollup]") return reject(1, "expected one mapping with the name [rollup]")
      return { start: sum!.start, end: sum!.end, amounts: sum!.amounts }
    },
    ({ amounts, end, start }) =>
      `${printHeader({ start, end, permissions: "---p", offset: 0n, device: "00:00", inode: 0n, path: "[rollup]" })}${printAmounts(amounts)}`
  )
)
