/**
 * Policies of third parties, by module specifier: a path beside the configuration, or a package that can be resolved from there. Whatever a module
 * exports by default, or all that it exports, is checked to look like a policy; what it does when asked is the supervisor's to watch.
 */
import type { AnyPolicy } from "@wmo/policies"
import { Effect, Result, Schema } from "effect"
import { loadModule } from "./loadModule.ts"

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null
const isText = (value: unknown): value is string => typeof value === "string" && value !== ""
const needs = ["page-age", "promotions", "pressure", "memory.high", "memory.reclaim", "lru_gen", "damon", "damon_reclaim"]

/** Why this is no setting. */
const settingProblem = (setting: unknown): string | undefined => {
  if (!isObject(setting) || !isText(setting["doc"]) || !isText(setting["default"])) return "has no doc and default"
  if (!Schema.isSchema(setting["schema"])) return "has no schema"
  const decoded = Schema.decodeResult(setting["schema"] as Schema.Codec<number, string>)(setting["default"])
  return Result.isSuccess(decoded) && typeof decoded.success === "number"
    ? undefined
    : "has a default that its schema does not make a number of"
}

/** Why this is no policy, in a phrase; undefined where it looks like one. */
const policyProblem = (value: unknown): string | undefined => {
  if (!isObject(value)) return "it is no object"
  const { ages, decide, name, settings, summary } = value
  if (!isText(name) || !/^[a-z][a-z0-9-]*$/.test(name)) return "its name must be of a-z, 0-9 and -"
  if (!isText(summary)) return `${name} has no summary`
  if (typeof decide !== "function") return `${name} has no function decide`
  if (ages !== undefined && typeof ages !== "function") return `${name}: ages must be a function`
  if (!Array.isArray(value["needs"])) return `${name} has no list needs`
  const unknown = value["needs"].find((need) => !needs.includes(need as string))
  if (unknown !== undefined) return `${name} needs "${String(unknown)}", which is none of ${needs.join(", ")}`
  if (!isObject(settings)) return `${name} has no settings (write {} for none)`
  for (const [key, setting] of Object.entries(settings)) {
    const problem = settingProblem(setting)
    if (problem !== undefined) return `${name}: setting ${key} ${problem}`
  }
  return undefined
}

/** The policies of a module. Fails with a phrase that says why there are none. */
export const loadPolicies = (specifier: string, file: string): Effect.Effect<ReadonlyArray<AnyPolicy>, string> =>
  Effect.flatMap(loadModule(specifier, file), (exported) => {
    const problem = exported.length === 0 ? "it exports nothing" : exported.map(policyProblem).find((text) => text !== undefined)
    return problem === undefined
      ? Effect.succeed(exported as ReadonlyArray<AnyPolicy>)
      : Effect.fail(`${specifier} is no module of policies: ${problem}`)
  })
