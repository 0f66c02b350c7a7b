/**
 * One thread that uses memory by a plan at full speed and keeps count: random pages of the part that is active now (16 touches make an
 * operation), and scans of other parts between two operations. Latency is per operation; a scan's time is kept apart. It allocates nothing.
 */
import type { Milliseconds } from "@wmo/core"
import { createHistogram } from "node:perf_hooks"
import type { OperationsResult } from "./OperationsResult.ts"
import { makeForgetful } from "./forgetful.ts"
import { random, type VerifiedMemory } from "./verifiedMemory.ts"

/** Pages, `end` exclusive. */
export interface PageRange {
  readonly start: number
  readonly end: number
}

/** Every page of the range is written once, each `everyMs`, first after one such time. */
export interface ScanPlan extends PageRange {
  readonly everyMs: Milliseconds
}

/** Which part is active from when on, in milliseconds after loading; the list repeats after `cycleMs`. */
export interface Phase {
  readonly fromMs: Milliseconds
  /** Random touches fall into these; with several, each in turn. */
  readonly active: PageRange
}

export interface TouchPlan {
  readonly phases: ReadonlyArray<Phase>
  readonly cycleMs: Milliseconds
  readonly scans: ReadonlyArray<ScanPlan>
  readonly durationMs: Milliseconds
  readonly seed: number
  /** Makes the processor forget its translations so often; 0 never. See `forgetful.ts`. */
  readonly forgetEveryMs: Milliseconds
}

/** An operation is sixteen touches, and a latency that of one operation. */
export interface TouchResult extends OperationsResult {
  readonly scans: number
  /** Of all scans together; and of the slowest one. */
  readonly scan_ms: number
  readonly scan_max_ms: number
}

/** The phase at a moment of a cycle. Phases are ordered by time; the first is from 0. */
export const phaseAt = ({ cycleMs, phases }: Pick<TouchPlan, "cycleMs" | "phases">, elapsedMs: Milliseconds): Phase => {
  const at = elapsedMs % cycleMs
  return phases.findLast(({ fromMs }) => fromMs <= at) ?? phases[0]!
}

/** Functions of their own, so that what the compiler thinks of the rare paths around them does not slow them down for half a second. */
const touchPages = (words: Uint32Array, first: number, count: number, next: () => number, before: number): number => {
  let touched = before
  for (let i = 0; i < 16; i++) {
    const index = (first + (next() % count)) * 1024
    touched = (touched + words[index + 2 + (touched & 511)]!) | 0
    words[index] = touched
  }
  return touched
}

const scanPages = (words: Uint32Array, start: number, end: number, before: number): number => {
  let touched = before
  for (let i = start; i < end; i++) {
    words[i * 1024] = touched
    touched = (touched + 1) | 0
  }
  return touched
}

export const runTouchLoop = (memory: VerifiedMemory, plan: TouchPlan): TouchResult => {
  const { words } = memory
  const next = random(plan.seed)
  const latency = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
  const forget = makeForgetful()
  const bySecond: Array<number> = []
  let operations = 0
  let operationsBefore = 0
  let touched = 0
  let scans = 0
  let scanMs = 0
  let scanMaxMs = 0
  const measuredFromMs = Date.now()
  const start = performance.now()
  const end = start + plan.durationMs
  const dueAt = plan.scans.map(({ everyMs }) => start + everyMs)
  let nextScan = Math.min(Infinity, ...dueAt)
  let nextForget = plan.forgetEveryMs > 0 ? start : Infinity
  let nextPhase = start
  let first = 0
  let count = 1
  let second = start + 1000
  let now = start
  while (now < end) {
    if (now >= nextPhase) {
      const { active } = phaseAt(plan, now - start)
      first = active.start
      count = active.end - active.start
      // A phase need not be met to the millisecond.
      nextPhase = plan.phases.length > 1 ? now + 5 : Infinity
    }
    touched = touchPages(words, first, count, next, touched)
    operations++
    const after = performance.now()
    latency.record(Math.max(1, Math.round((after - now) * 1e6)))
    now = after
    for (; now >= second; second += 1000) {
      bySecond.push(operations - operationsBefore)
      operationsBefore = operations
    }
    if (now >= nextForget) {
      forget()
      nextForget = now + plan.forgetEveryMs
    }
    if (now >= nextScan) {
      for (const [index, scan] of plan.scans.entries()) {
        if (now < dueAt[index]!) continue
        const before = performance.now()
        touched = scanPages(words, scan.start, scan.end, touched)
        now = performance.now()
        scans++
        scanMs += now - before
        scanMaxMs = Math.max(scanMaxMs, now - before)
        dueAt[index]! += scan.everyMs
      }
      nextScan = Math.min(Infinity, ...dueAt)
    }
  }
  const seconds = (now - start) / 1000
  return {
    operations,
    operations_per_second: operations / seconds,
    seconds,
    operations_by_second: bySecond,
    measured_from_ms: measuredFromMs,
    p50_us: latency.percentile(50) / 1000,
    p99_us: latency.percentile(99) / 1000,
    p999_us: latency.percentile(99.9) / 1000,
    scans,
    scan_ms: scanMs,
    scan_max_ms: scanMaxMs
  }
}
