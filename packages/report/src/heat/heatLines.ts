/**
 * A heat view as lines for a terminal: addresses on the left, time from left to right, names and means on the right, a time axis and a
 * legend below. Exactly as wide as asked; pure.
 */
import { formatBytes, formatDuration } from "@wmo/core"
import { fitText, type Line, printable, type Span, span, textWidth } from "../StyledLine.ts"
import { cellLook, type HeatOverlay, type HeatScale, kindLetter, levelFrom } from "./heatScale.ts"
import type { HeatRow, HeatView } from "./HeatView.ts"

export interface LinesOptions {
  readonly width: number
  readonly overlay: HeatOverlay
  readonly scale: HeatScale
  /** What the share in a cell is of; default: samples that found it used. */
  readonly measure?: string
  /** Offset from UTC of the times printed, in minutes; default: that of this machine at that time. */
  readonly utcOffsetMinutes?: number
}

const dim = { dim: true } as const
const meanWidth = 6
const nameAtLeast = 8
const labelWidthOf = (rows: ReadonlyArray<HeatRow>): number => Math.max(12, ...rows.map(({ label }) => textWidth(label)))

interface Widths {
  readonly label: number
  readonly cells: number
  readonly name: number
}

/** Where the parts of a row go: a label, a letter, cells between bars, the mean, a name. */
const widthsOf = (width: number, labelWidth: number): Widths => {
  const name = width < 60 ? 0 : Math.max(nameAtLeast, Math.min(32, Math.floor(width / 5)))
  return { label: labelWidth, name, cells: Math.max(1, width - labelWidth - 4 - meanWidth - (name === 0 ? 0 : name + 1)) }
}

/** How many columns fit into lines of this width. Rows of addresses have labels of 12. */
export const heatColumns = (width: number, labelWidth = 12): number => widthsOf(width, labelWidth).cells

/** The end of a path says more than its beginning. */
const shortName = ({ name, others }: HeatRow, width: number): string => {
  const more = others === 0 ? "" : ` +${others}`
  const text = printable(name)
  const room = width - more.length
  return (textWidth(text) <= room ? text : `…${text.slice(-(room - 1))}`) + more
}

const percent = (share: number): string =>
  Number.isNaN(share)
    ? ""
    : share === 0
      ? "0 %"
      : share < 0.001
        ? "<0.1 %"
        : share < 0.0995
          ? `${(share * 100).toFixed(1)} %`
          : `${Math.round(share * 100)} %`

const rowLine = (row: HeatRow, widths: Widths, shown: number, options: LinesOptions): Line => {
  const spans: Array<Span> = [
    span(fitText(row.label, widths.label, "right")),
    span(` ${kindLetter(row.kind)}`, dim),
    span(row.hasGap ? "╪" : "│", dim)
  ]
  const cells: Array<{ text: string; key: string; span: Span }> = []
  const put = (text: string, style: Span | object) => {
    const key = JSON.stringify(style)
    const last = cells.at(-1)
    if (last?.key === key) {
      last.text += text
      last.span = { ...last.span, text: last.text }
    } else cells.push({ text, key, span: { ...style, text } })
  }
  if (widths.cells > shown) put(" ".repeat(widths.cells - shown), {})
  for (const share of row.cells.subarray(row.cells.length - shown)) {
    const { style, text } = cellLook(share, row, options)
    put(text, style)
  }
  spans.push(...cells.map((cell) => cell.span), span("│", dim), span(fitText(percent(row.mean), meanWidth, "right")))
  if (widths.name > 0) spans.push(span(` ${fitText(shortName(row, widths.name), widths.name)}`, dim))
  return spans
}

/** Time of day, `10:31:05`. */
export const clockTime = (ms: number, utcOffsetMinutes = -new Date(ms).getTimezoneOffset()): string =>
  new Date(ms + utcOffsetMinutes * 60_000).toISOString().slice(11, 19)

const stampWidth = 9

/** Times under the columns where they begin, as many as fit without touching; the last column's ends at it. */
const axisLine = (view: HeatView, widths: Widths, shown: number, options: LinesOptions): Line => {
  const columns = view.columns.slice(view.columns.length - shown)
  const before = widths.cells - shown
  const stamp = (ms: number) => clockTime(ms, options.utcOffsetMinutes)
  const step = Math.max(14, Math.ceil(shown / 6))
  const last = columns.at(-1)
  let text = " ".repeat(before)
  for (let i = 0; i + 2 * stampWidth < shown; i += step) text = text.padEnd(before + i) + `╵${stamp(columns[i]!)}`
  if (last !== undefined && widths.cells >= stampWidth)
    text = `${text.padEnd(widths.cells).slice(0, widths.cells - stampWidth)}${stamp(last)}╵`
  return [span(" ".repeat(widths.label + 3)), span(text.padEnd(widths.cells).slice(0, widths.cells), dim)]
}

/** The rows, and the axis below them. */
export const heatLines = (view: HeatView, options: LinesOptions): ReadonlyArray<Line> => {
  const widths = widthsOf(options.width, labelWidthOf(view.rows))
  const shown = Math.min(widths.cells, view.columns.length)
  return [...view.rows.map((row) => rowLine(row, widths, shown, options)), axisLine(view, widths, shown, options)]
}

/** What rows, columns and cells are, in one line. */
export const scaleLine = (view: HeatView, { measure = "samples that found it used" }: Pick<LinesOptions, "measure"> = {}): string => {
  const row = view.rows.length === 0 ? 0 : view.bytes / view.rows.length
  const space = view.rows.every(({ bytes }) => bytes === 0) ? "" : `row ${formatBytes(row)} · `
  const mean = view.average === 1 ? "" : `, mean of ${view.average} columns`
  return `${space}column ${formatDuration(view.columnMs)} → · cell: share of ${measure}${mean}`
}

const bound = (share: number): string => (share >= 0.01 ? String(Math.round(share * 100)) : (share * 100).toFixed(1))

/** The marks and what they mean. */
export const legendLine = ({ overlay, scale }: Pick<LinesOptions, "overlay" | "scale">): Line => {
  const look = (share: number, kind: HeatRow["kind"] = "anon") => {
    const { style, text } = cellLook(share, { isNever: false, kind }, { overlay, scale })
    return span(text, style)
  }
  if (overlay === "kind") {
    return [
      look(0.9, "anon"),
      span(" anonymous  "),
      look(0.9, "file"),
      span(" file  "),
      look(0.9, "mixed"),
      span(" both; brighter: used more often  "),
      look(0, "anon"),
      span(" not used then  · never used  ╪ gap left out")
    ]
  }
  const levels = Array.from({ length: 10 }, (_, level) => [
    look(levelFrom(level, scale) + 1e-9),
    span(level === 0 ? "<" + bound(levelFrom(1, scale)) : `≥${bound(levelFrom(level, scale))}`, dim),
    span(" ")
  ]).flat()
  return [...levels, span("%  "), look(0), span(" not then  "), span("·", { color: 240 }), span(" never  ╪ gap left out")]
}
