/**
 * `/proc/PID/status`: what `stat` says in words, with sizes by kind. Read it for `VmHWM`, `VmSwap`, `RssAnon` and the like; for ids and
 * faults `stat` is cheaper. Also the commands of `/proc/PID/clear_refs`.
 * Format: kernel Documentation/filesystems/proc.rst, table 1-2 and "/proc/PID/clear_refs".
 */
import { type Codec, exactNumber, oneRecord, printNumber, quote, reject, textCodec } from "../Codec.ts"
import type { Bytes } from "../Units.ts"

/** Sizes of a process in bytes. Kernel threads have none. `Rss*` and `VmRSS` may be some pages off: threads count for themselves. */
export interface ProcessAmounts {
  readonly VmPeak?: Bytes
  readonly VmSize?: Bytes
  readonly VmLck?: Bytes
  readonly VmPin?: Bytes
  /** The largest VmRSS so far; see `peakRss` of {@link ClearRefs}. */
  readonly VmHWM?: Bytes
  readonly VmRSS?: Bytes
  readonly RssAnon?: Bytes
  readonly RssFile?: Bytes
  readonly RssShmem?: Bytes
  readonly VmData?: Bytes
  readonly VmStk?: Bytes
  readonly VmExe?: Bytes
  readonly VmLib?: Bytes
  readonly VmPTE?: Bytes
  /** Anonymous memory in swap (zswap included); shared memory that is swapped out is not counted. */
  readonly VmSwap?: Bytes
  readonly HugetlbPages?: Bytes
  readonly [unknown: string]: Bytes | undefined
}

/** `fields`: every other row as it stands, blanks at both ends cut off (`Name`, `State`, `Threads`, `CapEff`, …). */
export interface ProcessStatus {
  readonly amounts: ProcessAmounts
  readonly fields: Readonly<Record<string, string>>
}

const amountKey = /^(?:Vm|Rss|Hugetlb)/

/** See {@link ProcessStatus}. */
export const processStatus: Codec<ProcessStatus> = oneRecord(
  textCodec<ProcessStatus>(
    "/proc/PID/status",
    (lines) => {
      const amounts: Record<string, Bytes> = {}
      const fields: Record<string, string> = {}
      lines.forEach((text, index) => {
        const colon = text.indexOf(":")
        if (colon < 1) return reject(index + 1, `${quote(text)} is not a row of status`)
        const key = text.slice(0, colon)
        const value = text.slice(colon + 1).trim()
        const kib = amountKey.test(key) ? /^(\d+) kB$/.exec(value) : null
        if (kib === null) fields[key] = value
        else amounts[key] = exactNumber(kib[1]!, index + 1) * 1024
      })
      return { amounts, fields }
    },
    ({ amounts, fields }) =>
      [
        ...Object.entries(fields).map(([key, value]) => `${key}:\t${value}\n`),
        ...Object.entries(amounts).map(([key, bytes]) => `${key}:\t${printNumber(bytes! / 1024).padStart(8)} kB\n`)
      ].join("")
  )
)

const clearRefsCommands = { all: "1", anon: "2", file: "3", softDirty: "4", peakRss: "5" } as const

/**
 * What a write to `/proc/PID/clear_refs` resets: the accessed bits of all, of anonymous, of file-mapped pages (2.6.22; 2.6.32), the
 * soft-dirty bits (3.11, CONFIG_MEM_SOFT_DIRTY), or `VmHWM` (4.0).
 */
export type ClearRefs = keyof typeof clearRefsCommands

/** `/proc/PID/clear_refs`: write-only. Decoding serves fakes. */
export const clearRefs: Codec<ClearRefs> = textCodec(
  "/proc/PID/clear_refs",
  (lines) => {
    const word = lines[0]?.trim() ?? ""
    const found = Object.entries(clearRefsCommands).find(([, command]) => command === word)
    return lines.length === 1 && found !== undefined ? (found[0] as ClearRefs) : reject(1, `${quote(word)} is none of 1 to 5`)
  },
  (what) => `${clearRefsCommands[what]}\n`
)
