/**
 * What a simulation is made from, and what it says has come of a group's workloads.
 */
import type { Bytes, Microseconds } from "@wmo/core"
import type { Costs } from "./Costs.ts"
import type { LatencyPercentiles } from "./LatencyHistogram.ts"
import type { ZswapSettings } from "./MachineState.ts"
import type { Workload } from "./Workload.ts"

export interface SimulationOptions {
  /** Any number; everything random follows from it. */
  readonly seed: number
  /** Default 4 GiB. */
  readonly memTotalBytes?: Bytes
  /** Size of the one swap device; 0: a machine without swap. Default 2 GiB. */
  readonly swapBytes?: Bytes
  /** What swap is on; zram takes memory that is charged to no group. Default a disk. */
  readonly swapDevice?: "disk" | "zram"
  /** CPUs that tasks, and work asked for by files, share. Default: as many as it takes. */
  readonly cpus?: number
  /** Initial zswap parameters; `false`: a kernel without zswap. */
  readonly zswap?: Partial<ZswapSettings> | false
  /** Costs that differ from `defaultCosts`. */
  readonly costs?: Partial<Costs>
  /** Whether the kernel has the working-set reporting series. Default true. */
  readonly workingSet?: boolean
  /** What a process does that is none of the simulation's and was moved into a group by its files. Default: it has no memory. */
  readonly adopt?: (pid: number) => Workload
  /** Whether a write that reclaims or ages takes virtual time. Default true; false: all of it happens in one moment, for hand-computed cases. */
  readonly writesTakeTime?: boolean
}

/** What has come of the workloads of a group. */
export interface Outcome {
  readonly operations: number
  /** Since the end of loading. */
  readonly operationsPerSecond: number
  /**
   * Time that touches took beyond think time since the end of loading, operations and scans between them alike, as a share of that think
   * time: 0.01 is a slowdown by 1 %.
   */
  readonly slowdown: number
  /** What `slowdown` is the ratio of. */
  readonly thinkUs: Microseconds
  readonly overheadUs: Microseconds
  /** Page touches, loading and scans included. */
  readonly touches: number
  /** Time that tasks stood still for memory, summed over tasks; more than PSI says, which counts only recent refaults. */
  readonly stallUs: Microseconds
  /** Time that tasks could have run but had no CPU; part of the slowdown. 0 where there are as many CPUs as it takes. */
  readonly cpuWaitUs: Microseconds
  readonly latency: LatencyPercentiles
  /** CPU time of reclaim and aging that was asked for by this group's files; not part of `stallUs`. */
  readonly reclaimCpuUs: Microseconds
  /** Processes that were started, the first one of each workload included. */
  readonly processes: number
  readonly oomKilled: boolean
  /** All tasks have ended, by themselves or killed. */
  readonly finished: boolean
}
