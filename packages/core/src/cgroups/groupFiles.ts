/**
 * The files of a cgroup v2 group that are not the memory controller's, one codec each, for `Cgroups.read`, `write`, `hold` and `watchFile`:
 * cgroup.*, cpu.stat and the pressure files. io.stat is in ioStat.ts. Does not do I/O.
 * Source: kernel Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files" and "CPU Interface Files".
 */
import { type Codec, oneRecord, quote, reject, textCodec } from "../Codec.ts"
import { type Counters, countersFile } from "../MemoryStat.ts"
import { pressureStall } from "../PressureStall.ts"
import { processIds } from "../Proc.ts"
import { limitFile } from "../Scalars.ts"

/** Counters by key: those known by name, and whatever else a kernel prints. A key that a kernel lacks is absent (unknown, not zero). */
export type CountersOf<Key extends string> = Counters & { readonly [K in Key]?: bigint }

/** A flat-keyed file of counters some of whose keys are known. */
export const countersOf = <Key extends string>(file: string): Codec<CountersOf<Key>> => countersFile(file) as Codec<any>

/** A switch that reads and takes `1` or `0` (where module parameters say `Y` and `N`). */
export const switchFile = (file: string): Codec<boolean> =>
  oneRecord(
    textCodec(
      file,
      (lines) =>
        lines.length === 1 && /^[01]$/.test(lines[0]!) ? lines[0] === "1" : reject(1, `${quote(lines[0] ?? "")} is neither 0 nor 1`),
      (value) => (value ? "1\n" : "0\n")
    )
  )

/** Whether there are living processes in the group or below, and whether all of them are frozen; both 0 or 1. Pollable. Not on the root. */
export const cgroupEvents = countersOf<"populated" | "frozen">("cgroup.events")

/** Numbers of groups below, living and dying; since 6.12 also of each controller's states (`nr_subsys_memory`, `nr_dying_subsys_memory`). */
export const cgroupStat = countersOf<"nr_descendants" | "nr_dying_descendants" | "nr_subsys_memory" | "nr_dying_subsys_memory">(
  "cgroup.stat"
)

/** Freezes the processes of the group and below (since 5.2). Takes effect later: `cgroup.events` says when. */
export const cgroupFreeze = switchFile("cgroup.freeze")
/** Write-only: kills every process in the group and below (since 5.14). */
export const cgroupKill = switchFile("cgroup.kill")
/** Whether pressure is counted for the group itself (since 6.1); where it is not, its pressure files are hidden. */
export const cgroupPressure = switchFile("cgroup.pressure")
/** How many levels of groups may be below; a count or `max`. */
export const cgroupMaxDepth = limitFile("cgroup.max.depth")
/** How many groups may be below; a count or `max`. */
export const cgroupMaxDescendants = limitFile("cgroup.max.descendants")
/** Thread ids, one a line. EOPNOTSUPP in a group that is `domain invalid`. */
export const cgroupThreads: Codec<ReadonlyArray<number>> = { ...processIds, file: "cgroup.threads" }

const groupTypes = ["domain", "domain threaded", "domain invalid", "threaded"] as const
export type CgroupType = (typeof groupTypes)[number]

/** What kind of group it is. Only `threaded` can be written, and there is no way back. Not on the root. */
export const cgroupType: Codec<CgroupType> = oneRecord(
  textCodec(
    "cgroup.type",
    (lines) =>
      groupTypes.find((type) => lines.length === 1 && type === lines[0]) ?? reject(1, `${quote(lines[0] ?? "")} is no type of group`),
    (value) => `${value}\n`
  )
)

/**
 * Time on CPUs in microseconds (`…_usec`), and counts. The `usage`, `user` and `system` times are there without the cpu controller too;
 * `nr_…` and `throttled_usec` need it. `nice_usec` since 6.13.
 */
export const cpuStat = countersOf<
  | "usage_usec"
  | "user_usec"
  | "system_usec"
  | "nice_usec"
  | "core_sched.force_idle_usec"
  | "nr_periods"
  | "nr_throttled"
  | "throttled_usec"
  | "nr_bursts"
  | "burst_usec"
>("cpu.stat")

/** Waiting for a CPU. `full` of the whole machine is always 0 (since 5.13 it is printed). */
export const cpuPressure = { ...pressureStall, file: "cpu.pressure" }
/** Waiting for block devices. */
export const ioPressure = { ...pressureStall, file: "io.pressure" }
/** Time taken by interrupts: `full` alone (since 6.1, with CONFIG_IRQ_TIME_ACCOUNTING). */
export const irqPressure = { ...pressureStall, file: "irq.pressure" }
