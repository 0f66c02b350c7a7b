/**
 * The seed's four memory workloads (predicomp's `interactive_burst`, `anon_streamer`, `random_touch_heap`, `mmap_churn`), as plans: how much memory, who
 * touches what when, and which touches are to come, for the oracle. Unlike theirs, times are on a grid from the start, so that a slow run is not
 * also a shorter one; paces are kept by catching up; pages hold data, all of which is read and compared at every touch.
 */
import type { TouchSequence } from "@wmo/arena"
import type { Bytes, Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import { random } from "../verifiedMemory.ts"
import { pageBytes } from "./content.ts"
import type { MemoryRun } from "./MemoryRun.ts"

export const memoryWorkloadNames = ["interactive_burst", "anon_streamer", "random_touch_heap", "mmap_churn"] as const
export type MemoryWorkloadName = (typeof memoryWorkloadNames)[number]

/** Maps memory, writes it, compares it and unmaps it. */
type ChurnOnce = () => void

export interface MemoryPlan {
  readonly name: MemoryWorkloadName
  readonly pages: number
  /** What is left alone for so long is cold, unless the caller says otherwise. */
  readonly coldMs: Milliseconds
  /** Maps of this many bytes come and go, if any. */
  readonly mapBytes: Bytes
  /** Touches of chunks to come, by the run's start; `passMs` is how long a pass at full speed takes. */
  readonly future: (chunkPages: number, durationMs: Milliseconds, passMs: Milliseconds) => TouchSequence
  readonly run: (run: MemoryRun, churnOnce: ChurnOnce) => Effect.Effect<void>
}

const pagesOf = (bytes: Bytes): number => Math.max(1, Math.ceil(bytes / pageBytes))

/** A sequence of `count` touches of pages, as touches of chunks; a chunk's neighbouring touches are one. */
const sequence = (count: number, chunkPages: number, pageOf: (at: number) => number, msOf: (at: number) => Milliseconds): TouchSequence => {
  const chunks: Array<number> = []
  const timesMs: Array<number> = []
  for (let at = 0; at < count; at++) {
    const chunk = Math.floor(pageOf(at) / chunkPages)
    if (chunks.at(-1) === chunk) continue
    chunks.push(chunk)
    timesMs.push(msOf(at))
  }
  return { chunks, timesMs }
}

/** All of it in passes for a while, then nothing for a while, again and again. */
export const interactiveBurst = (options: {
  readonly bytes: Bytes
  readonly activeMs: Milliseconds
  readonly idleMs: Milliseconds
}): MemoryPlan => {
  const pages = pagesOf(options.bytes)
  const periodMs = options.activeMs + options.idleMs
  return {
    name: "interactive_burst",
    pages,
    coldMs: options.idleMs / 2,
    mapBytes: 0,
    future: (chunkPages, durationMs, passMs) =>
      sequence(
        Math.ceil(durationMs / periodMs) * pages,
        chunkPages,
        (at) => at % pages,
        (at) => Math.floor(at / pages) * periodMs + ((at % pages) * passMs) / pages
      ),
    run: (run) =>
      Effect.gen(function* () {
        while (true) {
          // A burst that was missed because the one before took too long is left out.
          const burst = Math.max(0, Math.ceil((performance.now() - run.startMs) / periodMs))
          const startsMs = run.startMs + burst * periodMs
          yield* run.until(Math.min(startsMs, run.endMs))
          if (startsMs >= run.endMs) return
          yield* run.pass("burst_touch", true, Infinity)
          while (performance.now() < startsMs + options.activeMs) yield* run.pass("steady", false, startsMs + options.activeMs)
        }
      })
  }
}

/** A pass over all of it, a pause, another pass, and at once again: what was read longest ago is read next. */
export const anonStreamer = (options: {
  readonly bytes: Bytes
  readonly passMs: Milliseconds
  readonly idleMs: Milliseconds
}): MemoryPlan => {
  const pages = pagesOf(options.bytes)
  const { idleMs, passMs } = options
  const dueMs = (at: number): Milliseconds => {
    const inCycle = at % (2 * pages)
    const pause = inCycle < pages ? 0 : idleMs
    return Math.floor(at / (2 * pages)) * (2 * passMs + idleMs) + pause + (inCycle * passMs) / pages
  }
  return {
    name: "anon_streamer",
    pages,
    coldMs: Math.max(1, Math.min(1000, passMs / 4)),
    mapBytes: 0,
    future: (chunkPages, durationMs) => sequence(Math.ceil((durationMs / passMs) * pages), chunkPages, (at) => at % pages, dueMs),
    run: (run) => run.paced(dueMs, (at, nowMs) => run.touch(at % pages, "stream", nowMs))
  }
}

/** A page at random, so many times a second. */
export const randomTouchHeap = (options: { readonly bytes: Bytes; readonly perSecond: number; readonly seed: number }): MemoryPlan => {
  const pages = pagesOf(options.bytes)
  const dueMs = (at: number): Milliseconds => (at * 1000) / options.perSecond
  const touched = (): ((at: number) => number) => {
    const next = random(options.seed)
    return () => next() % pages
  }
  return {
    name: "random_touch_heap",
    pages,
    coldMs: 1000,
    mapBytes: 0,
    future: (chunkPages, durationMs) => sequence(Math.ceil((durationMs / 1000) * options.perSecond), chunkPages, touched(), dueMs),
    run: (run) => {
      const pageOf = touched()
      return run.paced(dueMs, (at, nowMs) => run.touch(pageOf(at), "random", nowMs))
    }
  }
}

/** Memory that is mapped, used once and unmapped, so many times a second; beside it a heap, of which each operation touches the next page. */
export const mmapChurn = (options: { readonly bytes: Bytes; readonly mapBytes: Bytes; readonly perSecond: number }): MemoryPlan => {
  const pages = pagesOf(options.bytes)
  const dueMs = (at: number): Milliseconds => (at * 1000) / options.perSecond
  return {
    name: "mmap_churn",
    pages,
    coldMs: 1000,
    mapBytes: pagesOf(options.mapBytes) * pageBytes,
    future: (chunkPages, durationMs) => sequence(Math.ceil((durationMs / 1000) * options.perSecond), chunkPages, (at) => at % pages, dueMs),
    run: (run, churnOnce) =>
      run.paced(dueMs, (at, nowMs) => {
        churnOnce()
        const mappedMs = performance.now()
        run.meter.record("map", mappedMs - nowMs)
        return run.touch(at % pages, "heap", mappedMs)
      })
  }
}
