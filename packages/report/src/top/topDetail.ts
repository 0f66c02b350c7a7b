/** One group of `wmo top` on a screen of its own: amounts, what they have been, ages of its pages, and what the policy says. Pure. */
import { formatBytes, formatDuration, type PageAgeBin } from "@wmo/core"
import { fitText, type Line, line, printable, span } from "../StyledLine.ts"
import { shortRate, topColumns } from "./topColumns.ts"
import type { TopAges, TopDecision } from "./TopFrame.ts"
import { type HistoryName, series, sparkline, type TopHistory } from "./TopHistory.ts"
import { wrapText } from "./topLines.ts"
import type { TopRow } from "./TopRow.ts"

export interface TopDetail {
  readonly row: TopRow
  readonly history: TopHistory
  readonly ages: TopAges | undefined
  readonly coldMs: number
  /** What was said lately, the newest last. */
  readonly said: ReadonlyArray<{ readonly atMs: number; readonly reason: string }>
}

const amount = (bytes: number | undefined): string => (bytes === undefined ? "–" : formatBytes(bytes))

const facts = (
  { anonBytes, coldShare, currentBytes, fileBytes, swapBytes, zswapBytes, zswapRatio, zswappedBytes }: TopRow,
  coldMs: number
): ReadonlyArray<Line> => [
  line(`memory ${amount(currentBytes)}   anon ${amount(anonBytes)}   file ${amount(fileBytes)}   swap ${amount(swapBytes)}`),
  line(
    `zswap ${amount(zswapBytes)} for ${amount(zswappedBytes)}${zswapRatio === undefined ? "" : ` (${zswapRatio.toFixed(2)}:1)`}   ` +
      `cold ${coldShare === undefined ? "–" : `${(coldShare * 100).toFixed(1)} % idle ≥ ${formatDuration(coldMs)}`}`
  )
]

const curves: ReadonlyArray<readonly [name: HistoryName, title: string, print: (value: number) => string]> = [
  ["current", "memory", formatBytes],
  ["cold", "cold %", (value) => value.toFixed(1)],
  ["refaults", "refaults/s", shortRate],
  ["promotions", "promotions/s", shortRate],
  ["psi", "PSI some %", topColumns.psi.print]
]

const curveLines = (history: TopHistory, group: string, width: number): ReadonlyArray<Line> =>
  curves.map(([name, title, print]) => {
    const values = series(history, group, name)
    const last = values.findLast((value) => value !== undefined)
    const most = values.reduce<number | undefined>((max, value) => (value === undefined ? max : Math.max(max ?? value, value)), undefined)
    const numbers = last === undefined ? "–" : `${print(last)}, peak ${print(most!)}`
    const room = Math.max(0, width - 14 - 26)
    return [span(title.padEnd(13)), span(sparkline(values, room), { color: "cyan" }), span(` ${numbers}`)]
  })

const edges = ({ lowerMs, upperMs }: PageAgeBin): string =>
  upperMs === Infinity
    ? lowerMs === 0
      ? "any age"
      : `≥ ${formatDuration(lowerMs)}`
    : lowerMs === 0
      ? `< ${formatDuration(upperMs)}`
      : `${formatDuration(lowerMs)} – ${formatDuration(upperMs)}`

const seconds = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]
const steps: ReadonlyArray<number> = [0, ...seconds.map((step) => step * 1000)]

/** A few bins as they are; more, as those of a whole tree, by how old their pages surely are. */
const displayed = (bins: ReadonlyArray<PageAgeBin>, most: number): ReadonlyArray<PageAgeBin> => {
  // Bins that hold nothing say nothing.
  const held = bins.filter(({ anonBytes, fileBytes }) => anonBytes + fileBytes > 0)
  if (held.length <= most) return held.toSorted((a, b) => a.lowerMs - b.lowerMs || a.upperMs - b.upperMs)
  return steps.flatMap((lowerMs, i) => {
    const upperMs = steps[i + 1] ?? Infinity
    const inside = held.filter((bin) => bin.lowerMs >= lowerMs && bin.lowerMs < upperMs)
    const anonBytes = inside.reduce((sum, bin) => sum + bin.anonBytes, 0)
    const fileBytes = inside.reduce((sum, bin) => sum + bin.fileBytes, 0)
    return anonBytes + fileBytes > 0 ? [{ lowerMs, upperMs, anonBytes, fileBytes }] : []
  })
}

/** Ages as bars: `█` anon, `▒` file. */
const ageLines = (ages: TopAges, coldMs: number, width: number, rows: number): ReadonlyArray<Line> => {
  const shown = displayed(ages.bins, rows).slice(-rows)
  if (shown.length === 0) return [line("no pages of known age")]
  const most = Math.max(...shown.map(({ anonBytes, fileBytes }) => anonBytes + fileBytes))
  const room = Math.max(1, width - 24 - 10)
  return shown.map((bin) => {
    const anon = Math.round((bin.anonBytes / most) * room)
    const file = Math.round(((bin.anonBytes + bin.fileBytes) / most) * room) - anon
    const isCold = bin.lowerMs >= coldMs
    return [
      span(fitText(edges(bin), 22), isCold ? { color: "cyan", bold: true } : {}),
      span(formatBytes(bin.anonBytes + bin.fileBytes).padStart(10)),
      span(" "),
      span("█".repeat(anon), { color: "yellow" }),
      span("▒".repeat(file), { color: "blue" })
    ]
  })
}

const policyLines = (decision: TopDecision | undefined, said: TopDetail["said"], width: number, rows: number): ReadonlyArray<Line> => {
  if (decision === undefined) return [line("no policy works on this group", { dim: true })]
  const who = decision.pid === undefined ? decision.policy : `${decision.policy}, pid ${decision.pid}`
  if (decision.reason === undefined)
    return [line(printable(who), { color: "green" }), line("it keeps no recording: what it decides is not known", { dim: true })]
  const now = wrapText(printable(decision.reason), width - 2, 3).map((text) => line(`  ${text}`))
  const before = said
    .slice(0, -1)
    .toReversed()
    .slice(0, Math.max(0, rows - 1 - now.length))
    .map(({ atMs, reason }) => line(fitText(`  ${new Date(atMs).toISOString().slice(11, 19)} ${printable(reason)}`, width), { dim: true }))
  return [line(printable(who), { color: "green" }), ...now, ...before]
}

export const topDetail = ({ ages, coldMs, history, row, said }: TopDetail, width: number, rows: number): ReadonlyArray<Line> => {
  const title = (text: string): Line => line(text, { bold: true })
  const head = [
    line(fitText(printable(row.group === "" ? "/" : row.group), width), { inverse: true }),
    ...facts(row, coldMs),
    line(""),
    ...curveLines(history, row.group, width),
    line("")
  ]
  const left = rows - head.length - 3
  const forAges = Math.max(1, Math.min(8, left - 3))
  const histogram =
    ages === undefined
      ? [line("no source of page ages for this group: see `wmo doctor`", { dim: true })]
      : ageLines(ages, coldMs, width, forAges)
  return [
    ...head,
    title(ages === undefined ? "page ages" : `page ages (${ages.source}; █ anon, ▒ file)`),
    ...histogram,
    line(""),
    title("policy"),
    ...policyLines(row.decision, said, width, left - histogram.length)
  ].slice(0, rows)
}
