/** A terminal that is not there: keys go in as bytes, and what is on its screen is what a real emulator (xterm.js) makes of the output. */
import xterm from "@xterm/headless"
import { PassThrough, Writable } from "node:stream"
import type { TerminalShape } from "../src/tui/Terminal.ts"

const sequences: Readonly<Record<string, string>> = {
  up: "\x1b[A",
  down: "\x1b[B",
  right: "\x1b[C",
  left: "\x1b[D",
  pageup: "\x1b[5~",
  pagedown: "\x1b[6~",
  home: "\x1b[H",
  end: "\x1b[F",
  enter: "\r",
  esc: "\x1b",
  tab: "\t",
  space: " ",
  backspace: "\x7f",
  "ctrl+c": "\x03"
}

export class FakeTerminal {
  isRaw = false
  /** All that was written, escape sequences included. */
  output = ""
  private readonly emulator: InstanceType<typeof xterm.Terminal>
  private readonly stdin = new PassThrough()
  private readonly stdout: Writable & { columns?: number; rows?: number }

  constructor(columns = 80, rows = 24) {
    this.emulator = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true })
    this.stdout = new Writable({
      write: (chunk, _encoding, done) => {
        this.output += String(chunk)
        this.emulator.write(chunk, done)
      }
    })
    Object.assign(this.stdout, { isTTY: true, columns, rows })
    Object.assign(this.stdin, {
      isTTY: true,
      setRawMode: (isRaw: boolean) => {
        this.isRaw = isRaw
      },
      ref: () => undefined,
      unref: () => undefined
    })
  }

  /** For `Effect.provideService(Terminal, …)`. */
  shape(isColored = false): TerminalShape {
    return { stdin: this.stdin as any, stdout: this.stdout as any, isColored }
  }

  get isOnAlternateScreen(): boolean {
    return this.emulator.buffer.active.type === "alternate"
  }

  /** Presses keys: names of `keys.ts`, or the characters of a text one by one. */
  press(...keys: ReadonlyArray<string>): void {
    for (const key of keys) this.stdin.write(sequences[key] ?? key)
  }

  resize(columns: number, rows: number): void {
    this.emulator.resize(columns, rows)
    Object.assign(this.stdout, { columns, rows })
    this.stdout.emit("resize")
  }

  /** The lines on the screen, without the spaces at their ends. */
  lines(): ReadonlyArray<string> {
    const buffer = this.emulator.buffer.active
    return Array.from(
      { length: this.emulator.rows },
      (_, i) =>
        buffer
          .getLine(buffer.viewportY + i)
          ?.translateToString(true)
          .trimEnd() ?? ""
    )
  }

  /** The screen as text. */
  screen(): string {
    return this.lines().join("\n").trimEnd()
  }

  /** Waits until the screen is so: drawing is asynchronous. Throws with what is on it after five seconds. */
  async until(isSo: (screen: string) => boolean, what = String(isSo)): Promise<string> {
    for (let i = 0; i < 500; i++) {
      if (isSo(this.screen())) return this.screen()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error(`the screen never was so: ${what}\n${this.screen()}`)
  }
}
