/** Checks what a policy needs against what this kernel has for the group, before anything is changed. */
import { Cgroups, KernFs } from "@wmo/core"
import type { PageAgeSource } from "@wmo/monitors"
import type { AnyPolicy, Need } from "@wmo/policies"
import { Effect } from "effect"

const explanation: Readonly<Record<Need, string>> = {
  "page-age": "the kernel tells nothing about page ages (it needs MGLRU and debugfs, or working-set reporting)",
  pressure: "the group has no memory.pressure (PSI is off)",
  "memory.high": "the group has no memory.high",
  "memory.reclaim": "the group has no memory.reclaim (it needs Linux 5.19)"
}

/** One phrase per need that is not met; empty when the policy can run. */
export const missingNeeds: (
  group: string,
  policy: AnyPolicy,
  pageAge: PageAgeSource | undefined
) => Effect.Effect<ReadonlyArray<string>, never, Cgroups | KernFs> = Effect.fnUntraced(function* (group, policy, pageAge) {
  const cgroups = yield* Cgroups
  const fs = yield* KernFs
  const has = (file: string) => fs.exists(cgroups.path(group, file))
  const isMet: Readonly<Record<Need, Effect.Effect<boolean>>> = {
    "page-age": Effect.succeed(pageAge !== undefined),
    pressure: has("memory.pressure"),
    "memory.high": has("memory.high"),
    "memory.reclaim": has("memory.reclaim")
  }
  const missing: Array<string> = []
  for (const need of policy.needs) if (!(yield* isMet[need])) missing.push(explanation[need])
  return missing
})
