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

  it("goes by the lower of the two where both are set, and names it", () => {
    const of = (changes: Partial<typeof usage>) =>
      drive(
        watermark,
        everySecond(1, () => at(400, changes)),
        { given: plenty }
      )
    const byMax = of({ high: 4096 * mib, max: 420 * mib })
    expect(sizes(byMax)).toEqual([[32, 11]])
    expect(byMax[0]!.reason).toContain("of memory.max 420 MiB")
    const byHigh = of({ high: 420 * mib, max: 420 * mib })
    expect(sizes(byHigh)).toEqual([[32, 11]])
    expect(byHigh[0]!.reason).toContain("of memory.high 420 MiB")
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
    // 4 MiB took 20 ms, ten times the guess: what is left of the credit, 20 ms, pays for as much again, and not for twice that.
    const dear = decide(1, first.state, [past(4 * mib, 4 * mib, 20)])
    expect(sizes([dear])[0]).toEqual([4])
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

  describe("beside a group that grows by 20 MiB a second, below a limit of 1 GiB", () => {
    it("is never late on a steady quick disk", () => {
      for (const msPerMib of [0, 0.1, 0.5]) expect(lived(600, () => msPerMib).atLimit).toEqual([])
    })

    it.each([2, 20, 120, 400])("takes what it may, and no more, on a steady disk at %i ms a MiB", (msPerMib) => {
      // The first request, as large as a quick disk allows, comes within the first minute.
      const { shareOf } = lived(3600, () => msPerMib)
      expect(shareOf(60)).toBeLessThanOrEqual(2.01)
      expect(shareOf(60)).toBeGreaterThan(1.9)
    })

    it("takes no more where the disk is slow now and then", () => {
      let seed = 12_345
      const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
      expect(lived(3600, () => (random() < 0.5 ? 1 : 30)).shareOf(60)).toBeLessThan(2.1)
      expect(lived(3600, (second) => (second % 60 < 10 ? 20 : 0.5)).shareOf(60)).toBeLessThan(2.1)
    })

    it.each([20, 120, 2000])(
      "regression: is back a quarter of a minute after the disk was slow for ten seconds, at %i ms a MiB",
      (msPerMib) => {
        const { atLimit } = lived(3600, (second) => (second < 10 ? msPerMib : 0.5))
        expect(Math.max(0, ...atLimit)).toBeLessThan(30)
      }
    )

    it.each([-3_600_000, 3_600_000])("regression: a clock that is set by %i ms while a request runs does not matter", (jumpMs) => {
      const { asked, atLimit } = lived(600, () => 0.5, { atSecond: 100, jumpMs })
      expect(asked[100]).toBeGreaterThan(0)
      expect(atLimit).toEqual([])
    })
  })
})

/** What comes of it where requests take so long for a MiB and get all that they ask for; the clock is set once, while a request runs. */
const lived = (seconds: number, msPerMib: (second: number) => number, clock = { atSecond: Infinity, jumpMs: 0 }) => {
  const settings = Result.getOrThrow(decodeSettings("watermark", watermark.settings, {}))
  const limit = 1024 * mib
  let currentBytes = 800 * mib
  let state: any
  let before: ReadonlyArray<PastAction> | undefined
  const asked: Array<number> = []
  const tookMs: Array<number> = []
  const atLimit: Array<number> = []
  for (let second = 0; second < seconds; second++) {
    const atMs = 1e9 + second * 1000 + (second > clock.atSecond ? clock.jumpMs : 0)
    const observation = anObservation({ atMs, usage: { ...usage, currentBytes, high: limit } })
    const decision = watermark.decide({ observation, settings, floorBytes: 16 * mib, budgetBytes: Infinity, before }, state)
    state = decision.state
    const requests = decision.actions.flatMap((action) => (action._tag === "Reclaim" ? [action] : []))
    const times = requests.map(({ bytes }) => (bytes / mib) * msPerMib(second))
    before = requests.map((action, i) => ({
      action,
      reclaimedBytes: action.bytes,
      tookMs: times[i]! + (i === 0 && second === clock.atSecond ? clock.jumpMs : 0)
    }))
    asked.push(requests.reduce((sum, { bytes }) => sum + bytes, 0))
    tookMs.push(times.reduce((sum, time) => sum + time, 0))
    currentBytes = Math.min(limit, currentBytes - asked.at(-1)! + 20 * mib)
    if (currentBytes === limit) atLimit.push(second)
  }
  /** Percent of a core from a second on. */
  const shareOf = (from: number) => tookMs.slice(from).reduce((sum, time) => sum + time, 0) / (seconds - from) / 10
  return { asked, atLimit, shareOf }
}
