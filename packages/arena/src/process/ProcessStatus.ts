/** What the process arena says of itself: figures, the ranges that it tells apart, the sum of a run. */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Measures, Tally } from "../predictors/Score.ts"
import type { Standing } from "../predictors/tournament.ts"
import type { MemoryOf } from "./account.ts"
import type { Unfit } from "./eligible.ts"
import type { ProcessSettings } from "./ProcessSettings.ts"

/** `watch`: looks, and scores predictors on the side. `dry-run`: decides, and does nothing. */
export type ProcessMode = "watch" | "dry-run" | "advise"

export interface ProcessArenaStatus {
  readonly mode: ProcessMode
  readonly pid: number
  readonly name: string
  readonly settings: ProcessSettings
  /** How the kernel is advised, and where paged out memory goes. */
  readonly by: "syscall" | "sysfs" | "nobody"
  readonly swap: string
  readonly reads: "tracepoint" | "tried_regions"
  /** As they have come to be. */
  readonly chunkBytes: Bytes
  readonly intervalMs: Milliseconds
  readonly coldMs: Milliseconds
  readonly stallPercent: number
  readonly pressurePercent: number | undefined
  readonly chunks: number
  /** Address space by why it is left alone. */
  readonly unfit: Partial<Record<Unfit, Bytes>>
  /** Populated chunks whose mappings have not lived long enough. */
  readonly tooYoung: number
  readonly runMs: Milliseconds
  readonly before: MemoryOf
  readonly now: MemoryOf
  /** In swap because of us and not in memory, now and at most. */
  readonly outBytes: Bytes
  readonly mostOutBytes: Bytes
  /** Bytes that the same bytes take, in the pool or in zram. */
  readonly heldBytes: Bytes
  /** So far: went out; were read in early; came back by the target's own touch, which waited for them. */
  readonly pagedOutBytes: Bytes
  readonly readInBytes: Bytes
  readonly demandBytes: Bytes
  readonly majorFaults: number
  /** PSS (what lies compressed counted as what it takes) that was saved, over time; and what it would have been without. */
  readonly savedByteSeconds: number
  readonly wholeByteSeconds: number
  /** Time in the kernel for us, and of predictors. */
  readonly pageOutMs: Milliseconds
  readonly readInMs: Milliseconds
  readonly predictMs: Milliseconds
  readonly metadataBytes: Bytes
  readonly predictor: {
    readonly name: string
    readonly explanation: string
    /** Of what was really read in and used; of `watch` nothing is. */
    readonly tally: Readonly<Tally>
    readonly measures: Measures
    /** Of what each would have been worth, where several compete. */
    readonly standings: ReadonlyArray<Standing & { readonly measures: Measures }>
  }
}

/** Neighbouring chunks of one kind. */
export interface ProcessRange {
  readonly start: number
  readonly end: number
  readonly name: string
  readonly place: "hot" | "cold" | "out" | "restored" | "young"
  readonly presentBytes: Bytes
  readonly swappedBytes: Bytes
  /** Since the last touch seen in any of it. */
  readonly idleMs: Milliseconds
}
