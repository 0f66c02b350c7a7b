/**
 * The memory controller's files of a cgroup v2 group, one codec each, to be used with `Cgroups.read`, `write` and `hold`.
 * Amounts are bytes; limits are bytes or `max`. The root group lacks most of them. Source: Documentation/admin-guide/cgroup-v2.rst.
 */
import { countersOf, switchFile } from "./cgroups/groupFiles.ts"
import { type Codec, exactNumber, printNumber, quote, reject, textCodec } from "./Codec.ts"
import { nestedKeyedFile } from "./FlatKeyed.ts"
import { bytesFile, type Limit, limitFile } from "./Scalars.ts"

export { memoryStat } from "./MemoryStat.ts"
export { pressureStall as memoryPressure } from "./PressureStall.ts"
export { memcgPageAge as memoryWorkingsetPageAge, refreshIntervals as memoryWorkingsetRefreshInterval } from "./WorkingSetReport.ts"
export { processIds as cgroupProcs } from "./Proc.ts"

/** Usage of the group and its descendants, the zswap pool included. */
export const memoryCurrent = bytesFile("memory.current")
/** Highest usage so far (since 5.19). Since 6.12 a write resets it, but only for the descriptor that wrote: `Cgroups.holdPeak`. */
export const memoryPeak = bytesFile("memory.peak")
/** Hard protection: never reclaimed below it. */
export const memoryMin = limitFile("memory.min")
/** Best-effort protection. */
export const memoryLow = limitFile("memory.low")
/** Throttle limit: above it the group is reclaimed and its allocations slowed, never killed. Writing blocks while the kernel reclaims. */
export const memoryHigh = limitFile("memory.high")
/** Hard limit: above it the group is OOM-killed. */
export const memoryMax = limitFile("memory.max")
export type MemoryEvent = "low" | "high" | "max" | "oom" | "oom_kill" | "oom_group_kill" | "sock_throttled"
/** Counts of events in the group and its descendants (`oom_group_kill` since 5.17, `sock_throttled` newest). Pollable. */
export const memoryEvents = countersOf<MemoryEvent>("memory.events")
/** As `memory.events`, of the group alone (since 5.2). Pollable. */
export const memoryEventsLocal = countersOf<MemoryEvent>("memory.events.local")
/** Whether the OOM killer takes all processes of the group at once (since 4.19). */
export const memoryOomGroup = switchFile("memory.oom.group")
/** memory.stat's amounts by NUMA node, in bytes. */
export const memoryNumaStat = nestedKeyedFile("memory.numa_stat")
/** Swap in use, zswap's contents counted at their uncompressed size. */
export const memorySwapCurrent = bytesFile("memory.swap.current")
/** Highest swap use so far (since 6.5); resets as `memory.peak` does (since 6.12). */
export const memorySwapPeak = bytesFile("memory.swap.peak")
/** Above it all allocations of the group are throttled (since 5.8): a fuse, not a knob for tuning. */
export const memorySwapHigh = limitFile("memory.swap.high")
/** 0 keeps anon from being swapped or compressed at all. */
export const memorySwapMax = limitFile("memory.swap.max")
/** Counts of the swap limits being hit and of swap being full. Pollable. */
export const memorySwapEvents = countersOf<"high" | "max" | "fail">("memory.swap.events")
/** Compressed size of the group's pages in zswap (since 5.19). */
export const memoryZswapCurrent = bytesFile("memory.zswap.current")
export const memoryZswapMax = limitFile("memory.zswap.max")
/** 0 keeps zswap from writing back to, and falling through to, disk swap (since 6.8). */
export const memoryZswapWriteback = bytesFile("memory.zswap.writeback")

/**
 * Limits by swap tier, `<tier> max` or `<tier> 0` a line (not in a released kernel yet). One tier a write.
 */
export const memorySwapTiersMax: Codec<Readonly<Record<string, Limit>>> = textCodec<Readonly<Record<string, Limit>>>(
  "memory.swap.tiers.max",
  (lines) =>
    Object.fromEntries(
      lines.map((text, index) => {
        const [tier, limit, ...rest] = text.split(" ")
        if (!tier || limit === undefined || rest.length > 0) return reject(index + 1, `${quote(text)} is not a tier and its limit`)
        return [tier, limit === "max" ? "max" : exactNumber(limit, index + 1)] as const
      })
    ),
  (tiers) =>
    Object.entries(tiers)
      .map(([tier, limit]) => `${tier} ${limit === "max" || limit === Infinity ? "max" : printNumber(limit)}\n`)
      .join("")
)
