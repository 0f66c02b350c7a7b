/**
 * A task: carries out the steps of its program in its own local time and says when it ran, stalled and slept.
 * Simplified: a fault's effect on the machine is immediate, its cost passes afterwards; tasks interleave at the grain of the scheduler's
 * window (1 ms), not of a single access.
 */
import type { Microseconds } from "@wmo/core"
import type { Runnable } from "./Cpus.ts"
import { bringIn, chargeBatch, faultTimes, freePages, isOverHigh, makeRoom, payForHigh, setDirty } from "./Fault.ts"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { ACCESSED, DIRTY, RESIDENT, SEEN } from "./PageTable.ts"
import { IDLE, RUNNING, STALLED, WAITING } from "./Psi.ts"
import type { Random } from "./Random.ts"
import type { RunningWorkload } from "./RunningWorkload.ts"
import { missed, touchList, touchRandom, touchSequential } from "./TouchLoop.ts"
import type { Shared, Step, Touch, TouchList } from "./Workload.ts"

const defaultStartUs = 300

export class Task implements Runnable {
  /**
   * Local time; ahead of the machine's when a stall reaches past the window. Infinity: waits for the workload to be loaded, or for a process
   * to end.
   */
  timeUs: Microseconds
  isDone = false
  /** Changes not yet handed to PSI: time, new state and CPU, in turn. */
  readonly transitions: Array<number> = []
  /** How many entries of `transitions` PSI has seen. */
  consumed = 0
  /** The state and the CPU that PSI knows. */
  psiState = IDLE
  psiCpu: number
  cpu: number
  private readonly firstCpu: number
  virtualUs = 0
  readonly random: Random
  private readonly machine: MachineState
  private readonly group: MemoryGroup
  private readonly workload: RunningWorkload
  private readonly steps: Iterator<Step, void>
  private step: Step | undefined
  private progress = 0
  /** When it left the CPU, by itself, in the run that goes on; NaN: it has not. */
  private leftUs: Microseconds = Number.NaN
  /** Whether it stops there. */
  private sharesCpu = false
  /** When a Wait began and how many processes may run at its end; undefined outside of one. */
  private waiting: { readonly sinceUs: Microseconds; readonly running: number } | undefined
  /** Pages that it has charged ahead. */
  stock = 0
  private touchesInOperation = 0
  private overheadInOperation = 0

  constructor(workload: RunningWorkload, steps: (task: Task) => Iterator<Step, void>, random: Random, startUs: Microseconds) {
    this.workload = workload
    this.machine = workload.machine
    this.group = workload.group
    this.random = random
    this.timeUs = startUs
    this.cpu = this.psiCpu = this.firstCpu = this.machine.placeTask()
    this.steps = steps(this)
  }

  readonly waitUntil = (us: Microseconds): void => {
    this.become(RUNNING)
    const { account } = this.workload
    account.cpuWaitUs += us - this.timeUs
    if (account.isLoaded) account.overheadUs += us - this.timeUs
    if (this.touchesInOperation > 0) this.overheadInOperation += us - this.timeUs
    this.timeUs = us
  }

  readonly runOn = (horizonUs: Microseconds): Microseconds => {
    this.sharesCpu = true
    this.leftUs = Number.NaN
    this.runUntil(horizonUs)
    this.sharesCpu = false
    return Number.isNaN(this.leftUs) ? this.timeUs : this.leftUs
  }

  /** Runs until the local time reaches `horizonUs`, the program ends or the task is killed. */
  runUntil(horizonUs: Microseconds): void {
    while (this.timeUs < horizonUs && !this.isDone && !this.hasLeft) {
      if (this.step === undefined) {
        const next = this.steps.next()
        if (next.done === true) {
          if (this.machine.nowUs < this.timeUs) this.machine.nowUs = this.timeUs
          return this.end()
        }
        this.workload.checkStep(next.value)
        this.step = next.value
        this.progress = 0
      }
      const { step } = this
      if (step._tag === "Touch" || step._tag === "TouchList") {
        this.become(RUNNING)
        this.touch(step, horizonUs)
        continue
      }
      this.step = undefined
      if (step._tag === "Sleep") {
        this.become(IDLE)
        this.leftUs = this.timeUs
        this.timeUs += step.us
      } else if (step._tag === "Free") {
        if (this.machine.nowUs < this.timeUs) this.machine.nowUs = this.timeUs
        freePages(this.machine, this.group, this.baseOf(step) + step.first, step.pages)
      } else if (step._tag === "Start") {
        this.become(RUNNING)
        this.timeUs += step.costUs ?? defaultStartUs
        this.machine.options.start(this.workload, step.workload, this.timeUs)
        // What it started is to run beside it.
        this.machine.wokeUs = this.timeUs
        return
      } else if (this.workload.children > step.running) {
        this.become(IDLE)
        this.waiting = { sinceUs: this.timeUs, running: step.running }
        this.leftUs = this.timeUs
        this.timeUs = Infinity
      }
    }
  }

  /** A process that this one's process had started has ended. */
  childEnded(endUs: Microseconds): void {
    const { waiting } = this
    if (waiting === undefined || this.isDone || this.workload.children > waiting.running) return
    this.waiting = undefined
    this.timeUs = Math.max(waiting.sinceUs, endUs)
    this.machine.wokeUs = this.timeUs
  }

