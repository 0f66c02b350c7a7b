/** What goes into a recording: the values that the control loop hands over, tick by tick. */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "@wmo/policies"

/** What is known when a run starts. */
export interface RunStart {
  /** What tables call the run; usually the policy's name. */
  readonly label: string
  readonly group: string
  readonly policy: string
  /** Settings as a person would write them. */
  readonly settings: Readonly<Record<string, string>>
  /** The kernel's release, or what simulates it. */
  readonly kernel: string
  readonly clock: "real" | "simulated"
  readonly command?: string | undefined
  readonly everyMs: Milliseconds
  readonly dryRun: boolean
  readonly startedMs: Milliseconds
}

/** What a workload said of itself at its end (see `WMO_RESULT`), or what the simulator measured. All optional. */
export interface WorkloadResult {
  readonly operations?: number | undefined
  readonly operations_per_second?: number | undefined
  /** Operations in each second from `measured_from_ms` (milliseconds since 1970) on: lets the pace of a part of the run be told. */
  readonly operations_by_second?: ReadonlyArray<number> | undefined
  readonly measured_from_ms?: number | undefined
  readonly p50_us?: number | undefined
  readonly p99_us?: number | undefined
  readonly p999_us?: number | undefined
  readonly wrong_bytes?: number | undefined
  readonly [key: string]: unknown
}

export interface RunEnd {
  readonly endedMs: Milliseconds
  readonly exitCode?: number | undefined
  /** Ticks that came too late to be taken. */
  readonly missedTicks: number
  readonly result?: WorkloadResult | undefined
}

/**
 * What came of an action. `done`: as asked; `partial`: the kernel did less; `refused`: the guard rails did not let it through;
 * `failed`: the kernel said no; `dry-run`: it would have been carried out.
 */
export type ActionStatus = "done" | "partial" | "refused" | "failed" | "dry-run"

export interface Outcome {
  readonly asked: Action
  /** What the guard rails made of it; undefined when they refused it. */
  readonly allowed: Action | undefined
  readonly status: ActionStatus
  /** By how much `memory.current` fell while it ran; undefined for actions that reclaim nothing. */
  readonly reclaimedBytes: Bytes | undefined
  readonly tookMs: Milliseconds
  readonly detail?: string | undefined
}

/** One turn of the loop. */
export interface Tick {
  readonly observation: Observation
  readonly reason: string
  readonly outcomes: ReadonlyArray<Outcome>
}
