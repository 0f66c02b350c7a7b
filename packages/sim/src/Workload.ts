/**
 * What a workload is: a pure description of its pages and of what its tasks do with them. The plug-in of the simulator.
 * A task is a generator of steps over virtual time; the simulation carries a step out page by page, in its own tight loop, so that a step
 * of a million touches costs one `yield`. Closed loop: a task does its next thing when the last one is done, faults included.
 * Processes come and go by `Start`, `Wait` and the end of a generator. Memory grows by being touched: reserve it in `anonPages`, and name in
 * `load` what is there at first. A file is removed by `Free`; what is written to that range next is a new file.
 * Simplified: a new process has pages of its own from the start; nothing is shared copy-on-write.
 */
import type { Bytes, Microseconds, Milliseconds, Pages } from "@wmo/core"
import type { Compressibility } from "./Compressibility.ts"
import type { Random } from "./Random.ts"

/** A range of a process's pages: anon pages are numbered from 0, file pages follow them. */
export interface PageRange {
  readonly first: Pages
  readonly pages: Pages
}

/** Whose pages a step is about. */
export interface Shared {
  /**
   * The pages are those of the process that everything began with (`addWorkload`), not the task's own: page cache and shared memory. They
   * outlive the processes that use them. Default false.
   */
  readonly isShared?: boolean
}

/** Touches `count` pages of a range: at random (uniform), or in order, round and round from its first page. */
export interface Touch extends PageRange, Shared {
  readonly _tag: "Touch"
  readonly count: number
  readonly order: "random" | "sequential"
  /** Think time per touch, above 0. A fault comes on top. */
  readonly thinkUs: Microseconds
  readonly isWrite?: boolean
  /** Ends the step early, with the first operation that ends at or after this local time. */
  readonly untilMs?: Milliseconds
  /** That many touches make one operation in the workload's outcome; 0 (the default): none is counted. */
  readonly touchesPerOperation?: number
}

/** Touches the given pages in order: a recorded or computed access string. */
export interface TouchList extends Shared {
  readonly _tag: "TouchList"
  readonly list: ArrayLike<number>
  readonly thinkUs: Microseconds
  readonly isWrite?: boolean
  readonly touchesPerOperation?: number
}

/** Idle until this much time has passed; not a stall. */
export interface Sleep {
  readonly _tag: "Sleep"
  readonly us: Microseconds
}

/** Gives the range back (munmap, MADV_DONTNEED, unlink): its pages are gone; the next touch of one is a first touch, not a refault. */
export interface Free extends PageRange, Shared {
  readonly _tag: "Free"
}

/** Starts a process (fork and exec) with tasks, pages and a pid of its own, in the same group; its `load` is touched first. */
export interface Start {
  readonly _tag: "Start"
  readonly workload: Workload
  /** What it costs the task that starts it. Default 300 µs. */
  readonly costUs?: Microseconds
}

/** Idle until at most `running` of the processes that this process has started are left: wait(2), or a free slot of `make -j`. */
export interface Wait {
  readonly _tag: "Wait"
  readonly running: number
}

export type Step = Touch | TouchList | Sleep | Free | Start | Wait

export interface TaskContext {
  /** The task's own stream of random numbers. */
  readonly random: Random
  /** The task's local time since boot. */
  readonly nowMs: () => Milliseconds
}

export type TaskProgram = (context: TaskContext) => Generator<Step, void>

export interface Workload {
  readonly name: string
  readonly anonPages: Pages
  readonly filePages: Pages
  /** Defaults to `defaultCompressibility`. */
  readonly compressibility?: Compressibility
  /** Compressed length by anonymous page, where it is known: 0 a zero page, 4096 incompressible. Counts instead of `compressibility`. */
  readonly compressedBytes?: ArrayLike<Bytes>
  /**
   * Address space that the process has mapped beside its memory and does not use: DAMON has to find the memory in it. Default 0, as in a small
   * program; around what a process of Node 24 holds, 556 GiB were seen.
   */
  readonly reservedBytes?: Bytes
  /** Touched in order by the first task before its others run; by default all pages. Not counted as operations. */
  readonly load?: ReadonlyArray<PageRange>
  /** Think time per page while loading. */
  readonly loadUs?: Microseconds
  readonly tasks: ReadonlyArray<TaskProgram>
}
