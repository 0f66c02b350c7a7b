/** The state of `wmo top` and what keys and frames make of it: pure, the same for a live tree and for a recording. */
import {
  noHistory,
  remember,
  type TopArrangement,
  type TopFrame,
  type TopHistory,
  type TopRow,
  topRows,
  type TopSort,
  topSorts,
  topTree,
  type TopTreeRow
} from "@wmo/report"
import type { Size } from "../Terminal.ts"

/** Where a recording is: sample `index` of `count`. */
export interface Playing {
  readonly name: string
  readonly times: ReadonlyArray<number>
  readonly index: number
  readonly isRunning: boolean
}

export interface TopState {
  readonly frame: TopFrame | undefined
  readonly before: TopFrame | undefined
  readonly rows: ReadonlyArray<TopRow>
  readonly history: TopHistory
  /** What policies said lately, by group. */
  readonly said: ReadonlyMap<string, ReadonlyArray<{ readonly atMs: number; readonly reason: string }>>
  /** Idle for so long is cold. */
  readonly coldMs: number
  readonly everyMs: number
  readonly arrangement: TopArrangement
  readonly selected: string | undefined
  /** First row on the screen. */
  readonly offset: number
  readonly screen: "tree" | "detail" | "help"
  /** The filter is being typed. */
  readonly isTyping: boolean
  readonly isPaused: boolean
  readonly isDone: boolean
  readonly playing: Playing | undefined
  readonly note: string | undefined
}

const coldLadder: ReadonlyArray<number> = [5, 10, 30, 60, 120, 300, 600, 1800, 3600].map((seconds) => seconds * 1000)
const everyLadder: ReadonlyArray<number> = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000]

export const startState = (options: {
  readonly root: string
  readonly depth: number
  readonly sort: TopSort
  readonly coldMs: number
  readonly everyMs: number
  readonly playing?: Playing
}): TopState => ({
  frame: undefined,
  before: undefined,
  rows: [],
  history: noHistory,
  said: new Map(),
  coldMs: options.coldMs,
  everyMs: options.everyMs,
  arrangement: { root: options.root, depth: options.depth, sort: options.sort, isAscending: false, filter: "", collapsed: new Set() },
  selected: undefined,
  offset: 0,
  screen: "tree",
  isTyping: false,
  isPaused: false,
  isDone: false,
  playing: options.playing,
  note: undefined
})

/** Rows that a list of groups has room for: two lines above, one of heads, two below. */
export const listHeight = ({ rows }: Size): number => Math.max(1, rows - 5)

const trees = new WeakMap<ReadonlyArray<TopRow>, { readonly arrangement: TopArrangement; readonly shown: ReadonlyArray<TopTreeRow> }>()

/** The rows as arranged; computed once a frame and arrangement, not once a drawing. */
export const shownRows = ({ arrangement, rows }: TopState): ReadonlyArray<TopTreeRow> => {
  const known = trees.get(rows)
  if (known?.arrangement === arrangement) return known.shown
  const shown = topTree(rows, arrangement)
  trees.set(rows, { arrangement, shown })
  return shown
}

/** Where the selection is among the rows; 0 where it is gone. */
export const selectedIndex = (state: TopState): number => {
  const index = shownRows(state).findIndex(({ group }) => group === state.selected)
  return Math.max(0, index)
}

const maxSaid = 50

/** What was said, with what a new frame says. */
const hear = (said: TopState["said"], frame: TopFrame): TopState["said"] => {
  const heard = new Map(said)
  for (const [group, { atMs = frame.atMs, reason }] of frame.decisions) {
    const before = heard.get(group) ?? []
    if (reason === undefined || before.at(-1)?.reason === reason) continue
    heard.set(group, [...before.slice(-(maxSaid - 1)), { atMs, reason }])
  }
  return heard
}

/** A live tree's next frame. */
export const withFrame = (state: TopState, frame: TopFrame): TopState => {
  const rows = topRows(state.frame, frame, state.coldMs)
  return {
    ...state,
    before: state.frame,
    frame,
    rows,
    history: remember(state.history, frame.atMs, rows),
    said: hear(state.said, frame),
    note: undefined
  }
}

