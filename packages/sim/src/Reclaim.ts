/**
 * Reclaim: from the oldest generation, oldest page first, anon and file balanced by swappiness; ages when it has run out of old generations.
 * A page whose accessed bit is set is spared and goes to the youngest generation. Returns like try_to_free_mem_cgroup_pages: work done may
 * be less or a little more than asked.
 * Simplified: clean and dirty file pages both go at once (writing back costs device time, not waiting); a subtree is reclaimed group by group
 * in proportion to size; nothing is isolated or locked, so a second try without any change fails as the first did.
 * Source: mm/vmscan.c (evict_folios, get_type_to_scan, lru_gen_look_around), mm/memcontrol.c (memory.reclaim's loop).
 */
import { pageSize, type Pages } from "@wmo/core"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { ACCESSED, ANON_TYPE, DIRTY, DROPPED, FILE_TYPE, typeOf } from "./PageTable.ts"
import { canSwap, NO_SLOT, SWAPPED, swapOut } from "./Swap.ts"

export type Swappiness = number | "max"
export type ReclaimKind = "proactive" | "direct"

/** SWAP_CLUSTER_MAX */
const cluster = 32
/** The kernel tries 16 times more without progress; here nothing changes in between, so that once more settles it. */
const maxRetries = 1
/** MAX_RECLAIM_RETRIES: rounds of reclaim in a write to a limit. */
const maxTriesAtLimit = 16
/** Bounds what an imbalance can cost later: a few batches. */
const largestCredit = 200 * 8 * cluster
/** Walks that one pass may make: enough to turn one young generation into an old one. */
const maxWalks = 3

/** Ages the group's pages now. */
export const ageGroup = (machine: MachineState, group: MemoryGroup): void => {
  machine.spentUs += group.ownResident * machine.costs.agePage.meanUs
  group.generations.age(machine.nowUs)
  machine.passTime()
}

/** Which type to evict from, or -1. The older generation first; among equals by swappiness. */
const chooseType = (group: MemoryGroup, swappiness: Swappiness, anonAllowed: boolean, upTo: number): number => {
  const { generations } = group
  const anon = anonAllowed && swappiness !== 0 && generations.evictable(ANON_TYPE, upTo)
  const file = swappiness !== "max" && generations.evictable(FILE_TYPE, upTo)
  if (!anon || !file) return anon ? ANON_TYPE : file ? FILE_TYPE : -1
  const [anonSeq, fileSeq] = generations.minSeq
  // MAX_SWAPPINESS is anon first, whatever is older.
  if (swappiness === 200) return ANON_TYPE
  if (anonSeq !== fileSeq) return anonSeq! < fileSeq! ? ANON_TYPE : FILE_TYPE
  return group.anonCredit > 0 ? ANON_TYPE : FILE_TYPE
}

/** Keeps the books of anon against file: over time anon gets swappiness/200 of what is evicted while both could be. */
const settleCredit = (group: MemoryGroup, type: number, pages: Pages, swappiness: Swappiness): void => {
  const share = swappiness === "max" ? 200 : swappiness
  const credit = group.anonCredit + (type === FILE_TYPE ? pages * share : -pages * (200 - share))
  group.anonCredit = Math.max(-largestCredit, Math.min(largestCredit, credit))
}

/** Takes a page out of memory that is on no list any more. SWAPPED, or why it stays where it was, on no list. */
const takeOut = (machine: MachineState, group: MemoryGroup, page: number): number => {
  const { generations, pages } = group
  const flags = pages.flags[page]!
  const type = typeOf(flags)
  if (type === FILE_TYPE) {
    if ((flags & DIRTY) !== 0) {
      group.dirtyFile--
      machine.spentUs += machine.costs.diskWrite.draw()
    }
    group.residentFile--
    pages.setLocation(page, DROPPED)
  } else {
    const outcome = swapOut(machine, group, page)
    if (outcome !== SWAPPED) return outcome
  }
  machine.frames?.give(group, page)
  group.chargeResident(-1)
  group.offload.change(1)
  pages.evictedSeq[page] = generations.minSeq[type]!
  return SWAPPED
}

/** Takes one resident page out of memory, whatever its accessed bit says; whether it went. A page that cannot go becomes a young one. */
export const evictPage = (machine: MachineState, group: MemoryGroup, page: number): boolean => {
  group.pages.remove(page)
  if (takeOut(machine, group, page) === SWAPPED) return true
  group.generations.addYoungest(page)
  return false
}

/** Evicts up to `wanted` pages from the type's oldest generation. Negative: no swap slot is left; ~result pages were evicted. */
const evictBatch = (machine: MachineState, group: MemoryGroup, type: number, wanted: Pages, kind: ReclaimKind): number => {
  const { counters, generations, pages } = group
  const list = generations.oldestList(type)
  let evicted = 0
  let scanned = 0
  let isOutOfSlots = false
  for (let left = pages.counts[list]!; left > 0 && evicted < wanted; left--) {
    const page = pages.oldest(list)
    const flags = pages.flags[page]!
    scanned++
    if ((flags & ACCESSED) !== 0) {
      pages.flags[page] = flags & ~ACCESSED
      generations.moveToYoungest(page)
      continue
    }
    pages.remove(page)
    const outcome = takeOut(machine, group, page)
    if (outcome === SWAPPED) {
      evicted++
      continue
    }
    generations.addYoungest(page)
    isOutOfSlots = outcome === NO_SLOT
    if (isOutOfSlots) break
  }
  machine.spentUs += scanned * machine.costs.reclaimPage.meanUs
  counters.add("pgscan", scanned)
  counters.add("pgsteal", evicted)
  counters.add(kind === "direct" ? "pgscan_direct" : "pgscan_proactive", scanned)
  counters.add(kind === "direct" ? "pgsteal_direct" : "pgsteal_proactive", evicted)
  return isOutOfSlots ? ~evicted : evicted
}

