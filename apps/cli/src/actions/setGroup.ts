/** What `wmo set` does: tells wmod how to look after a group, and shows what came of it. */
import { Console, Effect, Option } from "effect"
import type { SetFlags } from "../commands/daemon.ts"
import { usageError } from "../Exit.ts"
import { ask, explanationHead } from "./daemon.ts"

/** `KEY=VALUE`s; fails at the first that is none. */
const settingsOf = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const settings: Record<string, string> = {}
  for (const word of words) {
    const at = word.indexOf("=")
    if (at < 1) return yield* usageError(`"${word}" is not KEY=VALUE`)
    settings[word.slice(0, at)] = word.slice(at + 1)
  }
  return settings
})

export const set = Effect.fn("wmo set")(function* (flags: SetFlags) {
  const settings = yield* settingsOf(flags.settings)
  const says = Object.keys(settings).length > 0 || Option.isSome(flags.policy) || Option.isSome(flags.for)
  if (flags.unset && says) return yield* usageError("--unset goes with nothing else")
  const { group } = flags
  const answer = yield* ask(flags, (client) =>
    flags.unset
      ? client.Unset({ group })
      : client.Set({
          group,
          settings,
          ...(Option.isSome(flags.policy) ? { policy: flags.policy.value } : {}),
          ...(Option.isSome(flags.for) ? { for_ms: flags.for.value } : {})
        })
  )
  yield* Console.log(flags.json ? JSON.stringify(answer, null, 2) : explanationHead(answer))
})
