/**
 * What a heat monitor sees at one moment: an address space as regions with how often they were found used, and what is mapped where.
 * Values only. Frequencies are samples, not accesses: a page is looked at once a sampling interval, and was used in it or not.
 */
import type { Bytes, Microseconds, Milliseconds } from "@wmo/core"

/** A process is named `<pid>@<start time in ticks since boot>`, the machine's physical memory `machine`. */
export interface HeatSubject {
  readonly kind: "process" | "machine"
  readonly name: string
}

/** A range of addresses, `end` exclusive, that was seen used in `accesses` of the aggregation's samples. */
export interface HeatRegion {
  readonly start: bigint
  readonly end: bigint
  readonly accesses: number
  /** Aggregations since its size or heat last changed much. */
  readonly age: number
}

/** Something that is mapped. For physical memory: a range of it that is memory. */
export interface HeatMapping {
  readonly start: bigint
  readonly end: bigint
  /** The path or name that the kernel gives it; `[anon]` where it gives none. */
  readonly name: string
  readonly residentBytes: Bytes
  readonly anonBytes: Bytes
}

export type HeatSource = "damon-vaddr" | "damon-paddr"

export interface HeatFrame {
  readonly atMs: Milliseconds
  readonly subject: HeatSubject
  /** For people: `node (pid 4711)`. */
  readonly title: string
  readonly source: HeatSource
  readonly sampleUs: Microseconds
  readonly aggregationUs: Microseconds
  /** By address, not overlapping. */
  readonly regions: ReadonlyArray<HeatRegion>
  /** By address; the same array as long as nothing has changed. */
  readonly mappings: ReadonlyArray<HeatMapping>
}
