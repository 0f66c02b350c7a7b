/**
 * The command tree, and how a command's end becomes an exit code and at most one line on stderr.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PolicyCannotRun } from "@wmo/control"
import { KernFs, KernFsError } from "@wmo/core"
import { Cause, Effect, Exit, Fiber } from "effect"
import { CliError, Command } from "effect/cli"
import { setTimeout as sleep } from "node:timers/promises"
import { agent } from "./commands/agent.ts"
import { arena } from "./commands/arena.ts"
import { capture } from "./commands/capture.ts"
import { explain as explainGroup, pause, reload, resume, set, status } from "./commands/daemon.ts"
import { demo } from "./commands/demo.ts"
import { doctor } from "./commands/doctor.ts"
import { heatmap } from "./commands/heatmap.ts"
import { lab } from "./commands/lab.ts"
import { policy } from "./commands/policy.ts"
import { record } from "./commands/record.ts"
import { recording } from "./commands/recording.ts"
import { replay } from "./commands/replay.ts"
import { run } from "./commands/run.ts"
import { sim } from "./commands/sim.ts"
import { top } from "./commands/top.ts"
import { vm } from "./commands/vm.ts"
import { workload } from "./commands/workload.ts"
import { ExitCode, ExitWith, Failure } from "./Exit.ts"
import { surviveClosedStreams, taken } from "./output.ts"
import { presenter } from "./Presenter.ts"
import { recoverFromCrash } from "./recovery.ts"
import { connectSignals, lastSignal } from "./Signals.ts"
import { version } from "./version.ts"
import { standWhereTheUserStands } from "./workingDirectory.ts"

const wmo = Command.make("wmo").pipe(
  Command.withDescription("Finds the memory that Linux workloads hold but do not use, and gives it back within a slowdown you allow."),
  Command.withSubcommands([
    demo,
    doctor,
    run,
    agent,
    heatmap,
    top,
    status,
    explainGroup,
    pause,
    resume,
    reload,
    set,
    policy,
    record,
    recording,
    replay,
    sim,
    arena,
    lab,
    workload,
    vm,
    capture
  ])
)

/** Whether it is this machine that cannot do what was asked. */
const isUnsupported = (error: unknown): boolean =>
  error instanceof PolicyCannotRun ||
  (error instanceof KernFsError && (error.reason._tag === "ReadOnly" || error.reason._tag === "NotSupported"))

/** One line and an exit code for whatever a command failed with. */
const explain = (error: unknown): { readonly code: number; readonly line: string | undefined } => {
  if (error instanceof ExitWith) return { code: error.code, line: undefined }
  if (error instanceof Failure) return { code: error.exitCode, line: error.message }
  if (CliError.isCliError(error)) return { code: ExitCode.usage, line: error._tag === "ShowHelp" ? undefined : error.message }
  if (isUnsupported(error)) return { code: ExitCode.unsupported, line: (error as Error).message }
  return { code: ExitCode.failed, line: error instanceof Error ? error.message : String(error) }
}

/** Exit code and last line of a command that ended in this way. */
export const endOf = (exit: Exit.Exit<void, unknown>): { readonly code: number; readonly line: string | undefined } => {
  if (Exit.isSuccess(exit)) return { code: 0, line: undefined }
  if (Cause.hasInterruptsOnly(exit.cause))
    return { code: ExitCode.interrupted, line: lastSignal() === undefined ? "interrupted" : undefined }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return explain(failure.error)
  return { code: ExitCode.failed, line: `this is a bug in wmo, please report it:\n${Cause.pretty(exit.cause)}` }
}

/** Undoes what a crash left behind, then runs the command line. The kernel is a parameter, so that tests bring their own. */
export const runCli = (args: ReadonlyArray<string>) =>
  Effect.andThen(recoverFromCrash, Command.runWith(wmo, { version })(args)).pipe(Effect.provide([NodeServices.layer, presenter]))

/** After a signal: for a reader to take what is still to be said. */
const lastWordsMs = 1000

/** Runs the command line on this machine's kernel and ends the process. */
export const main = async (args: ReadonlyArray<string>): Promise<void> => {
  standWhereTheUserStands()
  surviveClosedStreams(ExitCode.failed)
  // Before the fork, which works until it first waits: a signal in that time is handled once there is a fiber to interrupt.
  let isOver = false
  connectSignals(() => (isOver ? process.exit(ExitCode.interrupted) : fiber.interruptUnsafe()))
  const fiber = Effect.runFork(Effect.provide(runCli(args), KernFs.layer))
  const { code, line } = endOf(await Effect.runPromise(Fiber.await(fiber)))
  isOver = true
  if (line !== undefined) console.error(`wmo: ${line}`)
  // Who wants it to end does not wait for a reader that has stopped reading.
  await (lastSignal() === undefined ? taken() : Promise.race([taken(), sleep(lastWordsMs)]))
  process.exit(code === 0 ? process.exitCode : code)
}
