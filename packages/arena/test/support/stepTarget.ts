/** Drives `fixtures/stepTarget.pl`: a process that touches its memory when it is told to. */
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const program = join(import.meta.dirname, "../fixtures/stepTarget.pl")
const patienceMs = 30_000

export interface Step {
  readonly wrong: number
  readonly major: number
}

export class StepTarget {
  readonly child: ChildProcess = spawn("perl", [program], { stdio: ["pipe", "pipe", "inherit"] })
  #lines: Array<string> = []
  #rest = ""

  constructor() {
    this.child.stdout!.on("data", (chunk) => {
      const parts = (this.#rest + String(chunk)).split("\n")
      this.#rest = parts.pop()!
      this.#lines.push(...parts)
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  get swappedBytes(): number {
    return 1024 * Number(/^VmSwap:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1] ?? 0)
  }

  /** Its next line. */
  async line(): Promise<string> {
    await until("the target says something", () => this.#lines.length > 0)
    return this.#lines.shift()!
  }

  async step(what: "touch" | "fork"): Promise<Step> {
    this.child.stdin!.write(`${what}\n`)
    return JSON.parse(await this.line()) as Step
  }
}

/** Waits for something that happens when it does; there is no other sign of it. */
export const until = async (what: string, isTrue: () => boolean): Promise<void> => {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 50) {
    if (isTrue()) return
    await sleep(50)
  }
  throw new Error(`this did not happen within half a minute: ${what}`)
}
