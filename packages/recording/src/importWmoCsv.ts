/**
 * A CSV of the original WMO scripts as a run of a recording. What the file does not say is told by its name, or unknown: the policy, its
 * settings, the group. Pressure is unknown, not zero. Seconds that the script slept through (a suspended machine) are missed ticks.
 */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { cgroupSample } from "./cgroupSample.ts"
import type { RunStart, Snapshot } from "./Entry.ts"
import { Recorder } from "./Recorder.ts"
import { RecordingError } from "./RecordingError.ts"
import { parseWmoCsv, type WmoCsv } from "./wmoCsv.ts"

export interface ImportOptions {
  /** What tables call the run; default: the file's name. */
  readonly label?: string | undefined
  /** The day on which the first sample was taken, for files that only have times of day: milliseconds since 1970 (default 0). */
  readonly dayMs?: number | undefined
}

/** What the name of a file says of the policy behind it. */
export const policyInName = (name: string): { readonly policy: string; readonly settings: Readonly<Record<string, string>> } => {
  const settings: Record<string, string> = {}
  const find = (key: string, pattern: RegExp) => {
    const match = pattern.exec(name)
    if (match !== null) settings[key] = match[1]!
  }
  find("cold_age", /(\d+ms)_cold_age/)
  find("every", /(\d+s)_reclaim_frequency/)
  find("throttle", /([\d.]+s)_throttle/)
  const policy = /baseline|control/.test(name)
    ? "none"
    : /senpai/.test(name)
      ? "senpai"
      : /memory_dot_high/.test(name)
        ? "memory.high"
        : /periodic|experimental/.test(name)
          ? "periodic"
          : "unknown"
  return { policy, settings }
}

const medianStep = ({ rows }: WmoCsv): number => {
  const steps = rows.slice(1).map(({ atMs }, i) => atMs - rows[i]!.atMs)
  return steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1000
}

/** Reads such a file, or says in one line why it is none. */
export const readWmoCsv = (file: string): Effect.Effect<WmoCsv, RecordingError> =>
  Effect.try({
    try: () => parseWmoCsv(readFileSync(file, "utf8")),
    catch: (cause) => {
      const missing = (cause as NodeJS.ErrnoException).code === "ENOENT"
      const problem = missing ? "there is no such file" : cause instanceof Error ? cause.message : String(cause)
      return new RecordingError({ file, operation: "import", problem })
    }
  })

/** Adds what was read as a run to what the recorder writes; `file` is where it was read from. */
export const importWmoCsv = Effect.fn("importWmoCsv")(function* (csv: WmoCsv, file: string, { dayMs = 0, label }: ImportOptions = {}) {
  const name = basename(file).replace(/\.csv$/, "")
  const offset = csv.isDated ? 0 : dayMs
  const everyMs = Math.max(1, Math.round(medianStep(csv) / 100) * 100)
  const startedMs = csv.rows[0]!.atMs + offset
  const group = "workload"
  const start: RunStart = {
    label: label ?? name,
    group,
    ...policyInName(name),
    kernel: "unknown, with working-set reports",
    clock: "real",
    everyMs,
    dryRun: false,
    startedMs,
    configuration: { imported_from: file, is_dated: csv.isDated }
  }
  const recorder = yield* Recorder
  const run = yield* recorder.start(start)
  let before = startedMs - everyMs
  let missed = 0
  for (const { atMs: at, currentBytes, pageAge, stat, swapCurrentBytes, zswapCurrentBytes } of csv.rows) {
    const atMs = at + offset
    const missedTicks = Math.max(0, Math.round((atMs - before) / everyMs) - 1)
    missed += missedTicks
    before = atMs
    // Not a number: not known.
    const sample = cgroupSample({
      group,
      atMs,
      usage: { currentBytes, swapCurrentBytes, zswapCurrentBytes, min: NaN, low: NaN, high: "max", max: "max" },
      stat,
      machine: { memTotalBytes: NaN, memAvailableBytes: NaN, swapTotalBytes: NaN, swapFreeBytes: NaN }
    })
    const snapshot: Snapshot = { atMs, samples: [sample], missedTicks }
    yield* run.snapshot(pageAge === undefined ? snapshot : { ...snapshot, pageAges: [{ subject: sample.subject, pageAge }] })
  }
  yield* run.end({ endedMs: before, missedTicks: missed })
})
