/** The table of oomd's own unit tests (SenpaiTest of 2020, before they were deleted), and what nobody tested. */
import type { Observation } from "@wmo/monitors"
import { describe, expect, it } from "vitest"
import { senpaiOomd } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"
import { asked } from "./actions.ts"

const mib = 2 ** 20
const stall = (totalUs: bigint, percent = 0) => ({ some: { avg10: percent, avg60: percent, avg300: 0, totalUs } })
const machine = { memTotalBytes: 8 * 1024 * mib, memAvailableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0, swappiness: 60 }
const usage = { currentBytes: 40_960_000, swapCurrentBytes: 0, min: 0, low: 0, high: "max", max: "max", swapMax: "max" } as const
const fixture = (changes: Partial<Observation> = {}): Partial<Observation> => ({
  usage,
  machine,
  stat: { active_file: 20_480_000, inactive_file: 20_480_000 },
  ...changes
})
const base = { limit_min: "0", interval: "1s" }
const limits = (observations: ReadonlyArray<Observation>, given: Record<string, string>) =>
  asked(drive(senpaiOomd, observations, { floorBytes: 0, given: { ...base, ...given } }), "SetHigh").map(([, { limit }]) => limit)

/** A hundred steps without pressure: where the limit comes to rest. */
const lower = (changes: Partial<Observation>, given: Record<string, string> = {}) =>
  limits(
    everySecond(101, () => fixture(changes)),
    given
  ).at(-1)

/** One step, then a stall of 20 ms. */
const upper = (changes: Partial<Observation> = {}, given: Record<string, string> = {}, stallUs = 20_000n) =>
  limits(
    everySecond(2, (second) => ({ ...fixture(changes), pressure: stall(second === 0 ? 0n : stallUs) })),
    given
  )

const swapping = {
  usage: { ...usage, swapCurrentBytes: 10_240_000, swapMax: 40_960_000 },
  stat: { active_file: 10_240_000, inactive_file: 10_240_000, active_anon: 10_240_000, inactive_anon: 10_240_000 },
  machine: { ...machine, swapTotalBytes: 20_480_000, swapFreeBytes: 20_480_000 }
}

describe("senpai-oomd, limit mode: oomd's own table", () => {
  it("begins at memory.current (FallbackMemHigh)", () =>
    expect(
      limits(
        everySecond(1, () => fixture()),
        {}
      )
    ).toEqual([40_960_000]))
  it("LimitMinBytes: the least is beside what cannot be reclaimed", () =>
    expect(lower({ stat: { active_file: 10_240_000, inactive_file: 10_240_000 } }, { limit_min: "20480000" })).toBe(40_960_000))
  it("LimitMinBytesWithSwap: anon can be, as far as swap has room", () =>
    expect(lower(swapping, { limit_min: "20480000" })).toBe(20_480_000))
  it("LimitMinBytesWithZeroSwappiness: not without swappiness", () =>
    expect(lower({ ...swapping, machine: { ...swapping.machine, swappiness: 0 } }, { limit_min: "20480000" })).toBe(40_960_000))
  it("LimitMemMin", () => expect(lower({ usage: { ...usage, min: 30_720_000 } })).toBe(30_720_000))
  it("memory.low, too, which oomd leaves out", () => expect(lower({ usage: { ...usage, low: 30_720_000 } })).toBe(30_720_000))
  it("uncapped, twice the allowed stall raises the limit by 1 %", () => expect(upper()).toEqual([40_960_000, 41_369_600]))
  it("LimitMaxBytes", () => expect(upper({}, { limit_max: "4096" })).toEqual([40_960_000, 40_964_096]))
  it("LimitMemHigh: what the administrator has set is the ceiling", () =>
    expect(upper({ usage: { ...usage, high: 40_964_096 } })).toEqual([40_960_000, 40_964_096]))
  it("LimitMemMax", () => expect(upper({ usage: { ...usage, max: 40_964_096 } })).toEqual([40_960_000, 40_964_096]))
  it("LimitMemTotal", () => {
    const total = 8 * 1024 * mib
    expect(upper({ usage: { ...usage, currentBytes: total - 4096 } })).toEqual([total - 4096, total])
  })
})

