/**
 * What happens when a page is not there: charge it (reclaiming, throttling or killing at the limits), then bring it in.
 * memory.high: past it every 64 pages the task reclaims as much, and then sleeps the longer the further the group is above the limit. Pages
 * are charged 64 at a time, as the kernel's per-CPU stocks are; memory.current does not show those that are not in use yet.
 * As under MGLRU in 6.12, a wait for a page counts as pressure only if the refault is recent: the generation that the page was evicted from
 * is still the oldest one ("hotter pages pushed out hot pages which refaulted immediately"). Eviction by age therefore shows little PSI.
 * Simplified: a first read of a file costs a sixteenth of a device read (readahead) and counts as a minor fault; a first write reads nothing.
 * Source: mm/memcontrol.c (try_charge_memcg, mem_cgroup_handle_over_high, calculate_high_delay), mm/workingset.c (lru_gen_refault).
 */
import { type Microseconds, pageSize } from "@wmo/core"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { ABSENT, ACCESSED, DIRTY, DROPPED, FILE, IN_ZSWAP, locationOf, ON_DISK, QUEUED, RESIDENT, typeOf, ZERO } from "./PageTable.ts"
import { reclaim } from "./Reclaim.ts"
import { releaseSlot } from "./Swap.ts"

/**
 * MEMCG_CHARGE_BATCH: a task charges that many pages ahead and looks at memory.high when it does. A write to a limit drains what was charged
 * ahead, so that the first page after it goes over a limit that sits at the group's size.
 */
export const chargeBatch = 64
const aheadBytes = (chargeBatch - 1) * pageSize
/** SWAP_CLUSTER_MAX */
const reclaimBatch = 32
const chargeRetries = 16
const readahead = 16
const longestHighDelayUs = 2_000_000
/** Delays up to 10 ms are not worth a sleep. */
const shortestHighDelayUs = 10_000

/**
 * Charges are about to grow by one page: makes room at every limit above the group. Returns the stall in µs.
 * When reclaim cannot help, kills a workload of the group whose limit it is; the caller looks whether it is its own.
 */
export const makeRoom = (machine: MachineState, group: MemoryGroup): Microseconds => {
  let stallUs = 0
  for (let level: MemoryGroup | undefined = group; level !== undefined; level = level.parent) {
    const g = level
    const { parent } = g
    // What goes to zram takes memory in turn.
    const max = () => (parent === undefined ? machine.memTotalBytes - (machine.zram?.usedBytes ?? 0) : g.limit("max"))
    if (g.currentBytes() + pageSize <= max()) continue
    machine.spentUs = 0
    let isKilled = false
    for (let tries = chargeRetries; g.currentBytes() + pageSize > max() && !isKilled; tries--) {
      if (parent !== undefined) g.event("max")
      const got = reclaim(machine, g, reclaimBatch, "direct")
      if (got > 0 && tries > 0) continue
      g.event("oom")
      isKilled = machine.options.kill(g)
      if (!isKilled) break
    }
    stallUs += machine.spentUs
  }
  return stallUs
}

/** Whether the group or an ancestor is above its memory.high, with a batch that has just been charged. */
export const isOverHigh = (group: MemoryGroup): boolean => {
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) {
    if (g.currentBytes() + aheadBytes > g.limit("high")) return true
  }
  return false
}

/** What a task pays for charging a batch above memory.high: reclaim (work), then a penalty (a sleep). */
export const payForHigh = (
  machine: MachineState,
  group: MemoryGroup
): { readonly workUs: Microseconds; readonly delayUs: Microseconds } => {
  let worst = 0
  machine.spentUs = 0
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) {
    const high = g.limit("high")
    const level = g
    const over = () => level.currentBytes() + aheadBytes - high
    if (over() <= 0) continue
    g.event("high")
    for (let tries = 0; tries < chargeRetries && over() > 0; tries++) {
      if (reclaim(machine, g, tries === 0 ? chargeBatch : reclaimBatch, "direct") === 0) break
    }
    worst = Math.max(worst, over() / Math.max(high, pageSize))
  }
  // (overage * 2^20)^2 / 2^34 seconds for a batch of charges.
  const delayUs = Math.min(longestHighDelayUs, worst * worst * 64 * 1e6)
  return { workUs: machine.spentUs, delayUs: delayUs > shortestHighDelayUs ? delayUs : 0 }
}

