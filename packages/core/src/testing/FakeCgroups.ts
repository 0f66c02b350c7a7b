/**
 * The cgroup v2 tree of the fake kernel: directories that grow files on mkdir, `subtree_control` and thread-mode rules, limits of depth,
 * freezing, pressure with triggers, events that are told. What the memory files say comes from a `MemcgModel` per group.
 * Models the parts of kernel/cgroup/cgroup.c (6.12) that a user of the files can see.
 */
import type { PressureStall } from "../PressureStall.ts"
import { FakePressure } from "./FakePressure.ts"
import { Errno, type FakeFile, type FakeFs } from "./FakeFs.ts"
import { addMemoryFiles, fakeSwitch, type ReclaimSwappiness } from "./FakeMemoryFiles.ts"
import { type MemcgLimits, type MemcgModel, noLimits } from "./MemcgModel.ts"

export interface FakeGroup {
  /** Path below the mount; the root is the empty string. */
  readonly name: string
  /** The kernel's private id, as in `lru_gen`. */
  readonly id: number
  readonly limits: MemcgLimits
  readonly model: MemcgModel
  readonly processes: Set<number>
}

export interface FakeCgroupsOptions {
  /** Milliseconds, for the windows of pressure triggers; without a clock each window is over at the next look. */
  readonly now?: (() => number) | undefined
  /** By default a number, as on 6.12. */
  readonly reclaimSwappiness?: ReclaimSwappiness | undefined
}

type Resource = "memory" | "cpu" | "io"

/** What the tree keeps of a group beside what tests see. */
interface Node extends FakeGroup {
  isThreaded: boolean
  isFrozen: boolean
  maxDepth: number
  maxDescendants: number
  /** Stall beside the model's. */
  readonly stalls: Record<Resource, { someUs: bigint; fullUs: bigint }>
  readonly pressure: Record<Resource, FakePressure>
  /** What the events files said last. */
  readonly said: Map<string, string>
}

const availableControllers = ["cpuset", "cpu", "io", "memory", "pids"]
/** Controllers that groups with processes of their own may hand out. */
const threadedControllers = ["cpuset", "cpu", "pids"]
const resources: ReadonlyArray<Resource> = ["cpu", "io", "memory"]
const eventsFiles = ["cgroup.events", "memory.events", "memory.events.local", "memory.swap.events"]
const pidAtMost = 4_194_304
const i32AtMost = 2 ** 31 - 1

/** Files of the other controllers: there, with what a new group says. */
const controllerFiles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cpu: { "cpu.weight": "100\n", "cpu.max": "max 100000\n", "cpu.idle": "0\n" },
  cpuset: { "cpuset.cpus": "\n", "cpuset.mems": "\n" },
  io: { "io.stat": "", "io.max": "", "io.weight": "default 100\n" },
  pids: { "pids.max": "max\n", "pids.current": "0\n" }
}

/** A set of processes that tells when it has changed. */
class Processes extends Set<number> {
  changed: () => void = () => undefined
  override add(pid: number): this {
    super.add(pid)
    this.changed()
    return this
  }
  override delete(pid: number): boolean {
    const was = super.delete(pid)
    if (was) this.changed()
    return was
  }
  override clear(): void {
    super.clear()
    this.changed()
  }
}

const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("/")))

/** A count or `max`, as cgroup.max.depth takes it. */
const parseCount = (text: string): number => {
  if (text.trim() === "max") return Infinity
  if (!/^\s*-?\d+\s*$/.test(text)) throw new Errno("EINVAL")
  const count = Number(text)
  if (count < 0 || count > i32AtMost) throw new Errno("ERANGE")
  return count === i32AtMost ? Infinity : count
}

export class FakeCgroups {
  private readonly nodes = new Map<string, Node>()
  readonly groups: ReadonlyMap<string, FakeGroup> = this.nodes
  private readonly root: string
  private readonly fs: FakeFs
  private readonly makeModel: (name: string, limits: MemcgLimits) => MemcgModel
  private readonly now: (() => number) | undefined
  private readonly reclaimSwappiness: ReclaimSwappiness
  private nextId = 1

