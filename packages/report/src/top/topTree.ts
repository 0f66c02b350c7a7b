/** Rows of `wmo top` in the order in which they are shown: a tree whose siblings are sorted, folded, filtered and cut in depth. Pure. */
import { topColumns, type TopSort } from "./topColumns.ts"
import { parentOf } from "./TopFrame.ts"
import type { TopRow } from "./TopRow.ts"

export interface TopArrangement {
  /** The group that is the tree's root. */
  readonly root: string
  readonly sort: TopSort
  readonly isAscending: boolean
  /** Only groups whose path contains this, in any case, and those above them. Empty: all. */
  readonly filter: string
  readonly collapsed: ReadonlySet<string>
  /** Levels below the root that are shown. */
  readonly depth: number
}

export interface TopTreeRow extends TopRow {
  /** 0: the root of the tree. */
  readonly level: number
  readonly hasChildren: boolean
  readonly isCollapsed: boolean
  /** Itself matches the filter; others are shown for what is below them. */
  readonly isMatch: boolean
}

/** Unknown is last, whichever way it is sorted. */
const compare = (sort: TopSort, isAscending: boolean): ((a: TopRow, b: TopRow) => number) => {
  const sign = isAscending ? 1 : -1
  const byName = (a: TopRow, b: TopRow) => (a.group < b.group ? -1 : a.group > b.group ? 1 : 0)
  // Names read best from a to z, amounts from the largest on.
  if (sort === "name") return (a, b) => -sign * byName(a, b)
  const { value } = topColumns[sort]
  return (a, b) => {
    const left = value(a)
    const right = value(b)
    if (left === right) return byName(a, b)
    if (left === undefined) return 1
    if (right === undefined) return -1
    return sign * (left - right)
  }
}

const isWithin = (group: string, root: string): boolean => root === "" || group === root || group.startsWith(`${root}/`)

export const topTree = (rows: ReadonlyArray<TopRow>, arrangement: TopArrangement): ReadonlyArray<TopTreeRow> => {
  const { collapsed, depth, filter, isAscending, root, sort } = arrangement
  const inside = rows.filter(({ group }) => isWithin(group, root))
  const groups = new Set(inside.map(({ group }) => group))
  const needle = filter.toLowerCase()
  const wanted = new Set<string>()
  if (needle !== "") {
    for (const { group } of inside) {
      if (!group.toLowerCase().includes(needle)) continue
      for (let above: string | undefined = group; above !== undefined && !wanted.has(above); above = parentOf(above)) wanted.add(above)
    }
  }
  const children = new Map<string | undefined, Array<TopRow>>()
  for (const row of inside) {
    if (needle !== "" && !wanted.has(row.group)) continue
    // A recording may hold a group without those above it.
    let parent = row.group === root ? undefined : parentOf(row.group)
    while (parent !== undefined && !groups.has(parent)) parent = parent === root ? undefined : parentOf(parent)
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [row])
    else siblings.push(row)
  }
  const order = compare(sort, isAscending)
  const shown: Array<TopTreeRow> = []
  const visit = (parent: string | undefined, level: number): void => {
    for (const row of (children.get(parent) ?? []).toSorted(order)) {
      const hasChildren = children.has(row.group)
      // What is looked for is shown, folded or not.
      const isCollapsed = hasChildren && needle === "" && (collapsed.has(row.group) || level >= depth)
      shown.push({ ...row, level, hasChildren, isCollapsed, isMatch: needle === "" || row.group.toLowerCase().includes(needle) })
      if (hasChildren && !isCollapsed && level < depth) visit(row.group, level + 1)
    }
  }
  visit(undefined, 0)
  return shown
}
