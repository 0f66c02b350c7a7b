/** The league's table, for people and as Markdown: medians, and the interval where there is more than one repeat. Columns are declared once. */
import { table } from "@wmo/report"
import type { LeagueRow, MeasureName } from "./pairing.ts"
import type { MedianInterval } from "./statistics.ts"

const number = (value: number, digits: number): string => {
  const text = value.toFixed(digits)
  // No minus before a zero.
  return Number(text) === 0 ? (0).toFixed(digits) : text
}

const cell =
  (name: MeasureName, digits: number) =>
  (row: LeagueRow): string => {
    const interval: MedianInterval | undefined = row.measures[name]
    if (interval === undefined) return "–"
    const middle = number(interval.median, digits)
    return interval.n === 1 ? middle : `${middle} [${number(interval.low, digits)}, ${number(interval.high, digits)}]`
  }

interface LeagueColumn {
  readonly head: string
  readonly cell: (row: LeagueRow) => string
  readonly align?: "left"
}

const columns: ReadonlyArray<LeagueColumn> = [
  { head: "workload", cell: (row) => row.workload, align: "left" },
  { head: "entry", cell: (row) => row.entry, align: "left" },
  { head: "n", cell: (row) => String(row.repeats) },
  { head: "saved MiB", cell: cell("saved_mib", 0) },
  { head: "saved %", cell: cell("saved_pct", 1) },
  { head: "machine MiB", cell: cell("machine_saved_mib", 0) },
  { head: "loss %", cell: cell("throughput_loss_pct", 1) },
  { head: "steady %", cell: cell("steady_loss_pct", 1) },
  { head: "PSI some %", cell: cell("psi_some_pct", 2) },
  { head: "p99 µs", cell: cell("p99_us", 0) },
  { head: "p99.9 µs", cell: cell("p999_us", 0) },
  { head: "refaults", cell: cell("refaults", 0) },
  { head: "promotions", cell: cell("promotions", 0) },
  { head: "swapped out", cell: cell("swapped_out_pages", 0) },
  { head: "CPU ms", cell: cell("policy_cpu_ms", 0) },
  { head: "", cell: ({ failures }) => (failures.length === 0 ? "" : `failed ${failures.length}×: ${failures[0]}`), align: "left" }
]

const shown = (rows: ReadonlyArray<LeagueRow>): ReadonlyArray<LeagueColumn> =>
  columns.filter(({ head }) => head !== "" || rows.some(({ failures }) => failures.length > 0))

export const leagueTable = (rows: ReadonlyArray<LeagueRow>): string => table(shown(rows), rows)

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")

export const leagueMarkdown = (rows: ReadonlyArray<LeagueRow>): string => {
  const heads = shown(rows)
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [
    line(heads.map(({ head }) => head)),
    line(heads.map(({ align }) => (align === "left" ? "---" : "---:"))),
    ...rows.map((row) => line(heads.map(({ cell }) => escaped(cell(row)))))
  ].join("\n")
}

/** What the numbers mean, for below a table. */
export const legend = (coverage: number | undefined): string =>
  [
    "Medians over repeats, each slot against the run without a policy beside it in the same guest.",
    coverage === undefined ? "" : `Intervals are order statistics; the widest covers the median with ${(coverage * 100).toFixed(0)} %.`,
    "saved: memory.current, which includes the zswap pool; machine: MemAvailable, which knows of zram too;",
    "loss: of throughput; steady: of that of the median second, which hiccups do not move; promotions: pages back from swap; swapped out: pages; CPU: of wmo and its kdamond beyond watching; p99 of the whole run."
  ]
    .filter((text) => text !== "")
    .join(" ")
