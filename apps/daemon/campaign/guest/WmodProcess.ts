/**
 * The bundled wmod as a process, its directories, and what it left behind. The bundles, since a start from the sources takes many seconds under emulation.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const bundle = join(import.meta.dirname, "../../dist/wmod.js")
const collectOnSignal = ["--expose-gc", "--import", join(import.meta.dirname, "collectOnSignal.mjs")]
/** Garbage is collected within this time, under emulation too. */
const collectingMs = 2000

/** Where a wmod keeps its things, all below one directory. */
export interface Places {
  readonly state: string
  readonly recordings: string
  readonly config: string
  readonly socket: string
}

export const placesIn = (directory: string): Places => {
  mkdirSync(directory, { recursive: true })
  const state = join(directory, "state")
  return { state, recordings: join(directory, "recordings"), config: join(directory, "wmod.yaml"), socket: join(state, "wmod.sock") }
}

export const journalsIn = (state: string): ReadonlyArray<string> =>
  existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".jsonl")) : []

export class WmodProcess {
  readonly child: ChildProcess
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  hasEnded = false
  private output = ""
  private readonly places: Places

  /** `isCollectable`: `heldBytes` may be asked for. */
  constructor(places: Places, isCollectable = false) {
    this.places = places
    this.child = spawn(process.execPath, [...(isCollectable ? collectOnSignal : []), bundle, "--config", places.config], {
      env: { ...process.env, WMO_STATE_DIR: places.state },
      stdio: ["ignore", "ignore", "pipe"]
    })
    this.child.stderr!.on("data", (chunk: Buffer) => (this.output += chunk.toString()))
    this.ended = new Promise((resolve) =>
      this.child.on("close", (code, signal) => {
        this.hasEnded = true
        resolve(code ?? signal ?? 1)
      })
    )
  }

  get pid(): number {
    return this.child.pid!
  }

  get log(): string {
    return this.output
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.hasEnded) this.child.kill(signal)
  }

  /** Waits until it says that it looks after groups; false where it ended before, or took longer than a minute. */
  async isUp(): Promise<boolean> {
    for (let i = 0; i < 600 && !this.hasEnded; i++) {
      if (this.output.includes("looks after groups")) return true
      await sleep(100)
    }
    return false
  }

  /** Ends it in order; says how it ended. What does not end within a minute is killed, which shows. */
  async end(): Promise<number | NodeJS.Signals> {
    this.signal("SIGTERM")
    const timer = setTimeout(() => this.signal("SIGKILL"), 60_000)
    const how = await this.ended
    clearTimeout(timer)
    return how
  }

  /** Whether somebody accepts a connection at its socket. */
  isListening(): Promise<boolean> {
    return new Promise((resolve) => {
      const connection = connect(this.places.socket)
      connection.once("connect", () => {
        connection.destroy()
        resolve(true)
      })
      connection.once("error", () => resolve(false))
    })
  }

  /** Resident memory after all garbage has been collected, in bytes. */
  async heldBytes(): Promise<number> {
    this.signal("SIGUSR2")
    await sleep(collectingMs)
    return this.usage().rssBytes
  }

  /** Resident memory in bytes, open descriptors, and CPU time in seconds. */
  usage(): { readonly rssBytes: number; readonly descriptors: number; readonly cpuSeconds: number } {
    const proc = `/proc/${this.pid}`
    const pages = Number(readFileSync(`${proc}/statm`, "utf8").split(" ")[1])
    const stat = readFileSync(`${proc}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const ticks = Number(fields[11]) + Number(fields[12])
    return { rssBytes: pages * 4096, descriptors: readdirSync(`${proc}/fd`).length, cpuSeconds: ticks / 100 }
  }
}
