/**
 * A real terminal for tests: a shell in tmux, on a server of its own that ends with the test. Where there is no tmux, `hasTmux` is false
 * and tests say that they are skipped.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"

export const hasTmux = spawnSync("tmux", ["-V"]).status === 0

export class Tmux {
  private readonly socket = `wmo-test-${process.pid}-${randomUUID().slice(0, 8)}`

  /** A shell in a terminal of this size; `env` is what it has beside a bare minimum. */
  constructor(columns = 80, rows = 24, env: Readonly<Record<string, string>> = {}) {
    const variables = Object.entries({ PS1: "$ ", HISTFILE: "/dev/null", ...env }).flatMap(([name, value]) => ["-e", `${name}=${value}`])
    this.tmux("new-session", "-d", "-x", String(columns), "-y", String(rows), ...variables, "sh")
  }

  private tmux(...args: ReadonlyArray<string>): string {
    return execFileSync("tmux", ["-L", this.socket, "-f", "/dev/null", ...args], {
      encoding: "utf8",
      // Neither NO_COLOR nor CI, which whoever runs the tests may have set.
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], TERM: "xterm-256color", LC_ALL: "C.UTF-8" }
    })
  }

  /** Keys by tmux's names (`Enter`, `Up`, `C-c`), or texts. */
  keys(...keys: ReadonlyArray<string>): void {
    this.tmux("send-keys", ...keys)
  }

  /** Types a command and enter. */
  type(command: string): void {
    this.tmux("send-keys", "-l", command)
    this.keys("Enter")
  }

  resize(columns: number, rows: number): void {
    this.tmux("resize-window", "-x", String(columns), "-y", String(rows))
  }

  /** What is on the screen; with `styles` its escape sequences too. */
  screen(options: { readonly styles?: boolean } = {}): string {
    return this.tmux("capture-pane", "-p", ...(options.styles === true ? ["-e"] : [])).trimEnd()
  }

  isOnAlternateScreen(): boolean {
    return this.tmux("display-message", "-p", "#{alternate_on}").trim() === "1"
  }

  isCursorShown(): boolean {
    return this.tmux("display-message", "-p", "#{cursor_flag}").trim() === "1"
  }

  /** The process that the shell runs, whose command line has this text. */
  childOf(text: string): number {
    const shell = this.tmux("display-message", "-p", "#{pane_pid}").trim()
    const children = readFileSync(`/proc/${shell}/task/${shell}/children`, "utf8").trim().split(" ").map(Number)
    const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text))
    if (found === undefined) throw new Error(`the shell runs nothing with ${text}`)
    return found
  }

  /** Waits until the screen is so; throws with what is on it after half a minute: a start is slow on a busy machine. */
  async until(isSo: (screen: string) => boolean, what: string): Promise<string> {
    for (let i = 0; i < 300; i++) {
      const screen = this.screen()
      if (isSo(screen)) return screen
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`the screen never was so: ${what}\n${this.screen()}`)
  }

  close(): void {
    spawnSync("tmux", ["-L", this.socket, "kill-server"])
  }
}
