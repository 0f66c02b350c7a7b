/** What a few numbers of every group have been lately, for sparklines: 20 bytes a group and frame, so that a thousand groups fit. Pure. */
import type { TopRow } from "./TopRow.ts"

const kept = [
  ["current", (row: TopRow) => row.currentBytes],
  ["refaults", (row: TopRow) => row.refaultRate],
  ["promotions", (row: TopRow) => row.promotionRate],
  ["psi", (row: TopRow) => row.psiSomePct],
  ["cold", (row: TopRow) => (row.coldShare === undefined ? undefined : row.coldShare * 100)]
] as const

export type HistoryName = (typeof kept)[number][0]

interface Past {
  readonly atMs: number
  /** Shared by frames of the same groups. */
  readonly places: ReadonlyMap<string, number>
  readonly values: Float32Array
}

export type TopHistory = ReadonlyArray<Past>

export const noHistory: TopHistory = []

const samePlaces = (places: ReadonlyMap<string, number>, rows: ReadonlyArray<TopRow>): boolean =>
  places.size === rows.length && rows.every(({ group }, i) => places.get(group) === i)

/** Adds a frame's rows; the oldest go. */
export const remember = (history: TopHistory, atMs: number, rows: ReadonlyArray<TopRow>, most = 240): TopHistory => {
  const last = history.at(-1)?.places
  const places = last !== undefined && samePlaces(last, rows) ? last : new Map(rows.map(({ group }, i) => [group, i]))
  const values = new Float32Array(rows.length * kept.length)
  rows.forEach((row, i) => kept.forEach(([, value], k) => (values[i * kept.length + k] = value(row) ?? NaN)))
  return [...history.slice(-(most - 1)), { atMs, places, values }]
}

/** A group's values, oldest first; undefined where they were unknown or the group was not there. */
export const series = (history: TopHistory, group: string, name: HistoryName): ReadonlyArray<number | undefined> => {
  const k = kept.findIndex(([known]) => known === name)
  return history.map(({ places, values }) => {
    const place = places.get(group)
    const value = place === undefined ? NaN : values[place * kept.length + k]!
    return Number.isNaN(value) ? undefined : value
  })
}

const bars = "▁▂▃▄▅▆▇█"

/** The last `width` values as bars between `floor` (default 0) and their maximum; a space where nothing is known. */
export const sparkline = (values: ReadonlyArray<number | undefined>, width: number, floor = 0): string => {
  const shown = values.slice(-width)
  const most = shown.reduce<number>((max, value) => Math.max(max, value ?? floor), floor)
  return shown
    .map((value) => {
      if (value === undefined) return " "
      const share = most > floor ? (value - floor) / (most - floor) : 0
      return bars[Math.max(0, Math.min(bars.length - 1, Math.round(share * (bars.length - 1))))]!
    })
    .join("")
    .padStart(width)
}
