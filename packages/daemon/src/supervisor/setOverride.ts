/**
 * What becomes of `wmo set`: a new override for a group, or why there is none. Pure. Settings add up with those set before for as long as the policy is the
 * same; all of them are taken or none.
 */
import type { Milliseconds } from "@wmo/core"
import { type AnyPolicy, decodeSettings, nearest, none } from "@wmo/policies"
import { Result } from "effect"
import type { GroupPlan } from "../config/plan.ts"
import type { Override } from "../config/Override.ts"

export interface SetRequest {
  readonly group: string
  readonly policy?: string | undefined
  readonly settings: Readonly<Record<string, string>>
  /** How long it holds; undefined: until something ends it. */
  readonly forMs?: Milliseconds | undefined
}

/** `without`: the group's plan as it would be with no override; undefined: no rule picks it. */
export const setOverride = (
  { forMs, group, policy: name, settings }: SetRequest,
  without: GroupPlan | undefined,
  before: Override | undefined,
  policies: ReadonlyArray<AnyPolicy>,
  nowMs: Milliseconds
): Result.Result<Override, string> => {
  if (without === undefined) return Result.fail(`no rule picks ${group}; \`wmo status\` lists those that one does`)
  if (without.plan === undefined) return Result.fail(`${group} is left alone: ${without.why}`)
  if (name === undefined && Object.keys(settings).length === 0) return Result.fail("nothing to set: name a setting (KEY=VALUE) or a policy")
  const named = policies.find((each) => each.name === name)
  if (name !== undefined && named === undefined) {
    const known = policies.map((each) => each.name)
    const near = nearest(name, known)
    return Result.fail(`there is no policy "${name}"; ${near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`}`)
  }
  const policy = named ?? before?.policy
  const isSame = (policy ?? without.plan.policy) === (before?.policy ?? without.plan.policy)
  const all = { ...(isSame ? before?.settings : {}), ...settings }
  const target = policy ?? without.plan.policy ?? none
  return Result.mapBoth(decodeSettings(target.name, target.settings, all), {
    onFailure: ({ message }) => message,
    onSuccess: (): Override => ({ policy, settings: all, untilMs: forMs === undefined ? undefined : nowMs + forMs })
  })
}
