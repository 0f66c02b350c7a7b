/**
 * Decisions as JSON lines in a file, each written when it is made: what `ControllerOptions.recordTo` names. Appends; what a disk that is full
 * does not take is lost, and said once at the end.
 */
import { Effect, type Scope } from "effect"
import { createWriteStream, openSync } from "node:fs"
import { ArenaError } from "../ArenaError.ts"
import type { Decision } from "./Decision.ts"

/** Fails with `ArenaError` (`BadOption`) where the file cannot be written. The file is complete when the scope ends. */
export const openDecisionFile = (path: string): Effect.Effect<(decision: Decision) => void, ArenaError, Scope.Scope> =>
  Effect.gen(function* () {
    const fd = yield* Effect.try({
      try: () => openSync(path, "a"),
      catch: (problem) => {
        const why = problem instanceof Error && "code" in problem ? String(problem.code) : String(problem)
        return new ArenaError({ reason: { _tag: "BadOption", option: "recordTo", why: `${path} cannot be written (${why})` } })
      }
    })
    let failure: Error | undefined
    const stream = createWriteStream(path, { fd })
    stream.on("error", (problem) => (failure ??= problem))
    const close = Effect.callback<void>((resume) => {
      if (stream.destroyed) return resume(Effect.void)
      stream.once("close", () => resume(Effect.void))
      stream.end()
    })
    const end = Effect.flatMap(close, () => (failure === undefined ? Effect.void : Effect.logWarning(`${path}: ${failure.message}`)))
    yield* Effect.addFinalizer(() => end)
    return (decision) => {
      if (failure === undefined) stream.write(`${JSON.stringify(decision)}\n`)
    }
  })
