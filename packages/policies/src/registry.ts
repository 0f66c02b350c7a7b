/** The built-in policies by name. Third-party ones are values of the same type. */
import { Result } from "effect"
import { cacheCap } from "./cacheCap.ts"
import { damonReclaim } from "./damonReclaim.ts"
import { darc } from "./darc.ts"
import { ethp } from "./ethp.ts"
import { farMemory } from "./farMemory.ts"
import { highThrottle } from "./highThrottle.ts"
import { lruGen } from "./lruGen.ts"
import { none } from "./none.ts"
import { periodic } from "./periodic.ts"
import type { AnyPolicy } from "./Policy.ts"
import { prcl } from "./prcl.ts"
import { senpai } from "./senpai.ts"
import { senpaiOomd } from "./senpaiOomd.ts"
import { nearest, SettingError } from "./Setting.ts"
import { slo } from "./slo.ts"
import { tmo } from "./tmo.ts"
import { watermark } from "./watermark.ts"

export const policies: ReadonlyArray<AnyPolicy> = [
  none,
  periodic,
  highThrottle,
  senpai,
  senpaiOomd,
  tmo,
  farMemory,
  lruGen,
  darc,
  damonReclaim,
  prcl,
  ethp,
  watermark,
  cacheCap,
  slo
]

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
