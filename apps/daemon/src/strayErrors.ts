/**
 * Errors that nobody waits for, such as of timers and promises that a third party's policy has left behind. A promise is told of and survived; what was thrown
 * ends wmod, in order and with everything put back: nobody knows what it tore apart. A log that is not read any more is no error.
 */
import { Data, Effect, type Scope } from "effect"

export class StrayError extends Data.TaggedError("StrayError")<{ readonly message: string }> {}

const lineOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0]!

const ignore = (): void => undefined

/** Until the scope closes. */
export const onStrayErrors = (end: (error: StrayError) => void, tell: (line: string) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const thrown = (error: unknown) => end(new StrayError({ message: `something failed outside of a tick: ${lineOf(error)}` }))
        const rejected = (error: unknown) => tell(`a promise that nobody waits for failed: ${lineOf(error)}`)
        process.on("uncaughtException", thrown).on("unhandledRejection", rejected)
        process.stderr.on("error", ignore)
        return { thrown, rejected }
      }),
      ({ rejected, thrown }) =>
        Effect.sync(() => {
          process.off("uncaughtException", thrown).off("unhandledRejection", rejected)
          process.stderr.off("error", ignore)
        })
    )
  )
