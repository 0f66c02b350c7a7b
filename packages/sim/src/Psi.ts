/**
 * Pressure stall information of one group (or of the machine) from the states of its tasks, CPU by CPU, as the kernel keeps it.
 * On one CPU: `some` while a task that belongs to it is stalled on memory; `full` while one is and no other one wants to run. The group's
 * time is the CPUs' mean, each weighted by how long it was not idle since the last look (in whole jiffies of 4 ms, HZ=250: a CPU with less
 * counts for nothing). A look is a read, or the update of the averages every 2 s, which decay over 10, 60 and 300 s.
 * Simplified: doubles instead of fixed-point averages. Source: kernel/sched/psi.c (collect_percpu_times, test_states, calc_avgs).
 */
import type { Microseconds, PressureLine, PressureStall } from "@wmo/core"

export const IDLE = 0
/** Runs, or waits for a CPU. */
export const RUNNING = 1
export const STALLED = 2
/** Waits for a device, and not as pressure. */
export const WAITING = 3

const updateUs = 2_000_000
const jiffyUs = 4000
const decays = [10, 60, 300].map((seconds) => Math.exp(-2 / seconds))

class Line {
  totalUs = 0
  private sampledUs = 0
  private readonly averages = [0, 0, 0]

  update(): void {
    const percent = Math.min(100, ((this.totalUs - this.sampledUs) / updateUs) * 100)
    this.sampledUs = this.totalUs
    decays.forEach((decay, i) => (this.averages[i] = this.averages[i]! * decay + percent * (1 - decay)))
  }

  read(): PressureLine {
    const [avg10, avg60, avg300] = this.averages.map((average) => Math.round(average * 100) / 100)
    return { avg10: avg10!, avg60: avg60!, avg300: avg300!, totalUs: BigInt(Math.floor(this.totalUs + 1e-6)) }
  }
}

/** What the group's tasks do on one CPU, and for how long since the last look. */
class OneCpu {
  readonly tasks = [0, 0, 0, 0]
  someUs = 0
  fullUs = 0
  busyUs = 0

  accrue(us: Microseconds): void {
    const [, running, stalled, waiting] = this.tasks
    if (stalled! > 0) {
      this.someUs += us
      if (running === 0) this.fullUs += us
    }
    if (running! + stalled! + waiting! > 0) this.busyUs += us
  }
}

export class Psi {
  private readonly some = new Line()
  private readonly full = new Line()
  private readonly cpus: Array<OneCpu> = []
  private atUs: Microseconds
  private nextUpdateUs: Microseconds

  constructor(nowUs: Microseconds) {
    this.atUs = nowUs
    this.nextUpdateUs = nowUs + updateUs
  }

  /** A task of the group changes from one state to another at `atUs`, which never goes back; `cpu` is where it is from now on. */
  transition(atUs: Microseconds, from: number, to: number, cpu = 0, fromCpu = cpu): void {
    this.integrate(atUs)
    this.cpu(fromCpu).tasks[from]!--
    this.cpu(cpu).tasks[to]!++
  }

  private cpu(index: number): OneCpu {
    while (this.cpus.length <= index) this.cpus.push(new OneCpu())
    return this.cpus[index]!
  }

  private accrue(toUs: Microseconds): void {
    const us = toUs - this.atUs
    for (const cpu of this.cpus) cpu.accrue(us)
    this.atUs = toUs
  }

  private collect(): void {
    let some = 0
    let full = 0
    let jiffies = 0
    for (const cpu of this.cpus) {
      const weight = Math.floor((cpu.busyUs + 1e-6) / jiffyUs)
      some += cpu.someUs * weight
      full += cpu.fullUs * weight
      jiffies += weight
      cpu.someUs = cpu.fullUs = cpu.busyUs = 0
    }
    this.some.totalUs += some / Math.max(jiffies, 1)
    this.full.totalUs += full / Math.max(jiffies, 1)
  }

  private integrate(toUs: Microseconds): void {
    while (this.nextUpdateUs <= toUs) {
      this.accrue(this.nextUpdateUs)
      this.collect()
      this.some.update()
      this.full.update()
      this.nextUpdateUs += updateUs
    }
    if (toUs > this.atUs) this.accrue(toUs)
  }

  /** Total of `some` at the last look, without looking: what DAMON's quota goals go by. */
  someUs(nowUs: Microseconds): Microseconds {
    this.integrate(nowUs)
    return this.some.totalUs
  }

  read(nowUs: Microseconds): PressureStall {
    this.integrate(nowUs)
    this.collect()
    return { some: this.some.read(), full: this.full.read() }
  }
}
