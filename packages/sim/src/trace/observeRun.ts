/**
 * Runs a workload without a policy and tells, tick by tick, which pages were accessed and which left memory: freed, or pushed out by a limit
 * of the group. Looks through an `AccessObserver`, so that the run is the same as one that nobody observes.
 * Simplified: inside a tick there is no order. A page that was accessed and is gone at the end was accessed first; one that was freed and is
 * there again was freed first.
 */
import type { Milliseconds } from "@wmo/core"
import type { MemoryGroup } from "../MemoryGroup.ts"
import { RESIDENT } from "../PageTable.ts"
import type { Simulation } from "../Simulation.ts"

export interface RunObserver {
  readonly access: (page: number) => void
  /** Freed, or pushed out. */
  readonly gone: (page: number) => void
  /** After everything that happened in a tick. */
  readonly tick: (tick: number, group: MemoryGroup) => void
}

/** Lets `ticks` ticks of `tickMs` pass. Pages are numbered as the group has them; a number is used again after its page was freed. */
export const observeRun = (sim: Simulation, groupName: string, ticks: number, tickMs: Milliseconds, observer: RunObserver): void => {
  const group = sim.group(groupName)
  const { pages } = group
  const accesses = sim.observe(groupName)
  let isIn = new Uint8Array(0)
  let stolen = group.counters.get("pgsteal")
  try {
    for (let tick = 0; tick < ticks; tick++) {
      sim.advance(tickMs)
      const { flags } = pages
      if (isIn.length < flags.length) {
        const grown = new Uint8Array(flags.length)
        grown.set(isIn)
        isIn = grown
      }
      const leave = (page: number): void => {
        if (isIn[page] === 0) return
        isIn[page] = 0
        observer.gone(page)
      }
      const isResident = (page: number) => (flags[page]! & RESIDENT) !== 0
      const { accessed, freed } = accesses.take()
      for (const page of freed) if (isResident(page)) leave(page)
      for (const page of accessed) {
        isIn[page] = 1
        observer.access(page)
      }
      for (const page of freed) if (!isResident(page)) leave(page)
      const stolenNow = group.counters.get("pgsteal")
      if (stolenNow !== stolen) for (let page = 0; page < pages.used; page++) if (!isResident(page)) leave(page)
      stolen = stolenNow
      observer.tick(tick, group)
    }
  } finally {
    accesses.close()
  }
}
