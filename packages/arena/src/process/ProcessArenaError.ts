/** Why a process cannot be watched or advised, in a line: what, where, what to do. */
import { Data } from "effect"

export class ProcessArenaError extends Data.TaggedError("ProcessArenaError")<{
  /** `unsupported`: this machine lacks something; `gone`: no such process; `refused`: it is not to be touched. */
  readonly why: "unsupported" | "gone" | "refused"
  readonly message: string
}> {}
