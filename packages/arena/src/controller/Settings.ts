/** Settings of the controller, with what each does and its default. All of them may be changed while it runs. */
import type { Bytes, Milliseconds } from "@wmo/core"
import { ArenaError } from "../ArenaError.ts"

export interface ControllerSettings {
  /** How often each loop looks. */
  readonly hotnessTickMs: Milliseconds
  readonly compressTickMs: Milliseconds
  readonly prefetchTickMs: Milliseconds
  /** A chunk untouched for this long is compressed: where the cold age starts, and between what it adapts. */
  readonly coldMs: Milliseconds
  readonly leastColdMs: Milliseconds
  readonly mostColdMs: Milliseconds
  /** How often the cold age adapts. */
  readonly adaptMs: Milliseconds
  /** Share of time that readers and writers may wait for restores: above it the cold age grows, below half of it it falls. */
  readonly mostStallPercent: number
  /** A chunk untouched for this long goes to the coldest tier; `Infinity` for never. */
  readonly coldestMs: Milliseconds
  /** Share of one core that compressing, moving to the coldest tier and compaction may take together, on whichever thread. */
  readonly cpuPercent: number
  /** The longest that a loop keeps the thread at a time. */
  readonly sliceMs: Milliseconds
  /** How far ahead predictors are asked. */
  readonly horizonMs: Milliseconds
  /** Predictions less sure than this are left alone. */
  readonly leastConfidence: number
  /** What is kept resident for the next restores while anything is compressed, at most a sixteenth of the arena; nothing without `mmap`. */
  readonly readyBytes: Bytes
  /** The pool is compacted when this share of it lies between slots. */
  readonly compactAbovePercent: number
  /** What a compaction may move at a time. */
  readonly compactBytes: Bytes
}

export const defaultSettings: ControllerSettings = {
  hotnessTickMs: 100,
  compressTickMs: 50,
  prefetchTickMs: 10,
  coldMs: 2000,
  leastColdMs: 100,
  mostColdMs: 60_000,
  adaptMs: 1000,
  mostStallPercent: 0.5,
  coldestMs: 60_000,
  cpuPercent: 10,
  sliceMs: 4,
  horizonMs: 500,
  leastConfidence: 0.3,
  readyBytes: 2 ** 20,
  compactAbovePercent: 20,
  compactBytes: 2 ** 22
}

const bounds: Readonly<Record<keyof ControllerSettings, readonly [least: number, most: number]>> = {
  hotnessTickMs: [1, 60_000],
  compressTickMs: [1, 60_000],
  prefetchTickMs: [1, 60_000],
  coldMs: [1, Infinity],
  leastColdMs: [1, Infinity],
  mostColdMs: [1, Infinity],
  adaptMs: [1, Infinity],
  mostStallPercent: [0.001, 100],
  coldestMs: [1, Infinity],
  cpuPercent: [0, 100],
  sliceMs: [0.1, 1000],
  horizonMs: [1, 60_000],
  leastConfidence: [0, 1],
  readyBytes: [0, Infinity],
  compactAbovePercent: [0, 100],
  compactBytes: [0, Infinity]
}

const bad = (option: string, why: string): ArenaError => new ArenaError({ reason: { _tag: "BadOption", option, why } })

/** The settings with some of them changed, or what is wrong with that. */
export const changeSettings = (settings: ControllerSettings, changes: Partial<ControllerSettings>): ControllerSettings | ArenaError => {
  const changed = { ...settings, ...changes }
  for (const [name, [least, most]] of Object.entries(bounds)) {
    const value = changed[name as keyof ControllerSettings]
    if (!(value >= least && value <= most)) return bad(name, `${value} is not between ${least} and ${most}`)
  }
  return changed.leastColdMs > changed.mostColdMs
    ? bad("leastColdMs", `${changed.leastColdMs} is more than mostColdMs, ${changed.mostColdMs}`)
    : changed
}
