/**
 * Records what a group of a simulation does with its pages. What a limit pushes out and somebody touches again is one page that was accessed
 * twice: a trace tells what the workload does, not what the machine makes of it.
 * Simplified: a page that was accessed and freed in one tick is freed in the next one; a number that belonged to an anonymous page and later
 * to a file page counts as two pages; a write to a file page that is dirty already is not told apart from a read.
 */
import type { Milliseconds } from "@wmo/core"
import type { MemoryGroup } from "../MemoryGroup.ts"
import { DIRTY, FILE, RESIDENT } from "../PageTable.ts"
import type { Simulation } from "../Simulation.ts"
import { type PageTrace, TraceWriter } from "./PageTrace.ts"

/** Numbers of one kind of page, in order of their first access. */
class Numbering {
  private readonly numbers = new Map<number, number>()

  of(page: number): number {
    let number = this.numbers.get(page)
    if (number === undefined) this.numbers.set(page, (number = this.numbers.size))
    return number
  }

  known(page: number): number | undefined {
    return this.numbers.get(page)
  }
}

const ascending = (numbers: ReadonlyArray<number>): Uint32Array => Uint32Array.from(new Set(numbers)).toSorted()

/** Lets `ticks` ticks of `tickMs` pass and records them. `onTick` may look on. */
export const recordTrace = (
  sim: Simulation,
  groupName: string,
  options: {
    readonly ticks: number
    readonly tickMs: Milliseconds
    readonly source: string
    readonly onTick?: (tick: number, group: MemoryGroup) => void
  }
): PageTrace => {
  const group = sim.group(groupName)
  const { pages } = group
  const writer = new TraceWriter(options.source, options.tickMs)
  const anonNumbers = new Numbering()
  const fileNumbers = new Numbering()
  const lengths: Array<number> = []
  const observer = sim.observe(groupName)
  let wasDirty = new Uint8Array(0)
  let late: ReadonlyArray<number> = []
  try {
    for (let tick = 0; tick < options.ticks; tick++) {
      sim.advance(options.tickMs)
      const { flags } = pages
      if (wasDirty.length < flags.length) {
        const grown = new Uint8Array(flags.length)
        grown.set(wasDirty)
        wasDirty = grown
      }
      const anon: Array<number> = []
      const file: Array<number> = []
      const writtenFile: Array<number> = []
      const freedAnon: Array<number> = []
      const freedFile: Array<number> = []
      const { accessed, freed } = observer.take()
      const isThere = (page: number) => (flags[page]! & RESIDENT) !== 0
      const justAccessed = new Set(freed.length === 0 ? [] : accessed)
      const isLate = (page: number) => justAccessed.has(page) && !isThere(page)
      for (const page of [...late, ...[...freed].filter((one) => !isLate(one))]) {
        const inAnon = anonNumbers.known(page)
        const inFile = fileNumbers.known(page)
        if (inAnon !== undefined) freedAnon.push(inAnon)
        if (inFile !== undefined) freedFile.push(inFile)
        wasDirty[page] = 0
      }
      late = [...freed].filter(isLate)
      for (const page of accessed) {
        const bits = flags[page]!
        if ((bits & FILE) === 0) {
          const number = anonNumbers.of(page)
          lengths[number] ??= pages.compressed[page]!
          anon.push(number)
          continue
        }
        const number = fileNumbers.of(page)
        file.push(number)
        if ((bits & DIRTY) !== 0 && wasDirty[page] === 0) writtenFile.push(number)
        wasDirty[page] = bits & DIRTY
      }
      writer.tick({
        freedAnon: ascending(freedAnon),
        freedFile: ascending(freedFile),
        anon: ascending(anon),
        file: ascending(file),
        writtenFile: ascending(writtenFile)
      })
      options.onTick?.(tick, group)
    }
  } finally {
    observer.close()
  }
  return writer.finish((page) => lengths[page] ?? 0)
}
