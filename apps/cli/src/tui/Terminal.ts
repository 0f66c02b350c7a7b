/**
 * The terminal that a live view is shown in: this process's, or what a test brings. `isColored` follows `NO_COLOR` (no-color.org) and
 * `TERM=dumb`.
 */
import { Context } from "effect"

export interface Size {
  readonly columns: number
  readonly rows: number
}

export interface TerminalShape {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly isColored: boolean
}

/** Whether both ends are a terminal: a view needs keys as well as a screen. */
export const isTerminal = ({ stdin, stdout }: TerminalShape): boolean => stdin.isTTY === true && stdout.isTTY === true

export const Terminal: Context.Reference<TerminalShape> = Context.Reference<TerminalShape>("@wmo/cli/Terminal", {
  defaultValue: () => ({
    stdin: process.stdin,
    stdout: process.stdout,
    isColored: !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb"
  })
})
