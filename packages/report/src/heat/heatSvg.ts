/**
 * A heat view as an SVG picture of its own: time to the right, addresses down, names beside them, axes with units and a legend. No scripts
 * and no fonts; rectangles of equal colour are joined along time. Pure.
 */
import { formatBytes, formatDuration } from "@wmo/core"
import { printable } from "../StyledLine.ts"
import { clockTime } from "./heatLines.ts"
import { cellColor, type HeatOverlay, type HeatScale, levelFrom } from "./heatScale.ts"
import type { HeatRow, HeatView } from "./HeatView.ts"

export interface SvgOptions {
  readonly title: string
  readonly subtitle: string
  readonly overlay: HeatOverlay
  readonly scale: HeatScale
  /** What the share in a cell is of; default: samples that found it used. */
  readonly measure?: string
  readonly utcOffsetMinutes?: number
}

const left = 118
const right = 250
const top = 58
const plotWidth = 900
const rowHeight = 12
const below = 96
const neverColor = "#17171b"
const idleColor = "#37373f"

const escape = (text: string): string =>
  printable(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const text = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${round(x)}" y="${round(y)}"${more}>${escape(content)}</text>`

const round = (value: number): number => Math.round(value * 100) / 100

const rowRects = (row: HeatRow, y: number, cell: number, { overlay, scale }: SvgOptions): string => {
  const colors = Array.from(row.cells, (share) =>
    Number.isNaN(share) ? undefined : share > 0 ? cellColor(share, row.kind, overlay, scale) : row.isNever ? neverColor : idleColor
  )
  let rects = ""
  for (let from = 0; from < colors.length;) {
    let to = from + 1
    while (to < colors.length && colors[to] === colors[from]) to++
    if (colors[from] !== undefined) {
      rects += `<rect x="${round(left + from * cell)}" y="${y}" width="${round((to - from) * cell)}" height="${rowHeight}" fill="${colors[from]}"/>`
    }
    from = to
  }
  return rects
}

/** Names, each once where its rows begin. */
const names = (rows: ReadonlyArray<HeatRow>): string => {
  let before = ""
  let lines = ""
  rows.forEach((row, i) => {
    const name = row.others === 0 ? row.name : `${row.name} +${row.others}`
    const mean = Number.isNaN(row.mean) ? "" : `${(row.mean * 100).toFixed(row.mean < 0.1 ? 1 : 0)} %`
    const y = top + i * rowHeight + 9
    lines += text(left + plotWidth + 44, y, mean, ' text-anchor="end"')
    if (name !== before && name !== "") lines += text(left + plotWidth + 52, y, name.length > 34 ? `…${name.slice(-33)}` : name)
    before = name
  })
  return lines
}

const legend = (y: number, { measure = "samples that found it used", overlay, scale }: SvgOptions): string => {
  const swatch = (x: number, fill: string, label: string) =>
    `<rect x="${x}" y="${y}" width="14" height="12" fill="${fill}"/>${text(x + 18, y + 10, label)}`
  const head = text(left, y - 8, `share of ${measure}`)
  const idle = swatch(left + 690, idleColor, "not used then") + swatch(left + 800, neverColor, "never used")
  if (overlay === "kind") {
    const kinds = (["anon", "file", "mixed"] as const).map((kind, i) =>
      swatch(left + i * 150, cellColor(0.85, kind, overlay, scale), { anon: "anonymous", file: "file", mixed: "both" }[kind])
    )
    return head + kinds.join("") + idle
  }
  const share = (level: number) => {
    const value = levelFrom(level, scale) * 100
    return value >= 1 ? String(Math.round(value)) : value.toFixed(1)
  }
  const levels = Array.from({ length: 10 }, (_, level) =>
    swatch(
      left + level * 66,
      cellColor(levelFrom(level, scale) + 1e-9, "anon", overlay, scale),
      level === 0 ? `< ${share(1)} %` : `≥ ${share(level)} %`
    )
  )
  return head + levels.join("") + idle
}

/** The whole picture as the text of an SVG file. */
export const heatSvg = (view: HeatView, options: SvgOptions): string => {
  const height = view.rows.length * rowHeight
  const cell = plotWidth / Math.max(1, view.columns.length)
  const labelEvery = Math.max(1, Math.ceil(view.rows.length / 40))
  const body = view.rows.map((row, i) => {
    const y = top + i * rowHeight
    const label = i % labelEvery === 0 ? text(left - 8, y + 9, row.label, ' text-anchor="end"') : ""
    const gap = row.hasGap ? `<path d="M${left - 5} ${y}h${plotWidth + 10}" stroke="#888" stroke-dasharray="2 3" stroke-width="0.6"/>` : ""
    return rowRects(row, y, cell, options) + gap + label
  })
  const tickEvery = Math.max(1, Math.ceil(view.columns.length / 10))
  const ticks = view.columns
    .map((ms, i) =>
      i % tickEvery === 0
        ? `<path d="M${round(left + i * cell)} ${top + height}v4" stroke="#444"/>` +
          text(left + i * cell, top + height + 15, clockTime(ms, options.utcOffsetMinutes), ' text-anchor="middle"')
        : ""
    )
    .join("")
  const row = view.rows.length === 0 || view.bytes === 0 ? "" : `each row ${formatBytes(view.bytes / view.rows.length)}, `
  const average = view.average === 1 ? "" : `, cells are means of ${view.average} columns`
  const axis = text(
    left,
    top + height + 32,
    `time → (${row}each column ${formatDuration(view.columnMs)}${average}; dashes: addresses left out)`
  )
  const width = left + plotWidth + right
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top + height + below}" viewBox="0 0 ${width} ${top + height + below}" font-family="monospace" font-size="10" fill="#222">\n` +
    `<rect width="100%" height="100%" fill="#fff"/>\n` +
    `${text(left, 22, options.title, ' font-size="15" font-weight="bold"')}\n${text(left, 40, options.subtitle)}\n` +
    `${text(left - 8, top - 6, view.totalBytes === 0 ? "idle for" : "address", ' text-anchor="end"')}${text(left + plotWidth + 44, top - 6, "mean", ' text-anchor="end"')}${text(left + plotWidth + 52, top - 6, view.totalBytes === 0 ? "how much" : "mapping")}\n` +
    `${body.join("\n")}\n<rect x="${left}" y="${top}" width="${plotWidth}" height="${height}" fill="none" stroke="#444"/>\n` +
    `${names(view.rows)}\n${ticks}\n${axis}\n${legend(top + height + 62, options)}\n</svg>\n`
  )
}
