/**
 * Where anonymous pages go and how they come back: zero pages to a bitmap, compressible ones to zswap, the rest to the device.
 * Loads are exclusive: a fault frees the compressed copy and the slot. At a full pool the oldest entries are written to the device down
 * to the accept threshold (the shrink worker, here at once); at memory.zswap.max one entry is written for one stored.
 * Simplified: no swap readahead, no swap cache, `shrinker_enabled` has no effect. Source: mm/zswap.c (6.12).
 */
import { pageSize } from "@wmo/core"
import { incompressible, sizeClass } from "./Compressibility.ts"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { IN_ZSWAP, ON_DISK, ZERO, zswapList } from "./PageTable.ts"

/** No slot is left, for the group or at all: anon cannot be reclaimed. */
export const NO_SLOT = 0
/** The page has nowhere to go and stays resident. */
const REFUSED = 1
export const SWAPPED = 2

const hasSlot = (machine: MachineState, group: MemoryGroup): boolean => {
  if (machine.usedSwapPages >= machine.swapPages) return false
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) {
    if (g.tree.swapPages * pageSize >= g.limit("swapMax")) return false
  }
  return true
}

/** Whether anon of the group can be reclaimed at all. */
export const canSwap = hasSlot

const dropFromPool = (machine: MachineState, group: MemoryGroup, page: number): void => {
  const size = group.pages.compressed[page]!
  group.pages.remove(page)
  group.chargePool(-size)
  machine.poolBytes -= sizeClass(size)
  machine.storedPages--
}

/** Hands a page to the device; false where that cannot take it. */
const writeToDevice = (machine: MachineState, group: MemoryGroup, page: number): boolean => {
  const size = group.pages.compressed[page]!
  if (machine.zram === undefined) {
    machine.spentUs += machine.costs.diskWrite.draw()
  } else {
    // zram compresses what it is given, whoever has done so before.
    machine.spentUs += machine.costs.zswapStore.draw()
    if (!machine.zram.store(size)) return false
    group.offload.store(sizeClass(size))
  }
  group.counters.add("pswpout", 1)
  return true
}

const dropFromDevice = (machine: MachineState, group: MemoryGroup, page: number): void => {
  if (machine.zram === undefined) return
  const size = group.pages.compressed[page]!
  machine.zram.drop(size)
  group.offload.store(-sizeClass(size))
}

/** Writes the group's oldest zswap entry to the device. */
const writeBackOldest = (machine: MachineState, group: MemoryGroup): boolean => {
  const page = group.pages.oldest(zswapList)
  if (page < 0 || !machine.options.mayWriteToDisk(group)) return false
  machine.spentUs += machine.costs.zswapLoad.draw()
  if (!writeToDevice(machine, group, page)) return false
  dropFromPool(machine, group, page)
  group.pages.setLocation(page, ON_DISK)
  group.counters.add("zswpwb", 1)
  return true
}

/** Makes room in a full pool: round robin over the groups, down to the accept threshold. */
const shrinkPool = (machine: MachineState): void => {
  const goal = (machine.poolLimitBytes * machine.zswap.acceptThresholdPercent) / 100
  let progress = true
  while (progress && machine.poolBytes > goal) {
    progress = false
    for (const group of machine.groups.values()) if (machine.poolBytes > goal && writeBackOldest(machine, group)) progress = true
  }
  if (machine.poolBytes <= goal) machine.isPoolFull = false
}

const mayStore = (machine: MachineState, group: MemoryGroup, size: number): boolean => {
  if (!machine.zswap.enabled || size >= incompressible) return false
  if (machine.isPoolFull && machine.poolBytes > (machine.poolLimitBytes * machine.zswap.acceptThresholdPercent) / 100) return false
  machine.isPoolFull = false
  if (machine.poolBytes + sizeClass(size) > machine.poolLimitBytes) {
    machine.isPoolFull = true
    shrinkPool(machine)
    return false
  }
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) {
    const limit = g.limit("zswapMax")
    if (limit === 0) return false
    if (g.tree.poolBytes + size > limit && !writeBackOldest(machine, group)) return false
  }
  return true
}

/** Moves a resident anon page, already off its list, out of memory. The caller takes back the resident charge. */
export const swapOut = (machine: MachineState, group: MemoryGroup, page: number): number => {
  if (!hasSlot(machine, group)) return NO_SLOT
  const { pages } = group
  const size = pages.compressed[page]!
  let location = ZERO
  if (size === 0) {
    group.counters.add("swpout_zero", 1)
  } else {
    // A page that turns out incompressible has cost a compression as well.
    if (machine.zswap.enabled) machine.spentUs += machine.costs.zswapStore.draw()
    if (mayStore(machine, group, size)) {
      location = IN_ZSWAP
      pages.push(zswapList, page)
      group.chargePool(size)
      machine.poolBytes += sizeClass(size)
      machine.storedPages++
      group.counters.add("zswpout", 1)
    } else {
      if (!machine.options.mayWriteToDisk(group) || !writeToDevice(machine, group, page)) return REFUSED
      location = ON_DISK
    }
  }
  pages.setLocation(page, location)
  group.chargeSwap(1)
  machine.usedSwapPages++
  return SWAPPED
}

/** Frees the slot, and the compressed copy, of a page that is not resident any more; the caller says where the page is from now on. */
export const releaseSlot = (machine: MachineState, group: MemoryGroup, page: number, location: number): void => {
  if (location === IN_ZSWAP) dropFromPool(machine, group, page)
  else if (location === ON_DISK) dropFromDevice(machine, group, page)
  group.chargeSwap(-1)
  machine.usedSwapPages--
}
