/**
 * Guard rails: what of an action is let through. Pure. A policy may ask for anything; what the machine sees respects the floor, the
 * protections (`memory.min`, `memory.low`), the budgets, and limits that somebody else has set.
 */
import { type Bytes, formatBytes, formatDuration, limitBytes, pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import { type Action, takesMemory } from "@wmo/policies"

export interface GuardRails {
  /** Leave at least this much in the group. */
  readonly floorBytes: Bytes
  /** Reclaim at most this much in one tick. */
  readonly stepBytes: Bytes
  /** Reclaim at most this much in any 60 s. */
  readonly perMinuteBytes: Bytes
  /** Change limits that somebody else has set, too; they are put back like all others. */
  readonly takeOver?: boolean | undefined
}

export const defaultGuardRails: GuardRails = { floorBytes: 16 * 2 ** 20, stepBytes: 128 * 2 ** 20, perMinuteBytes: 8 * 2 ** 30 }

/** What has been reclaimed lately, and what was set by us. */
export interface Spent {
  readonly reclaims: ReadonlyArray<{ readonly atMs: number; readonly bytes: Bytes }>
  /** What the actions of the tick of `atMs` took so far: its observation does not show that yet. */
  readonly tick: { readonly atMs: number; readonly bytes: Bytes }
  /** The `memory.high` that we set last; undefined while it is not ours. */
  readonly ourHigh: number | undefined
}

export const nothingSpent: Spent = { reclaims: [], tick: { atMs: -Infinity, bytes: 0 }, ourHigh: undefined }

export type Verdict =
  | { readonly allowed: Action; readonly note?: string | undefined }
  | { readonly allowed: undefined; readonly refusal: string }

const minuteMs = 60_000

/** What lies in the future was before the clock was set back. */
const isOfLastMinute = (atMs: number, nowMs: number): boolean => atMs <= nowMs && nowMs - atMs < minuteMs

const takenInTick = ({ tick }: Spent, nowMs: number): Bytes => (tick.atMs === nowMs ? tick.bytes : 0)

/** What has been spent after this much went that no action of this tick took. */
export const spendOutside = (spent: Spent, atMs: number, bytes: Bytes): Spent =>
  bytes > 0 ? { ...spent, reclaims: [...spent.reclaims.filter((past) => isOfLastMinute(past.atMs, atMs)), { atMs, bytes }] } : spent

/**
 * What has been spent after this action was carried out. Of a reclaim the request counts, not the result: pages that came straight back were
 * reclaimed all the same. An eviction says what it may take at most, and has mostly less to take: what it took counts.
 */
export const spend = (spent: Spent, action: Action, atMs: number, reclaimedBytes: Bytes = 0): Spent => {
  switch (action._tag) {
    case "Evict":
    case "Reclaim": {
      const bytes = action._tag === "Evict" ? reclaimedBytes : Math.max(action.bytes, reclaimedBytes)
      return { ...spendOutside(spent, atMs, bytes), tick: { atMs, bytes: takenInTick(spent, atMs) + bytes } }
    }
    case "SetHigh":
      return { ...spent, ourHigh: action.limit === "max" ? undefined : Math.floor(action.limit / pageSize) * pageSize }
    case "SetSchemes":
    case "SetDamonModule":
      return spendOutside(spent, atMs, reclaimedBytes)
    case "Age":
      return spent
  }
}

/** The least that may be left in the group: the floor, or a protection that the administrator gave it. */
export const effectiveFloor = (rails: GuardRails, { usage }: Observation): Bytes =>
  Math.max(rails.floorBytes, finite(limitBytes(usage.min)), finite(limitBytes(usage.low)))

/** `memory.min = max` protects everything there is. */
const finite = (bytes: Bytes): Bytes => (bytes === Infinity ? Number.MAX_SAFE_INTEGER : bytes)

/** What may still be reclaimed in this tick. */
export const remainingBudget = (rails: GuardRails, spent: Spent, nowMs: number): Bytes => {
  const lastMinute = spent.reclaims.reduce((sum, { atMs, bytes }) => (isOfLastMinute(atMs, nowMs) ? sum + bytes : sum), 0)
  return Math.max(0, Math.min(rails.stepBytes - takenInTick(spent, nowMs), rails.perMinuteBytes - lastMinute))
}

/** What a scheme may take in its reset interval: the budget of a minute, spread evenly. */
const quotaWithin = (asked: Bytes, resetIntervalMs: number, { perMinuteBytes }: GuardRails): Bytes => {
  const most = Math.max(pageSize, Math.floor((perMinuteBytes * resetIntervalMs) / minuteMs / pageSize) * pageSize)
  return asked > 0 ? Math.min(asked, most) : most
}

const cutNote = (bytes: Bytes, resetIntervalMs: number): string =>
  `its quota is cut to ${formatBytes(bytes)} in ${formatDuration(resetIntervalMs)}, the budget`

/** Of physical memory the kernel charges a quota what it tried; of processes it counts address space, which says nothing of memory. */
const judgeSchemes = (
  action: Extract<Action, { _tag: "SetSchemes" }>,
  observation: Observation,
  floor: Bytes,
  rails: GuardRails,
  spent: Spent
): Verdict => {
  const { atMs, usage } = observation
  if (!action.schemes.some(takesMemory)) return { allowed: action }
  if (usage.currentBytes <= floor) {
    const schemes = action.schemes.filter((scheme) => !takesMemory(scheme))
    return { allowed: { ...action, schemes }, note: `the group is at its floor of ${formatBytes(floor)}: what takes memory is off` }
  }
  if (remainingBudget(rails, spent, atMs) === 0) return { allowed: undefined, refusal: "the budget of this minute is used up" }
  let note: string | undefined
  const schemes = action.schemes.map((scheme) => {
    const { quotas } = scheme
    if (!takesMemory(scheme) || (action.on === "processes" && quotas.bytes === 0)) return scheme
    const resetIntervalMs = quotas.resetIntervalMs > 0 ? quotas.resetIntervalMs : 1000
    const bytes = quotaWithin(quotas.bytes, resetIntervalMs, rails)
    if (bytes === quotas.bytes) return scheme
    note = cutNote(bytes, resetIntervalMs)
    return { ...scheme, quotas: { ...quotas, bytes, resetIntervalMs } }
  })
  return { allowed: { ...action, schemes }, note }
}

const judgeModule = (
  action: Extract<Action, { _tag: "SetDamonModule" }>,
  currentBytes: Bytes,
  floor: Bytes,
  rails: GuardRails
): Verdict => {
  const { parameters } = action
  if (parameters === "off") return { allowed: action }
  if (currentBytes <= floor)
    return { allowed: { ...action, parameters: "off" }, note: `the group is at its floor of ${formatBytes(floor)}: it is off` }
  const resetIntervalMs = parameters.quotaResetIntervalMs ?? 1000
  const quotaBytes = quotaWithin(parameters.quotaBytes ?? 0, resetIntervalMs, rails)
  return quotaBytes === parameters.quotaBytes
    ? { allowed: action }
    : { allowed: { ...action, parameters: { ...parameters, quotaBytes } }, note: cutNote(quotaBytes, resetIntervalMs) }
}

/** Lets an action through, whole or cut down, or refuses it with the reason. */
export const judge = (action: Action, observation: Observation, rails: GuardRails, spent: Spent): Verdict => {
  const floor = effectiveFloor(rails, observation)
  const { currentBytes, high } = observation.usage
  switch (action._tag) {
    case "Age":
      return { allowed: action }
    case "SetSchemes":
      return judgeSchemes(action, observation, floor, rails, spent)
    case "SetDamonModule":
      return judgeModule(action, currentBytes, floor, rails)
    case "Evict":
    case "Reclaim": {
      const budget = remainingBudget(rails, spent, observation.atMs)
      const aboveFloor = currentBytes - floor - takenInTick(spent, observation.atMs)
      const bytes = Math.floor(Math.min(action.bytes, budget, aboveFloor) / pageSize) * pageSize
      if (!(bytes > 0)) {
        if (!(action.bytes >= pageSize)) return { allowed: undefined, refusal: "less than a page was asked for" }
        return aboveFloor < pageSize
          ? { allowed: undefined, refusal: `the group is at its floor of ${formatBytes(floor)}` }
          : { allowed: undefined, refusal: "the budget of this minute is used up" }
      }
      const cut = bytes < Math.floor(action.bytes / pageSize) * pageSize
      return { allowed: { ...action, bytes }, note: cut ? `cut from ${formatBytes(action.bytes)} to ${formatBytes(bytes)}` : undefined }
    }
    case "SetHigh": {
      if (high !== "max" && high !== spent.ourHigh && rails.takeOver !== true) {
        const refusal = `memory.high is ${formatBytes(high)}, set by somebody else; it is left alone (--take-over would change it)`
        return { allowed: undefined, refusal }
      }
      if (action.limit === "max" || action.limit >= floor) return { allowed: action }
      return {
        allowed: { _tag: "SetHigh", limit: floor },
        note: `raised from ${formatBytes(action.limit)} to the floor of ${formatBytes(floor)}`
      }
    }
  }
}
