/** Plain tables for people: aligned columns, a rule under the head, no colour of its own. */
import Table3 from "cli-table3"

export interface Column<Row> {
  readonly head: string
  readonly cell: (row: Row) => string
  /** Numbers read best on the right; the default. */
  readonly align?: "left" | "right"
}

const none = ""

/** Prints rows under their heads. Lines do not end in spaces. */
export const table = <Row>(columns: ReadonlyArray<Column<Row>>, rows: ReadonlyArray<Row>): string => {
  const grid = new Table3({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align ?? "right"),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      top: none,
      "top-mid": none,
      "top-left": none,
      "top-right": none,
      bottom: none,
      "bottom-mid": none,
      "bottom-left": none,
      "bottom-right": none,
      left: none,
      "left-mid": none,
      right: none,
      "right-mid": none,
      middle: none,
      mid: none,
      "mid-mid": none
    }
  })
  for (const row of rows) grid.push(columns.map(({ cell }) => cell(row)))
  return grid
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
}
