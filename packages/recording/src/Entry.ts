/**
 * What goes into a recording: what monitors saw of their subjects (a `Snapshot`), and what the control loop saw, decided and did (a `Tick`).
 * Values only; `Recorder` writes them, `Recording` gives them back. Raw amounts and counters: rates are computed by who looks.
 */
import type { Bytes, Microseconds, Milliseconds } from "@wmo/core"
import type {
  ColdAgeEntry,
  Observation,
  PageAgeEntry,
  PromotionEntry,
  Provenance,
  Sample,
  SampleValue,
  Subject,
  SubjectKind,
  WorkingSetEntry
} from "@wmo/monitors"
import type { Action } from "@wmo/policies"

export { machineSubject } from "@wmo/monitors"
export type { ColdAgeEntry, PageAgeEntry, PromotionEntry, Provenance, Sample, SampleValue, Subject, SubjectKind, WorkingSetEntry }

/** A range of addresses and how hot it is, in DAMON's terms. */
export interface HeatRegion {
  /** First byte; and the first one after. Multiples of a byte, below 2^64. */
  readonly start: bigint
  readonly end: bigint
  /** Samples in which it was found accessed, of `aggregationUs / sampleUs`. */
  readonly accesses: number
  /** Aggregation intervals since its heat last changed much. */
  readonly age: number
}

/** One heat snapshot of a process's (`process`) or the machine's (`machine`) address space; regions ordered by address, not overlapping. */
export interface HeatEntry {
  readonly subject: Subject
  readonly source: string
  readonly sampleUs: Microseconds
  readonly aggregationUs: Microseconds
  readonly regions: ReadonlyArray<HeatRegion>
}

/** All that monitors saw in one turn: written in one transaction. */
export interface Snapshot {
  readonly atMs: Milliseconds
  readonly samples?: ReadonlyArray<Sample> | undefined
  /**
   * Kinds of which this snapshot has every subject there is: one that is missing is gone. Default: the kinds of its samples. A snapshot out
   * of turn (a pressure trigger, one group) says `[]`: it says nothing of the others.
   */
  readonly complete?: ReadonlyArray<SubjectKind> | undefined
  readonly pageAges?: ReadonlyArray<PageAgeEntry> | undefined
  readonly coldAges?: ReadonlyArray<ColdAgeEntry> | undefined
  readonly promotions?: ReadonlyArray<PromotionEntry> | undefined
  readonly workingSets?: ReadonlyArray<WorkingSetEntry> | undefined
  readonly heat?: ReadonlyArray<HeatEntry> | undefined
  /** What a policy said and did about subjects of this snapshot. */
  readonly decisions?: ReadonlyArray<DecisionEntry> | undefined
  /** Turns that were due since the snapshot before and were not taken. */
  readonly missedTicks?: number | undefined
}

/** What is known when a run starts. */
export interface RunStart {
  /** What tables call the run; usually the policy's name. */
  readonly label: string
  /** The group that the policy works on. Monitors that watch many: the root of what they watch. */
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
  /** What the machine is: CPUs, memory, nodes, zswap and zram settings. Any JSON. */
  readonly machine?: Readonly<Record<string, unknown>> | undefined
  /** What wmo was told: the configuration that this run follows. Any JSON. */
  readonly configuration?: Readonly<Record<string, unknown>> | undefined
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

/** What a policy said about a subject, and what came of what it asked for. */
export interface DecisionEntry {
  readonly subject: Subject
  readonly reason: string
  readonly outcomes: ReadonlyArray<Outcome>
}

/** One turn of the loop on one group: a snapshot of one sample and one decision. */
export interface Tick {
  readonly observation: Observation
  readonly reason: string
  readonly outcomes: ReadonlyArray<Outcome>
  /** Turns that were due since the tick before and were not taken. */
  readonly missedTicks?: number | undefined
}
