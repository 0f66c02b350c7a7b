/** `wmo run`: a command in a cgroup of its own, watched and, if a policy is named, trimmed; everything restored at the end. */
import { Cgroups } from "@wmo/core"
import { findCommand, makeGroup, runSession, startWorkload, type WorkloadProcess } from "@wmo/control"
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ExitWith } from "../Exit.ts"
import { loopFlags, time } from "../flags.ts"
import { onThisMachine } from "../live.ts"
import { recorded, sessionOptions } from "../loopOptions.ts"
import { handleSignals, type Signal } from "../Signals.ts"

/**
 * The first signal goes to the command, unless the terminal has delivered it already; the second one kills it. Either way the run ends
 * with the command, and is summed up and restored as always.
 */
const passOn = (process_: WorkloadProcess, cgroups: Cgroups["Service"]) => {
  let signals = 0
  return (signal: Signal): void => {
    signals++
    const deliveredByTerminal = signal === "SIGINT" && process.stdin.isTTY
    if (signals > 1) Effect.runFork(Effect.ignore(cgroups.kill(process_.group)))
    else if (!deliveredByTerminal) Effect.runFork(process_.signal(signal))
  }
}

export const run = Command.make(
  "run",
  {
    ...loopFlags,
    warmup: time("warmup").pipe(Flag.withDefault(0), Flag.withDescription("let the command run this long before the policy starts")),
    group: Flag.String("group").pipe(
      Flag.withDefault(`wmo/run-${process.pid}`),
      Flag.withMetavar("CGROUP"),
      Flag.withDescription("the new cgroup to run in (default wmo/run-PID)")
    ),
    command: Argument.String("command").pipe(
      Argument.variadic({ min: 1 }),
      Argument.withDescription("the command and its arguments, after --")
    )
  },
  Effect.fn("wmo run")(function* (flags) {
    const command = flags.command
    const options = yield* sessionOptions(flags, flags.group, command.join(" "))
    yield* findCommand(command[0]!)
    const { exitCode } = yield* onThisMachine(
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(flags.group)
        const untilDone = Effect.gen(function* () {
          const workload = yield* startWorkload({ group: flags.group, command })
          yield* handleSignals(passOn(workload, cgroups))
          const exitCode = yield* workload.exitCode
          return { exitCode, result: yield* workload.result }
        })
        return yield* recorded(flags, runSession(options, untilDone))
      })
    )
    if (exitCode !== undefined && exitCode !== 0) return yield* new ExitWith({ code: exitCode })
  })
).pipe(
  Command.withDescription("Run a command in its own cgroup under a policy, and sum up what it used."),
  Command.withExamples([
    { command: "wmo run -- make -j4", description: "watch a build" },
    { command: "wmo run --policy periodic --set cold_age=30s --record build.wmo -- make -j4", description: "reclaim what is idle for 30 s" }
  ])
)
