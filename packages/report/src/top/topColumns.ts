/** The columns of `wmo top`: what each shows, how wide it is, which matter most where the screen is narrow. Pure. */
import type { Style } from "../StyledLine.ts"
import type { TopRow } from "./TopRow.ts"

export type TopColumnName =
  | "current"
  | "anon"
  | "file"
  | "swap"
  | "zswap"
  | "ratio"
  | "cold"
  | "refaults"
  | "promotions"
  | "promotion-pct"
  | "psi"

export type TopSort = "name" | TopColumnName

export interface TopColumn {
  readonly head: string
  readonly width: number
  /** For sorting. */
  readonly value: (row: TopRow) => number | undefined
  readonly print: (value: number) => string
  readonly style?: (value: number) => Style
  /** Columns with a higher number go first where there is no room. */
  readonly rank: number
  /** What it means, for help. */
  readonly doc: string
}

/** Four digits and a unit at most: `0`, `812K`, `1.50G`. */
const shortBytes = (bytes: number): string => {
  const units = ["", "K", "M", "G", "T", "P"]
  let value = Math.abs(bytes)
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${bytes < 0 ? "-" : ""}${value.toFixed(digits)}${units[unit]}`
}

/** `0`, `0.3`, `12`, `4.2k`. */
export const shortRate = (value: number): string => {
  if (value === 0) return "0"
  if (value < 0.05) return "<0.1"
  if (value < 9.95) return value.toFixed(1)
  if (value < 999.5) return value.toFixed(0)
  if (value < 9_995) return `${(value / 1000).toFixed(1)}k`
  return value < 999_500 ? `${(value / 1000).toFixed(0)}k` : `${(value / 1e6).toFixed(1)}M`
}

const percent = (value: number): string => (value === 0 ? "0" : value < 0.05 ? "<0.1" : value < 99.95 ? value.toFixed(1) : value.toFixed(0))

const alarm =
  (yellow: number, red: number) =>
  (value: number): Style =>
    value >= red ? { color: "red", bold: true } : value >= yellow ? { color: "yellow" } : value === 0 ? { dim: true } : {}

export const topColumns: Readonly<Record<TopColumnName, TopColumn>> = {
  current: {
    head: "MEM",
    width: 6,
    rank: 0,
    value: (row) => row.currentBytes,
    print: shortBytes,
    doc: "memory.current: all that is charged to the group and below, kernel memory and compressed pages included"
  },
  anon: { head: "ANON", width: 6, rank: 2, value: (row) => row.anonBytes, print: shortBytes, doc: "anonymous pages in memory" },
  file: { head: "FILE", width: 6, rank: 3, value: (row) => row.fileBytes, print: shortBytes, doc: "page cache, tmpfs included" },
  swap: {
    head: "SWAP",
    width: 6,
    rank: 8,
    value: (row) => row.swapBytes,
    print: shortBytes,
    doc: "swap in use; pages in zswap count here too, before compression"
  },
  zswap: {
    head: "ZSWAP",
    width: 6,
    rank: 6,
    value: (row) => row.zswapBytes,
    print: shortBytes,
    doc: "memory that compressed pages take; part of MEM"
  },
  ratio: {
    head: "RATIO",
    width: 5,
    rank: 7,
    value: (row) => row.zswapRatio,
    print: (value) => (value < 99.95 ? value.toFixed(1) : value.toFixed(0)),
    doc: "size of those pages before and after compression: 3.0 is 3:1"
  },
  cold: {
    head: "COLD%",
    width: 5,
    rank: 1,
    value: (row) => (row.coldShare === undefined ? undefined : row.coldShare * 100),
    print: percent,
    style: (value) => (value >= 50 ? { color: "cyan", bold: true } : value >= 20 ? { color: "cyan" } : {}),
    doc: "share of the pages of known age that is idle for the cold age or longer; a lower bound: an age is known by its youngest"
  },
  refaults: {
    head: "REF/s",
    width: 5,
    rank: 4,
    value: (row) => row.refaultRate,
    print: shortRate,
    style: alarm(50, 1000),
    doc: "pages a second that were evicted and came back soon enough to be missed; not every read from disk is one"
  },
  promotions: {
    head: "PRO/s",
    width: 5,
    rank: 9,
    value: (row) => row.promotionRate,
    print: shortRate,
    style: alarm(50, 1000),
    doc: "pages a second that came back from swap or zswap"
  },
  "promotion-pct": {
    head: "PRO%/m",
    width: 6,
    rank: 5,
    value: (row) => row.promotionPctPerMin,
    print: shortRate,
    style: alarm(0.2, 5),
    doc: "the same in percent of MEM a minute: far memory is commonly held to 0.2"
  },
  psi: {
    head: "PSI%",
    width: 5,
    rank: 1,
    value: (row) => row.psiSomePct,
    print: percent,
    style: alarm(0.1, 10),
    doc: "share of the time in which some task waited for memory (PSI some, of the time between two samples)"
  }
}

export const topColumnNames = Object.keys(topColumns) as ReadonlyArray<TopColumnName>
export const topSorts: ReadonlyArray<TopSort> = [...topColumnNames, "name"]

const leastName = 20
const mostName = 48
const leastPolicy = 24

export interface TopLayout {
  readonly columns: ReadonlyArray<TopColumnName>
  readonly nameWidth: number
  /** 0: there is no room for it. */
  readonly policyWidth: number
}

/** The columns that fit into a width, and what is left for names, of which the longest takes `longestName`, and for what policies say. */
export const topLayout = (width: number, longestName: number): TopLayout => {
  const kept = [...topColumnNames]
  const taken = () => kept.reduce((sum, name) => sum + topColumns[name].width + 1, 0)
  const wanted = Math.max(leastName, Math.min(mostName, longestName))
  while (kept.length > 1 && leastName + taken() > width) {
    const least = kept.reduce((a, b) => (topColumns[b].rank > topColumns[a].rank ? b : a))
    kept.splice(kept.indexOf(least), 1)
  }
  const rest = Math.max(0, width - taken())
  const policyWidth = rest - leastName - 1 < leastPolicy ? 0 : Math.max(leastPolicy, rest - wanted - 1)
  return { columns: kept, nameWidth: policyWidth > 0 ? rest - policyWidth - 1 : rest, policyWidth }
}
