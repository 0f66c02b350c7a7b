/**
 * The heatmap's live view: its state, what keys do to it, and its lines. Pure but for the pictures, which grow beside it; `seen` changes
 * with them, so that the screen does. What feeds it is actions/heatmap.ts.
 */
import { formatBytes } from "@wmo/core"
import {
  fitText,
  heatColumns,
  heatLines,
  type HeatOverlay,
  type HeatRow,
  type HeatScale,
  type HeatView,
  legendLine,
  type Line,
  line,
  scaleLine,
  span,
  textWidth
} from "@wmo/report"
import { headOf, type HeatPictures, measureOf, type Picture, pictureView } from "./heatmapPictures.ts"
import type { Size } from "./Terminal.ts"

export interface HeatmapState {
  readonly pictures: HeatPictures
  /** Items in the pictures when they were last looked at. */
  readonly seen: number
  readonly detail: string
  /** Which picture. */
  readonly subject: number
  readonly overlay: HeatOverlay
  readonly scale: HeatScale
  readonly average: number
  /** The part of the address space that is shown; undefined: all. */
  readonly bytes: number | undefined
  readonly fromByte: number
  /** The row that is looked at, from the top. */
  readonly cursor: number
  /** Where time stands still: the beginning of the last column shown. */
  readonly untilMs: number | undefined
  readonly isHelp: boolean
  /** What is played, or undefined when it is live. */
  readonly played: string | undefined
  readonly isOver: boolean
  readonly wantsRecording: boolean
  /** Where it is recorded to, while it is. */
  readonly recordedTo: string | undefined
  readonly message: string | undefined
  readonly isDone: boolean
}

export const initialState = (
  options: Pick<HeatmapState, "pictures" | "detail" | "overlay" | "scale" | "average" | "played" | "wantsRecording" | "message">
): HeatmapState => ({
  ...options,
  seen: 0,
  subject: 0,
  bytes: undefined,
  fromByte: 0,
  cursor: 0,
  untilMs: undefined,
  isHelp: false,
  isOver: false,
  recordedTo: undefined,
  isDone: false
})

const averages = [1, 2, 3, 5, 10, 20] as const
/** Lines that are no rows: head, scale, axis, row looked at, legend, keys. */
const otherLines = 6

const pictureOf = (state: HeatmapState): Picture | undefined => {
  const { all } = state.pictures
  return all[Math.min(state.subject, all.length - 1)]
}

/** The picture at this size; whoever scrolls needs to know what there is. */
const layout = (state: HeatmapState, { columns, rows }: Size) => {
  const picture = pictureOf(state)
  if (picture === undefined) return undefined
  const latestMs = picture.history.lastMs
  const { columnMs } = picture.history
  const back = state.untilMs === undefined || latestMs === undefined ? 0 : Math.max(0, Math.round((latestMs - state.untilMs) / columnMs))
  const count = Math.max(1, rows - otherLines)
  const view = pictureView(picture, {
    rows: count,
    columns: heatColumns(columns),
    average: state.average,
    fromByte: state.fromByte,
    back,
    ...(state.bytes === undefined ? {} : { bytes: state.bytes })
  })
  return { picture, view, latestMs }
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value))

/** Twice as near or as far; what the cursor is on stays on the screen where it is. */
const zoom = (state: HeatmapState, view: HeatView, factor: number): HeatmapState => {
  if (view.totalBytes === 0) return state
  const bytes = view.bytes * factor
  if (bytes >= view.totalBytes) return { ...state, bytes: undefined, fromByte: 0 }
  if (bytes < view.rows.length * view.grainBytes) {
    return { ...state, message: `this is as near as it gets: rows of ${formatBytes(view.bytes / view.rows.length)}` }
  }
  const place = Math.min(1, state.cursor / Math.max(1, view.rows.length - 1))
  return { ...state, bytes, fromByte: clamp(view.fromByte + place * (view.bytes - bytes), 0, view.totalBytes - bytes) }
}

