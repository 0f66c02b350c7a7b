/** Runs a wmod until a signal ends it: SIGTERM and SIGINT end, SIGHUP reloads. From the start on: one that comes while things are set up ends them in order. */
import { type Daemon, type DaemonOptions, runDaemon } from "@wmo/daemon"
import { Deferred, Effect } from "effect"
import { onStrayErrors, type StrayError } from "./strayErrors.ts"

const onSignals = (end: () => void, reload: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      process.on("SIGTERM", end).on("SIGINT", end).on("SIGHUP", reload)
    }),
    () => Effect.sync(() => void process.off("SIGTERM", end).off("SIGINT", end).off("SIGHUP", reload))
  )

/** `ready`: done when it is up, before the wait. Its scope closes when everything is about to be put back. */
export const runUntilSignalled = <E, R>(options: DaemonOptions, ready: (daemon: Daemon) => Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<void, StrayError>()
    const context = yield* Effect.context<never>()
    let reload: Effect.Effect<void> = Effect.void
    yield* onStrayErrors(
      (error) => Deferred.doneUnsafe(ended, Effect.fail(error)),
      (line) => void Effect.runForkWith(context)(Effect.logWarning(line))
    )
    yield* onSignals(
      () => Deferred.doneUnsafe(ended, Effect.void),
      () => void Effect.runForkWith(context)(reload)
    )
    yield* runDaemon(options, (daemon) =>
      Effect.gen(function* () {
        reload = daemon.reload
        yield* ready(daemon)
        yield* Deferred.await(ended)
        yield* Effect.logInfo("ending: everything is put back")
      }).pipe(Effect.scoped)
    )
  }).pipe(Effect.scoped)
