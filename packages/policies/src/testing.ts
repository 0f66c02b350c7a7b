/**
 * `testPolicy`: the conformance suite that every policy passes, built-in or third-party. Needs vitest (a peer of whoever calls it).
 * Observations are made by `anObservation`: a plausible group, to be changed field by field.
 */
import { formatBytes } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import type { Action } from "./Action.ts"
import type { AnyPolicy, Decision } from "./Policy.ts"
import { decodeSettings } from "./Setting.ts"

const mib = 2 ** 20

/** A group of 400 MiB, three quarters of it idle for a minute, on a machine with room in swap and no pressure. */
export const anObservation = (changes: Partial<Observation> = {}): Observation => ({
  group: "test",
  atMs: 1_000_000,
  usage: { currentBytes: 400 * mib, swapCurrentBytes: 0, zswapCurrentBytes: 0, min: 0, low: 0, high: "max", max: "max", swapMax: "max" },
  stat: { anon: 380 * mib, file: 20 * mib, pgmajfault: 0n, workingset_refault_anon: 0n, workingset_refault_file: 0n },
  events: { high: 0n },
  pressure: { some: stall(0n), full: stall(0n) },
  pageAge: {
    source: "mglru",
    bins: [
      { lowerMs: 0, upperMs: 5_000, anonBytes: 80 * mib, fileBytes: 10 * mib },
      { lowerMs: 5_000, upperMs: 60_000, anonBytes: 10 * mib, fileBytes: 0 },
      { lowerMs: 60_000, upperMs: Infinity, anonBytes: 290 * mib, fileBytes: 10 * mib }
    ]
  },
  machine: { memTotalBytes: 4096 * mib, memAvailableBytes: 2048 * mib, swapTotalBytes: 1024 * mib, swapFreeBytes: 1024 * mib },
  ...changes
})

const stall = (totalUs: bigint) => ({ avg10: 0, avg60: 0, avg300: 0, totalUs })

/** What a sequence of actions would leave of a group of `currentBytes`: reclaim takes away, memory.high takes what is above it. */
const leaves = (currentBytes: number, actions: ReadonlyArray<Action>): number =>
  actions.reduce((left, action) => {
    if (action._tag === "Reclaim") return left - action.bytes
    if (action._tag === "SetHigh" && action.limit !== "max") return Math.min(left, action.limit)
    return left
  }, currentBytes)

const asked = (actions: ReadonlyArray<Action>): number =>
  actions.reduce((sum, action) => (action._tag === "Reclaim" ? sum + action.bytes : sum), 0)

interface Drive {
  readonly floorBytes?: number
  readonly budgetBytes?: number
  readonly given?: Readonly<Record<string, string>>
}

/** Feeds observations to a policy, its own state threaded through; `memory.high` follows what it set. */
export const drive = (
  policy: AnyPolicy,
  observations: ReadonlyArray<Observation>,
  options: Drive = {}
): ReadonlyArray<Decision<unknown>> => {
  const settings = Result.getOrThrow(decodeSettings(policy.name, policy.settings, options.given ?? {}))
  let state: unknown = policy.initialState
  let high: Observation["usage"]["high"] | undefined
  return observations.map((original) => {
    const observation = high === undefined ? original : { ...original, usage: { ...original.usage, high } }
    const decision = policy.decide(
      { observation, settings, floorBytes: options.floorBytes ?? 16 * mib, budgetBytes: options.budgetBytes ?? Infinity },
      state
    )
    state = decision.state
    for (const action of decision.actions) if (action._tag === "SetHigh") high = action.limit
    return decision
  })
}

/** `seconds` observations, one a second, each made by `at`. */
export const everySecond = (seconds: number, at: (second: number) => Partial<Observation>): ReadonlyArray<Observation> =>
  Array.from({ length: seconds }, (_, second) => anObservation({ atMs: 1_000_000 + second * 1000, ...at(second) }))

