/**
 * What all groups share: the clock, the memory, the swap device, the zswap pool, the costs.
 * Simplified: one NUMA node, one swap device, no kswapd (a full machine reclaims in the allocating task).
 */
import { type Bytes, type Microseconds, pageSize, type Pages } from "@wmo/core"
import type { CostSamplers } from "./Costs.ts"
import { Cpus } from "./Cpus.ts"
import type { Frames } from "./Frames.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import type { RunningWorkload } from "./RunningWorkload.ts"
import { Timers } from "./Timers.ts"
import type { Workload } from "./Workload.ts"
import type { ZramDevice } from "./ZramDevice.ts"

/** The zswap module parameters that the model obeys. */
export interface ZswapSettings {
  readonly enabled: boolean
  readonly maxPoolPercent: number
  readonly acceptThresholdPercent: number
}

export interface MachineOptions {
  readonly memTotalBytes: Bytes
  readonly swapBytes: Bytes
  /** What swap is on where it is not a disk. */
  readonly zram: ZramDevice | undefined
  /** How many CPUs there are; undefined: one for every task, and one for whatever is asked for by a file. */
  readonly cpus: number | undefined
  readonly costs: CostSamplers
  /** Read at the start of every reclaim, so that a write to a parameter file counts at once. */
  readonly zswapSettings: () => ZswapSettings
  /** vm.swappiness, as its file says it now. */
  readonly swappiness: () => number
  /** Whether the group's pages may go to the swap device (memory.zswap.writeback). */
  readonly mayWriteToDisk: (group: MemoryGroup) => boolean
  /** Lets the workloads run while somebody who wrote to a file waits for work of this long. */
  readonly runFor: (us: Microseconds) => void
  /** Lets everything run for this long: somebody sleeps in a write. */
  readonly waitFor: (us: Microseconds) => void
  /** Has the tasks of a subtree give back what they have charged ahead. */
  readonly drainStocks: (group: MemoryGroup) => void
  /** Kills the largest workload of the subtree; returns whether there was one. */
  readonly kill: (group: MemoryGroup) => boolean
  /** A process of the group starts another one at `atUs`. */
  readonly start: (parent: RunningWorkload, workload: Workload, atUs: Microseconds) => void
  readonly onExit: (process: RunningWorkload) => void
}

export class MachineState {
  readonly memTotalBytes: Bytes
  readonly swapPages: Pages
  readonly costs: CostSamplers
  readonly options: MachineOptions
  /** Undefined: swap is on a disk. */
  readonly zram: ZramDevice | undefined
  /** Undefined where every task has one. */
  readonly cpus: Cpus | undefined
  /** How many tasks began on each CPU and have not ended. */
  private readonly tasksByCpu: Array<number>
  /** What kernel threads do next. */
  readonly timers = new Timers()
  /** Where pages are physically; undefined while nobody has asked. */
  frames: Frames | undefined
  readonly groups = new Map<string, MemoryGroup>()
  /** Virtual time since boot. */
  nowUs: Microseconds = 0
  usedSwapPages: Pages = 0
  poolBytes: Bytes = 0
  storedPages: Pages = 0
  /** The pool was full: nothing is stored until it is below the accept threshold. */
  isPoolFull = false
  zswap: ZswapSettings
  /** Time spent by the memory management since somebody last set it to zero. */
  spentUs: Microseconds = 0
  /** When a task that is not the running one came to have something to do; Infinity: none since somebody last looked. */
  wokeUs: Microseconds = Infinity
  /** The group that somebody reclaims or ages by a file right now. */
  asked: MemoryGroup | undefined = undefined

  constructor(options: MachineOptions) {
    this.options = options
    this.memTotalBytes = options.memTotalBytes
    this.swapPages = Math.floor(options.swapBytes / pageSize)
    this.costs = options.costs
    this.zram = options.zram
    this.cpus = options.cpus === undefined ? undefined : new Cpus(options.cpus)
    this.tasksByCpu = Array.from({ length: options.cpus ?? 0 }, () => 0)
    this.zswap = { enabled: true, maxPoolPercent: 20, acceptThresholdPercent: 90 }
  }

  /** A CPU for a task that begins: one without tasks where there is one. */
  placeTask(): number {
    const { tasksByCpu } = this
    let least = tasksByCpu.indexOf(0)
    if (least === -1 && this.cpus === undefined) least = tasksByCpu.push(0) - 1
    if (least === -1) least = tasksByCpu.indexOf(Math.min(...tasksByCpu))
    tasksByCpu[least]!++
    return least
  }

  /** A task that was on the CPU has ended. */
  removeTask(cpu: number): void {
    this.tasksByCpu[cpu]!--
  }

  /** Time passes for what asked-for work has spent so far: the workloads run on. Not inside a task's own reclaim. */
  passTime(): void {
    const { asked, spentUs } = this
    if (asked === undefined) return
    asked.reclaimCpuUs += spentUs
    this.asked = undefined
    this.options.runFor(spentUs)
    this.asked = asked
    this.spentUs = 0
  }

  get poolLimitBytes(): Bytes {
    return (this.memTotalBytes * this.zswap.maxPoolPercent) / 100
  }

  /** Memory that applications could still get, about: what is free. */
  availableBytes(): Bytes {
    return Math.max(0, this.memTotalBytes - (this.groups.get("")?.currentBytes() ?? 0) - (this.zram?.usedBytes ?? 0))
  }
}