/** A place in a recording: its frame, the one before, and the past that sparklines show. */
export const withPlace = (
  state: TopState,
  place: {
    readonly index: number
    readonly before: TopFrame | undefined
    readonly frame: TopFrame
    readonly past: ReadonlyArray<TopFrame>
    readonly said: TopState["said"]
  }
): TopState => {
  let history: TopHistory = noHistory
  place.past.forEach((frame, i) => {
    history = remember(history, frame.atMs, topRows(place.past[i - 1], frame, state.coldMs))
  })
  const rows = topRows(place.before, place.frame, state.coldMs)
  return {
    ...state,
    note: undefined,
    before: place.before,
    frame: place.frame,
    rows,
    history: remember(history, place.frame.atMs, rows),
    said: place.said
  }
}

const stepOn = (ladder: ReadonlyArray<number>, value: number, step: 1 | -1): number =>
  step === 1 ? (ladder.find((known) => known > value) ?? value) : (ladder.findLast((known) => known < value) ?? value)

const select = (state: TopState, index: number, size: Size): TopState => {
  const rows = shownRows(state)
  const at = Math.max(0, Math.min(rows.length - 1, index))
  const height = listHeight(size)
  const offset = at < state.offset ? at : at >= state.offset + height ? at - height + 1 : state.offset
  return { ...state, selected: rows[at]?.group, offset }
}

const arrange = (state: TopState, change: Partial<TopArrangement>): TopState => ({
  ...state,
  arrangement: { ...state.arrangement, ...change }
})

const withCollapsed = (state: TopState, change: (collapsed: Set<string>) => void): TopState => {
  const collapsed = new Set(state.arrangement.collapsed)
  change(collapsed)
  return arrange(state, { collapsed })
}

/** Folds the selected group, or goes to the one above where there is nothing to fold. */
const fold = (state: TopState, size: Size): TopState => {
  const rows = shownRows(state)
  const index = selectedIndex(state)
  const row = rows[index]
  if (row === undefined) return state
  if (row.hasChildren && !row.isCollapsed) return withCollapsed(state, (collapsed) => collapsed.add(row.group))
  const above = rows.slice(0, index).findLastIndex(({ level }) => level < row.level)
  return above < 0 ? state : select(state, above, size)
}

const unfold = (state: TopState): TopState => {
  const row = shownRows(state)[selectedIndex(state)]
  if (row === undefined || !row.isCollapsed) return state
  const opened = withCollapsed(state, (collapsed) => collapsed.delete(row.group))
  return row.level >= state.arrangement.depth ? arrange(opened, { depth: row.level + 1 }) : opened
}

const sortKeys: Readonly<Record<string, TopSort>> = {
  m: "current",
  a: "anon",
  z: "zswap",
  c: "cold",
  f: "refaults",
  p: "promotion-pct",
  w: "psi",
  n: "name"
}

/** The sample that is this much time away, one sample at least. */
const moveInTime = (playing: Playing, ms: number): Playing => {
  const { index, times } = playing
  const target = times[index]! + ms
  const found =
    ms > 0 ? times.findIndex((time, i) => i > index && time >= target) : times.findLastIndex((time, i) => i < index && time <= target)
  return { ...playing, index: found >= 0 ? found : ms > 0 ? times.length - 1 : 0, isRunning: false }
}

/** What a key does to where a recording is; undefined: it is no such key. */
const scrub = (playing: Playing, key: string): Playing | undefined => {
  const last = playing.times.length - 1
  switch (key) {
    case "left":
      return { ...playing, index: Math.max(0, playing.index - 1), isRunning: false }
    case "right":
      return { ...playing, index: Math.min(last, playing.index + 1), isRunning: false }
    case "shift+left":
      return moveInTime(playing, -10_000)
    case "shift+right":
      return moveInTime(playing, 10_000)
    case ",":
      return moveInTime(playing, -60_000)
    case ".":
      return moveInTime(playing, 60_000)
    case "<":
      return moveInTime(playing, -3_600_000)
    case ">":
      return moveInTime(playing, 3_600_000)
    case "0":
      return { ...playing, index: 0, isRunning: false }
    case "$":
      return { ...playing, index: last, isRunning: false }
    case "space":
      // From the end it begins anew.
      return { ...playing, isRunning: !playing.isRunning, index: !playing.isRunning && playing.index === last ? 0 : playing.index }
    default:
      return undefined
  }
}

