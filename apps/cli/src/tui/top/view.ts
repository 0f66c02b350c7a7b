/** `wmo top` as lines: a head, the tree or one group or the help, and what keys do. Pure. */
import { formatBytes, formatDuration } from "@wmo/core"
import { fitText, layoutOf, line, type Line, policyPhrase, printable, span, topColumns, topDetail, topHead, topLine } from "@wmo/report"
import type { Size } from "../Terminal.ts"
import { listHeight, selectedIndex, shownRows, type TopState } from "./state.ts"

/** Local time, with the day where it is not today's. */
const clock = (atMs: number, now: number = Date.now()): string => {
  const pad = (value: number) => String(value).padStart(2, "0")
  const at = new Date(atMs)
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`
  const isToday = new Date(now).toDateString() === at.toDateString()
  return isToday ? time : `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`
}

const sourceOf = ({ rows }: TopState): string => {
  const sources = new Set(rows.map(({ ageSource }) => ageSource).filter((source) => source !== undefined))
  return sources.size === 0 ? "no page ages" : `ages: ${[...sources].join(", ")}`
}

const status = (state: TopState, shown: number, isSortSeen: boolean): string => {
  const { arrangement, coldMs, everyMs, isPaused, playing, rows } = state
  const { filter } = arrangement
  const total = rows.find(({ group }) => group === arrangement.root)
  return [
    filter === "" || playing === undefined ? undefined : `filter: ${printable(filter)}`,
    playing === undefined ? `every ${formatDuration(everyMs)}${isPaused ? ", PAUSED" : ""}` : playing.isRunning ? "playing" : "at rest",
    `${shown === rows.length ? "" : `${shown} of `}${rows.length} group${rows.length === 1 ? "" : "s"}`,
    isSortSeen ? undefined : `by ${arrangement.sort}`,
    total?.currentBytes === undefined ? undefined : formatBytes(total.currentBytes),
    `cold ≥ ${formatDuration(coldMs)} (${sourceOf(state)})`
  ]
    .filter((part) => part !== undefined)
    .join("  ")
}

/** Where a recording is, as a bar. */
const timeline = ({ index, isRunning, name, times }: NonNullable<TopState["playing"]>, width: number): Line => {
  const done = index === 0 ? "0 s" : formatDuration(times[index]! - times[0]!)
  const all = formatDuration(times.at(-1)! - times[0]!)
  const right = ` ${done} of ${all}`
  const left = `${isRunning ? "▶" : "‖"} ${printable(name)} `
  const room = Math.max(4, width - left.length - right.length - 1)
  const at = times.length < 2 ? 0 : Math.round((index / (times.length - 1)) * (room - 1))
  return [
    span(left, { bold: true }),
    span("─".repeat(at), { color: "cyan" }),
    span("●", { color: "cyan" }),
    span("─".repeat(room - at - 1), { dim: true }),
    span(right)
  ]
}

const hints = (state: TopState, width: number): Line => {
  if (state.isTyping) return line(`/${printable(state.arrangement.filter)}▏  enter keeps it, esc clears it`, { bold: true })
  const move = state.playing === undefined ? "←→ fold" : "←→ sample  ,. minute  <> hour  space play"
  const rest = state.playing === undefined ? "space pause  [] interval" : "-+ fold"
  const text =
    state.screen === "tree"
      ? `q quit  ? help  enter detail  / filter  s sort  ${move}  ${rest}  t cold age`
      : `q quit  ? help  esc back${state.playing === undefined ? "" : `  ${move}`}`
  return line(fitText(text, width), { dim: true })
}

const helpLines = (width: number): ReadonlyArray<Line> => [
  line("What the columns mean", { bold: true }),
  ...Object.values(topColumns).map(({ doc, head }) => [span(head.padEnd(7), { bold: true }), span(fitText(doc, width - 7))]),
  [span("POLICY ", { bold: true }), span(fitText("which wmo works on the group, and what it said last; – none does", width - 7))],
  line("– is unknown: this kernel, or this recording, does not say.", { dim: true }),
  line("Keys", { bold: true }),
  ...[
    "↑↓ jk pgup pgdn g G  move       ←→ h l - +  fold, unfold     * _  all of them",
    "enter  one group    /  filter    esc  back      s S r  sort by next, last, reversed",
    "m a z c f p w n  sort by MEM ANON ZSWAP COLD REF PRO PSI, name",
    "t T  longer, shorter cold age    [ ]  refresh more, less often    space  pause",
    "recording: ←→ a sample  shift+←→ 10 s  ,. a minute  <> an hour  0 $ ends  space play"
  ].map((text) => line(fitText(text, width)))
]

const foot = (state: TopState, width: number): Line => {
  if (state.note !== undefined) return line(fitText(printable(state.note), width), { color: "yellow" })
  const row = shownRows(state)[selectedIndex(state)]
  if (row === undefined) return line("")
  const who = row.decision?.pid === undefined ? "" : ` (pid ${row.decision.pid})`
  const policy = row.decision === undefined ? "no policy" : `${policyPhrase(row)}${who}`
  return [
    span(fitText(`${printable(row.group || "/")}: ${policy}`, width), row.decision === undefined ? { dim: true } : { color: "green" })
  ]
}

/** The whole screen. */
export const topView = (state: TopState, size: Size): ReadonlyArray<Line> => {
  const { columns: width, rows: height } = size
  const { arrangement, frame, screen } = state
  if (frame === undefined) return [line(state.note ?? "reading …", { dim: true })]
  const shown = shownRows(state)
  const layout = layoutOf(shown, width)
  const isSortSeen = arrangement.sort === "name" || layout.columns.includes(arrangement.sort)
  const title = `wmo top  ${clock(frame.atMs)}  `
  const head: ReadonlyArray<Line> = [
    [span(title, { bold: true }), span(fitText(status(state, shown.length, isSortSeen), Math.max(0, width - title.length)))],
    state.playing === undefined
      ? line(arrangement.filter === "" ? "" : `filter: ${printable(arrangement.filter)}`, { color: "yellow" })
      : timeline(state.playing, width)
  ]
  const fill = (body: ReadonlyArray<Line>): ReadonlyArray<Line> => {
    const room = Math.max(0, height - head.length - 2)
    return [
      ...head,
      ...body.slice(0, room),
      ...Array.from({ length: Math.max(0, room - body.length) }, () => line("")),
      foot(state, width),
      hints(state, width)
    ]
  }
  if (screen === "help") return fill(helpLines(width))
  if (screen === "detail") {
    const row = state.rows.find(({ group }) => group === state.selected)
    if (row === undefined) return fill([line(`${printable(state.selected ?? "/")} is not there at this time`, { color: "yellow" })])
    const detail = {
      row,
      history: state.history,
      ages: frame.ages.get(row.group),
      coldMs: state.coldMs,
      said: state.said.get(row.group) ?? []
    }
    return fill(topDetail(detail, width, height - head.length - 2))
  }
  const room = listHeight(size)
  const selected = selectedIndex(state)
  // A tree that has shrunk, or a terminal, must not leave the selection out of sight.
  const offset = Math.max(0, Math.min(Math.max(state.offset, selected - room + 1), selected, Math.max(0, shown.length - room)))
  const first = selected < offset ? selected : offset
  const rows = shown.slice(first, first + room).map((row, i) => topLine(row, layout, first + i === selected))
  return fill([topHead(layout, arrangement.sort, arrangement.isAscending), ...rows])
}
