/**
 * Where there are only ages (MGLRU), the picture that takes a heatmap's place: rows are how long memory has been idle, cells the share of the
 * group's memory that has been idle for that long. Bins go whole to the row that their younger edge lies in: at least so idle.
 */
import { formatBytes, formatDuration } from "@wmo/core"
import type { HeatRow, HeatView } from "./HeatView.ts"

export interface AgeInput {
  readonly atMs: number
  readonly bins: ReadonlyArray<{ readonly lowerMs: number; readonly anonBytes: number; readonly fileBytes: number }>
}

const ladderMs = [0, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000] as const

interface AgeColumn {
  readonly fromMs: number
  readonly bytes: Float64Array
  frames: number
}

export class AgeHistory {
  readonly columnMs: number
  private readonly columnsAtMost: number
  private readonly columns: Array<AgeColumn> = []
  private anon = new Float64Array(ladderMs.length)
  private file = new Float64Array(ladderMs.length)

  constructor({ columnMs, columnsAtMost }: { readonly columnMs: number; readonly columnsAtMost: number }) {
    this.columnMs = columnMs
    this.columnsAtMost = columnsAtMost
  }

  add({ atMs, bins }: AgeInput): void {
    const fromMs = Math.floor(atMs / this.columnMs) * this.columnMs
    let column = this.columns.at(-1)
    if (column === undefined || column.fromMs !== fromMs) {
      column = { fromMs, bytes: new Float64Array(ladderMs.length), frames: 0 }
      this.columns.push(column)
      if (this.columns.length > this.columnsAtMost) this.columns.shift()
    }
    this.anon = new Float64Array(ladderMs.length)
    this.file = new Float64Array(ladderMs.length)
    column.frames++
    for (const { anonBytes, fileBytes, lowerMs } of bins) {
      const row = ladderMs.findLastIndex((edge) => lowerMs >= edge)
      this.anon[row]! += anonBytes
      this.file[row]! += fileBytes
      column.bytes[row]! += anonBytes + fileBytes
    }
  }

  /** Where the latest column begins. */
  get lastMs(): number | undefined {
    return this.columns.at(-1)?.fromMs
  }

  /** Youngest on top. */
  view({ back = 0, columns }: { readonly columns: number; readonly back?: number }): HeatView {
    const latest = this.columns.at(-1)
    const first = this.columns[0]
    const { columnMs } = this
    const slots = latest === undefined ? 0 : Math.round((latest.fromMs - first!.fromMs) / columnMs) + 1
    const later = Math.min(back, Math.max(0, slots - 1))
    const shown = Math.min(columns, slots - later)
    const firstMs = latest === undefined ? 0 : latest.fromMs - (later + shown - 1) * columnMs
    let hottest = 0
    const rows = ladderMs.map((edge, r): HeatRow => {
      const cells = new Float64Array(shown).fill(Number.NaN)
      let sum = 0
      let seen = 0
      for (const { bytes, fromMs } of this.columns) {
        const x = Math.round((fromMs - firstMs) / columnMs)
        if (x < 0 || x >= shown) continue
        const total = bytes.reduce((a, b) => a + b, 0)
        cells[x] = total === 0 ? 0 : bytes[r]! / total
        hottest = Math.max(hottest, cells[x])
        sum += cells[x]
        seen++
      }
      const anon = this.anon[r]!
      const file = this.file[r]!
      const now = anon + file
      return {
        label: edge === 0 ? "in use" : `≥ ${formatDuration(edge)}`,
        start: edge,
        end: ladderMs[r + 1] ?? Infinity,
        bytes: 0,
        hasGap: false,
        name: now === 0 ? "" : `${formatBytes(now)} now`,
        others: 0,
        kind: now === 0 ? "none" : anon >= 0.9 * now ? "anon" : file >= 0.9 * now ? "file" : "mixed",
        cells,
        mean: seen === 0 ? Number.NaN : sum / seen,
        isNever: false
      }
    })
    return {
      rows,
      columns: Array.from({ length: shown }, (_, i) => firstMs + i * columnMs),
      columnMs,
      totalBytes: 0,
      fromByte: 0,
      bytes: 0,
      ranges: 0,
      grainBytes: 0,
      firstMs: first?.fromMs,
      average: 1,
      hottest,
      later
    }
  }
}
