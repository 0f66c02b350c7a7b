/**
 * The cgroup v2 tree of the fake kernel: directories that grow files on mkdir, `subtree_control` rules, limits that answer EINVAL,
 * `memory.reclaim` that answers EAGAIN. What the memory files say comes from a `MemcgModel` per group.
 * Models the parts of kernel/cgroup/cgroup.c and mm/memcontrol.c that a user of the files can see.
 */
import { Result } from "effect"
import { memoryNumaStat } from "../Memcg.ts"
import { countersFile, type MemoryStat, memoryStat } from "../MemoryStat.ts"
import { pressureStall } from "../PressureStall.ts"
import { type Limit, limitFile, reclaimRequest } from "../Scalars.ts"
import { type Bytes, pageSize } from "../Units.ts"
import { Errno, type FakeFile, type FakeFs } from "./FakeFs.ts"
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

const events = countersFile("memory.events")
const availableControllers = ["cpuset", "cpu", "io", "memory", "pids"]
const encoder = new TextEncoder()

/** A size as the kernel's memparse reads it, or `max`; rounded down to pages. */
const parseLimit = (text: string): Limit => {
  const word = text.trim()
  if (word === "max") return "max"
  const match = /^(\d+)([KMGTPE]?)$/i.exec(word)
  if (match === null) throw new Errno("EINVAL")
  const scale = match[2] === "" ? 1 : 1024 ** ("kmgtpe".indexOf(match[2]!.toLowerCase()) + 1)
  const bytes = Math.floor((Number(match[1]) * scale) / pageSize) * pageSize
  return bytes >= 2 ** 63 - pageSize ? "max" : bytes
}

/** One node holds everything. */
const numaStat = (stat: MemoryStat): string =>
  memoryNumaStat.encode({ anon: { N0: BigInt(stat.anon ?? 0) }, file: { N0: BigInt(stat.file ?? 0) } })

export class FakeCgroups {
  readonly groups = new Map<string, FakeGroup>()
  private readonly root: string
  private readonly fs: FakeFs
  private readonly makeModel: (name: string, limits: MemcgLimits) => MemcgModel
  private nextId = 1

  constructor(fs: FakeFs, root: string, makeModel: (name: string, limits: MemcgLimits) => MemcgModel) {
    this.fs = fs
    this.root = root
    this.makeModel = makeModel
    fs.directory(root)
    fs.file(`${root}/cgroup.controllers`, availableControllers.join(" ") + "\n", 0o444)
    this.addGroup("")
    fs.watch(root, {
      onMkdir: (path) => this.addGroup(path.slice(root.length + 1)),
      onRmdir: (path) => this.removeGroup(path.slice(root.length + 1))
    })
  }

  /** The group, or an error that names it: tests should fail loudly. */
  group(name: string): FakeGroup {
    const group = this.groups.get(name)
    if (group === undefined) throw new Error(`the fake kernel has no cgroup ${name}`)
    return group
  }

  private path(name: string, file: string): string {
    return [this.root, name, file].filter(Boolean).join("/")
  }

  private children(name: string): ReadonlyArray<FakeGroup> {
    return [...this.groups.values()].filter((g) => g.name !== "" && g.name.slice(0, Math.max(0, g.name.lastIndexOf("/"))) === name)
  }

  private enabled(name: string): ReadonlyArray<string> {
    return this.fs.text(this.path(name, "cgroup.subtree_control")).trim().split(" ").filter(Boolean)
  }

  private addGroup(name: string): void {
    const limits = noLimits()
    const group: FakeGroup = { name, id: this.nextId++, limits, model: this.makeModel(name, limits), processes: new Set() }
    this.groups.set(name, group)
    const isRoot = name === ""
    const parent = name.slice(0, Math.max(0, name.lastIndexOf("/")))
    if (!isRoot) this.fs.file(this.path(name, "cgroup.controllers"), `${this.enabled(parent).join(" ")}\n`, 0o444)
    this.fs.file(this.path(name, "cgroup.procs"), this.procsFile(group))
    this.controlFile(name)
    // PSI is there with and without the memory controller; writing sets a trigger, which lives as long as its descriptor.
    this.fs.file(this.path(name, "memory.pressure"), {
      read: () => pressureStall.encode(group.model.pressure()),
      write: (text) => {
        // oxlint-disable-next-line no-control-regex
        if (!/^(some|full) \d+ \d+[\0\n]?$/.test(text)) throw new Errno("EINVAL")
      }
    })
    if (isRoot || this.enabled(parent).includes("memory")) this.addMemoryFiles(group)
    if (isRoot) return
    this.fs.file(this.path(name, "cgroup.events"), { read: () => `populated ${this.populated(name) ? 1 : 0}\nfrozen 0\n` }, 0o444)
    this.fs.file(
      this.path(name, "cgroup.kill"),
      {
        write: (text) => {
          if (text.trim() !== "1") throw new Errno("ERANGE")
          for (const other of this.groups.values()) if (other.name === name || other.name.startsWith(`${name}/`)) other.processes.clear()
        }
      },
      0o200
    )
  }