/** The outcome of the last fault: written, not allocated. */
export const faultTimes = { runUs: 0, waitUs: 0, isRecent: false, isDevice: false }

/** Brings a page in that a task touches. Room has been made. Writes {@link faultTimes}. */
export const bringIn = (machine: MachineState, group: MemoryGroup, page: number, isWrite: boolean): void => {
  group.counters.add("pgfault", 1)
  load(machine, group, page, isWrite, true)
  group.pages.mark(page, ACCESSED)
}

/** Brings a page back that nobody has touched (MADV_WILLNEED); whether there was room. What it costs goes to `machine.spentUs`. */
export const bringBack = (machine: MachineState, group: MemoryGroup, page: number): boolean => {
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) {
    if (g.currentBytes() + pageSize > (g.parent === undefined ? machine.memTotalBytes : g.limit("max"))) return false
  }
  load(machine, group, page, false, false)
  machine.spentUs += faultTimes.runUs + (faultTimes.isDevice ? 0 : faultTimes.waitUs)
  return true
}

const load = (machine: MachineState, group: MemoryGroup, page: number, isWrite: boolean, isFault: boolean): void => {
  const { counters, pages } = group
  const { costs } = machine
  const before = pages.flags[page]!
  const location = locationOf(before)
  const isFile = (before & FILE) !== 0
  faultTimes.runUs = costs.minorFault.draw()
  faultTimes.waitUs = 0
  faultTimes.isRecent = false
  faultTimes.isDevice = (location === ON_DISK && machine.zram === undefined) || location === DROPPED
  if (location === ABSENT) {
    if (isFile && !isWrite) faultTimes.runUs += costs.diskRead.draw() / readahead
  } else {
    group.offload.change(-1)
    const isRecent = pages.evictedSeq[page] === group.generations.minSeq[typeOf(before)]
    faultTimes.isRecent = isRecent
    if (isFault) counters.add("pgmajfault", 1)
    counters.add(isFile ? "workingset_refault_file" : "workingset_refault_anon", 1)
    if (isRecent) {
      counters.add(isFile ? "workingset_activate_file" : "workingset_activate_anon", 1)
      counters.add(isFile ? "workingset_restore_file" : "workingset_restore_anon", 1)
    }
    if (location === IN_ZSWAP) {
      counters.add("zswpin", 1)
      faultTimes.waitUs = costs.zswapLoad.draw()
    } else if (location === ON_DISK) {
      counters.add("pswpin", 1)
      faultTimes.waitUs = machine.zram === undefined ? costs.diskRead.draw() : costs.zswapLoad.draw()
    } else if (location === ZERO) {
      counters.add("swpin_zero", 1)
    } else if (location === DROPPED) {
      faultTimes.waitUs = costs.diskRead.draw()
    }
    if (location !== DROPPED) releaseSlot(machine, group, page, location)
  }
  pages.flags[page] = (before & (FILE | QUEUED)) | RESIDENT
  group.generations.addYoungest(page)
  machine.frames?.take(group, page)
  if (isFile) group.residentFile++
  if (isWrite || !isFile) setDirty(group, page)
  group.chargeResident(1)
}

/** Sets the dirty bit of a resident page. Anon is always dirty: it has no other copy. */
export const setDirty = (group: MemoryGroup, page: number): void => {
  const flags = group.pages.flags[page]!
  if ((flags & DIRTY) !== 0) return
  group.pages.flags[page] = flags | DIRTY
  if ((flags & FILE) !== 0) group.dirtyFile++
}

/** Frees a range, wherever its pages are: exit, munmap, MADV_DONTNEED or unlink. */
export const freePages = (machine: MachineState, group: MemoryGroup, first: number, count: number): void => {
  const { pages } = group
  for (let page = first; page < first + count; page++) {
    const flags = pages.flags[page]!
    const isResident = (flags & RESIDENT) !== 0
    const location = isResident ? ABSENT : locationOf(flags)
    if (isResident) {
      pages.remove(page)
      machine.frames?.give(group, page)
      if ((flags & FILE) !== 0) group.residentFile--
      if ((flags & (FILE | DIRTY)) === (FILE | DIRTY)) group.dirtyFile--
      group.chargeResident(-1)
    } else if (location === IN_ZSWAP || location === ON_DISK || location === ZERO) {
      releaseSlot(machine, group, page, location)
    }
    if (location !== ABSENT) group.offload.change(-1)
    if (isResident || location !== ABSENT) pages.forget(page)
  }
}