  constructor(fs: FakeFs, root: string, makeModel: (name: string, limits: MemcgLimits) => MemcgModel, options: FakeCgroupsOptions = {}) {
    this.fs = fs
    this.root = root
    this.makeModel = makeModel
    this.now = options.now
    this.reclaimSwappiness = options.reclaimSwappiness ?? "number"
    fs.directory(root)
    fs.file(`${root}/cgroup.controllers`, availableControllers.join(" ") + "\n", 0o444)
    this.addGroup("")
    fs.watch(root, {
      onMkdir: (path) => {
        const name = path.slice(root.length + 1)
        this.checkRoom(name)
        this.addGroup(name)
      },
      onRmdir: (path) => this.removeGroup(path.slice(root.length + 1))
    })
  }

  /** The group, or an error that names it: tests should fail loudly. */
  group(name: string): FakeGroup {
    return this.node(name)
  }

  /** Adds stall to a group and those above it, as if its tasks had waited; triggers that this reaches fire. */
  stall(name: string, resource: Resource, someUs: number, fullUs = 0): void {
    for (const node of this.upwards(name)) {
      node.stalls[resource].someUs += BigInt(someUs)
      node.stalls[resource].fullUs += BigInt(fullUs)
    }
    this.refresh(name)
  }

  /** The pressure of a group; the root's is the machine's. */
  pressure(name: string, resource: Resource): FakePressure {
    return this.node(name).pressure[resource]
  }

  /** To be called after a model has changed by itself: tells who waits for events of the group and of those above it. */
  refresh(name: string): void {
    for (const node of this.upwards(name)) {
      for (const resource of resources) node.pressure[resource].check()
      for (const file of eventsFiles) {
        const path = this.path(node.name, file)
        if (!this.fs.existsSync(path)) continue
        const text = this.fs.text(path)
        if (node.said.get(file) === text) continue
        node.said.set(file, text)
        this.fs.notify(path)
      }
    }
  }

