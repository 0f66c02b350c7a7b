/**
 * The seven structured workloads of the memory-pressure lab (seed 001; spec/predicomp.md §3), page for page in what they touch and when, at
 * rates that a simulated hour can bear. Their memory is zeros with one byte changed: a page compresses to 27 bytes.
 * Simplified: `fork_exec_storm` starts a program of 128 pages; a fork copies no page tables; mmap_churn's sidecar is a region of its own.
 */
import { type Bytes, type Milliseconds, pageSize, type Pages } from "@wmo/core"
import type { Compressibility } from "../Compressibility.ts"
import type { Step, TaskContext, Workload } from "../Workload.ts"
import { layout, mib, pagesOf, sweep, until } from "./layout.ts"

const nearlyZero: Compressibility = { zeroShare: 0, incompressibleShare: 0, medianRatio: 1, ratioSigma: 0, lengths: [27] }

/** The parent of the fork workloads, and whatever else is in its group. */
const parentBytes = 48 * mib

export interface RegionOptions {
  readonly regionBytes?: Bytes
  readonly idleMs?: Milliseconds
}

/** Two sweeps over a region, a pause (1), two sweeps … Default 128 MiB, 3 s idle (theirs: 512 MiB, 300 ms). */
export const anonStreamer = ({ idleMs = 3000, regionBytes = 128 * mib }: RegionOptions = {}): Workload => {
  const { anonPages, at, filePages } = layout({ region: regionBytes })
  return {
    name: "anon-streamer",
    anonPages,
    filePages,
    compressibility: nearlyZero,
    tasks: [
      function* (): Generator<Step, void> {
        for (;;) {
          yield sweep(at.region, { isWrite: true, thinkUs: 1 })
          yield { _tag: "Sleep", us: idleMs * 1000 }
          yield sweep(at.region, { isWrite: true, thinkUs: 1, touchesPerOperation: 1024 })
        }
      }
    ]
  }
}

export interface BurstOptions extends RegionOptions {
  readonly activeMs?: Milliseconds
}

/** The whole region over and over while active, then idle. Default 128 MiB, 1 s active, 9 s idle (theirs: 100 ms and 400 ms). */
export const interactiveBurst = ({ activeMs = 1000, idleMs = 9000, regionBytes = 128 * mib }: BurstOptions = {}): Workload => {
  const { anonPages, at, filePages } = layout({ region: regionBytes })
  return {
    name: "interactive-burst",
    anonPages,
    filePages,
    compressibility: nearlyZero,
    tasks: [
      function* (context): Generator<Step, void> {
        for (;;) {
          const endMs = context.nowMs() + activeMs
          while (context.nowMs() < endMs) yield sweep(at.region, { isWrite: true, thinkUs: 5, touchesPerOperation: 1024 })
          yield { _tag: "Sleep", us: idleMs * 1000 }
        }
      }
    ]
  }
}

export interface RandomTouchOptions {
  readonly regionBytes?: Bytes
  readonly touchesPerSecond?: number
}

/** Pages of a heap at random, evenly. Default 256 MiB, 4,000 a second (theirs reached 13,000). */
export const randomTouchHeap = ({ regionBytes = 256 * mib, touchesPerSecond = 4000 }: RandomTouchOptions = {}): Workload => {
  const { anonPages, at, filePages } = layout({ region: regionBytes })
  return {
    name: "random-touch-heap",
    anonPages,
    filePages,
    compressibility: nearlyZero,
    tasks: [
      function* (): Generator<Step, void> {
        const thinkUs = 1e6 / touchesPerSecond
        for (;;)
          yield { _tag: "Touch", ...at.region, count: touchesPerSecond, order: "random", thinkUs, isWrite: true, touchesPerOperation: 1 }
      }
    ]
  }
}

export interface MmapChurnOptions {
  readonly mapBytes?: Bytes
  readonly mapsPerSecond?: number
  readonly sidecarBytes?: Bytes
}

/** Maps, writes and unmaps, and one page of a sidecar in turn. Default 512 KiB, 40 a second (theirs 430), 64 MiB beside it. */
export const mmapChurn = ({ mapBytes = mib / 2, mapsPerSecond = 40, sidecarBytes = 64 * mib }: MmapChurnOptions = {}): Workload => {
  const { anonPages, at, filePages } = layout({ map: mapBytes, sidecar: sidecarBytes })
  return {
    name: "mmap-churn",
    anonPages,
    filePages,
    compressibility: nearlyZero,
    load: [at.sidecar],
    tasks: [
      function* (context): Generator<Step, void> {
        for (let map = 0; ; map++) {
          const nextMs = context.nowMs() + 1000 / mapsPerSecond
          yield sweep(at.map, { isWrite: true, thinkUs: 1, touchesPerOperation: at.map.pages })
          yield { _tag: "Free", ...at.map }
          yield sweep({ first: at.sidecar.first + (map % at.sidecar.pages), pages: 1 }, { isWrite: true })
          yield* until(context, nextMs)
        }
      }
    ]
  }
}

export interface ForkOptions {
  /** Processes a second, one alive at a time. Default 5 (theirs 10 to 40). */
  readonly forksPerSecond?: number
  /** Pages that a child touches. */
  readonly touchPages?: Pages
}

const forks = (name: string, forksPerSecond: number, childPages: Pages): Workload => {
  const { anonPages, at, filePages } = layout({ parent: parentBytes })
  const child: Workload = {
    name: `${name} child`,
    anonPages: childPages,
    filePages: 0,
    compressibility: nearlyZero,
    load: [],
    tasks: [
      function* (): Generator<Step, void> {
        yield sweep({ first: 0, pages: childPages }, { isWrite: true, thinkUs: 1, touchesPerOperation: childPages })
      }
    ]
  }
  const start = function* (context: TaskContext): Generator<Step, void> {
    for (;;) {
      const nextMs = context.nowMs() + 1000 / forksPerSecond
      yield sweep({ ...at.parent, pages: 64 }, { isWrite: true, thinkUs: 1 })
      yield { _tag: "Start", workload: child }
      yield { _tag: "Wait", running: 0 }
      yield* until(context, nextMs)
    }
  }
  return { name, anonPages, filePages, compressibility: nearlyZero, tasks: [start] }
}

/** Children that only exit: a stack and a page table or two. */
export const forkExitStorm = ({ forksPerSecond = 5, touchPages = 8 }: ForkOptions = {}): Workload =>
  forks("fork-exit-storm", forksPerSecond, touchPages)

/** Children that touch memory of their own first. */
export const forkTouchExit = ({ forksPerSecond = 5, touchPages = 64 }: ForkOptions = {}): Workload =>
  forks("fork-touch-exit", forksPerSecond, touchPages)

/** Children that become a small program. */
export const forkExecStorm = ({ forksPerSecond = 5, touchPages = pagesOf(128 * pageSize) }: ForkOptions = {}): Workload =>
  forks("fork-exec-storm", forksPerSecond, touchPages)
