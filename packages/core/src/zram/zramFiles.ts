/**
 * The files of a zram device (/sys/block/zramN), one codec each, and the texts of its commands. Does not do I/O.
 * Source: kernel Documentation/admin-guide/blockdev/zram.rst; columns from mm_stat_show and its kin in drivers/block/zram/zram_drv.c.
 */
import { type Codec, counter, exactNumber, oneRecord, printNumber, quote, reject, textCodec } from "../Codec.ts"
import type { Bytes, Pages } from "../Units.ts"

/** `mm_stat`. The first five are bytes, the rest pages. */
export interface ZramMmStat {
  /** What is stored, uncompressed; pages of one repeated word do not count. */
  readonly origDataBytes: Bytes
  readonly comprDataBytes: Bytes
  /** What the device takes, the allocator's waste included. */
  readonly memUsedBytes: Bytes
  /** 0: none. */
  readonly memLimitBytes: Bytes
  readonly memUsedMaxBytes: Bytes
  /** Pages of one repeated word. */
  readonly samePages: Pages
  readonly pagesCompacted: Pages
  /** Pages that do not compress, now (since 4.19). */
  readonly hugePages?: Pages
  /** Pages that did not compress, since the device was set up (since 5.11). */
  readonly hugePagesSince?: Pages
}

const mmStatNames = [
  "origDataBytes",
  "comprDataBytes",
  "memUsedBytes",
  "memLimitBytes",
  "memUsedMaxBytes",
  "samePages",
  "pagesCompacted",
  "hugePages",
  "hugePagesSince"
] as const
const fewestColumns = 7

const columns = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 1 ? lines[0]!.split(" ").filter((field) => field !== "") : reject(1, `expected one line, found ${lines.length}`)
const printColumns = (values: ReadonlyArray<number | bigint>): string =>
  `${values.map((value) => (typeof value === "bigint" ? String(value) : printNumber(value)).padStart(8)).join(" ")}\n`

/** Seven columns, eight since 4.19, nine since 5.11; columns of later kernels are passed over. */
export const zramMmStat: Codec<ZramMmStat> = oneRecord(
  textCodec(
    "mm_stat",
    (lines) => {
      const fields = columns(lines)
      if (fields.length < fewestColumns) return reject(1, `expected at least ${fewestColumns} columns, found ${fields.length}`)
      const entries = mmStatNames.slice(0, fields.length).map((name, i) => [name, exactNumber(fields[i]!, 1)] as const)
      return Object.fromEntries(entries) as unknown as ZramMmStat
    },
    (value) => printColumns(mmStatNames.map((name) => value[name]).filter((number) => number !== undefined))
  )
)

/** A line of counters by position. */
const counterColumns = <Name extends string>(file: string, names: ReadonlyArray<Name>): Codec<{ readonly [K in Name]: bigint }> =>
  oneRecord(
    textCodec<{ readonly [K in Name]: bigint }>(
      file,
      (lines) => {
        const fields = columns(lines)
        if (fields.length < names.length) return reject(1, `expected at least ${names.length} columns, found ${fields.length}`)
        return Object.fromEntries(names.map((name, i) => [name, counter(fields[i]!, 1)])) as { readonly [K in Name]: bigint }
      },
      (value) => printColumns(names.map((name) => value[name]))
    )
  )

/** Failed reads and writes, requests that were not whole pages, and pages freed by notice of the swap layer. */
export const zramIoStat = counterColumns("io_stat", ["failedReads", "failedWrites", "invalidIo", "notifyFree"])
export type ZramIoStat = typeof zramIoStat extends Codec<infer A> ? A : never

/** The backing device, in units of 4 KiB: in use now, read, written (CONFIG_ZRAM_WRITEBACK, since 4.21). */
export const zramBdStat = counterColumns("bd_stat", ["count", "reads", "writes"])
export type ZramBdStat = typeof zramBdStat extends Codec<infer A> ? A : never

/** `debug_stat`: the version of its format, and numbers for zram's developers. */
export interface ZramDebugStat {
  readonly version: number
  readonly counters: ReadonlyArray<bigint>
}

export const zramDebugStat: Codec<ZramDebugStat> = oneRecord(
  textCodec<ZramDebugStat>(
    "debug_stat",
    (lines) => {
      const version = /^version: (\d+)$/.exec(lines[0] ?? "")?.[1] ?? reject(1, "expected the version")
      const fields = (lines[1] ?? "").split(" ").filter((field) => field !== "")
      if (lines.length !== 2) return reject(lines.length, "expected two lines")
      return { version: exactNumber(version, 1), counters: fields.map((field) => counter(field, 2)) }
    },
    ({ counters, version }) => `version: ${printNumber(version)}\n${printColumns(counters)}`
  )
)

