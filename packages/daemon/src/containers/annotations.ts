/**
 * What a pod asks for by its annotations, as far as the configuration lets it: `wmo.dev/policy: slo`, `wmo.dev/set.promotions: 0.1%`. Pure. A pod's owner
 * writes these, who need not be who runs the machine: what is not on the list or out of its range is refused, and said.
 */
import type { AnyPolicy } from "@wmo/policies"
import { Result, Schema } from "effect"
import type { RuleBody } from "../config/Config.ts"

/** What annotations may say. */
export interface AnnotationRights {
  readonly policies: ReadonlyArray<AnyPolicy>
  /** By setting: the bounds, as a person writes them; both may be taken. */
  readonly settings: Readonly<Record<string, { readonly from: string; readonly to: string }>>
}

export interface Asked {
  readonly body: RuleBody
  /** Each what was not taken, and why. */
  readonly refused: ReadonlyArray<string>
}

const prefix = "wmo.dev/"
const settingPrefix = `${prefix}set.`

/** Why the value may not be taken; undefined: it may. */
const refusal = (name: string, value: string, policy: AnyPolicy, rights: AnnotationRights): string | undefined => {
  const range = Object.hasOwn(rights.settings, name) ? rights.settings[name] : undefined
  if (range === undefined) return "the configuration does not let pods set it"
  const setting = Object.hasOwn(policy.settings, name) ? policy.settings[name] : undefined
  if (setting === undefined) return `policy ${policy.name} has no such setting`
  const [least, given, most] = [range.from, value, range.to].map((text) => Schema.decodeResult(setting.schema)(text))
  if (Result.isFailure(given!)) return given.failure.message.split("\n")[0]!
  const isWithin = Result.isSuccess(least!) && Result.isSuccess(most!) && given!.success >= least.success && given!.success <= most.success
  return isWithin ? undefined : `it is not within ${range.from} to ${range.to}`
}

/** `policy`: what the group has by its rules. */
export const askedBy = (annotations: Readonly<Record<string, string>>, rights: AnnotationRights, policy: AnyPolicy): Asked => {
  const refused: Array<string> = []
  const name = annotations[`${prefix}policy`]
  const chosen = rights.policies.find((each) => each.name === name)
  if (name !== undefined && chosen === undefined)
    refused.push(`annotation ${prefix}policy: ${name} is refused: the configuration does not let pods choose it`)
  const settings: Record<string, string> = {}
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(settingPrefix)) continue
    const setting = key.slice(settingPrefix.length)
    const why = refusal(setting, value, chosen ?? policy, rights)
    if (why === undefined) settings[setting] = value
    else refused.push(`annotation ${key}: ${value} is refused: ${why}`)
  }
  return { body: { policy: chosen, settings }, refused }
}
