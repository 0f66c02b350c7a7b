/**
 * Guard rails: what of an action is let through. Pure. A policy may ask for anything; what the machine sees respects the floor, the
 * protections (`memory.min`, `memory.low`), the budgets, and limits that somebody else has set.
 */
import { type Bytes, formatBytes, limitBytes, pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "@wmo/policies"

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
  /** The `memory.high` that we set last; undefined while it is not ours. */
  readonly ourHigh: number | undefined
}

export const nothingSpent: Spent = { reclaims: [], ourHigh: undefined }

export type Verdict =
  | { readonly allowed: Action; readonly note?: string | undefined }
  | { readonly allowed: undefined; readonly refusal: string }

const minuteMs = 60_000

/**
 * What has been spent after this action was carried out. Of a reclaim the request counts, not the result: pages that came straight back were
 * reclaimed all the same. An eviction says what it may take at most, and has mostly less to take: what it took counts.
 */
export const spend = (spent: Spent, action: Action, atMs: number, reclaimedBytes: Bytes = 0): Spent => {
  switch (action._tag) {
    case "Evict":
    case "Reclaim": {
      const bytes = action._tag === "Evict" ? reclaimedBytes : Math.max(action.bytes, reclaimedBytes)
      return { ...spent, reclaims: [...spent.reclaims.filter((past) => atMs - past.atMs < minuteMs), { atMs, bytes }] }
    }
    case "SetHigh":
      return { ...spent, ourHigh: action.limit === "max" ? undefined : Math.floor(action.limit / pageSize) * pageSize }
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
  const lastMinute = spent.reclaims.reduce((sum, { atMs, bytes }) => (nowMs - atMs < minuteMs ? sum + bytes : sum), 0)
  return Math.max(0, Math.min(rails.stepBytes, rails.perMinuteBytes - lastMinute))
}

/** Lets an action through, whole or cut down, or refuses it with the reason. */
export const judge = (action: Action, observation: Observation, rails: GuardRails, spent: Spent): Verdict => {
  const floor = effectiveFloor(rails, observation)
  const { currentBytes, high } = observation.usage
  switch (action._tag) {
    case "Age":
      return { allowed: action }
    case "Evict":
    case "Reclaim": {
      const budget = remainingBudget(rails, spent, observation.atMs)
      const aboveFloor = currentBytes - floor
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
