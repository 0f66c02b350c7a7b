/** Which groups the table shows, and in which order. Pure; knows no DOM. */
import type { GroupSummary } from "../../protocol/Status.ts"

export type Column = "group" | "policy" | "memory" | "saved" | "pressure" | "refaults" | "last"

export interface Order {
  readonly column: Column
  readonly isDescending: boolean
}

/** `problems`: backing off. `idle`: left alone, or stopped with all others. */
export const kinds = ["all", "acting", "problems", "idle"] as const
export type Kind = (typeof kinds)[number]

export const kindOf = ({ state }: GroupSummary): Exclude<Kind, "all"> =>
  state === "acting" ? "acting" : state === "backing-off" ? "problems" : "idle"

export const nameOf = ({ group, name }: GroupSummary): string => name ?? group

/** What is said of the group now: what failed, what its policy said last, or why nothing is done. */
export const lastSaid = ({ problem, reason, state, why }: GroupSummary): string =>
  state === "backing-off" ? (problem ?? why) : state === "acting" ? (reason ?? why) : why

const values: Readonly<Record<Column, (group: GroupSummary) => number | string | undefined>> = {
  group: nameOf,
  policy: ({ policy }) => policy,
  memory: ({ current_bytes }) => current_bytes,
  saved: ({ saved_bytes }) => saved_bytes,
  pressure: ({ pressure_percent }) => pressure_percent,
  refaults: ({ refaults_per_second }) => refaults_per_second,
  last: lastSaid
}

/** Amounts begin with the largest, names with A. */
export const firstOrder = (column: Column): Order => ({
  column,
  isDescending: column !== "group" && column !== "policy" && column !== "last"
})

const names = new Intl.Collator("en", { numeric: true })

/** What is unknown comes last either way; among equals the group's path decides. */
export const sorted = (groups: ReadonlyArray<GroupSummary>, { column, isDescending }: Order): ReadonlyArray<GroupSummary> => {
  const of = values[column]
  const sign = isDescending ? -1 : 1
  return groups.toSorted((a, b) => {
    const x = of(a)
    const y = of(b)
    const tie = names.compare(a.group, b.group)
    if (x === undefined || y === undefined) return x === y ? tie : x === undefined ? 1 : -1
    const order = typeof x === "number" && typeof y === "number" ? x - y : names.compare(String(x), String(y))
    return order === 0 ? tie : sign * order
  })
}

/** Groups of a kind that have all words somewhere in what is shown of them. */
export const filtered = (groups: ReadonlyArray<GroupSummary>, text: string, kind: Kind): ReadonlyArray<GroupSummary> => {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return groups.filter((group) => {
    if (kind !== "all" && kindOf(group) !== kind) return false
    if (words.length === 0) return true
    const said = [group.group, group.name, group.policy, group.state, lastSaid(group)].join("\n").toLowerCase()
    return words.every((word) => said.includes(word))
  })
}

export interface Totals {
  readonly currentBytes: number
  readonly savedBytes: number
  readonly refaultsPerSecond: number
  /** The group with the most pressure, where any has some. */
  readonly worst: GroupSummary | undefined
  readonly byKind: Readonly<Record<Kind, number>>
}

export const totalsOf = (groups: ReadonlyArray<GroupSummary>): Totals => {
  const sum = (of: (group: GroupSummary) => number | undefined) => groups.reduce((total, group) => total + (of(group) ?? 0), 0)
  const worst = groups.reduce<GroupSummary | undefined>(
    (most, group) => ((group.pressure_percent ?? 0) > (most?.pressure_percent ?? 0) ? group : most),
    undefined
  )
  const byKind = { all: groups.length, acting: 0, problems: 0, idle: 0 }
  for (const group of groups) byKind[kindOf(group)]++
  return {
    currentBytes: sum(({ current_bytes }) => current_bytes),
    savedBytes: sum(({ saved_bytes }) => saved_bytes),
    refaultsPerSecond: sum(({ refaults_per_second }) => refaults_per_second),
    worst,
    byKind
  }
}
