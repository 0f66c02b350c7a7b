/**
 * The numbers of a cgroup's memory files as metrics: their names, and how a decoded file becomes values. One file a part, so that a file that has
 * not changed costs nothing. The names are those of the recording (`memory_current_bytes`, `memory_stat_pgfault`, `memory_pressure_some_us`).
 */
import {
  type Codec,
  type Counters,
  limitBytes,
  Memcg,
  type MemoryStat,
  memoryStatAmounts,
  memoryStatCounters,
  type PressureStall
} from "@wmo/core"
import type { SampleValue } from "../Sample.ts"

/** A file of a group: which metrics it holds, in order. */
export interface CgroupFile {
  readonly codec: Codec<any>
  /** Names and values of what was decoded; names may differ from one kernel, or one group, to the next. */
  readonly names: (decoded: any) => ReadonlyArray<string>
  readonly values: (decoded: any) => ReadonlyArray<SampleValue>
  /** What people set, and hardly ever: it is not read every turn. */
  readonly isSetting?: boolean
}

const amount = (codec: Codec<number>, name: string): CgroupFile => ({ codec, names: () => [name], values: (bytes: number) => [bytes] })

/** What the kernel stores for `max` where it means "all of it". */
const everything = 2n ** 63n - 1n

const protection = (codec: Codec<any>, name: string): CgroupFile => ({
  codec,
  isSetting: true,
  names: () => [name],
  values: (limit) => [limit === "max" || limit === Infinity ? everything : limit]
})

const limit = (codec: Codec<any>, name: string): CgroupFile => ({
  codec,
  isSetting: true,
  names: () => [name],
  values: (value) => {
    const bytes = limitBytes(value)
    return [bytes === Infinity ? undefined : bytes]
  }
})

/** `_us` total, averages in hundredths of a percent. */
export const pressureFile = (codec: Codec<PressureStall>, prefix: string): CgroupFile => ({
  codec,
  names: (stall: PressureStall) =>
    (["some", "full"] as const).flatMap((line) =>
      stall[line] === undefined ? [] : [`${prefix}_${line}_us`, ...[10, 60, 300].map((span) => `${prefix}_${line}_avg${span}_bp`)]
    ),
  values: (stall: PressureStall) =>
    (["some", "full"] as const).flatMap((name) => {
      const line = stall[name]
      return line === undefined
        ? []
        : [line.totalUs, Math.round(line.avg10 * 100), Math.round(line.avg60 * 100), Math.round(line.avg300 * 100)]
    })
})

const counters = (codec: Codec<Counters>, prefix: string): CgroupFile => ({
  codec,
  names: (decoded: Counters) => Object.keys(decoded).map((key) => `${prefix}_${key}`),
  values: (decoded: Counters) => Object.values(decoded)
})

const amounts: ReadonlySet<string> = new Set(memoryStatAmounts)
const known: ReadonlySet<string> = new Set<string>([...memoryStatAmounts, ...memoryStatCounters])

/** `memory.zswap.current` is the same number as `zswap` here, and as dear to read: it is not read. */
const zswapCurrent = "memory_zswap_current_bytes"

const stat: CgroupFile = {
  codec: Memcg.memoryStat,
  names: ({ unknown, ...decoded }: MemoryStat) => [
    ...Object.keys(decoded).map((key) => (amounts.has(key) ? `memory_stat_${key}_bytes` : `memory_stat_${key}`)),
    ...Object.keys(unknown ?? {})
      .filter((key) => !known.has(key))
      .map((key) => `memory_stat_${key}`),
    ...(decoded.zswap === undefined ? [] : [zswapCurrent])
  ],
  values: (decoded: MemoryStat) => {
    const values: Array<SampleValue> = []
    for (const key in decoded) if (key !== "unknown") values.push(decoded[key as "anon"])
    if (decoded.unknown !== undefined) for (const key in decoded.unknown) values.push(decoded.unknown[key])
    if (decoded.zswap !== undefined) values.push(decoded.zswap)
    return values
  }
}

/** All files of the memory controller that are worth sampling. A group that lacks one has no such metrics. */
export const cgroupFiles: ReadonlyArray<CgroupFile> = [
  amount(Memcg.memoryCurrent, "memory_current_bytes"),
  amount(Memcg.memorySwapCurrent, "memory_swap_current_bytes"),
  protection(Memcg.memoryMin, "memory_min_bytes"),
  protection(Memcg.memoryLow, "memory_low_bytes"),
  limit(Memcg.memoryHigh, "memory_high_bytes"),
  limit(Memcg.memoryMax, "memory_max_bytes"),
  limit(Memcg.memorySwapMax, "memory_swap_max_bytes"),
  pressureFile(Memcg.memoryPressure, "memory_pressure"),
  stat,
  counters(Memcg.memoryEvents, "memory_events")
]
