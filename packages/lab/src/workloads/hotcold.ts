/**
 * The hot/warm/cold workload: memory of three temperatures, filled with real file content, used at full speed by one thread.
 * Hot pages are touched at random all the time, warm ones are scanned once a period, cold ones are never touched after loading.
 * At the end every page is verified against the checksum that it was loaded with: reclaim must not lose a byte.
 */
import { runTouchLoop, type TouchResult } from "./touchLoop.ts"
import { fillMemory, page } from "./verifiedMemory.ts"

export interface HotColdOptions {
  readonly hotBytes: number
  readonly warmBytes: number
  readonly coldBytes: number
  readonly warmEveryMs: number
  readonly durationMs: number
  /** A file whose content fills the memory: something real, neither zeros nor noise. */
  readonly corpus: string
  readonly seed: number
  /** Default 0: never. See `forgetful.ts`. */
  readonly forgetEveryMs?: number | undefined
}

/** What the workload says of itself; written as JSON to `WMO_RESULT`. An operation touches 16 hot pages, reading and writing. */
export interface HotColdResult extends TouchResult {
  readonly warm_scans: number
  readonly warm_scan_ms: number
  readonly wrong_bytes: number
}

/** Runs for `durationMs` after loading, then verifies. Blocks the thread: it is a process of its own. */
export const runHotCold = (options: HotColdOptions, onLoaded: () => void, onMeasured: (result: HotColdResult) => void): HotColdResult => {
  const hot = Math.ceil(options.hotBytes / page)
  const warm = Math.ceil(options.warmBytes / page)
  const cold = Math.ceil(options.coldBytes / page)
  const memory = fillMemory(hot + warm + cold, options.corpus)
  onLoaded()
  const result = runTouchLoop(memory, {
    phases: [{ fromMs: 0, active: { start: 0, end: hot } }],
    cycleMs: Infinity,
    scans: [{ start: hot, end: hot + warm, everyMs: options.warmEveryMs }],
    durationMs: options.durationMs,
    seed: options.seed,
    forgetEveryMs: options.forgetEveryMs ?? 0
  })
  const measured = { ...result, warm_scans: result.scans, warm_scan_ms: result.scan_ms, wrong_bytes: 0 }
  onMeasured(measured)
  return { ...measured, wrong_bytes: memory.wrongBytes() }
}
