/** Without swap the kernel cannot reclaim anonymous memory: said once, before a policy wonders why it saves so little. */
import { Cgroups, Machine, Memcg } from "@wmo/core"
import type { AnyPolicy } from "@wmo/policies"
import { Console, Effect } from "effect"

const note = (why: string) => Console.error(`wmo: note: ${why}: anonymous memory cannot be reclaimed, only file pages; see \`wmo doctor\``)

export const noteSwap = Effect.fnUntraced(function* (group: string, policy: AnyPolicy) {
  if (policy.needs.length === 0) return
  const machine = yield* Machine
  const cgroups = yield* Cgroups
  const info = yield* Effect.orElseSucceed(machine.memInfo, (): Readonly<Record<string, number>> => ({}))
  if (info["SwapTotal"] === 0) return yield* note("there is no swap here")
  const limit = yield* Effect.orElseSucceed(cgroups.readOptional(group, Memcg.memorySwapMax), () => undefined)
  if (limit === 0) yield* note(`memory.swap.max of ${group} is 0`)
})
