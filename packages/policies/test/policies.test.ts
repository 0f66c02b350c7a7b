import type { Observation } from "@wmo/monitors"
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { darc, decodeSettings, findPolicy, periodic, policies, senpai, senpaiOomd } from "../src/index.ts"
import { anObservation, drive, everySecond, testPolicy, type TestPolicyOptions } from "../src/testing.ts"

const mib = 2 ** 20
const { usage } = anObservation()

/** What there must be to do for policies that find nothing in a group without limits whose memory is cold. */
const scenes: Readonly<Record<string, TestPolicyOptions>> = {
  none: { neverActs: true },
  tmo: { given: { least: "1M" } },
  "far-memory": { given: { least_age: "20s", silent: "30s" } },
  watermark: { scene: () => ({ usage: { ...usage, high: 420 * mib } }) },
  "cache-cap": { scene: () => ({ stat: { active_file: 200 * mib, inactive_file: 190 * mib } }), given: { cap: "64M" } }
}
for (const policy of policies) testPolicy(policy, scenes[policy.name])
testPolicy(senpaiOomd, { given: { mode: "immediate", interval: "6s", modulate_swappiness: "on", swap_validation: "on" } })
testPolicy(darc, { given: { on: "processes", psi_goal: "0.1%" } })
const stall = (totalUs: bigint) => ({ some: { avg10: 0, avg60: 0, avg300: 0, totalUs } })

describe("periodic", () => {
  const bytesAsked = (observation: Partial<Observation>, given: Record<string, string> = {}) =>
    drive(
      periodic,
      everySecond(30, () => observation),
      { given }
    )
      .flatMap(({ actions }) => actions)
      .filter((action) => action._tag === "Reclaim")

  it("reclaims what is cold, first after one cold age and then every interval", () => {
    const decisions = drive(
      periodic,
      everySecond(30, () => ({}))
    )
    const seconds = decisions.flatMap(({ actions }, second) => (actions.some(({ _tag }) => _tag === "Reclaim") ? [second] : []))
    expect(seconds).toEqual([10, 15, 20, 25])
    expect(bytesAsked({})[0]).toEqual({ _tag: "Reclaim", bytes: 300 * mib })
  })

  it("ages the generations twice a cold age, after reclaiming, and never with working-set reports", () => {
    const aged = (source: "mglru" | "working-set") =>
      drive(
        periodic,
        everySecond(30, () => ({ pageAge: { ...anObservation().pageAge!, source } }))
      ).flatMap(({ actions }, second) => (actions.some(({ _tag }) => _tag === "Age") ? [second] : []))
    expect(aged("mglru")).toEqual([0, 5, 10, 15, 20, 25])
    expect(aged("working-set")).toEqual([])
  })

  it("takes anon only as far as swap has room", () => {
    const machine = { ...anObservation().machine, swapFreeBytes: 40 * mib }
    expect(bytesAsked({ machine })[0]).toEqual({ _tag: "Reclaim", bytes: 50 * mib })
    expect(bytesAsked({ machine: { ...machine, swapFreeBytes: 0 } })[0]).toEqual({ _tag: "Reclaim", bytes: 10 * mib })
  })

  it("regression: leaves crumbs alone, for which the kernel would take a batch of warm pages", () => {
    const crumbs = { source: "mglru" as const, bins: [{ lowerMs: 60_000, upperMs: Infinity, anonBytes: 3 * mib, fileBytes: 0 }] }
    expect(bytesAsked({ pageAge: crumbs })).toEqual([])
    expect(bytesAsked({ pageAge: crumbs }, { least: "1M" })[0]).toEqual({ _tag: "Reclaim", bytes: 3 * mib })
  })

  it("respects the cold age by the lower edge of bins (the original was one bin too young)", () => {
    expect(bytesAsked({}, { cold_age: "6s" })[0]).toEqual({ _tag: "Reclaim", bytes: 300 * mib })
    expect(bytesAsked({}, { cold_age: "5s" })[0]).toEqual({ _tag: "Reclaim", bytes: 310 * mib })
  })
})