const scrollRows = (state: HeatmapState, view: HeatView, by: number): HeatmapState => {
  const last = Math.max(0, view.rows.length - 1)
  const wanted = Math.min(state.cursor, last) + by
  const cursor = clamp(wanted, 0, last)
  const perRow = view.bytes / Math.max(1, view.rows.length)
  return { ...state, cursor, fromByte: clamp(view.fromByte + (wanted - cursor) * perRow, 0, view.totalBytes - view.bytes) }
}

/** Back in time stands still; forward to the end goes on. */
const scrollTime = (state: HeatmapState, view: HeatView, latestMs: number | undefined, by: number): HeatmapState => {
  const shownMs = view.columns.at(-1)
  const firstMs = view.firstMs
  if (shownMs === undefined || latestMs === undefined || firstMs === undefined) return state
  const untilMs = Math.max(firstMs, shownMs + by * view.columnMs)
  return { ...state, untilMs: untilMs >= latestMs ? undefined : untilMs }
}

export const onKey = (state: HeatmapState, key: string, size: Size): HeatmapState => {
  const plain = { ...state, message: undefined }
  if (key === "q") return { ...plain, isDone: true }
  if (key === "?") return { ...plain, isHelp: !state.isHelp }
  if (key === "esc") return state.isHelp ? { ...plain, isHelp: false } : { ...plain, isDone: true }
  if (state.isHelp) return { ...plain, isHelp: false }
  const there = layout(state, size)
  if (there === undefined) return plain
  const { latestMs, view } = there
  const page = Math.max(1, view.rows.length - 1)
  const quarter = Math.max(1, Math.floor(heatColumns(size.columns) / 4))
  switch (key) {
    case "up":
    case "k":
      return scrollRows(plain, view, -1)
    case "down":
    case "j":
      return scrollRows(plain, view, 1)
    case "pageup":
      return scrollRows(plain, view, -page)
    case "pagedown":
      return scrollRows(plain, view, page)
    case "left":
    case "h":
      return scrollTime(plain, view, latestMs, -1)
    case "right":
    case "l":
      return scrollTime(plain, view, latestMs, 1)
    case "H":
    case "shift+left":
      return scrollTime(plain, view, latestMs, -quarter)
    case "L":
    case "shift+right":
      return scrollTime(plain, view, latestMs, quarter)
    case "home":
      return scrollTime(plain, view, latestMs, -Number.MAX_SAFE_INTEGER)
    case "end":
      return { ...plain, untilMs: undefined }
    case "+":
    case "=":
      return zoom(plain, view, 0.5)
    case "-":
      return zoom(plain, view, 2)
    case "0":
      return { ...plain, bytes: undefined, fromByte: 0 }
    case "space":
      return { ...plain, untilMs: state.untilMs === undefined ? view.columns.at(-1) : undefined }
    case "a":
      return { ...plain, overlay: state.overlay === "heat" ? "kind" : "heat" }
    case "s":
      return { ...plain, scale: state.scale === "linear" ? "log" : "linear" }
    case "m":
      return { ...plain, average: averages.find((columns) => columns > state.average) ?? averages[0] }
    case "n":
    case "tab": {
      const count = state.pictures.all.length
      return { ...plain, subject: (state.subject + 1) % Math.max(1, count), bytes: undefined, fromByte: 0, cursor: 0 }
    }
    case "r":
      if (state.played !== undefined) return { ...plain, message: "this is a recording already" }
      return { ...plain, wantsRecording: !state.wantsRecording }
    default:
      return plain
  }
}

const keysLine = "q quit  ? help  arrows move  +/- zoom  0 all  space pause  a kind  s scale  m average  n next  r record"

