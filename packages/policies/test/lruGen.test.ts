import { describe, expect, it } from "vitest"
import { lruGen } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"
import { asked, secondsOf } from "./actions.ts"

const mib = 2 ** 20

describe("lru-gen", () => {
  it("ages every 4 s, after it has evicted what is old", () => {
    const decisions = drive(
      lruGen,
      everySecond(9, () => ({}))
    )
    expect(secondsOf(decisions, "Age")).toEqual([0, 4, 8])
    expect(decisions[0]!.actions).toEqual([{ _tag: "Evict", olderThanMs: 8000, bytes: 300 * mib, swappiness: 200 }, { _tag: "Age" }])
  })

  it("takes anon as far as swap has room; file pages only with swappiness 0", () => {
    const machine = { ...anObservation().machine, swapFreeBytes: 40 * mib }
    const bytes = (given: Record<string, string>) =>
      asked(
        drive(
          lruGen,
          everySecond(1, () => ({ machine })),
          { given }
        ),
        "Evict"
      ).map(([, action]) => action.bytes)
    expect(bytes({})).toEqual([50 * mib])
    expect(bytes({ swappiness: "0" })).toEqual([10 * mib])
  })

  it("stops evicting above the pressure limit, and goes on ageing", () => {
    const decisions = drive(
      lruGen,
      everySecond(12, (second) => ({ pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(second * 110_000) } } }))
    )
    // What was before the first look is not known.
    expect(secondsOf(decisions, "Evict")).toEqual([0])
    expect(secondsOf(decisions, "Age")).toEqual([0, 4, 8])
  })

  it("leaves generations alone that are younger, or hold next to nothing", () => {
    const evicted = (given: Record<string, string>) =>
      asked(
        drive(
          lruGen,
          everySecond(3, () => ({})),
          { given }
        ),
        "Evict"
      )
    expect(evicted({ older_than: "61s" })).toEqual([])
    expect(evicted({ least: "301M" })).toEqual([])
  })
})