describe("senpai", () => {
  const limits = (decisions: ReturnType<typeof drive>) =>
    decisions.map(({ actions }) => actions.flatMap((action) => (action._tag === "SetHigh" ? [action.limit as number] : []))[0])

  it("starts at the current usage and probes down by 1 % every interval when nothing stalls", () => {
    const start = 400 * mib
    const first = Math.floor((start * 0.99) / 4096) * 4096
    const second = Math.floor((first * 0.99) / 4096) * 4096
    expect(
      limits(
        drive(
          senpai,
          everySecond(13, () => ({}))
        )
      )
    ).toEqual([
      start,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      first,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      second
    ])
  })

  it("backs off at once, by the square of how far the stall is above what is allowed", () => {
    const seen = limits(
      drive(
        senpai,
        everySecond(3, (second) => ({ pressure: stall(second < 2 ? 0n : 100_000n) }))
      )
    )
    // 100 ms of 10 ms allowed: (10 / 20)^2 = 25 % up.
    expect(seen[2]).toBe(Math.floor((400 * mib * 1.25) / 4096) * 4096)
  })

  it("at twice the allowed stall raises the limit by 1 %, as the published law does", () => {
    const seen = limits(
      drive(
        senpai,
        everySecond(2, (second) => ({ pressure: stall(second === 0 ? 0n : 20_001n) }))
      )
    )
    expect(seen[1]! / (400 * mib)).toBeCloseTo(1.01, 3)
  })

  it("starts over from the current usage when somebody else changed memory.high", () => {
    const settings = Result.getOrThrow(decodeSettings("senpai", senpai.settings, {}))
    const decide = (observation: Observation, state: any) =>
      senpai.decide({ observation, settings, floorBytes: 0, budgetBytes: Infinity }, state)
    const first = decide(anObservation(), undefined)
    const other = anObservation({ atMs: 1_001_000, usage: { ...anObservation().usage, currentBytes: 200 * mib, high: 123 * 4096 } })
    expect(decide(other, first.state).actions).toEqual([{ _tag: "SetHigh", limit: 200 * mib }])
  })

  it("never sets the limit below min_size", () => {
    const usage = { ...anObservation().usage, currentBytes: 101 * mib }
    const seen = limits(
      drive(
        senpai,
        everySecond(120, () => ({ usage }))
      )
    ).filter((limit) => limit !== undefined)
    expect(Math.min(...seen)).toBe(100 * mib)
  })
})

describe("settings", () => {
  const problem = (given: Record<string, string>) => {
    const result = decodeSettings("periodic", periodic.settings, given)
    return Result.isFailure(result) ? result.failure.message : undefined
  }
  it("names the nearest setting for a wrong name", () => {
    expect(problem({ coldage: "10s" })).toBe('policy periodic has no setting "coldage"; did you mean cold_age?')
    expect(problem({ zzz: "1" })).toBe('policy periodic has no setting "zzz"; it has cold_age, interval, least, pressure_limit')
  })
  it("says in one line what is wrong with a value", () => {
    expect(problem({ cold_age: "10" })).toBe(
      'setting cold_age of policy periodic: "10" is not a duration: write a number with ms, s, m or h, for example 500ms, 10s or 2m'
    )
    expect(problem({ cold_age: "0s" })).toContain("not more than zero")
    expect(problem({ pressure_limit: "101%" })).toContain("not between 0 and 100")
  })
  it("has nothing to say about right ones", () => expect(problem({ cold_age: "2m", pressure_limit: "0.5" })).toBeUndefined())
  it("names the nearest policy", () => {
    const found = findPolicy("periodc")
    expect(Result.isFailure(found) && found.failure.message).toBe('there is no policy "periodc"; did you mean periodic?')
  })
})
