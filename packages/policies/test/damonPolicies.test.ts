/** Policies that set DAMON up: what they ask for, when, and how that reads as JSON. */
import { describe, expect, it } from "vitest"
import { type Action, damonReclaim, darc, describeAction, ethp, parseAction, prcl, printAction } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"
import { asked, secondsOf } from "./actions.ts"

const mib = 2 ** 20
const first = (policy: Parameters<typeof drive>[0], given: Record<string, string> = {}): Action =>
  drive(
    policy,
    everySecond(1, () => ({})),
    { given }
  )[0]!.actions[0]!
const schemesOf = (action: Action) => (action._tag === "SetSchemes" ? action.schemes : [])

describe("darc", () => {
  it("pages out what was not used for an age, the least used and oldest first, within quotas and watermarks", () => {
    const action = first(darc)
    expect(action).toMatchObject({
      _tag: "SetSchemes",
      on: "physical",
      intervals: { sampleUs: 5000, aggrUs: 100_000, updateUs: 1_000_000 }
    })
    expect(schemesOf(action)).toMatchObject([
      {
        action: "pageout",
        // 10 s are 100 aggregations.
        pattern: { sz: { min: 4096, max: Infinity }, nrAccesses: { min: 0, max: 0 }, age: { min: 100, max: Infinity } },
        quotas: { ms: 50, bytes: 0, resetIntervalMs: 1000, weights: { szPermil: 0, nrAccessesPermil: 300, agePermil: 700 } },
        watermarks: { metric: "free_mem_rate", intervalUs: 5_000_000, high: 1000, mid: 999, low: 0 }
      }
    ])
    expect(schemesOf(action)[0]).not.toHaveProperty("quotas.goals")
  })

  it("has the kernel tune its quota to a PSI goal: 0.1 % of a second are 1,000 µs", () => {
    expect(schemesOf(first(darc, { psi_goal: "0.1%", quota_reset: "1s" }))[0]!.quotas.goals).toEqual([
      { metric: "some_mem_psi_us", targetValue: 1000, currentValue: 0 }
    ])
  })

  it("asks anew every refresh, takes the schemes off under pressure, and waits one refresh longer", () => {
    const decisions = drive(
      darc,
      everySecond(50, (second) => ({
        pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: second >= 22 ? 200_000n : 0n } }
      }))
    )
    expect(asked(decisions, "SetSchemes").map(([second, { schemes }]) => [second, schemes.length])).toEqual([
      [0, 1],
      [10, 1],
      [20, 1],
      [22, 0],
      [32, 1],
      [42, 1]
    ])
    expect(decisions[22]!.reason).toContain("stalled 20.00 %: above 10 %; it is taken off")
  })

  it("is off at the floor", () => {
    const usage = (mebibytes: number) => ({ usage: { ...anObservation().usage, currentBytes: mebibytes * mib } })
    const decisions = drive(
      darc,
      everySecond(3, (second) => usage(second === 1 ? 50 : 100)),
      { floorBytes: 50 * mib }
    )
    expect(decisions.map(({ actions }) => actions.map((action) => schemesOf(action).length))).toEqual([[1], [0], [1]])
  })
})

describe("prcl and ethp", () => {
  it("are damo's schemes", () => {
    expect(first(prcl)).toMatchObject({
      on: "processes",
      schemes: [
        { action: "pageout", pattern: { sz: { min: 4096 }, nrAccesses: { max: 0 }, age: { min: 50 } }, quotas: { bytes: 0, ms: 0 } }
      ]
    })
    expect(first(ethp)).toMatchObject({
      on: "processes",
      schemes: [
        { action: "hugepage", pattern: { nrAccesses: { min: 1, max: Infinity }, age: { min: 0 } } },
        { action: "nohugepage", pattern: { sz: { min: 2 * mib }, nrAccesses: { min: 0, max: 0 }, age: { min: 70 } } }
      ]
    })
  })

  it("count accesses in samples: 12 % of 20 are 3", () =>
    expect(schemesOf(first(ethp, { used: "12%" }))[0]!.pattern.nrAccesses.min).toBe(3))
})

describe("damon-reclaim", () => {
  it("switches the module on with its parameters in its own units", () => {
    expect(first(damonReclaim, { min_age: "30s", psi_goal: "1%", skip_anon: "on" })).toEqual({
      _tag: "SetDamonModule",
      module: "damon_reclaim",
      parameters: {
        minAgeUs: 30_000_000,
        quotaMs: 10,
        quotaBytes: 128 * mib,
        quotaResetIntervalMs: 1000,
        quotaMemPressureUs: 10_000,
        wmarksIntervalUs: 5_000_000,
        wmarksHighPermil: 500,
        wmarksMidPermil: 400,
        wmarksLowPermil: 200,
        sampleIntervalUs: 5000,
        aggrIntervalUs: 100_000,
        minNrRegions: 10,
        maxNrRegions: 1000,
        skipAnon: true
      }
    })
  })

  it("switches it off under pressure", () => {
    const decisions = drive(
      damonReclaim,
      everySecond(3, (second) => ({ pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(second * 200_000) } } }))
    )
    expect(asked(decisions, "SetDamonModule").map(([second, { parameters }]) => [second, parameters === "off"])).toEqual([
      [0, false],
      [1, true]
    ])
    expect(secondsOf(decisions, "SetDamonModule")).toEqual([0, 1])
  })
})

describe("DAMON actions", () => {
  it("read the same from JSON as they were written, what has no limit included", () => {
    for (const action of [first(darc), first(prcl), first(ethp), first(damonReclaim)])
      expect(parseAction(printAction(action))).toEqual(action)
  })

  it("say what they are in a few words", () => {
    expect(describeAction(first(darc))).toBe("DAMON on the group's physical memory: pageout of 10.0 s and older")
    expect(describeAction(first(prcl))).toBe("DAMON on the group's processes: pageout of 5.00 s and older")
    expect(describeAction(first(damonReclaim))).toBe("switch damon_reclaim on with idle ≥ 2 m 0 s")
    expect(describeAction({ ...(first(darc) as Extract<Action, { _tag: "SetSchemes" }>), schemes: [] })).toBe("take DAMON's schemes off")
    expect(describeAction({ _tag: "SetDamonModule", module: "damon_reclaim", parameters: "off" })).toBe("switch damon_reclaim off")
  })
})
