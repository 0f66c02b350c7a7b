/**
 * What samplers and histograms say of their subjects: raw amounts and counters with the kernel's names, rates are computed by who looks.
 * Values only; a recording stores them as they are.
 */
import type { Bytes, Milliseconds, Pages } from "@wmo/core"
import type { PageAge } from "./PageAge.ts"

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

export const cgroupSubject = (name: string): Subject => ({ kind: "cgroup", name })

/** A raw amount or counter: an integer from -(2^63) to 2^64 - 1. Undefined: the kernel did not say, or `max`. */
export type SampleValue = number | bigint | undefined

/**
 * What was read of one subject: `values[i]` is `metrics[i]`. Names are those of the kernel's file and key with the unit at the end:
 * `memory_current_bytes`, `memory_stat_pgfault`, `memory_pressure_some_us`. Samples of one shape should share one `metrics` array: the
 * recorder looks its names up once an array. A subject of which nothing has changed may have the same sample again.
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
