/**
 * Open-loop replay: feeds recorded observations to a policy, and tells what it would have decided and what the guard rails would have let
 * through. Pure, deterministic. What it decides changes nothing about what it sees next: memory that it would have reclaimed is still
 * there, pages that it would have evicted do not come back. Only `memory.high` is echoed: a policy finds there what it has set itself.
 */
import { type Limit, pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action, AnyPolicy, SettingValues, Settings } from "@wmo/policies"
import { effectiveFloor, type GuardRails, judge, nothingSpent, remainingBudget, spend, type Spent, type Verdict } from "../GuardRails.ts"
import { makeWarmup } from "../Warmup.ts"
import { decideSafely } from "../decideSafely.ts"

export interface ReplayOptions {
  readonly policy: AnyPolicy
  readonly settings: SettingValues<Settings>
  readonly rails: GuardRails
  /** The policy is not asked before this much time has passed, as in the loop. */
  readonly warmupMs?: number
  /**
   * Whether whoever was recorded moved `memory.high` itself. Then its values are not what this policy would find: it finds what was there
   * at the start.
   */
  readonly highWasMoved: boolean
}

/** What the policy would have done at one sample. */
export interface ReplayStep {
  readonly observation: Observation
  /** Undefined: it was not asked yet. */
  readonly reason: string | undefined
  readonly verdicts: ReadonlyArray<{ readonly asked: Action; readonly verdict: Verdict }>
}

/** More than any machine has: how much swap was free is not known, and a policy must not take that for none. */
const plenty = 2 ** 52

/** What a policy takes for granted and an imported recording does not say. */
const withMachine = (observation: Observation): Observation =>
  observation.machine.memTotalBytes > 0
    ? observation
    : { ...observation, machine: { memTotalBytes: plenty, memAvailableBytes: plenty, swapTotalBytes: plenty, swapFreeBytes: plenty } }

/** Makes the function that takes the observations of one run, in their order. */
export const makeReplay = ({
  highWasMoved,
  policy,
  rails,
  settings,
  warmupMs = 0
}: ReplayOptions): ((recorded: Observation) => ReplayStep) => {
  let state: unknown = policy.initialState
  let spent: Spent = nothingSpent
  let start: { readonly warmupLeft: (nowMs: number) => number; readonly high: Limit } | undefined
  let ours: Limit | undefined
  return (recorded) => {
    start ??= { warmupLeft: makeWarmup(recorded.atMs, warmupMs), high: recorded.usage.high }
    const high = ours ?? (highWasMoved ? start.high : recorded.usage.high)
    const observation = withMachine({ ...recorded, usage: { ...recorded.usage, high } })
    if (start.warmupLeft(observation.atMs) > 0) return { observation, reason: undefined, verdicts: [] }
    const decision = decideSafely(
      policy,
      {
        observation,
        settings,
        floorBytes: effectiveFloor(rails, observation),
        budgetBytes: remainingBudget(rails, spent, observation.atMs)
      },
      state
    )
    state = decision.state
    const verdicts = decision.actions.map((asked) => {
      const verdict = judge(asked, observation, rails, spent)
      if (verdict.allowed !== undefined) {
        spent = spend(spent, verdict.allowed, observation.atMs)
        if (verdict.allowed._tag === "SetHigh") ours = inPages(verdict.allowed.limit)
      }
      return { asked, verdict }
    })
    return { observation, reason: decision.reason, verdicts }
  }
}

/** As the kernel keeps a limit: whole pages. */
const inPages = (limit: Limit): Limit => (limit === "max" ? limit : Math.floor(limit / pageSize) * pageSize)