const type = (state: TopState, key: string): TopState => {
  const { filter } = state.arrangement
  if (key === "enter") return { ...state, isTyping: false }
  if (key === "esc") return { ...arrange(state, { filter: "" }), isTyping: false, offset: 0 }
  if (key === "backspace") return { ...arrange(state, { filter: [...filter].slice(0, -1).join("") }), offset: 0 }
  const text = key === "space" ? " " : key
  return [...text].length === 1 ? { ...arrange(state, { filter: filter + text }), offset: 0 } : state
}

/** What a key does, wherever one is. */
export const onTopKey = (state: TopState, key: string, size: Size): TopState => {
  if (state.isTyping) return type(state, key)
  if (key === "q") return { ...state, isDone: true }
  if (key === "?") return { ...state, screen: state.screen === "help" ? "tree" : "help" }
  const playing = state.playing === undefined ? undefined : scrub(state.playing, key)
  if (playing !== undefined) return { ...state, playing }
  switch (key) {
    case "t":
      return recool(state, stepOn(coldLadder, state.coldMs, 1))
    case "T":
      return recool(state, stepOn(coldLadder, state.coldMs, -1))
    case "]":
      return { ...state, everyMs: stepOn(everyLadder, state.everyMs, 1) }
    case "[":
      return { ...state, everyMs: stepOn(everyLadder, state.everyMs, -1) }
    case "space":
      return { ...state, isPaused: !state.isPaused }
    case "esc":
      if (state.screen !== "tree") return { ...state, screen: "tree" }
      return state.arrangement.filter === "" ? state : { ...arrange(state, { filter: "" }), offset: 0 }
    case "enter":
      return { ...state, screen: state.screen === "tree" ? "detail" : "tree", selected: shownRows(state)[selectedIndex(state)]?.group }
    default:
      return state.screen === "help" ? state : onTreeKey(state, key, size)
  }
}

const recool = (state: TopState, coldMs: number): TopState => ({
  ...state,
  coldMs,
  rows: state.frame === undefined ? [] : topRows(state.before, state.frame, coldMs)
})

const onTreeKey = (state: TopState, key: string, size: Size): TopState => {
  const page = listHeight(size)
  const sort = sortKeys[key]
  if (sort !== undefined) return arrange(state, { sort })
  switch (key) {
    case "up":
    case "k":
      return select(state, selectedIndex(state) - 1, size)
    case "down":
    case "j":
      return select(state, selectedIndex(state) + 1, size)
    case "pageup":
      return select(state, selectedIndex(state) - page, size)
    case "pagedown":
      return select(state, selectedIndex(state) + page, size)
    case "home":
    case "g":
      return select(state, 0, size)
    case "end":
    case "G":
      return select(state, Infinity, size)
    case "left":
    case "h":
    case "-":
      return fold(state, size)
    case "right":
    case "l":
    case "+":
      return unfold(state)
    case "*":
      return arrange(state, { collapsed: new Set(), depth: Infinity })
    case "_":
      return withCollapsed(state, (collapsed) => {
        for (const { group, hasChildren, level } of shownRows(state)) if (hasChildren && level > 0) collapsed.add(group)
      })
    case "s":
    case "S": {
      const at = topSorts.indexOf(state.arrangement.sort) + (key === "s" ? 1 : topSorts.length - 1)
      return arrange(state, { sort: topSorts[at % topSorts.length]! })
    }
    case "r":
      return arrange(state, { isAscending: !state.arrangement.isAscending })
    case "/":
      return { ...state, screen: "tree", isTyping: true }
    default:
      return state
  }
}