/** A choice among algorithms. */
export interface ZramAlgorithms {
  readonly available: ReadonlyArray<string>
  /** `undefined`: none of those that the kernel lists. */
  readonly selected?: string
}

const parseChoice = (text: string, line: number): ZramAlgorithms => {
  let selected: string | undefined
  const available = text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [, chosen] = /^\[([^[\]]+)\]$/.exec(word) ?? []
      if (chosen === undefined) return /[[\]]/.test(word) ? reject(line, `${quote(word)} is not an algorithm`) : word
      if (selected !== undefined) return reject(line, "more than one algorithm is selected")
      return (selected = chosen)
    })
  return { available, ...(selected === undefined ? {} : { selected }) }
}
const printChoice = ({ available, selected }: ZramAlgorithms): string => {
  let isMarked = false
  return available
    .map((name) => {
      if (isMarked || name !== selected) return `${name} `
      isMarked = true
      return `[${name}] `
    })
    .join("")
}

/** `comp_algorithm`: the selected one in brackets. Writable before the device has a size. */
export const zramCompAlgorithm: Codec<ZramAlgorithms> = oneRecord(
  textCodec(
    "comp_algorithm",
    (lines) => (lines.length === 1 ? parseChoice(lines[0]!, 1) : reject(1, `expected one line, found ${lines.length}`)),
    (value) => `${printChoice(value)}\n`
  )
)

/** `recomp_algorithm`: the secondary algorithms by priority, 1 to 3 (since 6.2, CONFIG_ZRAM_MULTI_COMP); empty while there are none. */
export const zramRecompAlgorithm: Codec<ReadonlyArray<ZramAlgorithms & { readonly priority: number }>> = textCodec<
  ReadonlyArray<ZramAlgorithms & { readonly priority: number }>
>(
  "recomp_algorithm",
  (lines) =>
    lines.map((text, index) => {
      const [, priority, words] = /^#(\d+): (.*)$/.exec(text) ?? reject(index + 1, `${quote(text)} is not a list of algorithms`)
      return { priority: exactNumber(priority!, index + 1), ...parseChoice(words!, index + 1) }
    }),
  (rows) => rows.map((row) => `#${row.priority}: ${printChoice(row)}\n`).join("")
)

/** Which pages a command is about. `age`: not used for that many seconds (since 5.16, CONFIG_ZRAM_TRACK_ENTRY_ACTIME or MEMORY_TRACKING). */
export type ZramIdle = "all" | { readonly ageSeconds: number }
export const encodeIdle = (idle: ZramIdle): string => (idle === "all" ? "all" : printNumber(idle.ageSeconds))

/** What is written to the backing device (since 4.21; a page since 5.6, `incompressible` and `huge_idle` since 5.16). */
export type ZramWriteback = "idle" | "huge" | "huge_idle" | "incompressible" | { readonly pageIndex: number }
export const encodeWriteback = (what: ZramWriteback): string =>
  typeof what === "string" ? what : `page_index=${printNumber(what.pageIndex)}`

/** What is compressed again with a secondary algorithm (since 6.2). */
export interface ZramRecompress {
  readonly type?: "idle" | "huge" | "huge_idle" | undefined
  /** Only pages whose compressed size is at least this, below 4096. */
  readonly thresholdBytes?: Bytes | undefined
  readonly algorithm?: string | undefined
  /** Instead of the algorithm (since 6.12). */
  readonly priority?: number | undefined
  /** Stop after as many (since 6.12). */
  readonly maxPages?: Pages | undefined
}
const options = (pairs: ReadonlyArray<readonly [string, string | number | undefined]>): string =>
  pairs.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])).join(" ")
export const encodeRecompress = ({ algorithm, maxPages, priority, thresholdBytes, type }: ZramRecompress): string =>
  options([
    ["type", type],
    ["threshold", thresholdBytes],
    ["algo", algorithm],
    ["priority", priority],
    ["max_pages", maxPages]
  ])

/** Parameters of an algorithm (since 6.12). */
export interface ZramAlgorithmParameters {
  readonly algorithm?: string | undefined
  /** Instead of the algorithm: 0 is the primary one. */
  readonly priority?: number | undefined
  readonly level?: number | undefined
  /** Path of a dictionary file. */
  readonly dictionary?: string | undefined
}
export const encodeAlgorithmParameters = ({ algorithm, dictionary, level, priority }: ZramAlgorithmParameters): string =>
  options([
    ["algo", algorithm],
    ["priority", priority],
    ["level", level],
    ["dict", dictionary]
  ])
