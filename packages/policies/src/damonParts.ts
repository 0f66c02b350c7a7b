/**
 * What policies that set DAMON up share: their settings, quotas and watermarks made of them, and when a set-up is asked for or taken off.
 * The kernel does the work; a policy of this kind only decides whether it may. Defaults of DAMON: kernel mm/damon/reclaim.c.
 */
import { type DamonIntervals, type DamosScheme, formatBytes, formatDuration } from "@wmo/core"
import type { Action, DamonSetUp } from "./Action.ts"
import { isDue } from "./due.ts"
import type { DecideInput } from "./Policy.ts"
import { bytes as size, duration, percent, ratio } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"

/** How DAMON looks. */
export const monitoringSettings = {
  sample: duration({ default: "5ms", doc: "how often DAMON looks whether a region was used" }),
  aggregation: duration({ default: "100ms", doc: "over which time it counts; ages have this step" }),
  update: duration({ default: "1s", doc: "how often it looks for new mappings" }),
  regions_min: ratio({ default: "10", minimum: 3, maximum: 100_000, doc: "regions at least: more are finer and cost more" }),
  regions_max: ratio({ default: "1000", minimum: 3, maximum: 100_000, doc: "regions at most" })
}

/** When the set-up is asked for anew, and when it is taken off. */
export const holdingSettings = {
  refresh: duration({ default: "10s", doc: "how often the set-up is asked for anew, so that it follows processes and budgets" }),
  pressure_limit: percent({
    default: "10%",
    doc: "take the set-up off while some task was stalled on memory for more than this share of time, and one refresh longer"
  })
}

export const psiGoal = percent({
  default: "0%",
  doc: "memory stall of the machine (PSI some) that the kernel tunes its quota to; 0% is off (since Linux 6.9)"
})

/** Limits per reset interval; 0 is none. */
export const quotaSettings = {
  quota_ms: ratio({ default: "10", minimum: 0, maximum: 10_000, doc: "milliseconds of work per reset interval; 0 is no limit" }),
  quota_bytes: size({ default: "128M", doc: "memory taken per reset interval; 0 is no limit" }),
  quota_reset: duration({ default: "1s", doc: "the reset interval" })
}

export const intervalsOf = (settings: {
  readonly sample: number
  readonly aggregation: number
  readonly update: number
}): DamonIntervals => ({ sampleUs: settings.sample * 1000, aggrUs: settings.aggregation * 1000, updateUs: settings.update * 1000 })

/** The goal that a share of stalled time stands for, in microseconds per reset interval. */
export const goalsOf = (percentOfTime: number, resetMs: number): DamosScheme["quotas"]["goals"] =>
  percentOfTime > 0
    ? [{ metric: "some_mem_psi_us", targetValue: Math.max(1, Math.round(percentOfTime * resetMs * 10)), currentValue: 0 }]
    : []

export interface Holding {
  readonly nextMs: number
  readonly isOn: boolean
  readonly last: StallReading | undefined
  readonly offUntilMs: number
}

export const notHeld: Holding = { nextMs: 0, isOn: false, last: undefined, offUntilMs: 0 }

/** Keeps `on` in force, and asks for `off` where the group is at its floor or pressed. `what` says what it is, for the reason. */
export const hold = (
  input: DecideInput<typeof holdingSettings>,
  state: Holding,
  { off, on, what }: { readonly on: Action; readonly off: Action; readonly what: string }
): { readonly actions: ReadonlyArray<Action>; readonly reason: string; readonly state: Holding } => {
  const { floorBytes, observation, settings } = input
  const { atMs, usage } = observation
  const last = readStall(observation)
  const stalled = stalledPercent(last, state.last, "memoryUs")
  const isPressed = (stalled ?? 0) > settings.pressure_limit
  const seen = `${formatBytes(usage.currentBytes)} in use, floor ${formatBytes(floorBytes)}, stalled ${showPercent(stalled)}`
  const step = (reason: string, changes: Partial<Holding>, actions: ReadonlyArray<Action> = []) => ({
    actions,
    reason: `${seen}: ${reason}`,
    state: { ...state, last, ...changes }
  })
  const stop = (why: string, changes: Partial<Holding> = {}) =>
    step(state.isOn ? `${why}; it is taken off` : `${why}; it stays off`, { ...changes, isOn: false, nextMs: 0 }, state.isOn ? [off] : [])
  if (usage.currentBytes <= floorBytes) return stop("the group is at its floor")
  if (isPressed) return stop(`above ${settings.pressure_limit} %`, { offUntilMs: atMs + settings.refresh })
  if (!isDue(atMs, state.offUntilMs, settings.refresh)) return stop("it was pressed just now")
  if (state.isOn && !isDue(atMs, state.nextMs, settings.refresh))
    return step(`${what} is in force, asked anew in ${formatDuration(state.nextMs - atMs)}`, {})
  return step(`${what} → in force`, { isOn: true, nextMs: atMs + settings.refresh }, [on])
}

/** As `hold`, for schemes. */
export const holdSchemes = (input: DecideInput<typeof holdingSettings>, state: Holding, setUp: DamonSetUp, what: string) =>
  hold(input, state, { on: { _tag: "SetSchemes", ...setUp }, off: { _tag: "SetSchemes", ...setUp, schemes: [] }, what })
