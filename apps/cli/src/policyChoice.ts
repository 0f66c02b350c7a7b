/** Policies as `wmo sim` takes them on the command line: a name, with settings after a colon or by `--set POLICY.KEY=VALUE`. */
import type { PolicyChoice } from "@wmo/lab"
import { decodeSettings, findPolicy } from "@wmo/policies"
import { Effect, Result } from "effect"
import { type Failure, usageError } from "./Exit.ts"

/** `NAME` or `NAME:KEY=VALUE,KEY=VALUE`, checked. */
export const policyChoice = (text: string, set: Readonly<Record<string, string>>): Effect.Effect<PolicyChoice, Failure> => {
  const [name = "", given = ""] = text.split(/:(.*)/s)
  const own = Object.entries(set)
    .filter(([key]) => key.startsWith(`${name}.`))
    .map(([key, value]) => [key.slice(name.length + 1), value] as const)
  const pairs = given.split(",").filter((pair) => pair !== "")
  const odd = pairs.find((pair) => !pair.includes("="))
  if (odd !== undefined) return Effect.fail(usageError(`--policy ${text}: "${odd}" is not KEY=VALUE`))
  const settings = Object.fromEntries([
    ...own,
    ...pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)] as const)
  ])
  const policy = findPolicy(name)
  if (Result.isFailure(policy)) return Effect.fail(usageError(policy.failure.message))
  const decoded = decodeSettings(name, policy.success.settings, settings)
  return Result.isFailure(decoded) ? Effect.fail(usageError(decoded.failure.message)) : Effect.succeed({ name, settings })
}

/** Commas part policies, but not the settings of one: `a,b:x=1,y=2,c` is a, b with two settings, and c. */
export const splitPolicies = (text: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (const word of text.split(",").filter((part) => part !== "")) {
    const isSetting = word.includes("=") && !word.includes(":")
    if (isSetting && names.length > 0) names.push(`${names.pop()!},${word}`)
    else names.push(word)
  }
  return names
}
