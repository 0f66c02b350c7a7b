/** What `wmo run` does. */
import { Cgroups } from "@wmo/core"
import { findCommand, makeGroup, runSession, startWorkload, type WorkloadProcess } from "@wmo/control"
import { Effect } from "effect"
import type { RunFlags } from "../commands/run.ts"
import { withAgeSource } from "../ageSource.ts"
import { ExitWith } from "../Exit.ts"
import { onThisMachine } from "../live.ts"
import { recorded, sessionOptions } from "../loopOptions.ts"
import { printNotes } from "../notes.ts"
import { handleSignals, isForeground, type Signal } from "../Signals.ts"

/**
 * The first signal goes to the command, unless the terminal has delivered it already; the second one kills it. Either way the run ends
 * with the command, and is summed up and restored as always.
 */
const passOn = (process_: WorkloadProcess, cgroups: Cgroups["Service"]) => {
  let signals = 0
  return (signal: Signal): void => {
    signals++
    const deliveredByTerminal = signal === "SIGINT" && isForeground()
    if (signals > 1) Effect.runFork(Effect.ignore(cgroups.kill(process_.group)))
    else if (!deliveredByTerminal) Effect.runFork(process_.signal(signal))
  }
}

export const run = Effect.fn("wmo run")(function* (flags: RunFlags) {
  const command = flags.command
  const plain = yield* sessionOptions(flags, flags.group, command.join(" "))
  yield* findCommand(command[0]!)
  const { exitCode } = yield* onThisMachine(
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      const options = yield* withAgeSource(flags, plain)
      yield* makeGroup(flags.group)
      yield* printNotes(options)
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