/** One pass over one group's own pages. */
const shrinkGroup = (machine: MachineState, group: MemoryGroup, wanted: Pages, swappiness: Swappiness, kind: ReclaimKind): Pages => {
  let evicted = 0
  let walks = 0
  let anonAllowed = canSwap(machine, group)
  while (evicted < wanted) {
    const type = chooseType(group, swappiness, anonAllowed, Infinity)
    if (type === -1) {
      const { counts } = group.pages
      const anonLeft = anonAllowed && swappiness !== 0 && counts[0]! + counts[1]! + counts[2]! + counts[3]! > 0
      const fileLeft = swappiness !== "max" && counts[4]! + counts[5]! + counts[6]! + counts[7]! > 0
      if (walks === maxWalks || (!anonLeft && !fileLeft)) break
      walks++
      ageGroup(machine, group)
      continue
    }
    const got = evictBatch(machine, group, type, Math.min(cluster, wanted - evicted), kind)
    const pages = got < 0 ? ~got : got
    if (got < 0) anonAllowed = false
    settleCredit(group, type, pages, swappiness)
    evicted += pages
    machine.passTime()
  }
  return evicted
}

/** One pass over a subtree, each group in proportion to its pages; memory.min and memory.low protect descendants of the target. */
const shrinkTree = (machine: MachineState, root: MemoryGroup, wanted: Pages, swappiness: Swappiness, kind: ReclaimKind): Pages => {
  if (root.children.size === 0) return shrinkGroup(machine, root, wanted, swappiness, kind)
  const members = [...root.subtree()].map((group) => ({ group, pages: group.ownResident })).filter(({ pages }) => pages > 0)
  let evicted = 0
  for (const respectsLow of [true, false]) {
    const open = members.filter(({ group }) => {
      if (group === root) return true
      const usage = group.currentBytes()
      return usage > group.limit("min") && !(respectsLow && usage <= group.limit("low"))
    })
    const total = open.reduce((sum, { pages }) => sum + pages, 0)
    for (const { group, pages } of open) {
      if (evicted >= wanted) break
      if (!respectsLow && group !== root && group.currentBytes() <= group.limit("low")) group.event("low")
      const share = Math.min(wanted - evicted, Math.max(1, Math.ceil((wanted * pages) / total)))
      evicted += shrinkGroup(machine, group, share, swappiness, kind)
    }
    if (evicted > 0) break
  }
  return evicted
}

/** Reclaims from the group and its descendants until `target` pages are gone or no try makes progress any more. */
export const reclaim = (
  machine: MachineState,
  group: MemoryGroup,
  target: Pages,
  kind: ReclaimKind,
  swappiness: Swappiness = machine.options.swappiness()
): Pages => {
  machine.zswap = machine.options.zswapSettings()
  let reclaimed = 0
  let retries = maxRetries
  while (reclaimed < target) {
    const batch = Math.max(cluster, Math.floor((target - reclaimed) / 4))
    const got = shrinkTree(machine, group, batch, swappiness, kind)
    if (got === 0 && retries-- === 0) break
    reclaimed += got
  }
  return reclaimed
}

/** The `-` command of lru_gen: evicts generations up to `seq`, never the two youngest. Stops when nothing moves. Counted as direct reclaim. */
export const evictGenerations = (
  machine: MachineState,
  group: MemoryGroup,
  seq: number,
  limit: Pages = Infinity,
  swappiness: Swappiness = machine.options.swappiness()
): Pages => {
  machine.zswap = machine.options.zswapSettings()
  let evicted = 0
  let anonAllowed = canSwap(machine, group)
  while (evicted < limit) {
    const type = chooseType(group, swappiness, anonAllowed, seq)
    if (type === -1) break
    const got = evictBatch(machine, group, type, Math.min(cluster * 2, limit - evicted), "direct")
    const pages = got < 0 ? ~got : got
    if (got < 0) anonAllowed = false
    settleCredit(group, type, pages, swappiness)
    evicted += pages
    machine.passTime()
  }
  return evicted
}

/** Reclaims until the group is at or below `bytes`; returns whether it got there. */
export const reclaimDownTo = (machine: MachineState, group: MemoryGroup, bytes: number): boolean => {
  for (let tries = 0; tries < maxTriesAtLimit && group.currentBytes() > bytes; tries++) {
    if (reclaim(machine, group, Math.ceil((group.currentBytes() - bytes) / pageSize), "direct") === 0) break
  }
  return group.currentBytes() <= bytes
}
