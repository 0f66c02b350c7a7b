/**
 * What is wrong with a configuration: all of it at once, each problem one line that says where, what, and what to do.
 * Does not find anything wrong itself.
 */
import { Data } from "effect"

export interface ConfigProblem {
  /** From 1 on. */
  readonly line: number
  readonly column: number
  /** What is wrong and what to do, without a line break. */
  readonly what: string
}

/** The configuration was not taken: nothing of it is in force. */
export class ConfigRejected extends Data.TaggedError("ConfigRejected")<{
  readonly file: string
  readonly problems: ReadonlyArray<ConfigProblem>
}> {
  /** `FILE:LINE:COLUMN: what`, one a problem, in the order of the file. */
  get lines(): ReadonlyArray<string> {
    return this.problems
      .toSorted((a, b) => a.line - b.line || a.column - b.column)
      .map(({ column, line, what }) => `${this.file}:${line}:${column}: ${what}`)
  }

  override get message(): string {
    return this.lines.join("\n")
  }
}
