/**
 * What a simulated group says in its files: the `MemcgModel` behind core's fake kernel. Hierarchical, as memory.stat is.
 * Simplified: no kernel memory; active means the two youngest generations, as the kernel counts under MGLRU.
 */
import { type MemoryStat, pageSize } from "@wmo/core"
import type { MemcgModel } from "@wmo/core/testing"
import type { MachineState } from "./MachineState.ts"
import { MemoryCounters } from "./MemoryCounters.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { ANON_TYPE, FILE_TYPE, zswapList } from "./PageTable.ts"
import { ageGroup, evictGenerations, reclaim, reclaimDownTo } from "./Reclaim.ts"

const stat = (group: MemoryGroup): MemoryStat => {
  const counters = new MemoryCounters()
  const active = [0, 0]
  const total = [0, 0]
  let dirty = 0
  let zswapped = 0
  for (const { counters: own, dirtyFile, generations, pages, residentFile, ownResident } of group.subtree()) {
    counters.addAll(own)
    dirty += dirtyFile
    zswapped += pages.counts[zswapList]!
    total[ANON_TYPE]! += ownResident - residentFile
    total[FILE_TYPE]! += residentFile
    for (const type of [ANON_TYPE, FILE_TYPE]) {
      active[type]! += generations.count(type, generations.maxSeq) + generations.count(type, generations.maxSeq - 1)
    }
  }
  return {
    anon: total[ANON_TYPE]! * pageSize,
    file: total[FILE_TYPE]! * pageSize,
    kernel: 0,
    zswap: group.tree.poolBytes,
    zswapped: zswapped * pageSize,
    file_dirty: dirty * pageSize,
    inactive_anon: (total[ANON_TYPE]! - active[ANON_TYPE]!) * pageSize,
    active_anon: active[ANON_TYPE]! * pageSize,
    inactive_file: (total[FILE_TYPE]! - active[FILE_TYPE]!) * pageSize,
    active_file: active[FILE_TYPE]! * pageSize,
    ...Object.fromEntries(counters.entries())
  }
}

export const groupFiles = (machine: MachineState, group: MemoryGroup): MemcgModel => {
  /** Runs what somebody asked for by a file: it takes a CPU and time of whoever writes, but no task of the group waits for it. */
  const asked = <A>(work: () => A): A => {
    machine.spentUs = 0
    machine.asked = group
    try {
      const result = work()
      machine.passTime()
      return result
    } finally {
      machine.asked = undefined
    }
  }
  return {
    current: () => group.currentBytes(),
    peak: () => group.peakBytes,
    swapCurrent: () => group.tree.swapPages * pageSize,
    zswapCurrent: () => group.tree.poolBytes,
    stat: () => stat(group),
    events: () => Object.fromEntries(Object.entries({ ...group.events, oom_group_kill: 0 }).map(([name, count]) => [name, BigInt(count)])),
    pressure: () => group.psi.read(machine.nowUs),
    reclaim: ({ bytes, swappiness }) =>
      asked(() => reclaim(machine, group, Math.ceil(bytes / pageSize), "proactive", swappiness) * pageSize),
    limitsChanged: () =>
      asked(() => {
        if (group.currentBytes() > Math.min(group.limit("high"), group.limit("max"))) machine.options.drainStocks(group)
        reclaimDownTo(machine, group, group.limit("high"))
        if (reclaimDownTo(machine, group, group.limit("max"))) return
        group.event("oom")
        machine.options.kill(group)
      }),
    generations: () => [{ node: 0, generations: group.generations.table(machine.nowUs) }],
    age: () => asked(() => ageGroup(machine, group)),
    evict: (_, seq, pages, swappiness) => void asked(() => evictGenerations(machine, group, seq, pages, swappiness))
  }
}
