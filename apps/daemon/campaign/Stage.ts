/**
 * A machine with a wmod on it, for one fault: the fake kernel with groups that live, virtual time, directories on disk, and a daemon that can be started,
 * told to end, killed as by `kill -9`, and started again. Everything is seeded. The daemon is the whole of `@wmo/daemon`, in this process.
 */
import { KernFs } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
import { type Daemon, runDaemon } from "@wmo/daemon"
import { connectDaemon, type DaemonClient, type DaemonStatus } from "@wmo/daemon/client"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Logger } from "effect"
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FaultyFs } from "./FaultyFs.ts"
import type { Seeded } from "./seeded.ts"
import { type KernelFiles, type Settings, settingsNow } from "./settings.ts"
import { settle, VirtualClock } from "./VirtualClock.ts"

const mib = 2 ** 20
const cgroupRoot = "/sys/fs/cgroup"
const encoder = new TextEncoder()

/** Groups at the start, and what is done about them; `idle` is picked by no rule. */
export const policyOf: Readonly<Record<string, string>> = { web: "senpai", db: "periodic", cache: "slo", batch: "prcl" }

const rules = `
  - { match: web*, policy: senpai, settings: { interval: 1s, min_size: 8M } }
  - { match: db*, policy: periodic, settings: { cold_age: 2s, interval: 2s } }
  - { match: cache*, policy: slo, settings: { least_age: 1s } }
  - { match: batch*, policy: prcl }`

/** One life of the daemon. */
interface Life {
  readonly fs: FaultyFs
  readonly ended: Deferred.Deferred<void>
  readonly fiber: Fiber.Fiber<void, unknown>
  daemon: Daemon | undefined
  exit: Exit.Exit<void, unknown> | undefined
}

export class Stage {
  readonly seeded: Seeded
  readonly clock: VirtualClock
  readonly kernel: FakeKernel
  readonly directory = mkdtempSync(join(tmpdir(), "wmo-fault-"))
  readonly log: Array<string> = []
  /** What went wrong that is no failure of the fault's own making. */
  readonly problems: Array<string> = []
  /** Recordings that a fault has spoilt: they need not open. */
  readonly spoilt = new Set<string>()
  restarts = 0
  private readonly logger = Logger.layer([
    Logger.make(({ logLevel, message }) => void this.log.push(`${logLevel} ${[message].flat().join(" ")}`))
  ])
  private readonly models = new Map<string, SimpleMemcg>()
  private before: Settings
  private life: Life | undefined
  private lives = 0

  constructor(seeded: Seeded) {
    this.seeded = seeded
    this.clock = new VirtualClock(Date.UTC(2026, 10, 21, seeded.whole(0, 23)))
    this.kernel = new FakeKernel({
      now: () => Number(this.clock.monotonicTimeNanosUnsafe() / 1_000_000n),
      memcg: (name, limits) => {
        const nodes = [
          { node: 0, generations: [3, 2, 1, 0].map((age, seq) => ({ seq, ageMs: age * 4000, anonPages: 6400, filePages: 0 })) }
        ]
        const model = makeSimpleMemcg({ current: 100 * mib, nodes }, limits)
        this.models.set(name, model)
        return model
      }
    })
    this.write("cgroup.subtree_control", "+memory")
    for (const group of [...Object.keys(policyOf), "idle"]) this.makeGroup(group)
    const { processes } = this.kernel
    this.kernel.cgroups.group("batch").processes.add(processes.add({ comm: "batch" }).pid)
    mkdirSync(this.place("."), { recursive: true })
    this.configure()
    this.before = this.settings()
  }

  /** A path of the daemon's own. */
  place(name: string): string {
    return join(this.directory, "now", name)
  }

  /** Writes the configuration: the usual one, more rules, and more keys. */
  configure({ keys = "", moreRules = "" }: { readonly keys?: string; readonly moreRules?: string } = {}): void {
    const server = keys.includes("server:") ? "" : "server: { http: off }\n"
    const text = `every: 1s\nemergency_stop: off\ndefaults: { floor: 8M }\nrecording: { directory: ${this.place("recordings")} }\n${server}${keys}\nrules:${rules}${moreRules}\n`
    writeFileSync(this.place("wmod.yaml"), text)
  }

