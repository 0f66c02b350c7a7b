/** Rows of `wmo top` as lines of a screen or of a table. Pure. */
import { cutText, fitText, type Line, printable, span, textWidth } from "../StyledLine.ts"
import { topColumns, type TopColumnName, topLayout, type TopLayout, type TopSort } from "./topColumns.ts"
import type { TopTreeRow } from "./topTree.ts"

const unknown = "–"

/** The last part of a path; the root is `/`. A row whose parent is not shown has its path from there. */
const nameOf = ({ group, level }: TopTreeRow): string =>
  printable(group === "" ? "/" : level === 0 ? group : group.slice(group.lastIndexOf("/") + 1))

const treeName = (row: TopTreeRow): string =>
  `${"  ".repeat(row.level)}${row.hasChildren ? (row.isCollapsed ? "▸ " : "▾ ") : "  "}${nameOf(row)}`

/** What a policy does, in one phrase. */
export const policyPhrase = ({ decision }: Pick<TopTreeRow, "decision">): string =>
  decision === undefined ? unknown : printable(decision.reason === undefined ? decision.policy : `${decision.policy}: ${decision.reason}`)

/** The layout of these rows on a screen of this width. */
export const layoutOf = (rows: ReadonlyArray<TopTreeRow>, width: number): TopLayout =>
  topLayout(
    width,
    rows.reduce((most, row) => Math.max(most, textWidth(treeName(row))), 0)
  )

export const topHead = ({ columns, nameWidth, policyWidth }: TopLayout, sort: TopSort, isAscending: boolean): Line => {
  const arrow = isAscending ? "▴" : "▾"
  /** Where the head fills its column, the arrow takes its last letter: columns stay apart. */
  const marked = (name: TopSort, head: string, room: number) => (name === sort ? `${head.slice(0, room - 1)}${arrow}` : head)
  const cell = (name: TopColumnName) => ` ${marked(name, topColumns[name].head, topColumns[name].width).padStart(topColumns[name].width)}`
  const text = `${fitText(marked("name", "GROUP", nameWidth), nameWidth)}${columns.map(cell).join("")}${policyWidth > 0 ? ` ${fitText("POLICY", policyWidth)}` : ""}`
  return [span(text, { inverse: true })]
}

export const topLine = (row: TopTreeRow, { columns, nameWidth, policyWidth }: TopLayout, isSelected = false): Line => {
  const base = isSelected ? { inverse: true } : {}
  const isHeld = row.decision !== undefined
  const name = fitText(treeName(row), nameWidth)
  const cells = columns.map((column) => {
    const { print, style, value, width } = topColumns[column]
    const known = value(row)
    if (known === undefined) return span(` ${unknown.padStart(width)}`, { dim: true, ...base })
    return span(` ${fitText(print(known), width, "right")}`, { ...style?.(known), ...base })
  })
  const policy =
    policyWidth > 0
      ? [span(` ${fitText(policyPhrase(row), policyWidth)}`, { ...(isHeld ? { color: "green" as const } : { dim: true }), ...base })]
      : []
  return [
    span(name, { ...(isHeld ? { color: "green" as const } : {}), ...(row.isMatch ? {} : { dim: true }), ...base }),
    ...cells,
    ...policy
  ]
}

/** All rows as a table for scripts: full names, no cutting. */
export const topTable = (rows: ReadonlyArray<TopTreeRow>): string => {
  const columns = Object.values(topColumns)
  const nameWidth = Math.max("GROUP".length, ...rows.map((row) => textWidth(treeName(row))))
  const head = `${fitText("GROUP", nameWidth)}${columns.map(({ head, width }) => ` ${head.padStart(width)}`).join("")} POLICY`
  const body = rows.map((row) => {
    const cells = columns.map(({ print, value, width }) => {
      const known = value(row)
      return ` ${known === undefined ? unknown.padStart(width) : print(known).padStart(width)}`
    })
    return `${fitText(treeName(row), nameWidth)}${cells.join("")} ${policyPhrase(row)}`
  })
  return [head, ...body].join("\n")
}

/** Text broken at spaces into lines of this width; at most `rows` of them. */
export const wrapText = (text: string, width: number, rows: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let current = ""
  for (const word of text.split(" ")) {
    const longer = current === "" ? word : `${current} ${word}`
    if (textWidth(longer) <= width) current = longer
    else {
      if (current !== "") lines.push(current)
      current = cutText(word, width)
    }
  }
  if (current !== "") lines.push(current)
  return lines.length <= rows ? lines : [...lines.slice(0, rows - 1), fitText(lines.slice(rows - 1).join(" "), width)]
}