  private get hasLeft(): boolean {
    return this.sharesCpu && !Number.isNaN(this.leftUs)
  }

  private baseOf(step: Shared): number {
    return step.isShared === true ? this.workload.root.base : this.workload.base
  }

  /** The program has ended or the task has been killed. */
  end(): void {
    if (this.isDone) return
    this.isDone = true
    this.machine.removeTask(this.firstCpu)
    if (this.timeUs === Infinity) this.timeUs = Math.max(this.machine.nowUs, this.waiting?.sinceUs ?? 0)
    this.become(IDLE)
  }

  private become(state: number): void {
    const { consumed, cpu, transitions } = this
    const { length } = transitions
    const hasPending = length > consumed
    if ((hasPending ? transitions[length - 2]! : this.psiState) === state && (hasPending ? transitions[length - 1]! : this.psiCpu) === cpu)
      return
    if (hasPending && transitions[length - 3] === this.timeUs) {
      transitions[length - 2] = state
      transitions[length - 1] = cpu
    } else transitions.push(this.timeUs, state, cpu)
  }

  private touch(step: Touch | TouchList, horizonUs: Microseconds): void {
    const { pages } = this.group
    const { account } = this.workload
    const base = this.baseOf(step)
    const { thinkUs } = step
    const isWrite = step.isWrite === true
    const mask = RESIDENT | ACCESSED | (isWrite ? DIRTY : 0) | (pages.isObserved ? SEEN : 0)
    const total = step._tag === "Touch" ? step.count : step.list.length
    const counted = step.touchesPerOperation ?? 0
    const untilUs = step._tag === "Touch" && step.untilMs !== undefined ? step.untilMs * 1000 : Infinity
    const isPast = () => this.timeUs >= untilUs && (counted === 0 || this.touchesInOperation === 0)
    const { isLoaded } = account
    while (this.progress < total && this.timeUs < horizonUs && !isPast() && !this.hasLeft) {
      const untilStop = this.timeUs < untilUs ? Math.ceil((untilUs - this.timeUs) / thinkUs) : counted - this.touchesInOperation
      const count = Math.min(total - this.progress, Math.ceil((horizonUs - this.timeUs) / thinkUs), untilStop)
      const done =
        step._tag === "TouchList"
          ? touchList(pages, base, step.list, this.progress, count, mask)
          : step.order === "random"
            ? touchRandom(pages, this.random, base + step.first, step.pages, count, mask)
            : touchSequential(pages, base + step.first, step.pages, this.progress, count, mask)
      this.progress += done
      this.timeUs += done * thinkUs
      account.touches += done
      if (isLoaded) account.thinkUs += done * thinkUs
      if (counted > 0) this.count(done, counted, thinkUs)
      if (missed.page < 0) continue
      const beforeUs = this.timeUs
      this.miss(missed.page, isWrite)
      if (this.isDone) return
      const overheadUs = this.timeUs - beforeUs
      this.timeUs += thinkUs
      this.progress++
      account.touches++
      if (isLoaded) {
        account.thinkUs += thinkUs
        account.overheadUs += overheadUs
      }
      if (counted > 0) {
        this.overheadInOperation += overheadUs
        this.count(1, counted, thinkUs)
      }
    }
    if (this.progress >= total || isPast()) this.step = undefined
  }

  /** `done` more touches: closes the operations that they complete. */
  private count(done: number, perOperation: number, thinkUs: Microseconds): void {
    const { latencies } = this.workload.account
    const closing = perOperation - this.touchesInOperation
    if (done < closing) {
      this.touchesInOperation += done
      return
    }
    latencies.add(perOperation * thinkUs + this.overheadInOperation, 1)
    this.overheadInOperation = 0
    const left = done - closing
    const whole = Math.floor(left / perOperation)
    latencies.add(perOperation * thinkUs, whole)
    this.touchesInOperation = left - whole * perOperation
  }

  /** Waits for memory; `state` is what PSI makes of it. */
  private stall(us: Microseconds, state: number = STALLED, leavesCpu = false): void {
    if (us <= 0) return
    this.become(state)
    if (leavesCpu) this.leftUs = this.timeUs
    this.timeUs += us
    this.workload.account.stallUs += us
    this.become(RUNNING)
  }

  private miss(page: number, isWrite: boolean): void {
    const { group, machine } = this
    if ((group.pages.flags[page]! & RESIDENT) !== 0) {
      // A first write to a clean file page: no more than a protection fault.
      setDirty(group, page)
      group.pages.mark(page, 0)
      this.timeUs += machine.costs.minorFault.draw()
      return
    }
    if (machine.nowUs < this.timeUs) machine.nowUs = this.timeUs
    this.stall(makeRoom(machine, group))
    if (this.isDone) return
    bringIn(machine, group, page, isWrite)
    const { isDevice, isRecent, runUs, waitUs } = faultTimes
    this.timeUs += runUs
    this.stall(waitUs, isRecent ? STALLED : isDevice ? WAITING : RUNNING, isDevice)
    if (this.stock > 0) {
      this.stock--
      return
    }
    this.stock = chargeBatch - 1
    if (isOverHigh(group)) {
      const { delayUs, workUs } = payForHigh(machine, group)
      this.stall(workUs)
      this.stall(delayUs, STALLED, true)
    }
  }
}
