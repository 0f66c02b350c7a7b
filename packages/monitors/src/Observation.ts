/**
 * What a monitor saw of one cgroup at one moment: raw amounts and counters, no rates. Everything a policy may know.
 * A field that this kernel does not report is undefined: unknown, not zero.
 */
import type { Bytes, Counters, Limit, MemoryStat, Milliseconds, PressureStall } from "@wmo/core"
import type { PromotionBin } from "./ages/Histogram.ts"
import type { PageAge } from "./PageAge.ts"

/** Amounts and limits of the group's memory files. */
export interface GroupUsage {
  readonly currentBytes: Bytes
  readonly swapCurrentBytes?: Bytes | undefined
  /** Compressed size of what the group has in zswap; part of `currentBytes`. */
  readonly zswapCurrentBytes?: Bytes | undefined
  readonly min: Limit
  readonly low: Limit
  readonly high: Limit
  readonly max: Limit
  readonly swapMax?: Limit | undefined
}

/** Pages that came back into use since the monitor started, by the age that they had: counters, a rate is a difference of two readings. */
export interface Promotions {
  /** Where the ages come from; for `mglru` evicted pages count with an age that is inferred. */
  readonly source: string
  readonly isEstimate: boolean
  readonly bins: ReadonlyArray<PromotionBin>
}

/** The machine around the group. */
export interface MachineUsage {
  readonly memTotalBytes: Bytes
  readonly memAvailableBytes: Bytes
  readonly swapTotalBytes: Bytes
  readonly swapFreeBytes: Bytes
  readonly memFreeBytes?: Bytes | undefined
  /** vm.swappiness. */
  readonly swappiness?: number | undefined
  /** Pages that were written to swap devices, zswap's not (vmstat). */
  readonly pswpout?: bigint | undefined
}

export interface Observation {
  /** The group's path below the cgroup mount. */
  readonly group: string
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: Milliseconds
  readonly usage: GroupUsage
  readonly stat: MemoryStat
  readonly events?: Counters | undefined
  readonly pressure?: PressureStall | undefined
  readonly ioPressure?: PressureStall | undefined
  readonly pageAge?: PageAge | undefined
  readonly promotions?: Promotions | undefined
  readonly machine: MachineUsage
}

/** Growth of a counter, as a number; 0 when either reading is unknown or the counter went backwards (the group was made anew). */
export const growth = (later: bigint | undefined, earlier: bigint | undefined): number =>
  later === undefined || earlier === undefined || later < earlier ? 0 : Number(later - earlier)