const help: ReadonlyArray<string> = [
  "↑ ↓  k j       to the row above or below; PgUp PgDn: a page",
  "← →  h l       back and forth in time by a column; H L or shift: a quarter; Home: the begin, End: now",
  "+ -            zoom addresses in and out around the row looked at; 0: all of them",
  "space          stand still, and go on; what is seen meanwhile is kept",
  "a              colour by heat, or by kind: anonymous (A), file (F), both (M)",
  "s              levels of a tenth each, or each twice the one below",
  "m              cells are means over 1, 2, 3, 5, 10, 20 columns",
  "n              the next process of the group",
  "r              begin and end a recording",
  "q              end",
  "",
  "A cell is the share of looks that found a page of the row's memory used since the look before: of one page each,",
  "picked by chance in each of DAMON's regions. It counts looks, not accesses: 9 is used at (nearly) every look.",
  "Levels of one cell scatter by chance: averages (m) say more. Edges are as sharp as regions are small.",
  "· is memory that no look ever found used; a page that is used rarely may be among it."
]

const statusOf = (state: HeatmapState): string =>
  [
    ...(state.recordedTo === undefined ? [] : [`● ${state.recordedTo}`]),
    ...(state.played === undefined ? [] : [`▶ ${state.played}`]),
    ...(state.isOver ? ["ended"] : []),
    ...(state.untilMs === undefined ? [] : ["paused"])
  ].join("  ")

const headLine = (left: string, status: string, width: number): Line => {
  const room = Math.max(0, width - textWidth(status) - 2)
  return [span(fitText(left, room), { bold: true }), span("  "), span(status, { color: "yellow", bold: true })]
}

const rowDetail = (row: HeatRow | undefined): string => {
  if (row === undefined) return ""
  const mean = Number.isNaN(row.mean) ? "" : ` · ${(row.mean * 100).toFixed(1)} %`
  if (row.bytes === 0) return `${row.label}${row.name === "" ? "" : ` · ${row.name}`}${mean}`
  const kind = { anon: "anonymous", file: "file", mixed: "anonymous and file", none: "nothing in memory" }[row.kind]
  const others = row.others === 0 ? "" : ` and ${row.others} more`
  return `${row.start.toString(16)}-${row.end.toString(16)} · ${formatBytes(row.bytes)}${mean}${row.isNever ? " · never used" : ""} · ${kind} · ${row.name || "not mapped"}${others}`
}

/** `size.rows` lines or fewer. */
export const heatmapView = (state: HeatmapState, size: Size): ReadonlyArray<Line> => {
  const status = statusOf(state)
  if (state.isHelp) {
    return [headLine("wmo heatmap: keys and meaning", status, size.columns), [], ...help.map((text) => line(text)), [], legendLine(state)]
  }
  const there = layout(state, size)
  if (there === undefined) {
    return [
      headLine(`wmo heatmap · ${state.detail}`, status, size.columns),
      line(state.message ?? (state.isOver ? "it ended before there was anything to see" : "waiting for the first aggregation…"), {
        dim: true
      })
    ]
  }
  const { picture, view } = there
  const all = state.pictures.all.length
  const which = all > 1 ? ` · ${Math.min(state.subject, all - 1) + 1} of ${all}` : ""
  const measure = measureOf(picture)
  const part = state.bytes === undefined ? "" : ` · ${formatBytes(view.bytes)} from ${formatBytes(view.fromByte)} on`
  const cursor = clamp(state.cursor, 0, view.rows.length - 1)
  const rows = heatLines(view, { width: size.columns, overlay: state.overlay, scale: state.scale, measure })
  return [
    headLine(`${headOf(picture, view)}${part}${which} · ${state.detail}`, status, size.columns),
    line(scaleLine(view, { measure }), { dim: true }),
    ...rows.map((content, i) => (i === cursor ? content.map((piece, j) => (j === 0 ? { ...piece, inverse: true } : piece)) : content)),
    line(state.message ?? rowDetail(view.rows[cursor]), state.message === undefined ? {} : { color: "yellow" }),
    legendLine(state),
    line(keysLine, { dim: true })
  ]
}
