/**
 * One simulated run of the comparison, as data: what is to be run, and what came of it. Both travel between processes as JSON.
 * A `bound` job runs a workload without any policy and says what could be saved at best; a `policy` job runs it under the real loop.
 */
import type { Bytes, Milliseconds, Pages } from "@wmo/core"
import type { FixedAge, SavingBins } from "@wmo/sim"

/** A policy by name, with what is set differently from its defaults, as a person would write it. */
export interface PolicyChoice {
  readonly name: string
  readonly settings: Readonly<Record<string, string>>
}

interface JobBase {
  readonly workload: string
  readonly seed: number
  /** All of it, learning included. */
  readonly durationMs: Milliseconds
  /** The first part, which is shown apart. */
  readonly learningMs: Milliseconds
}

export type BoundJob = JobBase & { readonly kind: "bound" }

export type PolicyJob = JobBase & {
  readonly kind: "policy"
  readonly policy: PolicyChoice
  /** A new file for the recording of the run. */
  readonly recordFile?: string | undefined
}

export type Job = BoundJob | PolicyJob

/** What happened in one part of a run. */
export interface Part {
  readonly seconds: number
  /** Of memory.current, sampled once a second. */
  readonly byteSeconds: number
  /** What was out of memory while its content was still wanted, exactly: less the compressed copies, and with them. */
  readonly netOffloadByteSeconds: number
  readonly grossOffloadByteSeconds: number
  readonly peakBytes: Bytes
  /** Pages that came back after they had been evicted. */
  readonly refaults: Pages
  readonly psiSomeUs: number
  readonly stallUs: number
  /** In 99 % of all seconds the tasks together stood still for no longer than this. */
  readonly stallP99Us: number
  readonly thinkUs: number
  readonly overheadUs: number
  /** CPU time of reclaim and aging that was asked for, and of DAMON. */
  readonly policyCpuUs: number
  /** By minute. */
  readonly minuteRefaults: ReadonlyArray<Pages>
  readonly minutePsiUs: ReadonlyArray<number>
  /** Mean pages accessed within the last 120 s, by minute; only where it is known (bound jobs). */
  readonly minuteWorkingSets: ReadonlyArray<Pages>
}

export interface Bound {
  readonly fixedAges: ReadonlyArray<FixedAge>
  readonly net: SavingBins
  readonly gross: SavingBins
}

export interface BoundResult {
  readonly learning: Part & Bound
  readonly measured: Part & Bound
}

export interface PolicyResult {
  readonly learning: Part
  readonly measured: Part
  readonly oomKilled: boolean
  /** Actions that the policy asked for, those of them that failed, and what the first failure was. */
  readonly actions: number
  readonly failedActions: number
  readonly firstFailure?: string | undefined
}