  // ---- the machine

  get groups(): ReadonlyArray<string> {
    return [...this.kernel.cgroups.groups.keys()].filter((name) => name !== "")
  }

  /** A group as the machine's owner makes it. What it says then is what it must say at the end. */
  addGroup(group: string): void {
    this.makeGroup(group)
    const known = new Map(this.before)
    for (const [path, text] of this.settings()) if (path.startsWith(`${cgroupRoot}/${group}/`)) known.set(path, text)
    this.before = known
  }

  /** Ends its processes and removes it, as whoever owns it may at any moment. */
  removeGroup(group: string): void {
    const { groups } = this.kernel.cgroups
    if (!groups.has(group)) return
    for (const pid of groups.get(group)!.processes) {
      const found = this.kernel.processes.processes.get(pid)
      if (found !== undefined) this.kernel.processes.end(found)
    }
    groups.get(group)?.processes.clear()
    this.kernel.fs.rmdirSync(`${cgroupRoot}/${group}`)
    this.models.delete(group)
    this.before = new Map([...this.before].filter(([path]) => !path.startsWith(`${cgroupRoot}/${group}/`)))
  }

  /** Everything that wmod could have set. */
  settings(): Settings {
    const { fs } = this.kernel
    const files: KernelFiles = {
      text: (path) => fs.text(path),
      names: (directory) => fs.readdirSync(directory),
      mode: (path) => fs.statSync(path).mode
    }
    return new Map([...settingsNow(() => false, files)].filter(([key]) => key !== "groups"))
  }

  get settingsBefore(): Settings {
    return this.before
  }

  private makeGroup(group: string): void {
    this.kernel.fs.mkdirSync(`${cgroupRoot}/${group}`)
  }

  private write(file: string, text: string): void {
    const fd = this.kernel.fs.openSync(`${cgroupRoot}/${file}`, 1)
    this.kernel.fs.writeSync(fd, encoder.encode(text))
    this.kernel.fs.closeSync(fd)
  }

  /** Programs run: they fault back what was taken, stall a little, and their pages grow older. */
  private work(): void {
    for (const { limitsChanged, state } of this.models.values()) {
      const back = Math.min(state.swapCurrent, this.seeded.whole(0, 2) * mib)
      state.swapCurrent -= back
      state.current += back
      state.reclaimable += back
      state.pressureTotalUs += BigInt(this.seeded.whole(0, 2000))
      state.nodes = state.nodes.map(({ generations, node }) => ({
        node,
        generations: generations.map((generation) => ({ ...generation, ageMs: generation.ageMs + 1000 }))
      }))
      limitsChanged()
    }
  }

  // ---- time

