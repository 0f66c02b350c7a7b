/**
 * A part of a heat history as rows and columns: the address space folded (gaps that nobody looked at take no room), cut into rows of equal
 * bytes; time cut into the history's columns. A cell is a mean over bytes and time. Pure; colours and letters are for who renders it.
 */
import { eachCommon, type HeatHistory, joinRuns, type MappedRange } from "./HeatHistory.ts"

export type RowKind = "anon" | "file" | "mixed" | "none"

export interface HeatRow {
  /** Its first address in hexadecimal, or what the row is. */
  readonly label: string
  /** Addresses: first byte of the row, and the first one after. A gap may lie between. */
  readonly start: number
  readonly end: number
  /** Bytes in it, gaps left out. */
  readonly bytes: number
  /** Addresses were left out just before this row, or within it. */
  readonly hasGap: boolean
  /** The mapping that most of it belongs to; how many others it touches. */
  readonly name: string
  readonly others: number
  readonly kind: RowKind
  /** How often it was found used, 0 to 1, by column; NaN where nobody looked. */
  readonly cells: Float64Array
  /** Over all columns shown. */
  readonly mean: number
  /** Never seen used since the history began. */
  readonly isNever: boolean
}

export interface HeatView {
  readonly rows: ReadonlyArray<HeatRow>
  /** Time at which each column begins; equal steps. */
  readonly columns: ReadonlyArray<number>
  readonly columnMs: number
  /** The folded space, and the part of it that is shown, in bytes. */
  readonly totalBytes: number
  readonly fromByte: number
  readonly bytes: number
  readonly ranges: number
  /** What rows can be no smaller than. */
  readonly grainBytes: number
  /** Where the first column that is kept begins, whether shown or not. */
  readonly firstMs: number | undefined
  /** Columns that a cell is a mean over. */
  readonly average: number
  /** The hottest cell. */
  readonly hottest: number
  /** Columns there are after the last one shown. */
  readonly later: number
}

export interface ViewOptions {
  readonly rows: number
  readonly columns: number
  /** Cells are means over so many columns, up to their own. */
  readonly average?: number
  /** Of the folded space; the default is all of it. */
  readonly fromByte?: number
  readonly bytes?: number
  /** How many columns back from the latest the picture ends. */
  readonly back?: number
}

interface Named {
  readonly name: string
  readonly others: number
  readonly kind: RowKind
}

/** Which mappings lie between two addresses. Those in front hide those behind them. */
const nameBetween = (mappings: ReadonlyArray<MappedRange>, pieces: ReadonlyArray<readonly [start: number, end: number]>): Named => {
  const bytesByName = new Map<string, number>()
  let resident = 0
  let anon = 0
  for (const mapping of mappings) {
    const from = Number(mapping.start)
    const to = Number(mapping.end)
    let bytes = 0
    for (const [start, end] of pieces) bytes += Math.max(0, Math.min(end, to) - Math.max(start, from))
    if (bytes === 0) continue
    bytesByName.set(mapping.name, (bytesByName.get(mapping.name) ?? 0) + bytes)
    const share = bytes / Math.max(1, to - from)
    resident += mapping.residentBytes * share
    anon += mapping.anonBytes * share
  }
  let name = ""
  let most = 0
  for (const [candidate, bytes] of bytesByName) {
    if (bytes > most) {
      most = bytes
      name = candidate
    }
  }
  const kind: RowKind = resident === 0 ? "none" : anon >= 0.9 * resident ? "anon" : anon <= 0.1 * resident ? "file" : "mixed"
  return { name, others: Math.max(0, bytesByName.size - 1), kind }
}

const empty = (history: HeatHistory, average: number): HeatView => ({
  rows: [],
  columns: [],
  columnMs: history.columnMs,
  totalBytes: 0,
  fromByte: 0,
  bytes: 0,
  ranges: 0,
  grainBytes: history.grainBytes,
  firstMs: undefined,
  average,
  hottest: 0,
  later: 0
})

/** The means of a window of columns that ends at each one, in place of sums and weights. */
const movingMeans = (heat: Float64Array, weight: Float64Array, average: number): Float64Array => {
  const means = new Float64Array(heat.length)
  for (let i = 0; i < heat.length; i++) {
    let sum = 0
    let looked = 0
    for (let j = Math.max(0, i - average + 1); j <= i; j++) {
      sum += heat[j]!
      looked += weight[j]!
    }
    // Where nobody looked at this very time there is nothing to show.
    means[i] = weight[i]! > 0 ? sum / looked : Number.NaN
  }
  return means
}

