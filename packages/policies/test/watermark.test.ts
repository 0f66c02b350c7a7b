import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { decodeSettings, type PastAction, watermark } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"

const mib = 2 ** 20
const usage = anObservation().usage
/** A limit of 420 MiB: marks at 378 and 357 MiB. */
const at = (currentMib: number, changes: Partial<typeof usage> = {}) => ({
  usage: { ...usage, currentBytes: currentMib * mib, high: 420 * mib, ...changes }
})
const sizes = (decisions: ReturnType<typeof drive>) =>
  decisions.map(({ actions }) => actions.map((action) => (action._tag === "Reclaim" ? action.bytes / mib : Number.NaN)))
const plenty = { cpu_budget: "100%" }

describe("watermark", () => {
  it("says so, and does nothing, where there is no limit", () => {
    const [only] = drive(
      watermark,
      everySecond(1, () => ({}))
    )
    expect(only).toMatchObject({ actions: [], reason: "the group has neither memory.high nor memory.max: nothing to stay below" })
  })

  it("reclaims from the high mark down to the low one, in batches of 32 MiB", () => {
    expect(
      sizes(
        drive(
          watermark,
          everySecond(1, () => at(400)),
          { given: plenty }
        )
      )
    ).toEqual([[32, 11]])
  })

  it("goes by memory.max where memory.high is max", () => {
    const seen = drive(
      watermark,
      everySecond(1, () => at(400, { high: "max", max: 420 * mib })),
      { given: plenty }
    )
    expect(sizes(seen)).toEqual([[32, 11]])
    expect(seen[0]!.reason).toContain("of memory.max 420 MiB")
  })

  it("has two marks: between them it goes on, or stays quiet, as it was before", () => {
    const seen = sizes(
      drive(
        watermark,
        [370, 379, 370, 357, 370].map((mebibytes, second) => anObservation({ atMs: second * 1e12, ...at(mebibytes) })),
        { given: plenty }
      )
    )
    expect(seen).toEqual([[], [22], [13], [], []])
  })

  it("acts below the marks where growth will reach the limit soon, and makes room for two steps of it", () => {
    // 50 MiB a second: at 350 MiB 1.4 s are left; 420 − 100 is where it must be, and 50 more will come.
    const seen = drive(
      watermark,
      [250, 300, 350].map((mebibytes, second) => anObservation({ atMs: second * 1000, ...at(mebibytes) })),
      { given: plenty }
    )
    expect(sizes(seen)).toEqual([[], [], [32, 32, 16]])
    expect(seen[2]!.reason).toContain("1.40 s to the limit")
  })

  it("stays within its CPU budget, by what batches are seen to cost", () => {
    const settings = Result.getOrThrow(decodeSettings("watermark", watermark.settings, {}))
    const decide = (second: number, state: any, before: ReadonlyArray<PastAction> = []) =>
      watermark.decide(
        { observation: anObservation({ atMs: second * 1000, ...at(400) }), settings, floorBytes: 0, budgetBytes: Infinity, before },
        state
      )
    const past = (bytes: number, reclaimedBytes: number, tookMs: number): PastAction => ({
      action: { _tag: "Reclaim", bytes },
      reclaimedBytes,
      tookMs
    })
    // 20 ms to begin with, at a guess of 2 µs a page: 39 MiB.
    const first = decide(0, undefined)
    expect(sizes([first])[0]).toEqual([32, 7.0625])
    // It took 100 ms: 20 + 20 − 100 is a debt of 60 ms, paid back at 20 ms a second.
    const second = decide(1, first.state, [past(39 * mib, 39 * mib, 100)])
    expect(second.actions).toEqual([])
    expect(second.reason).toContain("the CPU budget of 2 % is spent: 60.0 ms over")
    const later = [2, 3, 4].reduce((before, s) => decide(s, before.state), second)
    expect(later.actions).toEqual([])
    expect(decide(5, later.state).actions.length).toBeGreaterThan(0)
  })

  it("waits ever longer while requests get little", () => {
    const settings = Result.getOrThrow(decodeSettings("watermark", watermark.settings, plenty))
    let state: any
    const acts: Array<number> = []
    let before: ReadonlyArray<PastAction> = []
    for (let second = 0; second < 40; second++) {
      const decision = watermark.decide(
        { observation: anObservation({ atMs: second * 1000, ...at(400) }), settings, floorBytes: 0, budgetBytes: Infinity, before },
        state
      )
      state = decision.state
      if (decision.actions.length > 0) acts.push(second)
      before = decision.actions.map((action) => ({ action, reclaimedBytes: mib, tookMs: 1 }))
    }
    // 1, 2, 4, 8, 16 s of waiting, and each finds out in the step after it.
    expect(acts).toEqual([0, 2, 5, 10, 19, 36])
  })

  it("asks for a quarter under pressure, and for nothing below a floor that is at the limit", () => {
    const pressed = drive(
      watermark,
      everySecond(2, (second) => ({
        ...at(400),
        pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(second * 300_000) } }
      })),
      { given: plenty }
    )
    expect(sizes(pressed)).toEqual([[32, 11], [10.75]])
    const floored = drive(
      watermark,
      everySecond(1, () => at(419)),
      { floorBytes: 420 * mib }
    )
    expect(floored[0]).toMatchObject({ actions: [], reason: expect.stringContaining("the floor of 420 MiB is no lower") })
  })
})