  /** Virtual time goes by, with groups at work. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.work()
      await this.clock.advance(1000)
    }
  }

  /** Until it is so: first in no time, for what waits for real I/O, then in virtual time. False after too long. */
  async until(isTrue: () => boolean, seconds = 60): Promise<boolean> {
    const realMs = Date.now()
    while (!isTrue() && Date.now() - realMs < 100) await settle(1)
    const giveUpMs = Date.now() + 20_000
    for (let i = 0; !isTrue() && (i < seconds * 10 || Date.now() - realMs < 2000) && Date.now() < giveUpMs; i++) {
      await this.clock.advance(100)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return isTrue()
  }

  // ---- the daemon

  get fs(): FaultyFs {
    return this.life!.fs
  }

  get isUp(): boolean {
    return this.life?.daemon !== undefined && this.life.exit === undefined
  }

  get hasEnded(): boolean {
    return this.life === undefined || this.life.exit !== undefined
  }

  /** Begins a life; `arrange` comes before the daemon's first step. */
  begin(arrange: (fs: FaultyFs) => void = () => undefined): void {
    const fs = new FaultyFs(this.kernel.fs, this.seeded.stream(`kernel ${this.lives++}`))
    arrange(fs)
    if (this.lives > 1) this.beAnother()
    const ended = Deferred.makeUnsafe<void>()
    const options = { file: this.place("wmod.yaml"), stateDirectory: this.place("state"), command: "wmod", version: "0" }
    const program = runDaemon(options, (daemon) =>
      Effect.suspend(() => {
        life.daemon = daemon
        return Deferred.await(ended)
      })
    ).pipe(Effect.provide(KernFs.layerOver(fs)), Effect.provideService(Clock.Clock, this.clock), Effect.provide(this.logger))
    const life: Life = { fs, ended, fiber: Effect.runFork(program), daemon: undefined, exit: undefined }
    this.life = life
    life.fiber.addObserver((exit) => {
      life.exit = exit
      if (Exit.isFailure(exit) && Cause.hasDies(exit.cause) && !fs.isDead)
        this.problems.push(`wmod ended with a bug of its own: ${Cause.pretty(exit.cause).split("\n").slice(0, 6).join(" | ")}`)
    })
  }

  /** Begins a life, and waits until it is up; says whether it is. */
  async start(): Promise<boolean> {
    this.begin()
    await this.until(() => this.isUp || this.hasEnded)
    return this.isUp
  }

  /** As the service manager would: where it has ended, it is started again. */
  async keepUp(): Promise<void> {
    for (let i = 0; i < 3 && this.hasEnded; i++) {
      this.restarts++
      if (!(await this.start())) this.log.push(`it did not come up: ${this.whyEnded}`)
    }
  }

  get whyEnded(): string {
    const exit = this.life?.exit
    return exit === undefined ? "it runs" : Exit.isSuccess(exit) ? "in order" : Cause.pretty(exit.cause).split("\n")[0]!
  }

  reload(): void {
    const { daemon } = this.life!
    if (daemon !== undefined)
      Effect.runFork(daemon.reload.pipe(Effect.provideService(Clock.Clock, this.clock), Effect.provide(this.logger)))
  }

  /** SIGTERM: does not wait. */
  terminate(): void {
    Deferred.doneUnsafe(this.life!.ended, Exit.void)
  }

  /** Ends it in order, and waits until it has ended. */
  async end(): Promise<void> {
    if (this.hasEnded) return
    this.terminate()
    if (!(await this.until(() => this.hasEnded, 120))) this.problems.push("wmod does not end")
  }

  /**
   * As `kill -9` at this very moment: nothing that the process does comes through any more, and on disk is what was there. What runs on in this process
   * has its own copy of the directories to write to.
   */
  async kill(): Promise<void> {
    if (this.hasEnded) return
    this.cut()
    await this.bury()
  }

  /** The moment of death; may be called amid an operation. */
  cut(): void {
    const { fs } = this.life!
    if (fs.isDead) return
    fs.die()
    cpSync(this.place("."), join(this.directory, "then"), {
      recursive: true,
      filter: (source) => !source.endsWith(".sock")
    })
  }

  /** Waits for what is left of a dead process, and puts back what was on disk when it died. */
  async bury(): Promise<void> {
    const { fiber } = this.life!
    fiber.interruptUnsafe()
    if (!(await this.until(() => this.hasEnded, 120))) this.problems.push("what is left of a killed wmod does not end")
    rmSync(this.place("."), { recursive: true, force: true })
    renameSync(join(this.directory, "then"), this.place("."))
  }

  /** Each life is a process of its own: the pid is this one's, the start time another. */
  private beAnother(): void {
    const { processes } = this.kernel
    const before = processes.processes.get(process.pid)
    if (before !== undefined) processes.end(before)
    processes.add({ pid: process.pid, comm: "node" })
  }

  // ---- asking it

  /** Asks over its socket; undefined where nobody answers. */
  async ask<A>(question: (client: DaemonClient) => Effect.Effect<A, unknown>): Promise<A | undefined> {
    let answer: Exit.Exit<A, unknown> | undefined
    const asking = Effect.runFork(
      Effect.scoped(Effect.flatMap(connectDaemon(join(this.place("state"), "wmod.sock")), question)).pipe(Effect.timeout("10 seconds"))
    )
    asking.addObserver((exit) => (answer = exit))
    await this.until(() => answer !== undefined)
    if (answer === undefined) asking.interruptUnsafe()
    return answer !== undefined && Exit.isSuccess(answer) ? answer.value : undefined
  }

  status(): Promise<DaemonStatus | undefined> {
    return this.ask((client) => client.Status())
  }

  remove(): void {
    if (existsSync(this.directory)) rmSync(this.directory, { recursive: true, force: true })
  }
}
