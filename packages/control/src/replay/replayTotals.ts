/** Sums up what a policy would have decided, or what was decided when the run was recorded, in the same terms. Pure. */
import type { Action } from "@wmo/policies"

/** One action of a turn: what was asked, and what the guard rails made of it (undefined: refused). */
export interface ActionTaken {
  readonly asked: Action
  readonly allowed: Action | undefined
}

export interface ReplayTotals {
  /** Turns with at least one action. */
  readonly turns_with_actions: number
  readonly reclaims: number
  readonly reclaim_asked_bytes: number
  readonly reclaim_allowed_bytes: number
  readonly limits_set: number
  readonly lowest_limit_bytes: number | null
  readonly agings: number
  /** How often schemes or a module of DAMON's were asked for. */
  readonly damon_set_ups: number
  readonly refused: number
}

export const noTotals: ReplayTotals = {
  turns_with_actions: 0,
  reclaims: 0,
  reclaim_asked_bytes: 0,
  reclaim_allowed_bytes: 0,
  limits_set: 0,
  lowest_limit_bytes: null,
  agings: 0,
  damon_set_ups: 0,
  refused: 0
}

const add = (totals: ReplayTotals, { allowed, asked }: ActionTaken): ReplayTotals => {
  const refused = totals.refused + (allowed === undefined ? 1 : 0)
  switch (asked._tag) {
    case "Evict":
    case "Reclaim":
      return {
        ...totals,
        refused,
        reclaims: totals.reclaims + 1,
        reclaim_asked_bytes: totals.reclaim_asked_bytes + asked.bytes,
        reclaim_allowed_bytes: totals.reclaim_allowed_bytes + (allowed?._tag === asked._tag && "bytes" in allowed ? allowed.bytes : 0)
      }
    case "SetHigh": {
      const limit = allowed?._tag === "SetHigh" && allowed.limit !== "max" ? allowed.limit : Infinity
      const lowest = Math.min(totals.lowest_limit_bytes ?? Infinity, limit)
      return { ...totals, refused, limits_set: totals.limits_set + 1, lowest_limit_bytes: lowest === Infinity ? null : lowest }
    }
    case "Age":
      return { ...totals, refused, agings: totals.agings + 1 }
    case "SetSchemes":
    case "SetDamonModule":
      return { ...totals, refused, damon_set_ups: totals.damon_set_ups + 1 }
  }
}

/** Adds one turn. */
export const addTurn = (totals: ReplayTotals, actions: ReadonlyArray<ActionTaken>): ReplayTotals =>
  actions.length === 0 ? totals : actions.reduce(add, { ...totals, turns_with_actions: totals.turns_with_actions + 1 })
