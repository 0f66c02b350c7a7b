/**
 * A workload in a group: its range of the group's pages, its tasks and what has come of it so far.
 */
import type { Microseconds, Pages } from "@wmo/core"
import { defaultCompressibility, drawCompressedSize } from "./Compressibility.ts"
import { freePages } from "./Fault.ts"
import { LatencyHistogram } from "./LatencyHistogram.ts"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { FILE } from "./PageTable.ts"
import type { Random } from "./Random.ts"
import { Task } from "./Task.ts"
import type { Step, Workload } from "./Workload.ts"

export class RunningWorkload {
  readonly workload: Workload
  readonly machine: MachineState
  readonly group: MemoryGroup
  /** The process id that the group's cgroup.procs shows. */
  readonly pid: number
  /** Index of its first page among the group's. */
  readonly base: number
  readonly tasks: ReadonlyArray<Task>
  readonly latencies = new LatencyHistogram()
  readonly startUs: Microseconds
  /** When loading ended; NaN until then. */
  loadedUs: Microseconds = Number.NaN
  endUs: Microseconds = Number.NaN
  thinkUs = 0
  overheadUs = 0
  stallUs = 0
  touches = 0
  isOomKilled = false
  isFreed = false

  constructor(workload: Workload, machine: MachineState, group: MemoryGroup, pid: number, random: (name: string) => Random) {
    this.workload = workload
    this.machine = machine
    this.group = group
    this.pid = pid
    this.startUs = machine.nowUs
    this.base = group.pages.extend(workload.anonPages, 0)
    group.pages.extend(workload.filePages, FILE)
    const sizes = random("compressibility")
    const distribution = workload.compressibility ?? defaultCompressibility
    for (let i = 0; i < workload.anonPages; i++) group.pages.compressed[this.base + i] = drawCompressedSize(distribution, sizes)
    this.tasks = workload.tasks.map(
      (_, index) => new Task(this, (task) => this.program(index, task), random(`task ${index}`), index === 0 ? machine.nowUs : Infinity)
    )
  }

  get pages(): Pages {
    return this.workload.anonPages + this.workload.filePages
  }

  get isDone(): boolean {
    return this.tasks.every((task) => task.isDone)
  }

  /** Throws when a step leaves the workload's pages or would take no time: a defect of the workload, not a state of the machine. */
  checkStep(step: Step): void {
    const refuse = (problem: string): never => {
      throw new RangeError(`workload ${this.workload.name}: ${step._tag} ${problem}`)
    }
    const isOutside = (page: number) => !(page >= 0 && page < this.pages)
    if ("first" in step && step.pages > 0 && (isOutside(step.first) || isOutside(step.first + step.pages - 1))) {
      refuse(`of ${step.pages} pages from ${step.first} is outside of its ${this.pages} pages`)
    }
    if (step._tag === "TouchList" && Array.prototype.some.call(step.list, isOutside))
      refuse(`names a page outside of its ${this.pages} pages`)
    if (step._tag === "Touch" && !(step.pages > 0)) refuse("has an empty range")
    if ("thinkUs" in step && !(step.thinkUs > 0)) refuse("needs a think time above 0 µs")
    if (step._tag === "Sleep" && !(step.us > 0)) refuse("needs a time above 0 µs")
  }

  private *program(index: number, task: Task): Generator<Step, void> {
    if (index === 0) {
      const ranges = this.workload.load ?? [{ first: 0, pages: this.pages }]
      for (const { first, pages } of ranges) {
        if (pages === 0) continue
        yield { _tag: "Touch", first, pages, count: pages, order: "sequential", thinkUs: this.workload.loadUs ?? 0.1 }
      }
      this.loadedUs = task.timeUs
      for (const other of this.tasks) if (other !== task) other.timeUs = task.timeUs
    }
    yield* this.workload.tasks[index]!({ random: task.random, nowMs: () => task.timeUs / 1000 })
  }

  /** Ends all tasks and gives all pages back. */
  end(): void {
    if (this.isFreed) return
    for (const task of this.tasks) task.end()
    this.isFreed = true
    this.endUs = Math.max(this.startUs, ...this.tasks.map((task) => task.timeUs))
    freePages(this.machine, this.group, this.base, this.pages)
  }
}
