/**
 * How a command ends. Codes: 0 done, 1 failed, 2 usage, 3 not supported here, 130 interrupted.
 * `Failure` prints one line on stderr; `ExitWith` prints nothing and passes on a child's exit code.
 */
import { Data } from "effect"

export const ExitCode = { failed: 1, usage: 2, unsupported: 3, interrupted: 130 } as const

/** One line for a person: what was wrong, where, what to do. */
export class Failure extends Data.TaggedError("Failure")<{
  readonly message: string
  readonly exitCode: (typeof ExitCode)[keyof typeof ExitCode]
}> {}

/** What was typed cannot be done: exit code 2. */
export const usageError = (message: string): Failure => new Failure({ message, exitCode: ExitCode.usage })

/** This machine cannot do it: exit code 3. */
export const unsupported = (message: string): Failure => new Failure({ message, exitCode: ExitCode.unsupported })

/** End with this exit code, silently: everything worth saying has been said. */
export class ExitWith extends Data.TaggedError("ExitWith")<{ readonly code: number }> {}
