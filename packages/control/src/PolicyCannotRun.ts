/** The kernel lacks what a policy needs, in one line that says what, and where to look. */
import { Data } from "effect"

export class PolicyCannotRun extends Data.TaggedError("PolicyCannotRun")<{
  readonly policy: string
  readonly missing: ReadonlyArray<string>
}> {
  override get message(): string {
    return `policy ${this.policy} cannot run here: ${this.missing.join("; ")}; see \`wmo doctor\``
  }
}
