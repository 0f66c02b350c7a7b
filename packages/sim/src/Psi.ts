/**
 * Pressure stall information of one group (or of the machine) from the states of its tasks.
 * `some`: at least one task is stalled on memory; `full`: at least one is and no other task is busy. Totals are exact; the averages are
 * updated every 2 s of virtual time and decay over 10, 60 and 300 s, as in kernel/sched/psi.c.
 * Simplified: as many CPUs as tasks (a task that is not stalled or asleep runs); doubles instead of fixed-point averages.
 */
import type { Microseconds, PressureLine, PressureStall } from "@wmo/core"

export const IDLE = 0
export const RUNNING = 1
export const STALLED = 2

const updateUs = 2_000_000
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

export class Psi {
  private readonly some = new Line()
  private readonly full = new Line()
  private stalled = 0
  private busy = 0
  private atUs: Microseconds
  private nextUpdateUs: Microseconds

  constructor(nowUs: Microseconds) {
    this.atUs = nowUs
    this.nextUpdateUs = nowUs + updateUs
  }

  /** A task of the group changes from one state to another at `atUs`, which never goes back. */
  transition(atUs: Microseconds, from: number, to: number): void {
    this.integrate(atUs)
    this.stalled += (to === STALLED ? 1 : 0) - (from === STALLED ? 1 : 0)
    this.busy += (to === RUNNING ? 1 : 0) - (from === RUNNING ? 1 : 0)
  }

  private accrue(toUs: Microseconds): void {
    if (this.stalled > 0) {
      this.some.totalUs += toUs - this.atUs
      if (this.busy === 0) this.full.totalUs += toUs - this.atUs
    }
    this.atUs = toUs
  }

  private integrate(toUs: Microseconds): void {
    while (this.nextUpdateUs <= toUs) {
      this.accrue(this.nextUpdateUs)
      this.some.update()
      this.full.update()
      this.nextUpdateUs += updateUs
    }
    if (toUs > this.atUs) this.accrue(toUs)
  }

  read(nowUs: Microseconds): PressureStall {
    this.integrate(nowUs)
    return { some: this.some.read(), full: this.full.read() }
  }
}
