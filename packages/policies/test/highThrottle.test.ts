import { describe, expect, it } from "vitest"
import { highThrottle } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"
import { asked, secondsOf } from "./actions.ts"

const mib = 2 ** 20
const usage = anObservation().usage
const limits = (decisions: ReturnType<typeof drive>) => asked(decisions, "SetHigh").map(([second, { limit }]) => [second, limit])

describe("high-throttle", () => {
  it("sets the limit below what is in use by what is cold, lifts it in the next turn, and comes again an interval later", () => {
    const decisions = drive(
      highThrottle,
      everySecond(45, () => ({}))
    )
    expect(limits(decisions)).toEqual([
      [10, 100 * mib],
      [11, "max"],
      [41, 100 * mib],
      [42, "max"]
    ])
    expect(secondsOf(decisions, "Age")).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40])
  })

  it("puts back the limit that was there (the original wrote max)", () => {
    const decisions = drive(
      highThrottle,
      everySecond(15, () => ({ usage: { ...usage, high: 350 * mib } }))
    )
    expect(limits(decisions)).toEqual([
      [10, 100 * mib],
      [11, 350 * mib]
    ])
  })

  it("stays above the floor where everything is cold (the original wrote zero and less)", () => {
    const pageAge = { source: "mglru" as const, bins: [{ lowerMs: 60_000, upperMs: Infinity, anonBytes: 500 * mib, fileBytes: 0 }] }
    const decisions = drive(
      highThrottle,
      everySecond(15, () => ({ pageAge })),
      { floorBytes: 32 * mib }
    )
    expect(limits(decisions)[0]).toEqual([10, 32 * mib])
  })

  it("lifts it at once when tasks stall, though it should stay longer", () => {
    const decisions = drive(
      highThrottle,
      everySecond(30, (second) => ({
        pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: second < 13 ? 0n : BigInt(second - 12) * 200_000n } }
      })),
      { given: { throttle: "10s" } }
    )
    expect(limits(decisions)).toEqual([
      [10, 100 * mib],
      [13, "max"]
    ])
    expect(decisions[13]!.reason).toContain("stalled 20.00 %, above 10 %")
  })

  it("leaves a limit alone that somebody else has set meanwhile", () => {
    const settings = { cold_age: 10_000, interval: 30_000, throttle: 5000, least: 4 * mib, pressure_limit: 10 }
    const decide = (second: number, high: number | "max", state: any) =>
      highThrottle.decide(
        { observation: anObservation({ atMs: second * 1000, usage: { ...usage, high } }), settings, floorBytes: 0, budgetBytes: Infinity },
        state
      )
    const set = decide(10, "max", decide(0, "max", highThrottle.initialState).state)
    expect(set.actions[0]).toEqual({ _tag: "SetHigh", limit: 100 * mib })
    const other = decide(11, 200 * mib, set.state)
    expect(other.actions.filter(({ _tag }) => _tag === "SetHigh")).toEqual([])
    expect(decide(12, 200 * mib, other.state).actions.filter(({ _tag }) => _tag === "SetHigh")).toEqual([])
  })
})
