/**
 * A real kernel with real groups and a wmod on it, for faults: four groups with senpai (memory.high), periodic (reclaim), slo and prcl (DAMON), a small tmpfs
 * for all that wmod keeps, and what the kernel's settings were. The service manager is this class: what has ended is started again.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { differences, type Settings, settingsNow } from "../settings.ts"
import { occupy, readGroup, removeGroup } from "./workload.ts"
import { journalsIn, type Places, placesIn, WmodProcess } from "./WmodProcess.ts"

const policies: Readonly<Record<string, string>> = {
  "fault-senpai": "{ match: fault-senpai, policy: senpai, settings: { interval: 1s, min_size: 8M } }",
  "fault-periodic": "{ match: fault-periodic, policy: periodic, settings: { cold_age: 2s, interval: 2s } }",
  "fault-slo": "{ match: fault-slo, policy: slo, settings: { least_age: 2s } }",
  "fault-prcl": "{ match: fault-prcl, policy: prcl }"
}

export class GuestStage {
  readonly groups: ReadonlyArray<string> = Object.keys(policies)
  readonly places: Places
  /** Recordings that need not open. */
  readonly spoilt = new Set<string>()
  readonly logs: Array<string> = []
  restarts = 0
  /** Wmods so far that have not ended in order. */
  private unfinished = 0
  wmod!: WmodProcess
  readonly directory: string
  private before: Settings

  /** Below `directory` a tmpfs of 4 MiB is mounted. */
  constructor(directory: string) {
    this.directory = directory
    mkdirSync(directory, { recursive: true })
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", directory])
    this.places = placesIn(directory)
    this.before = settingsNow((group) => this.groups.includes(group))
  }

  configure(keys = "", rule = ""): void {
    const rules = [...Object.values(policies), rule].filter(Boolean).join(", ")
    const text = `every: 500ms\nidle_every: off\nself: { cpu: off }\nemergency_stop: off\ndefaults: { floor: 8M }\nrules: [${rules}]\nrecording: { directory: ${this.places.recordings}, keep_size: 1M }\nserver: { http: off }\n${keys}\n`
    writeFileSync(this.places.config, text)
  }

  occupy(group: string): Promise<void> {
    return occupy(group, 24)
  }

  async occupyAgain(group: string): Promise<void> {
    await removeGroup(group)
    await this.occupy(group)
  }

  /** Fills the groups that are not there, and has wmod set something. One line where it does not. */
  async ready(): Promise<ReadonlyArray<string>> {
    this.configure()
    for (const group of this.groups) if (!existsSync(join("/sys/fs/cgroup", group))) await this.occupy(group)
    if (this.wmod === undefined || this.wmod.hasEnded) this.startWmod()
    return this.isActing()
  }

  startWmod(): WmodProcess {
    this.wmod = new WmodProcess(this.places)
    this.unfinished++
    return this.wmod
  }

  /** It is up, or started again as a service manager would, and sets memory.high; what is wrong, otherwise. */
  async isActing(): Promise<ReadonlyArray<string>> {
    for (let i = 0; i < 5; i++) {
      if (this.wmod.hasEnded) {
        this.logs.push(this.wmod.log)
        this.restarts++
        this.startWmod()
      }
      if (await this.wmod.isUp()) break
    }
    for (let i = 0; i < 400 && !this.wmod.hasEnded; i++) {
      if (readGroup("fault-senpai", "memory.high") !== "max" && (await this.wmod.isListening())) return []
      await sleep(100)
    }
    return this.wmod.hasEnded ? this.isActing() : [`wmod does not act, or does not answer:\n${this.wmod.log.slice(-2000)}`]
  }

  /** Ends wmod in order: then everything must be as it was, and the recordings open. */
  async end(): Promise<ReadonlyArray<string>> {
    const how = await this.wmod.end()
    if (how === 0) this.unfinished--
    this.logs.push(this.wmod.log)
    const isOurs = (group: string) => this.groups.includes(group)
    const highs = this.groups.flatMap((group) => {
      const high = readGroup(group, "memory.high")
      return high === "max" ? [] : [`${group}: memory.high is ${high}`]
    })
    return [
      ...(how === 0 ? [] : [`it ended with ${how}:\n${this.wmod.log.slice(-2000)}`]),
      ...highs,
      ...differences(this.before, settingsNow(isOurs)),
      ...journalsIn(this.places.state).map((name) => `a journal is left: ${name}`),
      ...this.recordingProblems()
    ]
  }

  private recordingProblems(): ReadonlyArray<string> {
    const { recordings } = this.places
    const names = existsSync(recordings) ? readdirSync(recordings).filter((name) => name.endsWith(".wmo")) : []
    const empty: Array<string> = []
    const problems = names.flatMap((name) => {
      const file = join(recordings, name)
      if (this.spoilt.has(file)) return []
      try {
        const database = new DatabaseSync(file, { readOnly: true })
        const ok = database.prepare("PRAGMA integrity_check").get()
        const runs = database.prepare("SELECT count(*) AS runs FROM run").get()
        database.close()
        if (Number(runs?.["runs"]) === 0) empty.push(name)
        return ok?.["integrity_check"] === "ok" ? [] : [`${name}: ${JSON.stringify(ok)}`]
      } catch (error) {
        return [`${name} does not open: ${(error as Error).message}`]
      }
    })
    // A kill between the making of a file and its first run leaves it without one; nothing else does.
    return empty.length > this.unfinished ? [...problems, `without a run: ${empty.join(", ")}`] : problems
  }

  /** Between faults: what was spoilt on purpose is out of the way. */
  sweep(): void {
    for (const file of this.spoilt) rmSync(file, { recursive: true, force: true })
    this.spoilt.clear()
    this.logs.length = 0
  }

  async remove(): Promise<void> {
    this.wmod?.signal("SIGKILL")
    for (const group of this.groups) await removeGroup(group)
    execFileSync("umount", ["-l", this.directory])
  }
}
