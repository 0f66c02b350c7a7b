/**
 * One recorded run of the loop: starts the record, runs the loop until its end comes, closes the record with how it ended.
 * Used alike by the command line (real kernel), the demo and the lab (simulator).
 */
import { Cgroups, Journal, type JournalFailure, type KernelError, type KernFs, Machine, type Mglru, type WorkingSet } from "@wmo/core"
import type { GroupGone } from "@wmo/monitors"
import { encodeSettings, none } from "@wmo/policies"
import { Recorder, type RecordingError, type WorkloadResult } from "@wmo/recording"
import { Clock, Effect, type Scope } from "effect"
import { type LoopEnded, type LoopOptions, makeLoop } from "./Loop.ts"
import type { PolicyCannotRun } from "./PolicyCannotRun.ts"

/** How a session ends, when it does not fail. */
export interface SessionEnd {
  readonly exitCode?: number | undefined
  readonly result?: WorkloadResult | undefined
}

export interface SessionOptions extends LoopOptions {
  /** What tables call this run. */
  readonly label: string
  readonly clock: "real" | "simulated"
  readonly command?: string | undefined
}

/**
 * Runs the loop until `until` succeeds; without one, until it ends by itself. If the loop ends first (the group went away, a file cannot be read, the disk is full), the record
 * is closed all the same and the error passed on.
 */
export const runSession: <E = never, R = never>(
  options: SessionOptions,
  until?: Effect.Effect<SessionEnd, E, R>
) => Effect.Effect<
  SessionEnd,
  E | GroupGone | JournalFailure | KernelError | LoopEnded | PolicyCannotRun | RecordingError,
  R | Cgroups | Journal | KernFs | Machine | Mglru | Recorder | Scope.Scope | WorkingSet
> = Effect.fnUntraced(function* (options, until) {
  const recorder = yield* Recorder
  const machine = yield* Machine
  const cgroups = yield* Cgroups
  // One policy a group: two would undo each other's work. Looking on disturbs nobody.
  if (options.policy.name !== none.name && !options.dryRun) yield* (yield* Journal).claim(cgroups.path(options.group))
  const loop = yield* makeLoop(options)
  const run = yield* recorder.start({
    label: options.label,
    group: options.group,
    policy: options.policy.name,
    settings: encodeSettings(options.policy.settings, options.settings),
    kernel: yield* machine.release,
    clock: options.clock,
    command: options.command,
    everyMs: options.everyMs,
    dryRun: options.dryRun,
    startedMs: yield* Clock.currentTimeMillis
  })
  const close = (end: SessionEnd) =>
    Effect.flatMap(Clock.currentTimeMillis, (endedMs) => run.end({ endedMs, missedTicks: loop.missedTicks(), ...end }))
  // A fiber for each side of a race is much where there are a thousand groups.
  return yield* (until === undefined ? loop.run(run) : Effect.raceFirst(until, loop.run(run))).pipe(
    Effect.tap(close),
    Effect.tapError(() => Effect.ignore(close({}))),
    Effect.onInterrupt(() => Effect.ignore(close({})))
  )
})