const oddObservations: ReadonlyArray<readonly [string, Partial<Observation>]> = [
  ["an empty group", { usage: { currentBytes: 0, min: 0, low: 0, high: "max", max: "max" }, stat: {} }],
  ["no pressure file", { pressure: undefined }],
  ["no page ages", { pageAge: undefined }],
  ["no memory.stat keys", { stat: {} }],
  ["no events", { events: undefined }],
  ["no swap", { machine: { memTotalBytes: 0, memAvailableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 } }],
  ["everything protected", { usage: { currentBytes: 400 * mib, min: "max", low: "max", high: "max", max: "max" } }],
  ["limits of zero", { usage: { currentBytes: 0, min: 0, low: 0, high: 0, max: 0 } }],
  ["a clock that goes backwards", { atMs: 10 }],
  ["counters that restart", { pressure: { some: stall(5n) }, stat: { pgmajfault: 0n } }],
  [
    "an age histogram larger than the group",
    { pageAge: { source: "mglru", bins: [{ lowerMs: 3_600_000, upperMs: Infinity, anonBytes: 2 ** 50, fileBytes: 2 ** 50 }] } }
  ],
  ["an empty age histogram", { pageAge: { source: "working-set", bins: [] } }]
]

/** Registers the suite under the policy's name. */
export const testPolicy = (policy: AnyPolicy): void => {
  describe(`policy ${policy.name}`, () => {
    it("documents every setting, and its defaults decode", () => {
      expect(policy.summary.length).toBeGreaterThan(10)
      for (const setting of Object.values(policy.settings as Record<string, { doc: string; default: string }>)) {
        expect(setting.doc.length).toBeGreaterThan(10)
        expect(setting.default).not.toBe("")
      }
      expect(Result.isSuccess(decodeSettings(policy.name, policy.settings, {}))).toBe(true)
    })

    it("is deterministic, and does not change what it is given", () => {
      const observations = everySecond(60, (second) => ({ pressure: { some: stall(BigInt(second * 700)) } }))
      const before = structuredClone(observations)
      expect(drive(policy, observations)).toEqual(drive(policy, observations))
      expect(observations).toEqual(before)
    })

    it("says why, in one line, at every decision", () => {
      for (const { reason } of drive(
        policy,
        everySecond(60, () => ({}))
      )) {
        expect(reason).not.toBe("")
        expect(reason).not.toContain("\n")
        expect(reason).not.toMatch(/NaN|undefined/)
      }
    })

    it.each(oddObservations)("is total on %s", (_, change) => {
      const normal = everySecond(20, () => ({}))
      const odd = everySecond(20, (second) => ({ atMs: 1_020_000 + second * 1000, ...change }))
      for (const observations of [odd, [...normal, ...odd, ...everySecond(20, (second) => ({ atMs: 1_040_000 + second * 1000 }))]]) {
        for (const { actions, reason } of drive(policy, observations)) {
          expect(reason).not.toBe("")
          for (const action of actions) {
            if (action._tag === "Reclaim") expect(Number.isSafeInteger(action.bytes) && action.bytes > 0).toBe(true)
            if (action._tag === "SetHigh")
              expect(action.limit === "max" || (Number.isSafeInteger(action.limit) && action.limit >= 0)).toBe(true)
          }
        }
      }
    })

    it("never asks below the floor", () => {
      const floorBytes = 350 * mib
      for (const { actions } of drive(
        policy,
        everySecond(120, () => ({})),
        { floorBytes }
      )) {
        expect(leaves(400 * mib, actions), formatBytes(leaves(400 * mib, actions))).toBeGreaterThanOrEqual(floorBytes)
      }
    })

    it("never asks for more than its budget in a step", () => {
      const budgetBytes = 8 * mib
      for (const { actions } of drive(
        policy,
        everySecond(120, () => ({})),
        { budgetBytes }
      )) {
        expect(asked(actions)).toBeLessThanOrEqual(budgetBytes)
      }
    })

    it("reclaims nothing from an idle group that is at its floor", () => {
      const usage = { ...anObservation().usage, currentBytes: 16 * mib }
      for (const { actions } of drive(
        policy,
        everySecond(120, () => ({ usage }))
      ))
        expect(asked(actions)).toBe(0)
    })

    it("backs off under pressure: takes no more from a stalled group than from a quiet one, and less if it takes at all", () => {
      const quiet = drive(
        policy,
        everySecond(120, () => ({}))
      )
      const stalled = drive(
        policy,
        everySecond(120, (second) => ({ pressure: { some: stall(BigInt(second * 500_000)), full: stall(0n) } }))
      )
      const total = (decisions: ReadonlyArray<Decision<unknown>>) =>
        decisions.reduce((sum, { actions }) => sum + 400 * mib - leaves(400 * mib, actions), 0)
      if (total(quiet) === 0) expect(total(stalled)).toBe(0)
      else expect(total(stalled)).toBeLessThan(total(quiet) / 2)
    })
  })
}
