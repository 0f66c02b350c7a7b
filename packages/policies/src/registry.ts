/** The built-in policies by name. Third-party ones are values of the same type. */
import { Result } from "effect"
import { none } from "./none.ts"
import { periodic } from "./periodic.ts"
import type { AnyPolicy } from "./Policy.ts"
import { senpai } from "./senpai.ts"
import { nearest, SettingError } from "./Setting.ts"

export const policies: ReadonlyArray<AnyPolicy> = [none, periodic, senpai]

/** Finds a policy by name; for an unknown one names the nearest. */
export const findPolicy = (name: string): Result.Result<AnyPolicy, SettingError> => {
  const found = policies.find((policy) => policy.name === name)
  if (found !== undefined) return Result.succeed(found)
  const names = policies.map((policy) => policy.name)
  const near = nearest(name, names)
  return Result.fail(
    new SettingError({
      message: `there is no policy "${name}"${near === undefined ? `; there are ${names.join(", ")}` : `; did you mean ${near}?`}`
    })
  )
}
