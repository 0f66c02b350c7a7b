/**
 * Reads the CSV files that the original WMO scripts wrote, three kinds of header: bins named `memory.workingset.node.0.500ms.anon`, the same
 * misspelt (`memory.workinget.`), and `cold.node.0.1000ms.anon`. A sample a second. Bytes, except that counters of memory.stat are pages or
 * events. There is no pressure in any of them. Source: the headers themselves; a bin's label is its upper edge, as in working-set reports.
 */
import { type MemoryStat, memoryStatAmounts, memoryStatCounters, type NodePageAge, type PageAgeBin } from "@wmo/core"
import { fromWorkingSet, type PageAge } from "@wmo/monitors"

/** One line of the file. */
interface WmoRow {
  /** Since 1970 where the file has that; else since midnight of its first day. */
  readonly atMs: number
  readonly currentBytes: number
  readonly swapCurrentBytes: number | undefined
  readonly zswapCurrentBytes: number | undefined
  readonly stat: MemoryStat
  readonly pageAge: PageAge | undefined
}

export interface WmoCsv {
  readonly rows: ReadonlyArray<WmoRow>
  /** Whether times are dated; else they are times of day, in a time zone that nobody noted. */
  readonly isDated: boolean
}

interface BinColumn {
  readonly index: number
  readonly node: number
  readonly upperMs: number
  readonly kind: string
}

const binName = /^(?:memory\.workingset|memory\.workinget|cold)\.node\.(\d+)\.(\d+)ms\.(\w+)$/
const timeOfDay = /^(\d{2})-(\d{2})-(\d{2})-(\d{1,6})$/
/** Labels from here on mean older than all others: kernels print 2^63 - 1 or 2^64 - 1. */
const forever = 2n ** 63n - 1n
const dayMs = 86_400_000

/** Splits a line; the scripts never quoted anything. */
const cells = (line: string): ReadonlyArray<string> => line.split(",").map((cell) => cell.trim())

/** Whether it can be one of those files: has their memory columns, their bins and a time. */
const checkHeader = (header: ReadonlyArray<string>): void => {
  if (!header.includes("memory.current") || !header.includes("timestamp") || !header.some((name) => name.startsWith("memory.stat."))) {
    throw new Error("it is not a CSV of WMO: it must have the columns timestamp, memory.current and memory.stat.*")
  }
}

/** An amount or counter; empty is unknown. Pandas writes `12.0` where a column has gaps. */
const integer = (text: string | undefined, column: string, line: number): bigint | undefined => {
  if (text === undefined || text === "" || text === "nan" || text === "NaN") return undefined
  const match = /^(\d+)(?:\.0*)?$/.exec(text)
  if (match === null) throw new Error(`line ${line}: ${column} is ${JSON.stringify(text)}, which is not a count`)
  return BigInt(match[1]!)
}

const amounts: ReadonlySet<string> = new Set(memoryStatAmounts)
const counters: ReadonlySet<string> = new Set(memoryStatCounters)

/** Per node, in the order of their labels: bin L holds ages above the label before and up to L. */
const binsOf = (
  columns: ReadonlyArray<BinColumn>,
  row: ReadonlyArray<string>,
  header: ReadonlyArray<string>,
  line: number
): PageAge | undefined => {
  const nodes = new Map<number, Map<number, { anonBytes: number; fileBytes: number }>>()
  for (const { index, kind, node, upperMs } of columns) {
    const bytes = integer(row[index], header[index]!, line)
    if (bytes === undefined) continue
    let bins = nodes.get(node)
    if (bins === undefined) nodes.set(node, (bins = new Map()))
    const bin = bins.get(upperMs) ?? { anonBytes: 0, fileBytes: 0 }
    bins.set(upperMs, kind === "anon" ? { ...bin, anonBytes: Number(bytes) } : kind === "file" ? { ...bin, fileBytes: Number(bytes) } : bin)
  }
  if (nodes.size === 0) return undefined
  return fromWorkingSet(
    [...nodes].map(([node, bins]): NodePageAge => {
      const edges = [...bins.keys()].toSorted((a, b) => a - b)
      return { node, bins: edges.map((upperMs, i): PageAgeBin => ({ lowerMs: edges[i - 1] ?? 0, upperMs, ...bins.get(upperMs)! })) }
    })
  )
}

/** Milliseconds of a time, and whether it says on which day. */
const parseTime = (text: string, line: number): { readonly ms: number; readonly isDated: boolean } => {
  const match = timeOfDay.exec(text)
  if (match !== null) {
    const [, hours, minutes, seconds, micros] = match
    const ms = Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000 + Number(micros!.padEnd(6, "0")) / 1000
    return { ms, isDated: false }
  }
  if (/^\d{10,}$/.test(text)) return { ms: Number(text), isDated: true }
  throw new Error(`line ${line}: timestamp ${JSON.stringify(text)} is neither milliseconds since 1970 nor HH-MM-SS-microseconds`)
}

/** Reads the whole file (a second is a kilobyte). Throws, with the line, what it cannot be. */
export const parseWmoCsv = (text: string): WmoCsv => {
  const lines = text.split(/\r?\n/)
  const header = cells(lines[0] ?? "")
  checkHeader(header)
  const binColumns = header.flatMap((name, index): ReadonlyArray<BinColumn> => {
    const match = binName.exec(name)
    if (match === null) return []
    const label = BigInt(match[2]!)
    return [{ index, node: Number(match[1]), upperMs: label >= forever ? Infinity : Number(label), kind: match[3]! }]
  })
  const column = (name: string) => header.indexOf(name)
  const [time, current, swap, zswap] = ["timestamp", "memory.current", "memory.swap.current", "memory.zswap.current"].map(column)
  const statColumns = header.flatMap((name, index) =>
    name.startsWith("memory.stat.") ? [{ key: name.slice("memory.stat.".length), index }] : []
  )

  const rows: Array<WmoRow> = []
  let isDated = true
  let days = 0
  let before = -Infinity
  lines.slice(1).forEach((text_, i) => {
    if (text_.trim() === "") return
    const line = i + 2
    const row = cells(text_)
    if (row.length !== header.length) throw new Error(`line ${line} has ${row.length} cells, its header ${header.length}`)
    const parsed = parseTime(row[time!]!, line)
    isDated &&= parsed.isDated
    // Past midnight a time of day starts again. A clock that was set back by less stays as it was written.
    if (!parsed.isDated && parsed.ms + days * dayMs < before - dayMs / 2) days++
    const atMs = parsed.ms + days * dayMs
    before = atMs
    const stat: Record<string, number | bigint | Record<string, bigint>> = {}
    for (const { index, key } of statColumns) {
      const value = integer(row[index], header[index]!, line)
      if (value === undefined) continue
      if (amounts.has(key)) stat[key] = Number(value)
      else if (counters.has(key)) stat[key] = value
      else ((stat["unknown"] ??= {}) as Record<string, bigint>)[key] = value
    }
    const amount = (index: number): number | undefined => {
      const value = index < 0 ? undefined : integer(row[index], header[index]!, line)
      return value === undefined ? undefined : Number(value)
    }
    const currentBytes = amount(current!)
    // The scripts cut all columns to the shortest one, so a row without usage is none.
    if (currentBytes === undefined) return
    rows.push({
      atMs,
      currentBytes,
      swapCurrentBytes: amount(swap!),
      zswapCurrentBytes: amount(zswap!),
      stat: stat as MemoryStat,
      pageAge: binsOf(binColumns, row, header, line)
    })
  })
  if (rows.length === 0) throw new Error("it has a header and no samples")
  return { rows, isDated }
}