describe("senpai-oomd, limit mode: what oomd gets wrong", () => {
  it("takes the ratio as it is: 15 ms of 10 raise the limit by 0.5625 %, not by 0.25 %", () =>
    expect(upper({}, {}, 15_000n)[1]).toBe(Math.floor((40_960_000 * 1.005_625) / 4096) * 4096))
  it("acts every interval, not one tick later", () => {
    const decisions = drive(
      senpaiOomd,
      everySecond(61, () => fixture()),
      { floorBytes: 0, given: { limit_min: "0", interval: "30s" } }
    )
    expect(asked(decisions, "SetHigh").map(([second]) => second)).toEqual([0, 30, 60])
  })
})

const immediate = { mode: "immediate", interval: "30s", limit_min: "100M" }
const reclaims = (changes: (second: number) => Partial<Observation>, given: Record<string, string> = {}, seconds = 61) =>
  asked(drive(senpaiOomd, everySecond(seconds, changes), { given: { ...immediate, ...given } }), "Reclaim")

describe("senpai-oomd, immediate mode", () => {
  const standard = anObservation().machine
  /** 40 % of swap in use. */
  const someSwap = { ...standard, swapFreeBytes: standard.swapTotalBytes * 0.6 }

  it("reclaims 1 % of what is above the least, every interval", () =>
    expect(reclaims(() => ({}))).toEqual([
      [30, { _tag: "Reclaim", bytes: 3 * mib }],
      [60, { _tag: "Reclaim", bytes: 3 * mib }]
    ]))

  it("waits while memory or IO stalls, by the worse of two averages, and acts as soon as they allow", () => {
    const by = (name: "pressure" | "ioPressure", span: "avg10" | "avg60") =>
      reclaims((second) => ({ [name]: { some: { ...stall(0n).some, [span]: second < 40 ? 0.1 : 0.09 } } }), {}, 50).map(
        ([second]) => second
      )
    for (const name of ["pressure", "ioPressure"] as const)
      for (const span of ["avg10", "avg60"] as const) expect(by(name, span)).toEqual([40])
  })

  it("does nothing while swap is used beyond the threshold, and goes on below it (oomd has it the wrong way round)", () => {
    const used = (share: number) =>
      reclaims(() => ({ machine: { ...standard, swapFreeBytes: standard.swapTotalBytes * (1 - share) } }), { swap_validation: "on" }).length
    expect(used(0.1)).toBe(2)
    expect(used(0.8)).toBe(0)
    expect(used(0.95)).toBe(0)
  })

  it("lowers swappiness with the swap in use, for this request alone", () => {
    // 60 × (1 − 0.4 / 0.8)
    expect(reclaims(() => ({ machine: someSwap }), { modulate_swappiness: "on" })[0]![1].swappiness).toBe(30)
    expect(reclaims(() => ({ machine: someSwap }))[0]![1].swappiness).toBeUndefined()
    const own = { ...anObservation().usage, swapCurrentBytes: 600 * mib, swapMax: 1000 * mib }
    expect(reclaims(() => ({ usage: own }), { modulate_swappiness: "on" })[0]![1].swappiness).toBe(15)
  })

  it("lowers it with what is swapped out a second, to nothing at the threshold", () => {
    // 128 pages a second are half a MiB: after 30 s the 60 s average is 0.197 MiB/s.
    const at = (pages: number) =>
      reclaims((second) => ({ machine: { ...standard, pswpout: BigInt(second * pages) } }), { modulate_swappiness: "on" })[0]![1].swappiness
    expect(at(128)).toBe(Math.floor(60 * (1 - 0.5 * (1 - Math.exp(-0.5)))))
    expect(at(1024)).toBe(0)
  })
})
