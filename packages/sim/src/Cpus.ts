/**
 * The CPUs that tasks share: one queue for all of them, from which the task that has had the least CPU time goes next, in turns of 1 ms; it
 * keeps its CPU where it can. Work that somebody asked for by a file takes its turns like a task.
 * Simplified: balances at once and for free; a task that waits for a device, sleeps or is throttled leaves its CPU, one that decompresses or
 * reclaims keeps it. Source: the idea of kernel/sched/fair.c, none of its detail.
 */
import type { Microseconds } from "@wmo/core"

const turnUs = 1000
/** How much less CPU time than the others a task that has slept may have had. */
const sleeperCreditUs = 3000

/** Something that takes CPU time. */
export interface Runnable {
  /** When it can run next. */
  readonly timeUs: Microseconds
  /** Where it ran last. */
  cpu: number
  /** CPU time that it has had, and what it was held to have had after a sleep. */
  virtualUs: number
  readonly isDone: boolean
  /** It has waited for a CPU until then. */
  readonly waitUntil: (us: Microseconds) => void
  /** Runs until then at most; returns when it left the CPU. */
  readonly runOn: (horizonUs: Microseconds) => Microseconds
}

/** Work of the kernel's that somebody waits for. */
export class AskedWork implements Runnable {
  timeUs: Microseconds
  cpu = 0
  virtualUs = 0
  private leftUs: Microseconds = 0

  constructor(startUs: Microseconds) {
    this.timeUs = startUs
  }

  /** Has more to do, from then on. */
  add(startUs: Microseconds, neededUs: Microseconds): void {
    this.timeUs = Math.max(this.timeUs, startUs)
    this.leftUs += neededUs
  }

  get isDone(): boolean {
    return this.leftUs <= 0
  }

  readonly waitUntil = (us: Microseconds): void => {
    this.timeUs = us
  }

  readonly runOn = (horizonUs: Microseconds): Microseconds => {
    const us = Math.min(this.leftUs, horizonUs - this.timeUs)
    this.leftUs -= us
    if (this.leftUs < 1e-9) this.leftUs = 0
    this.timeUs += us
    return this.timeUs
  }
}

export class Cpus {
  /** From when on each is free. */
  private readonly freeUs: Float64Array
  private leastVirtualUs = 0
  readonly asked = new AskedWork(0)

  constructor(count: number) {
    if (!(Number.isInteger(count) && count >= 1)) throw new RangeError(`a machine has one CPU or more, not ${count}`)
    this.freeUs = new Float64Array(count)
  }

  /** Runs one turn of whoever is next, if it begins before `endUs`; returns who it was. */
  runNext(all: Iterable<Runnable>, endUs: Microseconds): Runnable | undefined {
    let firstUs = Infinity
    let secondUs = Infinity
    for (const { isDone, timeUs } of all) {
      if (isDone) continue
      if (timeUs < firstUs) {
        secondUs = firstUs
        firstUs = timeUs
      } else if (timeUs < secondUs) secondUs = timeUs
    }
    const startUs = Math.max(firstUs, Math.min(...this.freeUs))
    if (startUs >= endUs) return undefined
    let next: Runnable | undefined
    let othersUs = Infinity
    for (const candidate of all) {
      if (candidate.isDone || candidate.timeUs > startUs) continue
      candidate.virtualUs = Math.max(candidate.virtualUs, this.leastVirtualUs - sleeperCreditUs)
      if (next === undefined || candidate.virtualUs < next.virtualUs) {
        if (next !== undefined) othersUs = Math.min(othersUs, next.virtualUs)
        next = candidate
      } else othersUs = Math.min(othersUs, candidate.virtualUs)
    }
    if (next === undefined) return undefined
    if ((this.freeUs[next.cpu] ?? Infinity) > startUs) next.cpu = this.freeUs.findIndex((us) => us <= startUs)
    if (next.timeUs < startUs) next.waitUntil(startUs)
    // Alone until then: no need for turns.
    const isAlone = secondUs >= endUs
    const leftUs = next.runOn(isAlone ? endUs : Math.min(endUs, startUs + turnUs))
    this.freeUs[next.cpu] = leftUs
    next.virtualUs += leftUs - startUs
    // As min_vruntime: what those who want to run have had at least.
    this.leastVirtualUs = Math.max(this.leastVirtualUs, Math.min(othersUs, next.virtualUs))
    return next
  }
}
