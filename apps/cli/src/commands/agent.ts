/** `wmo agent`: a policy on a cgroup that exists, until interrupted; limits that it set are put back. */
import { Cgroups } from "@wmo/core"
import { runSession, type SessionEnd } from "@wmo/control"
import { GroupGone } from "@wmo/monitors"
import { Deferred, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ExitCode, ExitWith } from "../Exit.ts"
import { loopFlags, time } from "../flags.ts"
import { onThisMachine } from "../live.ts"
import { recorded, sessionOptions } from "../loopOptions.ts"
import { handleSignals } from "../Signals.ts"

export const agent = Command.make(
  "agent",
  {
    ...loopFlags,
    warmup: time("warmup").pipe(Flag.withDefault(0), Flag.withDescription("observe this long before the policy starts")),
    duration: time("for").pipe(Flag.withDefault(Infinity), Flag.withDescription("end after this long (default: when interrupted)")),
    group: Argument.String("cgroup").pipe(Argument.withDescription("the group, as a path below the cgroup mount or in full"))
  },
  Effect.fn("wmo agent")(function* (flags) {
    const options = yield* sessionOptions(flags, flags.group, undefined)
    const interrupted = yield* onThisMachine(
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        if (!(yield* cgroups.exists(flags.group))) return yield* new GroupGone({ group: flags.group })
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
).pipe(
  Command.withDescription("Run a policy on an existing cgroup until interrupted."),
  Command.withExamples([
    { command: "wmo agent system.slice/redis.service --policy senpai --dry-run", description: "see what senpai would do" }
  ])
)
