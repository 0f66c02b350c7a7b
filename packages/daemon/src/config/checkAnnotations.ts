/** Checks what annotations of pods may say: policies that there are, settings that one of them has, ranges that are some. */
import type { AnyPolicy } from "@wmo/policies"
import { Result, Schema } from "effect"
import type { AnnotationRights } from "../containers/annotations.ts"
import type { Say } from "./checkConfig.ts"
import type { ConfigFile } from "./ConfigFile.ts"
import { suggestion } from "./shapeProblems.ts"
import type { ValuePath } from "./YamlText.ts"

type FileRights = NonNullable<NonNullable<ConfigFile["defaults"]>["annotations"]>

/** `candidates`: policies that a group of the rule may have without an annotation. */
export const checkAnnotations = (
  { policies: names = [], settings = {} }: FileRights,
  path: ValuePath,
  all: ReadonlyArray<AnyPolicy>,
  candidates: ReadonlyArray<AnyPolicy>,
  say: Say
): AnnotationRights => {
  const policies = names.flatMap((name, i) => {
    const policy = all.find((each) => each.name === name)
    if (policy !== undefined) return [policy]
    const known = all.map((each) => each.name)
    say([...path, "policies", i], `there is no policy "${name}"; ${suggestion(name, known)}`)
    return []
  })
  const possible = [...policies, ...candidates]
  const ranges = Object.entries(settings).map(([name, { from, to }]) => {
    const range = { from: String(from), to: String(to) }
    const setting = possible.flatMap((policy) => (Object.hasOwn(policy.settings, name) ? [policy.settings[name]] : []))[0]
    if (setting === undefined) {
      const known = [...new Set(possible.flatMap((policy) => Object.keys(policy.settings)))]
      say(
        [...path, "settings", name],
        `none of ${possible.map((each) => each.name).join(", ")} has a setting "${name}"; ${suggestion(name, known)}`,
        "key"
      )
      return [name, range] as const
    }
    const [least, most] = [Schema.decodeResult(setting.schema)(range.from), Schema.decodeResult(setting.schema)(range.to)]
    if (Result.isFailure(least)) say([...path, "settings", name, "from"], `from: ${least.failure.message.split("\n")[0]}`)
    if (Result.isFailure(most)) say([...path, "settings", name, "to"], `to: ${most.failure.message.split("\n")[0]}`)
    if (Result.isSuccess(least) && Result.isSuccess(most) && least.success > most.success)
      say([...path, "settings", name], `${name}: ${range.from} is more than ${range.to}: nothing is within`)
    return [name, range] as const
  })
  return { policies, settings: Object.fromEntries(ranges) }
}
