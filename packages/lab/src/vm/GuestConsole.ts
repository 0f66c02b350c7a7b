/**
 * Reads the guest's serial console for what went wrong: the last lines, a panic, the OOM killer, the guest's own complaint.
 * Text in, findings out. Formats: kernel/panic.c, mm/oom_kill.c (`Out of memory: Killed process PID (NAME)`).
 */
import { failPrefix } from "./GuestProtocol.ts"

const keptBytes = 256 * 1024
const escapes = /\x1b(?:\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[a-zA-Z=>])/g

/** A process that the kernel killed because the whole guest was out of memory (not because of a cgroup's limit). */
export interface OomKill {
  readonly pid: number
  readonly name: string
}

export class GuestConsole {
  #text = ""

  push(piece: Buffer): void {
    this.#text = (this.#text + piece.toString("latin1")).slice(-keptBytes)
  }

  /** Lines without terminal escapes, blank ones left out. */
  lines(): ReadonlyArray<string> {
    return this.#text
      .replace(escapes, "")
      .split(/[\r\n]+/)
      .map((line) => line.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "").trimEnd())
      .filter((line) => line !== "")
  }

  tail(count = 8): ReadonlyArray<string> {
    return this.lines().slice(-count)
  }

  /** Why the guest itself gave up before the command ran. */
  complaint(): string | undefined {
    const line = this.lines().findLast((line) => line.includes(failPrefix))
    return line?.slice(line.indexOf(failPrefix) + failPrefix.length)
  }

  /** What the kernel said after `Kernel panic - not syncing:`. */
  panic(): string | undefined {
    for (const line of this.lines()) {
      const match = /Kernel panic - not syncing: (.*)$/.exec(line)
      if (match !== null) return match[1]
    }
    return undefined
  }

  /** The console from the panic on: more telling than its very end, which is registers. */
  panicLines(): ReadonlyArray<string> {
    const lines = this.lines()
    const at = lines.findIndex((line) => /Kernel panic - not syncing|BUG:|Oops:|sysrq: Trigger a crash/.test(line))
    return at < 0 ? this.tail() : lines.slice(at, at + 8)
  }

  /** The last process that the guest's OOM killer ended for want of memory in the whole guest. */
  oomKill(): OomKill | undefined {
    const line = this.lines().findLast((line) => /\bOut of memory(?: \(oom_kill_allocating_task\))?: Killed process/.test(line))
    const match = line === undefined ? null : /Killed process (\d+) \((.*?)\)(?: |,|$)/.exec(line)
    if (match === null) return undefined
    // Node calls its main thread so, and the kernel knows threads only.
    return { pid: Number(match[1]), name: match[2] === "MainThread" ? "node" : match[2]! }
  }
}