export const viewOf = (history: HeatHistory, options: ViewOptions): HeatView => {
  const average = Math.max(1, options.average ?? 1)
  const all = history.columns
  const latest = all.at(-1)
  if (latest === undefined) return empty(history, average)
  const { columnMs, grainBytes: grain } = history
  const slots = Math.round((latest.fromMs - all[0]!.fromMs) / columnMs) + 1
  const later = Math.min(Math.max(0, options.back ?? 0), slots - 1)
  const shown = Math.max(1, Math.min(options.columns, slots - later))
  const lastMs = latest.fromMs - later * columnMs
  const firstMs = lastMs - (shown - 1) * columnMs
  // Columns before the picture that the first cells are means over, too.
  const reach = firstMs - (average - 1) * columnMs
  const used = all.filter(({ fromMs }) => fromMs >= reach && fromMs <= lastMs)
  const inPicture = used.filter(({ fromMs }) => fromMs >= firstMs)
  const space = joinRuns((inPicture.length > 0 ? inPicture : [latest]).map(({ runs }) => runs))
  const totalBytes = space.count * grain

  const count = Math.max(1, Math.min(options.rows, space.count))
  const bytes = Math.min(totalBytes, Math.max(options.bytes ?? totalBytes, count * grain))
  const fromByte = Math.min(Math.max(0, options.fromByte ?? 0), totalBytes - bytes)
  /** Where row r begins, in grains of the folded space. */
  const bounds = Array.from({ length: count + 1 }, (_, r) => Math.round((fromByte + (r * bytes) / count) / grain))

  const cellsBefore = Math.round((firstMs - reach) / columnMs)
  const width = cellsBefore + shown
  const heats = bounds.slice(1).map(() => new Float64Array(width))
  const weights = bounds.slice(1).map(() => new Float64Array(width))
  const rowOf = new Int32Array(space.count).fill(-1)
  for (let r = 0; r < count; r++) rowOf.fill(r, bounds[r]!, bounds[r + 1]!)
  for (const column of used) {
    const x = Math.round((column.fromMs - reach) / columnMs)
    eachCommon(column.runs, space, (from, to, length) => {
      for (let i = 0; i < length; i++) {
        const row = rowOf[to + i]!
        if (row < 0) continue
        heats[row]![x]! += column.heat[from + i]!
        weights[row]![x]! += column.weight[from + i]!
      }
    })
  }

  const { mappings, touched } = history
  const rows: Array<HeatRow> = []
  let hottest = 0
  let run = 0
  for (let r = 0; r < count; r++) {
    const from = bounds[r]!
    const to = bounds[r + 1]!
    if (to <= from) continue
    while (run + 1 < space.at.length && space.at[run + 1]! <= from) run++
    const pieces: Array<readonly [number, number]> = []
    let isNever = true
    for (let i = run, at = from; at < to && i < space.at.length; i++) {
      const end = Math.min(to, space.at[i]! + space.after[i]! - space.first[i]!)
      const start = space.first[i]! + at - space.at[i]!
      pieces.push([start * grain, (start + end - at) * grain])
      for (let g = start; g < start + end - at && isNever; g++) if (touched.has(g)) isNever = false
      at = end
    }
    const cells = movingMeans(heats[r]!, weights[r]!, average).slice(cellsBefore)
    let sum = 0
    let looked = 0
    for (let x = cellsBefore; x < width; x++) {
      sum += heats[r]![x]!
      looked += weights[r]![x]!
    }
    for (const cell of cells) if (cell > hottest) hottest = cell
    const start = pieces[0]![0]
    rows.push({
      label: start.toString(16),
      start,
      end: pieces.at(-1)![1],
      bytes: (to - from) * grain,
      hasGap: pieces.length > 1 || (r > 0 && space.at[run] === from && run > 0),
      ...nameBetween(mappings, pieces),
      cells,
      mean: looked === 0 ? Number.NaN : sum / looked,
      isNever
    })
  }
  return {
    rows,
    columns: Array.from({ length: shown }, (_, i) => firstMs + i * columnMs),
    columnMs,
    totalBytes,
    fromByte,
    bytes,
    ranges: space.first.length,
    grainBytes: grain,
    firstMs: all[0]!.fromMs,
    average,
    hottest,
    later
  }
}
