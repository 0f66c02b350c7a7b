/**
 * What a process has in memory and what of it is held compressed: the figures that say whether paging out was worth it. What lies in swap takes
 * memory, too: its share of the zswap pool or of zram, by the ratio of all that lies there (of the target's group, where that is known).
 */
import { type Bytes, Cgroups, type KernelError, Machine, memoryStat, pageSize, Processes, type SwapArea, Zram, Zswap } from "@wmo/core"
import { Effect } from "effect"
import { ProcessArenaError } from "./ProcessArenaError.ts"

export interface MemoryOf {
  readonly rssBytes: Bytes
  readonly pssBytes: Bytes
  /** In swap, its share of what it has in common with others. */
  readonly swapPssBytes: Bytes
}

/** Undefined where the process has gone. */
export const memoryOf = (pid: number) =>
  Effect.gen(function* () {
    const rollup = yield* (yield* Processes).smapsRollup(pid)
    if (rollup === undefined) return undefined
    const { Pss, Rss = 0, Swap = 0, SwapPss } = rollup.amounts
    return { rssBytes: Rss, pssBytes: Pss ?? Rss, swapPssBytes: SwapPss ?? Swap } satisfies MemoryOf
  })

const zramNumber = ({ path }: SwapArea): number => Number(/zram(\d+)$/.exec(path)?.[1] ?? -1)

/** Where paged out memory goes; refuses where it would go to a disk, or nowhere. */
export const compressedSwap: Effect.Effect<string, ProcessArenaError | KernelError, Machine | Zswap> = Effect.gen(function* () {
  const areas = yield* (yield* Machine).swaps
  const refuse = (message: string) => new ProcessArenaError({ why: "unsupported", message })
  if (areas.length === 0) {
    return yield* refuse(
      "there is no swap, so nothing can be paged out: set up zram (modprobe zram; echo 1G > /sys/block/zram0/disksize; mkswap and swapon /dev/zram0), or zswap over a swap file"
    )
  }
  const { compressor, enabled } = yield* (yield* Zswap).parameters
  const zrams = areas.filter((area) => zramNumber(area) >= 0)
  if (enabled === true) return `zswap${compressor === undefined ? "" : ` (${compressor})`}`
  if (zrams.length === areas.length) return zrams.map(({ path }) => path).join(", ")
  return yield* refuse(
    `paged out memory would go to ${areas.map(({ path }) => path).join(", ")}, not compressed: echo 1 > /sys/module/zswap/parameters/enabled, or use zram`
  )
})

const unknown = (effect: Effect.Effect<number | undefined, unknown, Cgroups | Machine | Zram | Zswap>) =>
  Effect.orElseSucceed(effect, () => undefined)

/** Bytes that a swapped byte takes, from 0 to 1 and a little more; 1 where nothing is known. */
export const heldShare = Effect.fnUntraced(function* (group: string | undefined) {
  const ofGroup = yield* unknown(
    Effect.gen(function* () {
      if (group === undefined || group === "") return undefined
      const { zswap = 0, zswapped = 0 } = yield* (yield* Cgroups).read(group, memoryStat)
      return zswapped >= 2 ** 20 ? zswap / zswapped : undefined
    })
  )
  if (ofGroup !== undefined) return ofGroup
  let held = 0
  let stored = 0
  const { poolTotalBytes = 0, storedPages = 0 } = yield* Effect.orElseSucceed((yield* Zswap).stats, () => ({
    poolTotalBytes: 0,
    storedPages: 0
  }))
  held += poolTotalBytes
  stored += storedPages * pageSize
  const zram = yield* Zram
  for (const device of yield* Effect.orElseSucceed(zram.devices, () => [])) {
    const found = yield* Effect.orElseSucceed(zram.read(device), () => undefined)
    if (found === undefined || !found.isInitialized) continue
    held += found.mm.memUsedBytes
    stored += found.mm.origDataBytes + found.mm.samePages * pageSize
  }
  return stored >= 2 ** 20 ? held / stored : 1
})
