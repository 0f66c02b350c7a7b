/**
 * What goes into a recording: what monitors saw of their subjects (a `Snapshot`), and what the control loop saw, decided and did (a `Tick`).
 * Values only; `Recorder` writes them, `Recording` gives them back. Raw amounts and counters: rates are computed by who looks.
 */
import type { Bytes, Microseconds, Milliseconds, Pages } from "@wmo/core"
import type { Observation, PageAge } from "@wmo/monitors"
import type { Action } from "@wmo/policies"

/**
 * What was observed. `cgroup`: named by its path below the mount (`app/web`; the root is ``). `process`: named `<pid>@<start time in clock
 * ticks since boot>`, so that a reused pid is another subject. `machine`: one, named `machine` (vmstat, meminfo, pressure, zswap); `zram`:
 * named after its device. Samplers may bring kinds of their own.
 */
export type SubjectKind = "cgroup" | "process" | "machine" | "zram" | (string & {})

export interface Subject {
  readonly kind: SubjectKind
  readonly name: string
  /** What does not change while the subject lives: a process's `comm` and command line, a group's inode. Kept once, from its first sample. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined
}

/** The one subject of kind `machine`. */
export const machineSubject: Subject = { kind: "machine", name: "machine" }

/** A raw amount or counter: an integer from -(2^63) to 2^64 - 1. Undefined: the kernel did not say, or `max`. */
export type SampleValue = number | bigint | undefined

/**
 * What was read of one subject: `values[i]` is `metrics[i]`. Names are those of the kernel's file and key with the unit at the end:
 * `memory_current_bytes`, `memory_stat_pgfault`, `memory_pressure_some_us`. Samples of one shape should share one `metrics` array: the
 * recorder looks its names up once an array.
 */
export interface Sample {
  readonly subject: Subject
  readonly metrics: ReadonlyArray<string>
  readonly values: ArrayLike<SampleValue>
}

/** Where a histogram comes from, and whether it was measured or is an estimate. */
export interface Provenance {
  /** `mglru`, `working-set`, `damon-vaddr`, `damon-paddr`, `idle-pages`, `refaults`… */
  readonly source: string
  readonly isEstimate: boolean
}

/** The page ages of one subject. */
export interface PageAgeEntry {
  readonly subject: Subject
  readonly pageAge: { readonly source: string; readonly bins: PageAge["bins"] }
}

/** Cold-age histogram: for each threshold, the bytes that have been idle for at least so long. Cumulative: falls as the threshold rises. */
export interface ColdAgeEntry extends Provenance {
  readonly subject: Subject
  readonly bins: ReadonlyArray<{ readonly thresholdMs: Milliseconds; readonly bytes: Bytes }>
}

/** Promotion histogram: pages that came back into use within the window before, by the age that they had reached. Not cumulative. */
export interface PromotionEntry extends Provenance {
  readonly subject: Subject
  readonly windowMs: Milliseconds
  /** Ages in [lowerMs, upperMs); the last bin ends at Infinity. */
  readonly bins: ReadonlyArray<{ readonly lowerMs: Milliseconds; readonly upperMs: Milliseconds; readonly pages: Pages }>
}

/** Bytes in use within the last `thresholdMs`. */
export interface WorkingSetEntry extends Provenance {
  readonly subject: Subject
  readonly thresholdMs: Milliseconds
  readonly bytes: Bytes
}

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
