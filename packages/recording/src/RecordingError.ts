/** A recording that cannot be written or read, in one line. */
import { Data } from "effect"

export class RecordingError extends Data.TaggedError("RecordingError")<{
  readonly file: string
  readonly operation: "create" | "write" | "open" | "read" | "import"
  readonly problem: string
}> {
  override get message(): string {
    return `cannot ${this.operation} ${this.operation === "import" ? "" : "recording "}${this.file}: ${this.problem}`
  }
}