  private populated(name: string): boolean {
    return [...this.groups.values()].some((g) => (g.name === name || g.name.startsWith(`${name}/`)) && g.processes.size > 0)
  }

  private procsFile(group: FakeGroup): FakeFile {
    return {
      read: () => [...group.processes].map((pid) => `${pid}\n`).join(""),
      write: (text) => {
        if (!/^\d+$/.test(text.trim())) throw new Errno("EINVAL")
        const pid = Number(text) === 0 ? process.pid : Number(text)
        if (group.name !== "" && this.enabled(group.name).length > 0) throw new Errno("EBUSY")
        for (const other of this.groups.values()) other.processes.delete(pid)
        group.processes.add(pid)
      }
    }
  }

  private controlFile(name: string): void {
    const file = this.path(name, "cgroup.subtree_control")
    let words: ReadonlyArray<string> = []
    this.fs.file(file, {
      read: () => `${words.join(" ")}\n`,
      write: (text) => {
        const available = this.fs.text(this.path(name, "cgroup.controllers")).trim().split(" ")
        let next = [...words]
        for (const word of text.trim().split(/\s+/)) {
          const controller = word.slice(1)
          if (!/^[+-]/.test(word) || !availableControllers.includes(controller)) throw new Errno("EINVAL")
          if (word[0] === "+" && !available.includes(controller)) throw new Errno("ENOENT")
          if (word[0] === "+" && name !== "" && this.group(name).processes.size > 0) throw new Errno("EBUSY")
          if (word[0] === "-" && this.children(name).some((child) => this.enabled(child.name).includes(controller)))
            throw new Errno("EBUSY")
          next = next.filter((other) => other !== controller)
          if (word[0] === "+") next.push(controller)
        }
        words = availableControllers.filter((controller) => next.includes(controller))
        for (const child of this.children(name)) {
          this.fs.file(this.path(child.name, "cgroup.controllers"), `${words.join(" ")}\n`, 0o444)
          const has = this.fs.existsSync(this.path(child.name, "memory.current"))
          if (words.includes("memory") && !has) this.addMemoryFiles(child)
          if (!words.includes("memory") && has) this.removeMemoryFiles(child.name)
        }
      }
    })
  }

  private addMemoryFiles(group: FakeGroup): void {
    const { limits, model, name } = group
    const reading = (file: string, read: () => string) => this.fs.file(this.path(name, file), { read }, 0o444)
    const bytes = (file: string, read: () => Bytes) => reading(file, () => `${read()}\n`)
    const limit = (file: string, key: keyof MemcgLimits) =>
      this.fs.file(this.path(name, file), {
        read: () => limitFile(file).encode(limits[key]),
        write: (text) => {
          limits[key] = parseLimit(text)
          model.limitsChanged()
        }
      })
    reading("memory.stat", () => memoryStat.encode(model.stat()))
    reading("memory.numa_stat", () => numaStat(model.stat()))
    this.fs.file(this.path(name, "memory.reclaim"), { write: (text) => this.reclaim(group, text) }, 0o200)
    if (name === "") return
    bytes("memory.current", model.current)
    bytes("memory.peak", model.peak)
    bytes("memory.swap.current", model.swapCurrent)
    bytes("memory.zswap.current", model.zswapCurrent)
    reading("memory.events", () => events.encode(model.events()))
    limit("memory.min", "min")
    limit("memory.low", "low")
    limit("memory.high", "high")
    limit("memory.max", "max")
    limit("memory.swap.max", "swapMax")
    limit("memory.zswap.max", "zswapMax")
  }

  private removeMemoryFiles(name: string): void {
    const files = this.fs.readdirSync(this.path(name, "")).filter((file) => file.startsWith("memory.") && file !== "memory.pressure")
    for (const file of files) this.fs.remove(this.path(name, file))
  }

  private reclaim(group: FakeGroup, text: string): void {
    const request = reclaimRequest.decode(encoder.encode(text))
    if (Result.isFailure(request)) throw new Errno("EINVAL")
    const wanted = Math.floor(request.success.bytes / pageSize) * pageSize
    if (group.model.reclaim({ ...request.success, bytes: wanted }) < wanted) throw new Errno("EAGAIN")
  }

  private removeGroup(name: string): void {
    const hasChildren = [...this.groups.keys()].some((other) => other.startsWith(`${name}/`))
    if (hasChildren || this.group(name).processes.size > 0) throw new Errno("EBUSY")
    this.groups.delete(name)
  }
}
