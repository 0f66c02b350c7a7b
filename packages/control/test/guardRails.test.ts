import type { Action } from "@wmo/policies"
import { anObservation } from "@wmo/policies/testing"
import { describe, expect, it } from "vitest"
import { type GuardRails, judge, nothingSpent, remainingBudget } from "../src/index.ts"
import { spend, type Spent } from "../src/GuardRails.ts"

const mib = 2 ** 20
const rails: GuardRails = { floorBytes: 100 * mib, stepBytes: 64 * mib, perMinuteBytes: 160 * mib }
const reclaim = (bytes: number): Action => ({ _tag: "Reclaim", bytes })
const usage = anObservation().usage

describe("guard rails", () => {
  it("lets a modest reclaim through as it is", () => {
    expect(judge(reclaim(10 * mib), anObservation(), rails, nothingSpent)).toEqual({ allowed: reclaim(10 * mib), note: undefined })
  })

  it("cuts to the step", () => {
    expect(judge(reclaim(300 * mib), anObservation(), rails, nothingSpent)).toEqual({
      allowed: reclaim(64 * mib),
      note: "cut from 300 MiB to 64.0 MiB"
    })
  })

  it("never goes below the floor, nor below what the administrator protects", () => {
    const near = anObservation({ usage: { ...usage, currentBytes: 110 * mib } })
    expect(judge(reclaim(64 * mib), near, rails, nothingSpent).allowed).toEqual(reclaim(10 * mib))
    const protectedGroup = anObservation({ usage: { ...usage, currentBytes: 210 * mib, low: 200 * mib } })
    expect(judge(reclaim(64 * mib), protectedGroup, rails, nothingSpent).allowed).toEqual(reclaim(10 * mib))
    const all = anObservation({ usage: { ...usage, min: "max" } })
    expect(judge(reclaim(64 * mib), all, rails, nothingSpent)).toMatchObject({
      allowed: undefined,
      refusal: expect.stringContaining("floor")
    })
  })

  it("spends at most the budget of a minute, and earns it back", () => {
    const spent = {
      ...nothingSpent,
      reclaims: [
        { atMs: 1_000_000 - 30_000, bytes: 100 * mib },
        { atMs: 1_000_000 - 5_000, bytes: 60 * mib }
      ]
    }
    expect(judge(reclaim(64 * mib), anObservation(), rails, spent)).toMatchObject({
      allowed: undefined,
      refusal: expect.stringContaining("minute")
    })
    expect(remainingBudget(rails, spent, 1_000_000 + 31_000)).toBe(64 * mib)
  })

  it("holds floor and step for all actions of a tick together (regression: each was judged by itself)", () => {
    const observation = anObservation({ usage: { ...usage, currentBytes: 220 * mib } })
    const wide = { ...rails, stepBytes: 128 * mib, perMinuteBytes: 1024 * mib }
    const ask = (spent: Spent, bytes: number, within: GuardRails) => {
      const { allowed } = judge(reclaim(bytes), observation, within, spent)
      return { allowed, spent: allowed === undefined ? spent : spend(spent, allowed, observation.atMs, 0) }
    }
    const first = ask(nothingSpent, 100 * mib, wide)
    const second = ask(first.spent, 100 * mib, wide)
    expect([first.allowed, second.allowed]).toEqual([reclaim(100 * mib), reclaim(20 * mib)])
    expect(ask(second.spent, 100 * mib, wide).allowed).toBeUndefined()
    const small = { ...wide, floorBytes: 0 }
    const third = ask(ask(nothingSpent, 100 * mib, small).spent, 100 * mib, small)
    expect(third.allowed).toEqual(reclaim(28 * mib))
    expect(remainingBudget(small, third.spent, observation.atMs + 1000)).toBe(128 * mib)
  })

  it("forgets what was spent in a future that a clock set back has undone", () => {
    const spent = spend(nothingSpent, reclaim(160 * mib), 2_000_000, 0)
    expect(remainingBudget(rails, spent, 2_000_001)).toBe(0)
    expect(remainingBudget(rails, spent, 1_000_000)).toBe(64 * mib)
  })

  it("refuses amounts that are not amounts", () => {
    for (const bytes of [0, -5, Number.NaN, 100])
      expect(judge(reclaim(bytes), anObservation(), rails, nothingSpent).allowed).toBeUndefined()
  })

  it("raises a limit to the floor, and leaves alone a limit that somebody else set", () => {
    const low: Action = { _tag: "SetHigh", limit: mib }
    expect(judge(low, anObservation(), rails, nothingSpent)).toMatchObject({ allowed: { _tag: "SetHigh", limit: 100 * mib } })
    const owned = anObservation({ usage: { ...usage, high: 300 * mib } })
    expect(judge(low, owned, rails, nothingSpent)).toMatchObject({ allowed: undefined, refusal: expect.stringContaining("somebody else") })
    expect(judge(low, owned, rails, { ...nothingSpent, ourHigh: 300 * mib }).allowed).toEqual({ _tag: "SetHigh", limit: 100 * mib })
    expect(judge(low, owned, { ...rails, takeOver: true }, nothingSpent).allowed).toEqual({ _tag: "SetHigh", limit: 100 * mib })
  })
})
