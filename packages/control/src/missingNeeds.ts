/** Checks what a policy needs against what this kernel has for the group, before anything is changed. */
import { Cgroups, Damon, DamonModules, KernFs, Mglru } from "@wmo/core"
import type { PageAgeSource } from "@wmo/monitors"
import type { AnyPolicy, Need } from "@wmo/policies"
import { Effect } from "effect"

const explanation: Readonly<Record<Need, string>> = {
  "page-age": "the kernel tells nothing about page ages (it needs MGLRU and debugfs, or working-set reporting)",
  promotions: "nothing tells what came back into use (that takes a source of page ages, see --age-source)",
  pressure: "the group has no memory.pressure (PSI is off)",
  "memory.high": "the group has no memory.high",
  "memory.reclaim": "the group has no memory.reclaim (it needs Linux 5.19)",
  swappiness: "the kernel's memory.reclaim cannot be asked for file pages alone (its swappiness= needs Linux 6.11)",
  lru_gen: "generations cannot be evicted (that takes MGLRU, Linux 6.1, and debugfs)",
  damon: "this kernel has no DAMON in sysfs (CONFIG_DAMON_SYSFS, Linux 5.18)",
  damon_reclaim: "this kernel has no module damon_reclaim (CONFIG_DAMON_RECLAIM, Linux 5.16)"
}

/** One phrase per need that is not met; empty when the policy can run. */
export const missingNeeds: (
  group: string,
  policy: AnyPolicy,
  pageAge: PageAgeSource | undefined
) => Effect.Effect<ReadonlyArray<string>, never, Cgroups | Damon | DamonModules | KernFs | Mglru> = Effect.fnUntraced(
  function* (group, policy, pageAge) {
    const cgroups = yield* Cgroups
    const fs = yield* KernFs
    const damon = yield* Damon
    const modules = yield* DamonModules
    const mglru = yield* Mglru
    const unlessUnknown = Effect.orElseSucceed(() => false)
    const has = (file: string) => fs.exists(cgroups.path(group, file))
    const isMet: Readonly<Record<Need, Effect.Effect<boolean>>> = {
      "page-age": Effect.succeed(pageAge !== undefined),
      promotions: Effect.succeed(pageAge !== undefined),
      pressure: has("memory.pressure"),
      "memory.high": has("memory.high"),
      "memory.reclaim": has("memory.reclaim"),
      swappiness: cgroups.reclaimTakesSwappiness(group),
      lru_gen: unlessUnknown(Effect.flatMap(mglru.enabled, (enabled) => (enabled ? mglru.isListing : Effect.succeed(false)))),
      damon: damon.isPresent,
      damon_reclaim: unlessUnknown(Effect.map(modules.read("damon_reclaim"), (parameters) => parameters !== undefined))
    }
    const missing: Array<string> = []
    for (const need of policy.needs) {
      if (!(yield* isMet[need])) missing.push(explanation[need])
      else if ((need === "damon" || need === "damon_reclaim") && pageAge === "damon-vaddr")
        missing.push("page ages come from DAMON, which does one thing at a time: choose another --age-source")
    }
    return missing
  }
)
