/**
 * The memory controller's files of a cgroup v2 group, one codec each, to be used with `Cgroups.read`, `write` and `hold`.
 * Amounts are bytes; limits are bytes or `max`. The root group lacks most of them. Source: Documentation/admin-guide/cgroup-v2.rst.
 */
import { countersFile } from "./MemoryStat.ts"
import { nestedKeyedFile } from "./FlatKeyed.ts"
import { bytesFile, limitFile } from "./Scalars.ts"

export { memoryStat } from "./MemoryStat.ts"
export { pressureStall as memoryPressure } from "./PressureStall.ts"
export { memcgPageAge as memoryWorkingsetPageAge, refreshIntervals as memoryWorkingsetRefreshInterval } from "./WorkingSetReport.ts"
export { processIds as cgroupProcs } from "./Proc.ts"

/** Usage of the group and its descendants, the zswap pool included. */
export const memoryCurrent = bytesFile("memory.current")
/** Highest usage so far (since 5.19). */
export const memoryPeak = bytesFile("memory.peak")
/** Hard protection: never reclaimed below it. */
export const memoryMin = limitFile("memory.min")
/** Best-effort protection. */
export const memoryLow = limitFile("memory.low")
/** Throttle limit: above it the group is reclaimed and its allocations slowed, never killed. Writing blocks while the kernel reclaims. */
export const memoryHigh = limitFile("memory.high")
/** Hard limit: above it the group is OOM-killed. */
export const memoryMax = limitFile("memory.max")
/** Counts of low, high, max, oom, oom_kill, oom_group_kill, in the group and its descendants. */
export const memoryEvents = countersFile("memory.events")
/** memory.stat's amounts by NUMA node, in bytes. */
export const memoryNumaStat = nestedKeyedFile("memory.numa_stat")
/** Swap in use, zswap's contents counted at their uncompressed size. */
export const memorySwapCurrent = bytesFile("memory.swap.current")
export const memorySwapHigh = limitFile("memory.swap.high")
/** 0 keeps anon from being swapped or compressed at all. */
export const memorySwapMax = limitFile("memory.swap.max")
export const memorySwapEvents = countersFile("memory.swap.events")
/** Compressed size of the group's pages in zswap (since 5.19). */
export const memoryZswapCurrent = bytesFile("memory.zswap.current")
export const memoryZswapMax = limitFile("memory.zswap.max")
/** 0 keeps zswap from writing back to, and falling through to, disk swap (since 6.8). */
export const memoryZswapWriteback = bytesFile("memory.zswap.writeback")
