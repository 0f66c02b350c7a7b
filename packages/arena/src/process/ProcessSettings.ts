/** Settings of the process arena; all but the first four take effect while it runs. What is measured adapts within them. */
import type { Bytes, Milliseconds } from "@wmo/core"
import { ArenaError } from "../ArenaError.ts"

export interface ProcessSettings {
  /** Memory is watched, paged out and read in by ranges of this size: a power of two of 64 KiB or more. Doubled while there would be too many. */
  readonly chunkBytes: Bytes
  /** DAMON looks at a page of each chunk this often. Longer where there are many chunks. */
  readonly intervalMs: Milliseconds
  /** More chunks than this are not told apart: chunks are made larger. */
  readonly mostChunks: number
  /** How often mappings and page tables are looked at. */
  readonly followMs: Milliseconds
  /** A chunk whose mappings are younger than this, or have changed since, is left alone. */
  readonly leastAgeMs: Milliseconds
  readonly compressTickMs: Milliseconds
  readonly prefetchTickMs: Milliseconds
  /** A chunk untouched for this long is paged out: where the cold age starts, and between what it adapts. */
  readonly coldMs: Milliseconds
  readonly leastColdMs: Milliseconds
  readonly mostColdMs: Milliseconds
  readonly adaptMs: Milliseconds
  /** Share of time that the target may wait for pages that nobody read in early: above it the cold age grows, below half of it it falls. */
  readonly mostStallPercent: number
  /** Above this share of stalled time (PSI `some`, memory) of the target's group, or of the machine, nothing is paged out. */
  readonly mostPressurePercent: number
  /** What may be paged out a second. */
  readonly pageOutBytesPerSecond: Bytes
  /** Share of one core that paging out may take, and reading in. */
  readonly cpuPercent: number
  readonly restoreCpuPercent: number
  /** What one call to the kernel takes at most. */
  readonly batchBytes: Bytes
  /** How far ahead predictors are asked. */
  readonly horizonMs: Milliseconds
  /** Predictions less sure than this are left alone. */
  readonly leastConfidence: number
}

export const defaultProcessSettings: ProcessSettings = {
  chunkBytes: 2 ** 21,
  intervalMs: 50,
  mostChunks: 4096,
  followMs: 1000,
  leastAgeMs: 5000,
  compressTickMs: 100,
  prefetchTickMs: 20,
  coldMs: 5000,
  leastColdMs: 1000,
  mostColdMs: 120_000,
  adaptMs: 1000,
  mostStallPercent: 0.5,
  mostPressurePercent: 5,
  pageOutBytesPerSecond: 2 ** 28,
  cpuPercent: 10,
  restoreCpuPercent: 50,
  batchBytes: 2 ** 22,
  horizonMs: 3000,
  leastConfidence: 0.3
}

const bounds: Readonly<Record<keyof ProcessSettings, readonly [least: number, most: number]>> = {
  chunkBytes: [2 ** 16, 2 ** 30],
  intervalMs: [5, 10_000],
  mostChunks: [64, 65_536],
  followMs: [50, 60_000],
  leastAgeMs: [0, Infinity],
  compressTickMs: [1, 60_000],
  prefetchTickMs: [1, 60_000],
  coldMs: [10, Infinity],
  leastColdMs: [10, Infinity],
  mostColdMs: [10, Infinity],
  adaptMs: [10, Infinity],
  mostStallPercent: [0.001, 100],
  mostPressurePercent: [0.01, 100],
  pageOutBytesPerSecond: [4096, Infinity],
  cpuPercent: [0, 100],
  restoreCpuPercent: [0, 100],
  batchBytes: [4096, 2 ** 30],
  horizonMs: [1, 60_000],
  leastConfidence: [0, 1]
}

const fixed = ["chunkBytes", "intervalMs", "mostChunks", "followMs"] as const

const bad = (option: string, why: string): ArenaError => new ArenaError({ reason: { _tag: "BadOption", option, why } })

/** The settings with some of them changed, or what is wrong with that. `isRunning`: what only counts at the start is refused. */
export const changeProcessSettings = (
  settings: ProcessSettings,
  changes: Partial<ProcessSettings>,
  isRunning = false
): ProcessSettings | ArenaError => {
  const changed = { ...settings, ...changes }
  for (const [name, [least, most]] of Object.entries(bounds)) {
    const value = changed[name as keyof ProcessSettings]
    if (!(value >= least && value <= most)) return bad(name, `${value} is not between ${least} and ${most}`)
  }
  if (!Number.isInteger(Math.log2(changed.chunkBytes))) return bad("chunkBytes", `${changed.chunkBytes} is not a power of two`)
  const late = isRunning ? fixed.find((name) => changed[name] !== settings[name]) : undefined
  if (late !== undefined) return bad(late, "cannot change any more: give it at the start")
  return changed.leastColdMs > changed.mostColdMs
    ? bad("leastColdMs", `${changed.leastColdMs} is more than mostColdMs, ${changed.mostColdMs}`)
    : changed
}
