/**
 * A process in a group: its range of the group's pages, its tasks, and the process and account that it began with.
 * Its anon pages go when it ends. The files of the first process, which its children may share, go with the last of them.
 */
import type { Microseconds, Pages } from "@wmo/core"
import { Account } from "./Account.ts"
import { defaultCompressibility, drawCompressedSize } from "./Compressibility.ts"
import { freePages } from "./Fault.ts"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { ABSENT, locationOf, RESIDENT } from "./PageTable.ts"
import { Random } from "./Random.ts"
import { Task } from "./Task.ts"
import type { Step, Workload } from "./Workload.ts"

export interface Beginning {
  /** The process id that the group's cgroup.procs shows. */
  readonly pid: number
  readonly startUs: Microseconds
  /** Seeds of everything random in it. */
  readonly seed: number
  /** Who started it; undefined for a process that was added from outside. */
  readonly parent?: RunningWorkload
}

export class RunningWorkload {
  readonly workload: Workload
  readonly machine: MachineState
  readonly group: MemoryGroup
  readonly pid: number
  readonly parent: RunningWorkload | undefined
  /** The process that everything began with: itself, if nobody started it. Its pages can be shared. */
  readonly root: RunningWorkload
  readonly account: Account
  /** Index of its first page among the group's. */
  readonly base: number
  readonly tasks: ReadonlyArray<Task>
  readonly startUs: Microseconds
  /** Processes that this one has started and that run. */
  children = 0
  isFreed = false

  constructor(workload: Workload, machine: MachineState, group: MemoryGroup, { parent, pid, seed, startUs }: Beginning) {
    this.workload = workload
    this.machine = machine
    this.group = group
    this.pid = pid
    this.startUs = startUs
    this.parent = parent
    this.root = parent?.root ?? this
    this.account = parent?.account ?? new Account(startUs)
    this.account.processes++
    this.account.living++
    if (parent !== undefined) parent.children++
    this.base = group.pages.take(workload.anonPages, workload.filePages)
    const sizes = Random.stream(seed, "compressibility")
    const distribution = workload.compressibility ?? defaultCompressibility
    for (let i = 0; i < workload.anonPages; i++) {
      group.pages.compressed[this.base + i] = workload.compressedBytes?.[i] ?? drawCompressedSize(distribution, sizes)
    }
    this.tasks = workload.tasks.map(
      (_, index) =>
        new Task(this, (task) => this.program(index, task), Random.stream(seed, `task ${index}`), index === 0 ? startUs : Infinity)
    )
  }

  get pages(): Pages {
    return this.workload.anonPages + this.workload.filePages
  }

  get isDone(): boolean {
    return this.tasks.every((task) => task.isDone)
  }

  /** Pages that it has in memory or in swap: what the OOM killer goes by. Looks at all of them. */
  countUsed(): Pages {
    let used = 0
    for (let page = this.base; page < this.base + this.workload.anonPages; page++) {
      const flags = this.group.pages.flags[page]!
      if ((flags & RESIDENT) !== 0 || locationOf(flags) !== ABSENT) used++
    }
    return used
  }

  /** Throws when a step leaves the workload's pages or would take no time: a defect of the workload, not a state of the machine. */
  checkStep(step: Step): void {
    const refuse = (problem: string): never => {
      throw new RangeError(`workload ${this.workload.name}: ${step._tag} ${problem}`)
    }
    const { pages } = "isShared" in step && step.isShared === true ? this.root : this
    const isOutside = (page: number) => !(page >= 0 && page < pages)
    if ("first" in step && step.pages > 0 && (isOutside(step.first) || isOutside(step.first + step.pages - 1))) {
      refuse(`of ${step.pages} pages from ${step.first} is outside of its ${pages} pages`)
    }
    if (step._tag === "TouchList" && Array.prototype.some.call(step.list, isOutside)) refuse(`names a page outside of its ${pages} pages`)
    if (step._tag === "Touch" && !(step.pages > 0)) refuse("has an empty range")
    if ("thinkUs" in step && !(step.thinkUs > 0)) refuse("needs a think time above 0 µs")
    if (step._tag === "Sleep" && !(step.us > 0)) refuse("needs a time above 0 µs")
    if (step._tag === "Start" && !((step.costUs ?? 1) > 0)) refuse("needs a cost above 0 µs")
    if (step._tag === "Wait" && !(step.running >= 0)) refuse(`cannot wait for ${step.running} running processes`)
  }

  private *program(index: number, task: Task): Generator<Step, void> {
    if (index === 0) {
      const ranges = this.workload.load ?? [{ first: 0, pages: this.pages }]
      for (const { first, pages } of ranges) {
        if (pages === 0) continue
        yield { _tag: "Touch", first, pages, count: pages, order: "sequential", thinkUs: this.workload.loadUs ?? 0.1 }
      }
      if (this.root === this) this.account.loadedUs = task.timeUs
      for (const other of this.tasks) if (other !== task) other.timeUs = task.timeUs
    }
    yield* this.workload.tasks[index]!({ random: task.random, nowMs: () => task.timeUs / 1000 })
  }

  /** Ends all tasks and gives all pages back that nobody else can use. */
  end(): void {
    if (this.isFreed) return
    for (const task of this.tasks) task.end()
    this.isFreed = true
    const endUs = Math.max(this.startUs, ...this.tasks.map((task) => task.timeUs))
    const { account, group, machine, root } = this
    freePages(machine, group, this.base, this.workload.anonPages)
    if (this !== root) this.release()
    if (--account.living === 0) {
      account.endUs = endUs
      root.release()
    }
    machine.options.onExit(this)
    if (this.parent === undefined) return
    this.parent.children--
    for (const task of this.parent.tasks) task.childEnded(endUs)
  }

  private release(): void {
    freePages(this.machine, this.group, this.base, this.pages)
    this.group.pages.release(this.base, this.pages)
  }
}
