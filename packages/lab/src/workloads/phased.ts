/**
 * Workloads whose use of memory changes with time: periodic bursts, and the two scenarios for which no fixed age threshold is right that the
 * author of a user-space tuner of DAMON_RECLAIM's `min_age` measured (spec/users.md: linux-mm, June 2026), with real content that is verified
 * at the end. Plans are pure; `runPhased` runs one. One thread each.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { type PageRange, type Phase, runTouchLoop, type ScanPlan, type TouchResult } from "./touchLoop.ts"
import { fillMemory, page } from "./verifiedMemory.ts"

export interface PhasedPlan {
  readonly pages: number
  readonly phases: ReadonlyArray<Phase>
  readonly cycleMs: Milliseconds
  readonly scans: ReadonlyArray<ScanPlan>
}

export interface PhasedOptions {
  readonly durationMs: Milliseconds
  /** A file whose content fills the memory. */
  readonly corpus: string
  readonly seed: number
  readonly forgetEveryMs: Milliseconds
}

export interface PhasedResult extends TouchResult {
  readonly wrong_bytes: number
}

const pagesOf = (bytes: Bytes): number => Math.max(1, Math.ceil(bytes / page))
const shareOf = ({ end, start }: PageRange, share: number): PageRange => ({
  start,
  end: start + Math.max(1, Math.floor((end - start) * share))
})

/** A hot set touched all the time, a set that is used as a whole in a burst every `everyMs`, and a cold set. */
export const burstsPlan = (options: {
  readonly hotBytes: Bytes
  readonly burstBytes: Bytes
  readonly coldBytes: Bytes
  readonly everyMs: Milliseconds
}): PhasedPlan => {
  const hot = pagesOf(options.hotBytes)
  const burst = pagesOf(options.burstBytes)
  return {
    pages: hot + burst + pagesOf(options.coldBytes),
    phases: [{ fromMs: 0, active: { start: 0, end: hot } }],
    cycleMs: Infinity,
    scans: [{ start: hot, end: hot + burst, everyMs: options.everyMs }]
  }
}

/** Scenario 1: all of a region for one period, then a tenth of it for one; again and again. The best fixed age is just over a period. */
export const minAge1Plan = (options: { readonly bytes: Bytes; readonly periodMs: Milliseconds }): PhasedPlan => {
  const all = { start: 0, end: pagesOf(options.bytes) }
  return {
    pages: all.end,
    phases: [
      { fromMs: 0, active: all },
      { fromMs: options.periodMs, active: shareOf(all, 0.1) }
    ],
    cycleMs: 2 * options.periodMs,
    scans: []
  }
}

/** Scenario 2: four regions, 95 % of each for one period in turn, so that each is left alone for three. The best fixed age is just under three periods. */
export const minAge2Plan = (options: { readonly bytes: Bytes; readonly periodMs: Milliseconds }): PhasedPlan => {
  const each = pagesOf(options.bytes / 4)
  return {
    pages: 4 * each,
    phases: [0, 1, 2, 3].map((region) => ({
      fromMs: region * options.periodMs,
      active: shareOf({ start: region * each, end: (region + 1) * each }, 0.95)
    })),
    cycleMs: 4 * options.periodMs,
    scans: []
  }
}

/** Runs for `durationMs` after loading, then verifies. Blocks the thread: it is a process of its own. */
export const runPhased = (
  plan: PhasedPlan,
  options: PhasedOptions,
  onLoaded: () => void,
  onMeasured: (result: PhasedResult) => void
): PhasedResult => {
  const memory = fillMemory(plan.pages, options.corpus)
  onLoaded()
  const measured = { ...runTouchLoop(memory, { ...plan, ...options }), wrong_bytes: 0 }
  onMeasured(measured)
  return { ...measured, wrong_bytes: memory.wrongBytes() }
}
