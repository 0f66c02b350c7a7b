/**
 * `testPolicy`: the conformance suite that every policy passes, built-in or third-party. Needs vitest (a peer of whoever calls it).
 * Observations are made by `anObservation`: a plausible group, to be changed field by field; `scene` changes it so that the policy has something
 * to do. Checks decisions one by one, in an open loop: what a policy does to a machine is the simulator's business.
 */
import { type Bytes, formatBytes, limitBytes, pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import { Result, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { type Action, takesMemory } from "./Action.ts"
import type { AnyPolicy, Decision, PastAction } from "./Policy.ts"
import { decodeSettings, type Setting } from "./Setting.ts"

const mib = 2 ** 20
const startMs = 1_000_000

const stall = (totalUs: bigint, percent = 0) => ({ avg10: percent, avg60: percent, avg300: percent, totalUs })

/** A group of 400 MiB, three quarters of it idle for a minute and nothing ever coming back, on a machine with room in swap and no pressure. */
export const anObservation = (changes: Partial<Observation> = {}): Observation => ({
  group: "test",
  atMs: startMs,
  usage: { currentBytes: 400 * mib, swapCurrentBytes: 0, zswapCurrentBytes: 0, min: 0, low: 0, high: "max", max: "max", swapMax: "max" },
  stat: {
    anon: 380 * mib,
    file: 20 * mib,
    active_anon: 90 * mib,
    inactive_anon: 290 * mib,
    active_file: 10 * mib,
    inactive_file: 10 * mib,
    pgmajfault: 0n,
    workingset_refault_anon: 0n,
    workingset_refault_file: 0n
  },
  events: { high: 0n },
  pressure: { some: stall(0n), full: stall(0n) },
  ioPressure: { some: stall(0n), full: stall(0n) },
  pageAge: {
    source: "mglru",
    bins: [
      { lowerMs: 0, upperMs: 5_000, anonBytes: 80 * mib, fileBytes: 10 * mib },
      { lowerMs: 5_000, upperMs: 60_000, anonBytes: 10 * mib, fileBytes: 0 },
      { lowerMs: 60_000, upperMs: Infinity, anonBytes: 290 * mib, fileBytes: 10 * mib }
    ]
  },
  promotions: promotionsOf([0, 0, 0]),
  machine: {
    memTotalBytes: 4096 * mib,
    memAvailableBytes: 2048 * mib,
    memFreeBytes: 1024 * mib,
    swapTotalBytes: 1024 * mib,
    swapFreeBytes: 1024 * mib,
    swappiness: 60,
    pswpout: 0n
  },
  ...changes
})

/** Promotion counters of pages younger than 60 s, younger than 120 s, and older. */
export const promotionsOf = ([young = 0, middle = 0, old = 0]: ReadonlyArray<number>): NonNullable<Observation["promotions"]> => ({
  source: "test",
  isEstimate: false,
  bins: [
    { lowerMs: 0, upperMs: 60_000, pages: young, filePages: 0, refaultedPages: 0 },
    { lowerMs: 60_000, upperMs: 120_000, pages: middle, filePages: 0, refaultedPages: 0 },
    { lowerMs: 120_000, upperMs: Infinity, pages: old, filePages: 0, refaultedPages: 0 }
  ]
})

/** What a sequence of actions would leave of a group of `currentBytes`: reclaim takes away, memory.high takes what is above it. */
const leaves = (currentBytes: number, actions: ReadonlyArray<Action>): number =>
  actions.reduce((left, action) => {
    if (action._tag === "Reclaim" || action._tag === "Evict") return left - action.bytes
    if (action._tag === "SetHigh" && action.limit !== "max") return Math.min(left, action.limit)
    return left
  }, currentBytes)

const asked = (actions: ReadonlyArray<Action>): number =>
  actions.reduce((sum, action) => (action._tag === "Reclaim" || action._tag === "Evict" ? sum + action.bytes : sum), 0)

/** Whether DAMON is told to take memory by itself. */
const setsTaking = (action: Action): boolean =>
  (action._tag === "SetSchemes" && action.schemes.some(takesMemory)) || (action._tag === "SetDamonModule" && action.parameters !== "off")

const isDamon = ({ _tag }: Action): boolean => _tag === "SetSchemes" || _tag === "SetDamonModule"

interface Drive {
  readonly floorBytes?: number
  readonly budgetBytes?: number
  readonly given?: Readonly<Record<string, string>>
  /** What comes of each action, told to the policy in the next step; without it nothing is carried out. */
  readonly reclaim?: ((action: Action) => Bytes) | undefined
}

/** Feeds observations to a policy, its own state threaded through; `memory.high` follows what it set. Protections raise the floor. */
export const drive = (
  policy: AnyPolicy,
  observations: ReadonlyArray<Observation>,
  options: Drive = {}
): ReadonlyArray<Decision<unknown>> => {
  const settings = Result.getOrThrow(decodeSettings(policy.name, policy.settings, options.given ?? {}))
  let state: unknown = policy.initialState
  let high: Observation["usage"]["high"] | undefined
  let before: ReadonlyArray<PastAction> | undefined
  const { reclaim } = options
  return observations.map((original) => {
    const observation = high === undefined ? original : { ...original, usage: { ...original.usage, high } }
    const protections = Math.min(Math.max(limitBytes(observation.usage.min), limitBytes(observation.usage.low)), Number.MAX_SAFE_INTEGER)
    const floorBytes = Math.max(options.floorBytes ?? 16 * mib, protections)
    const decision = policy.decide({ observation, settings, floorBytes, budgetBytes: options.budgetBytes ?? Infinity, before }, state)
    state = decision.state
    before = reclaim && decision.actions.map((action) => ({ action, reclaimedBytes: reclaim(action), tookMs: 1 }))
    for (const action of decision.actions) if (action._tag === "SetHigh") high = action.limit
    return decision
  })
}

/** `seconds` observations, one a second, each made by `at`. */
export const everySecond = (seconds: number, at: (second: number) => Partial<Observation>, firstMs = startMs): ReadonlyArray<Observation> =>
  Array.from({ length: seconds }, (_, second) => anObservation({ atMs: firstMs + second * 1000, ...at(second) }))

const usual = anObservation().usage

const oddObservations: ReadonlyArray<readonly [string, Partial<Observation>]> = [
  ["an empty group", { usage: { currentBytes: 0, min: 0, low: 0, high: "max", max: "max" }, stat: {} }],
  ["no pressure file", { pressure: undefined }],
  ["pressure without a line for some", { pressure: {} }],
  ["no IO pressure", { ioPressure: undefined }],
  ["no page ages", { pageAge: undefined }],
  ["no promotions", { promotions: undefined }],
  ["promotions without bins", { promotions: { source: "test", isEstimate: true, bins: [] } }],
  ["promotion counters that restart", { promotions: promotionsOf([1, 0, 0]) }],
  ["ages without promotions, and promotions without ages", { pageAge: undefined, promotions: promotionsOf([9, 9, 9]) }],
  ["no memory.stat keys", { stat: {} }],
  ["no events", { events: undefined }],
  ["no swap", { machine: { memTotalBytes: 0, memAvailableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 } }],
  ["more swap in use than it may", { usage: { ...usual, swapCurrentBytes: 200 * mib, swapMax: 100 * mib } }],
  ["no swap allowed", { usage: { ...usual, swapMax: 0 } }],
  ["a machine that says little", { machine: { memTotalBytes: 4096 * mib, memAvailableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 } }],
  ["everything protected", { usage: { currentBytes: 400 * mib, min: "max", low: "max", high: "max", max: "max" } }],
  ["limits of zero", { usage: { currentBytes: 0, min: 0, low: 0, high: 0, max: 0 } }],
  ["limits below what is in use", { usage: { ...usual, high: 4096, max: 8192 } }],
  ["limits that come", { usage: { ...usual, high: 420 * mib, max: 440 * mib } }],
  ["more in use than anything says", { usage: { ...usual, currentBytes: 2 ** 52 } }],
  ["a clock that stands still", { atMs: startMs + 20_000 }],
  ["a clock that goes back to 1970", { atMs: 10 }],
  ["counters that restart", { pressure: { some: stall(5n) }, stat: { pgmajfault: 0n } }],
  [
    "an age histogram larger than the group",
    { pageAge: { source: "mglru", bins: [{ lowerMs: 3_600_000, upperMs: Infinity, anonBytes: 2 ** 50, fileBytes: 2 ** 50 }] } }
  ],
  ["an empty age histogram", { pageAge: { source: "working-set", bins: [] } }],
  ["ages from another source", { pageAge: { source: "damon-vaddr", bins: anObservation().pageAge!.bins } }]
]

const isWholePages = (bytes: number): boolean => Number.isSafeInteger(bytes) && bytes > 0 && bytes % pageSize === 0

/** What is wrong with an action by itself; undefined for a sound one. */
const flawOf = (action: Action): string | undefined => {
  switch (action._tag) {
    case "Reclaim":
    case "Evict": {
      if (!isWholePages(action.bytes)) return `${action.bytes} bytes are not whole pages`
      const { swappiness } = action
      if (typeof swappiness === "number" && !(Number.isInteger(swappiness) && swappiness >= 0 && swappiness <= 200))
        return `swappiness ${swappiness}`
      return action._tag === "Evict" && !(Number.isFinite(action.olderThanMs) && action.olderThanMs > 0)
        ? `age ${action.olderThanMs}`
        : undefined
    }
    case "SetHigh":
      return action.limit === "max" || (Number.isSafeInteger(action.limit) && action.limit >= 0) ? undefined : `limit ${action.limit}`
    case "SetSchemes": {
      if (action.intervals.sampleUs > action.intervals.aggrUs) return "it samples less often than it aggregates"
      if (action.nrRegions.min < 3 || action.nrRegions.min > action.nrRegions.max) return `regions ${JSON.stringify(action.nrRegions)}`
      const numbers = action.schemes.flatMap(({ quotas }) => [quotas.ms, quotas.bytes, quotas.resetIntervalMs])
      return numbers.every((value) => Number.isFinite(value) && value >= 0) ? undefined : `quotas ${numbers.join(", ")}`
    }
    case "SetDamonModule":
      return action.parameters === "off" ||
        Object.values(action.parameters).every((value) => typeof value === "boolean" || Number(value) >= 0)
        ? undefined
        : "parameters that are no numbers"
    case "Age":
      return undefined
  }
}

const expectSound = ({ actions, reason }: Decision<unknown>): void => {
  expect(reason).not.toBe("")
  expect(reason).not.toContain("\n")
  expect(reason).not.toMatch(/NaN|undefined|null|Infinity|\[object/)
  for (const action of actions) expect(flawOf(action), JSON.stringify(action)).toBeUndefined()
}

export interface TestPolicyOptions {
  /** What the group is like, second by second, when the policy has something to do. Default: as `anObservation` has it. */
  readonly scene?: ((second: number) => Partial<Observation>) | undefined
  /** Settings in which it acts within two minutes. */
  readonly given?: Readonly<Record<string, string>> | undefined
  /** It asks for nothing, ever. */
  readonly neverActs?: boolean | undefined
}

/** Registers the suite under the policy's name. */
export const testPolicy = (policy: AnyPolicy, { given = {}, neverActs = false, scene = () => ({}) }: TestPolicyOptions = {}): void => {
  const settings = Object.entries(given).map(([name, value]) => ` ${name}=${value}`)
  const run = (changes: (second: number) => Partial<Observation> = () => ({}), options: Drive = {}, seconds = 240) =>
    drive(
      policy,
      everySecond(seconds, (second) => ({ ...scene(second), ...changes(second) })),
      { given, ...options }
    )
  const usageOf = (second: number, changes: Partial<Observation["usage"]>) => ({
    usage: { ...anObservation(scene(second)).usage, ...changes }
  })
  const current = anObservation(scene(0)).usage.currentBytes

  describe(`policy ${policy.name}${settings.join("")}`, () => {
    it("documents every setting, and its defaults are what it prints", () => {
      expect(policy.summary.length).toBeGreaterThan(10)
      expect(policy.source).not.toBe("")
      for (const [name, setting] of Object.entries(policy.settings as Record<string, Setting>)) {
        expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
        expect(setting.doc.length).toBeGreaterThan(10)
        expect(setting.doc).not.toContain("\n")
        const value = Schema.decodeSync(setting.schema)(setting.default)
        expect(Schema.decodeSync(setting.schema)(Schema.encodeSync(setting.schema)(value)), name).toBe(value)
      }
    })

    it(neverActs ? "never acts" : "acts where there is something to do", () => {
      const actions = run().flatMap((decision) => decision.actions.filter(({ _tag }) => _tag !== "Age"))
      expect(actions.length > 0).toBe(!neverActs)
    })

    it("is deterministic, and does not change what it is given", () => {
      const observations = everySecond(120, (second) => ({ ...scene(second), pressure: { some: stall(BigInt(second * 700)) } }))
      const before = structuredClone(observations)
      expect(drive(policy, observations, { given })).toEqual(drive(policy, observations, { given }))
      expect(observations).toEqual(before)
    })

    it("says why, in one line, at every decision, and with numbers where it acts", () => {
      for (const decision of run()) {
        expectSound(decision)
        if (decision.actions.some(({ _tag }) => _tag !== "Age")) expect(decision.reason).toMatch(/\d/)
      }
    })

    it.each(oddObservations)("is total on %s", (_, change) => {
      const normal = everySecond(20, scene)
      const odd = everySecond(20, (second) => ({ atMs: startMs + 20_000 + second * 1000, ...scene(second), ...change }))
      const again = everySecond(20, scene, startMs + 40_000)
      for (const observations of [odd, [...normal, ...odd, ...again]])
        for (const decision of drive(policy, observations, { given })) expectSound(decision)
    })

    it("goes on where the clock jumps, an hour ahead or back", () => {
      const acts = (decisions: ReadonlyArray<Decision<unknown>>) =>
        decisions.some(({ actions }) => actions.some(({ _tag }) => _tag !== "Age"))
      const aDay = 86_400_000
      for (const jump of [3_600_000, -3_600_000]) {
        const decisions = drive(policy, [...everySecond(240, scene, aDay), ...everySecond(240, scene, aDay + 240_000 + jump)], { given })
        for (const decision of decisions) expectSound(decision)
        if (acts(decisions.slice(0, 240))) expect(acts(decisions.slice(240)), `${jump} ms`).toBe(true)
      }
    })

    it("never asks below the floor, however it came about", () => {
      const floorBytes = Math.round((current * 0.875) / pageSize) * pageSize
      const raised = [
        run(() => ({}), { floorBytes }),
        run((second) => usageOf(second, { low: floorBytes })),
        run((second) => usageOf(second, { min: floorBytes }))
      ]
      for (const { actions } of raised.flat()) {
        const left = leaves(current, actions)
        expect(left, formatBytes(left)).toBeGreaterThanOrEqual(floorBytes)
      }
    })

    it("has DAMON take nothing from a group that is protected as a whole", () => {
      const { actions } = run((second) => usageOf(second, { low: current })).at(-1)!
      expect(run((second) => usageOf(second, { low: current })).flatMap((decision) => decision.actions.filter(setsTaking))).toEqual([])
      expect(asked(actions)).toBe(0)
    })

    it.each([0, 3 * mib, 8 * mib])("never asks for more than its budget of %i bytes in a step", (budgetBytes) => {
      for (const { actions } of run(() => ({}), { budgetBytes })) expect(asked(actions)).toBeLessThanOrEqual(budgetBytes)
    })

    it("takes nothing from an idle group that is at its floor", () => {
      for (const { actions } of run((second) => usageOf(second, { currentBytes: 16 * mib }))) {
        expect(asked(actions)).toBe(0)
        expect(leaves(16 * mib, actions)).toBe(16 * mib)
        expect(actions.filter(setsTaking)).toEqual([])
      }
    })

    it("backs off under pressure: takes no more from a stalled group than from a quiet one, and less than half if it takes at all", () => {
      const quiet = run()
      const stalled = run((second) => ({
        pressure: { some: stall(BigInt(second * 500_000), 50), full: stall(0n) },
        ioPressure: { some: stall(BigInt(second * 500_000), 50), full: stall(0n) }
      }))
      const total = (decisions: ReadonlyArray<Decision<unknown>>) =>
        decisions.reduce((sum, { actions }) => sum + current - leaves(current, actions), 0)
      if (total(quiet) === 0) expect(total(stalled)).toBe(0)
      else expect(total(stalled)).toBeLessThan(total(quiet) / 2)
      // What DAMON does by itself counts by how long it may.
      const secondsInForce = (decisions: ReadonlyArray<Decision<unknown>>) => {
        let isOn = false
        return decisions.filter(({ actions }) => (isOn = actions.filter(isDamon).map(setsTaking).at(-1) ?? isOn)).length
      }
      if (secondsInForce(quiet) > 0) expect(secondsInForce(stalled)).toBeLessThan(secondsInForce(quiet) / 2)
    })
  })
}
