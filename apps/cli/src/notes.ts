/** What keeps a policy from saving here, said once before it starts: no swap behind anonymous memory, a dry run that ages nothing. */
import { Cgroups, Machine, Memcg } from "@wmo/core"
import type { SessionOptions } from "@wmo/control"
import { Console, Effect } from "effect"

const noteSwap = (why: string) =>
  Console.error(`wmo: note: ${why}: anonymous memory cannot be reclaimed, only file pages; see \`wmo doctor\``)

export const printNotes = Effect.fnUntraced(function* ({ dryRun, group, policy }: SessionOptions) {
  if (policy.needs.length === 0) return
  if (dryRun && policy.needs.includes("page-age")) {
    yield* Console.error("wmo: note: a dry run does not age memory either: what nobody else has aged has no age, and is not found cold")
  }
  const machine = yield* Machine
  const cgroups = yield* Cgroups
  const info = yield* Effect.orElseSucceed(machine.memInfo, (): Readonly<Record<string, number>> => ({}))
  if (info["SwapTotal"] === 0) return yield* noteSwap("there is no swap here")
  const limit = yield* Effect.orElseSucceed(cgroups.readOptional(group, Memcg.memorySwapMax), () => undefined)
  if (limit === 0) yield* noteSwap(`memory.swap.max of ${group} is 0`)
})
