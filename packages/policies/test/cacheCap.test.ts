import { describe, expect, it } from "vitest"
import { cacheCap } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"

const mib = 2 ** 20
const first = (changes: Parameters<typeof anObservation>[0], given: Record<string, string> = {}) =>
  drive(
    cacheCap,
    everySecond(1, () => ({ pageAge: undefined, ...changes })),
    { given }
  )[0]!.actions
const stat = { file: 400 * mib, active_file: 200 * mib, inactive_file: 190 * mib }

describe("cache-cap", () => {
  it("drops what is above the cap, file pages only", () => {
    expect(first({ stat })).toEqual([{ _tag: "Reclaim", bytes: 134 * mib, swappiness: 0 }])
    expect(first({ stat }, { cap: "390M" })).toEqual([])
  })

  it("drops no more than is clean", () => {
    expect(first({ stat: { ...stat, file_dirty: 200 * mib, file_writeback: 90 * mib } })).toEqual([
      { _tag: "Reclaim", bytes: 100 * mib, swappiness: 0 }
    ])
  })

  it("does not take shared memory for cache", () => {
    expect(first({ stat: { file: 390 * mib, shmem: 150 * mib } })).toEqual([])
    expect(first({ stat: { file: 390 * mib, shmem: 100 * mib } })).toEqual([{ _tag: "Reclaim", bytes: 34 * mib, swappiness: 0 }])
  })

  it("drops what is old below the cap, too: whole generations where it can", () => {
    const bins = [
      { lowerMs: 0, upperMs: 600_000, anonBytes: 0, fileBytes: 370 * mib },
      { lowerMs: 600_000, upperMs: Infinity, anonBytes: 50 * mib, fileBytes: 20 * mib }
    ]
    expect(first({ stat, pageAge: { source: "mglru", bins } })).toEqual([
      { _tag: "Evict", olderThanMs: 600_000, bytes: 20 * mib, swappiness: 0 },
      { _tag: "Reclaim", bytes: 114 * mib, swappiness: 0 },
      { _tag: "Age" }
    ])
    expect(first({ stat, pageAge: { source: "working-set", bins } }, { cap: "1G" })).toEqual([
      { _tag: "Reclaim", bytes: 20 * mib, swappiness: 0 }
    ])
  })

  it("looks every interval, and waits while IO stalls", () => {
    const acts = (ioPerSecondUs: number) =>
      drive(
        cacheCap,
        everySecond(12, (second) => ({
          stat,
          pageAge: undefined,
          ioPressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(second * ioPerSecondUs) } }
        }))
      ).flatMap(({ actions }, second) => (actions.length > 0 ? [second] : []))
    expect(acts(0)).toEqual([0, 5, 10])
    expect(acts(110_000)).toEqual([0])
  })
})
