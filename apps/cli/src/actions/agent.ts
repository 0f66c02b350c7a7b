/** What `wmo agent` does. */
import { Cgroups } from "@wmo/core"
import { runSession, type SessionEnd } from "@wmo/control"
import { GroupGone } from "@wmo/monitors"
import { Deferred, Effect } from "effect"
import type { AgentFlags } from "../commands/agent.ts"
import { withAgeSource } from "../ageSource.ts"
import { ExitCode, ExitWith } from "../Exit.ts"
import { onThisMachine } from "../live.ts"
import { recorded, sessionOptions } from "../loopOptions.ts"
import { printNotes } from "../notes.ts"
import { handleSignals } from "../Signals.ts"

export const agent = Effect.fn("wmo agent")(function* (flags: AgentFlags) {
  const plain = yield* sessionOptions(flags, flags.group, undefined)
  const interrupted = yield* onThisMachine(
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      if (!(yield* cgroups.exists(flags.group))) return yield* new GroupGone({ group: flags.group })
      const options = yield* withAgeSource(flags, plain)
      yield* printNotes(options)
      const stop = yield* Deferred.make<boolean>()
      yield* handleSignals(() => Deferred.doneUnsafe(stop, Effect.succeed(true)))
      const waited = flags.duration === Infinity ? Effect.never : Effect.as(Effect.sleep(flags.duration), false)
      let wasInterrupted = false
      const until = Effect.raceFirst(Deferred.await(stop), waited).pipe(
        Effect.map((value): SessionEnd => {
          wasInterrupted = value
          return {}
        })
      )
      yield* recorded(flags, runSession(options, until))
      return wasInterrupted
    })
  )
  if (interrupted) return yield* new ExitWith({ code: ExitCode.interrupted })
})