  private node(name: string): Node {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`the fake kernel has no cgroup ${name}`)
    return node
  }

  /** The group and those above it that are there. */
  private upwards(name: string): ReadonlyArray<Node> {
    const nodes: Array<Node> = []
    for (let at = name; ; at = parentOf(at)) {
      const node = this.nodes.get(at)
      if (node !== undefined) nodes.push(node)
      if (at === "") return nodes
    }
  }

  private path(name: string, file: string): string {
    return [this.root, name, file].filter(Boolean).join("/")
  }

  private children(name: string): ReadonlyArray<Node> {
    return [...this.nodes.values()].filter((g) => g.name !== "" && parentOf(g.name) === name)
  }

  private descendants(name: string): ReadonlyArray<Node> {
    const prefix = name === "" ? "" : `${name}/`
    return [...this.nodes.values()].filter((g) => g.name !== name && g.name.startsWith(prefix))
  }

  private enabled(name: string): ReadonlyArray<string> {
    return this.fs.text(this.path(name, "cgroup.subtree_control")).trim().split(" ").filter(Boolean)
  }

  /** Descendants and levels that the groups above allow: EAGAIN beyond. */
  private checkRoom(name: string): void {
    this.upwards(parentOf(name)).forEach((node, level) => {
      if (this.descendants(node.name).length >= node.maxDescendants || level + 1 > node.maxDepth) throw new Errno("EAGAIN")
    })
  }

  private addGroup(name: string): void {
    const limits = noLimits()
    const processes = new Processes()
    const model = this.makeModel(name, limits)
    const stalls = { cpu: { someUs: 0n, fullUs: 0n }, io: { someUs: 0n, fullUs: 0n }, memory: { someUs: 0n, fullUs: 0n } }
    const makePressure = (resource: Resource) => new FakePressure(() => this.readPressure(node, resource), this.now)
    const node: Node = {
      name,
      id: this.nextId++,
      limits,
      model,
      processes,
      isThreaded: false,
      isFrozen: false,
      maxDepth: Infinity,
      maxDescendants: Infinity,
      stalls,
      pressure: { cpu: makePressure("cpu"), io: makePressure("io"), memory: makePressure("memory") },
      said: new Map()
    }
    this.nodes.set(name, node)
    const parent = parentOf(name)
    if (name !== "") this.fs.file(this.path(name, "cgroup.controllers"), `${this.enabled(parent).join(" ")}\n`, 0o444)
    this.addCoreFiles(node)
    this.controlFile(name)
    // PSI is there with and without the controllers.
    this.pressureFiles(node, true)
    for (const controller of name === "" ? ["memory", "io"] : this.enabled(parent)) this.addControllerFiles(node, controller)
    this.refresh(name)
    processes.changed = () => this.refresh(name)
  }

  private readPressure({ model, stalls }: Node, resource: Resource): PressureStall {
    const line = (totalUs: bigint) => ({ avg10: 0, avg60: 0, avg300: 0, totalUs })
    const own = stalls[resource]
    if (resource !== "memory") return { some: line(own.someUs), full: line(own.fullUs) }
    const { full, some } = model.pressure()
    return {
      ...(some === undefined ? {} : { some: { ...some, totalUs: some.totalUs + own.someUs } }),
      ...(full === undefined ? {} : { full: { ...full, totalUs: full.totalUs + own.fullUs } })
    }
  }

  private pressureFiles(node: Node, isOn: boolean): void {
    for (const resource of resources) {
      const path = this.path(node.name, `${resource}.pressure`)
      if (isOn) this.fs.file(path, node.pressure[resource].file)
      else this.fs.remove(path)
    }
  }

  private addCoreFiles(node: Node): void {
    const { name } = node
    const file = (base: string, content: FakeFile, mode?: number) => this.fs.file(this.path(name, base), content, mode)
    file("cgroup.procs", this.procsFile(node))
    file("cgroup.threads", this.procsFile(node, true))
    file("cgroup.stat", { read: () => `nr_descendants ${this.descendants(name).length}\nnr_dying_descendants 0\n` }, 0o444)
    file(
      "cgroup.pressure",
      fakeSwitch(true, (isOn) => this.pressureFiles(node, isOn), "ERANGE")
    )
    const count = (base: string, key: "maxDepth" | "maxDescendants") =>
      file(base, {
        read: () => `${node[key] === Infinity ? "max" : node[key]}\n`,
        write: (text) => void (node[key] = parseCount(text))
      })
    count("cgroup.max.depth", "maxDepth")
    count("cgroup.max.descendants", "maxDescendants")
    file("cpu.stat", { read: () => this.cpuStat(name) }, 0o444)
    if (name === "") return
    file("cgroup.events", { read: () => `populated ${this.populated(name) ? 1 : 0}\nfrozen ${this.isFrozen(name) ? 1 : 0}\n` }, 0o444)
    file("cgroup.type", {
      read: () => `${this.typeOf(node)}\n`,
      write: (text) => {
        if (text.trim() !== "threaded") throw new Errno("EINVAL")
        if (this.typeOf(this.node(parentOf(name))) === "domain invalid") throw new Errno("EOPNOTSUPP")
        node.isThreaded = true
      }
    })
    file(
      "cgroup.freeze",
      fakeSwitch(
        false,
        (isOn) => {
          node.isFrozen = isOn
          for (const { name } of [node, ...this.descendants(node.name)]) this.refresh(name)
        },
        "ERANGE"
      )
    )
    file(
      "cgroup.kill",
      {
        write: (text) => {
          if (!/^\s*-?\d+\s*$/.test(text)) throw new Errno("EINVAL")
          if (text.trim() !== "1") throw new Errno("ERANGE")
          if (node.isThreaded) throw new Errno("EOPNOTSUPP")
          for (const { processes } of [node, ...this.descendants(name)]) processes.clear()
        }
      },
      0o200
    )
  }

  private typeOf(node: Node): string {
    if (node.isThreaded) return "threaded"
    if (node.name === "") return "domain"
    const parent = this.typeOf(this.node(parentOf(node.name)))
    if (parent === "threaded" || parent === "domain invalid" || parent === "domain threaded") return "domain invalid"
    return this.children(node.name).some((child) => child.isThreaded) ? "domain threaded" : "domain"
  }

  private isFrozen(name: string): boolean {
    return this.upwards(name).some((node) => node.isFrozen)
  }

  private populated(name: string): boolean {
    return [this.node(name), ...this.descendants(name)].some(({ processes }) => processes.size > 0)
  }

  private cpuStat(name: string): string {
    const times = "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnice_usec 0\n"
    const hasController = name === "" || this.enabled(parentOf(name)).includes("cpu")
    return hasController ? `${times}nr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n` : times
  }

  private procsFile(node: Node, areThreads = false): FakeFile {
    return {
      read: () => {
        if (node.isThreaded && !areThreads) throw new Errno("EOPNOTSUPP")
        return [...node.processes].map((pid) => `${pid}\n`).join("")
      },
      write: (text) => {
        if (!/^\d+$/.test(text.trim())) throw new Errno("EINVAL")
        const pid = Number(text) === 0 ? process.pid : Number(text)
        if (pid > pidAtMost) throw new Errno("ESRCH")
        if (this.typeOf(node) === "domain invalid") throw new Errno("EOPNOTSUPP")
        const handsOut = this.enabled(node.name).some((controller) => !threadedControllers.includes(controller))
        if (node.name !== "" && handsOut) throw new Errno("EBUSY")
        if (node.processes.has(pid)) return
        for (const other of this.groups.values()) other.processes.delete(pid)
        node.processes.add(pid)
      }
    }
  }

  private controlFile(name: string): void {
    let words: ReadonlyArray<string> = []
    this.fs.file(this.path(name, "cgroup.subtree_control"), {
      read: () => `${words.join(" ")}\n`,
      write: (text) => {
        const available = this.fs.text(this.path(name, "cgroup.controllers")).trim().split(" ")
        let next = [...words]
        for (const word of text.trim().split(/\s+/)) {
          const controller = word.slice(1)
          if (!/^[+-]/.test(word) || !availableControllers.includes(controller)) throw new Errno("EINVAL")
          if (word[0] === "+") this.checkHandOut(name, controller, available)
          else if (this.children(name).some((child) => this.enabled(child.name).includes(controller))) throw new Errno("EBUSY")
          next = next.filter((other) => other !== controller)
          if (word[0] === "+") next.push(controller)
        }
        words = availableControllers.filter((controller) => next.includes(controller))
        for (const child of this.children(name)) this.setControllers(child, words)
      }
    })
  }

  /** Whether a group may hand a controller out to its children. */
  private checkHandOut(name: string, controller: string, available: ReadonlyArray<string>): void {
    if (!available.includes(controller)) throw new Errno("ENOENT")
    if (name === "" || this.enabled(name).includes(controller)) return
    const isThreadedOne = threadedControllers.includes(controller)
    if (this.typeOf(this.node(name)) !== "domain" && !isThreadedOne) throw new Errno("EOPNOTSUPP")
    if (!isThreadedOne && this.group(name).processes.size > 0) throw new Errno("EBUSY")
  }

  private setControllers(child: Node, words: ReadonlyArray<string>): void {
    const before = this.fs.text(this.path(child.name, "cgroup.controllers")).trim().split(" ")
    this.fs.file(this.path(child.name, "cgroup.controllers"), `${words.join(" ")}\n`, 0o444)
    for (const controller of availableControllers) {
      if (words.includes(controller) && !before.includes(controller)) this.addControllerFiles(child, controller)
      if (!words.includes(controller) && before.includes(controller)) this.removeControllerFiles(child.name, controller)
    }
  }

  private addControllerFiles(node: Node, controller: string): void {
    for (const [file, content] of Object.entries(controllerFiles[controller] ?? {})) {
      if (node.name !== "" || file === "io.stat") this.fs.file(this.path(node.name, file), content)
    }
    if (controller !== "memory") return
    const { limits, model, name } = node
    const path = (file: string) => this.path(name, file)
    addMemoryFiles({
      fs: this.fs,
      path,
      isRoot: name === "",
      limits,
      model,
      reclaimSwappiness: this.reclaimSwappiness,
      changed: () => this.refresh(name)
    })
    this.refresh(name)
  }

  private removeControllerFiles(name: string, controller: string): void {
    const stays = ["cpu.stat", ...resources.map((resource) => `${resource}.pressure`)]
    for (const file of this.fs.readdirSync(this.path(name, ""))) {
      if (file.startsWith(`${controller}.`) && !stays.includes(file)) this.fs.remove(this.path(name, file))
    }
  }

  private removeGroup(name: string): void {
    if (this.descendants(name).length > 0 || this.group(name).processes.size > 0) throw new Errno("EBUSY")
    this.nodes.delete(name)
    this.refresh(parentOf(name))
  }
}
