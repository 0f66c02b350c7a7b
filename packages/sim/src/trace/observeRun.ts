/**
 * Runs a workload without a policy and tells, tick by tick, which pages were accessed and which left memory.
 * It reads and clears the accessed bits once a tick, as idle page tracking does.
 * Simplified: a page that was freed and came back within one tick was accessed, no more. Clearing the bits would mislead a reclaim: for a
 * group that runs into a limit of its own, the order in which it gives pages up is then that of arrival.
 */
import type { Milliseconds, Pages } from "@wmo/core"
import type { MemoryGroup } from "../MemoryGroup.ts"
import { ACCESSED, QUEUED, RESIDENT } from "../PageTable.ts"
import type { Simulation } from "../Simulation.ts"

export interface RunObserver {
  readonly access: (page: number) => void
  /** Freed, or pushed out by a limit. */
  readonly gone: (page: number) => void
  /** After everything that happened in a tick. */
  readonly tick: (tick: number, group: MemoryGroup) => void
}

/** Lets `ticks` ticks of `tickMs` pass. Pages are numbered as the group has them. */
export const observeRun = (sim: Simulation, groupName: string, ticks: number, tickMs: Milliseconds, observer: RunObserver): void => {
  const group = sim.group(groupName)
  const { pages } = group
  let wasResident = new Uint8Array(0)
  for (let tick = 0; tick < ticks; tick++) {
    sim.advance(tickMs)
    const { flags, touched } = pages
    if (wasResident.length < flags.length) {
      const grown = new Uint8Array(flags.length)
      grown.set(wasResident)
      wasResident = grown
    }
    for (let page: Pages = 0; page < pages.used; page++) {
      if (wasResident[page] === 0 || (flags[page]! & RESIDENT) !== 0) continue
      wasResident[page] = 0
      observer.gone(page)
    }
    for (let i = 0; i < pages.touchedCount; i++) {
      const page = touched[i]!
      const before = flags[page]!
      flags[page] = before & ~(ACCESSED | QUEUED)
      if ((before & (RESIDENT | ACCESSED)) !== (RESIDENT | ACCESSED)) continue
      wasResident[page] = 1
      observer.access(page)
    }
    pages.touchedCount = 0
    observer.tick(tick, group)
  }
}
