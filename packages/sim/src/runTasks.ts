/**
 * Lets the tasks run in virtual time, window by window, and hands their states to PSI in order of time.
 * A window is 1 ms while several tasks run, so that they see each other's effects; a task that runs alone gets all the time until the
 * next one wakes up.
 */
import type { Microseconds } from "@wmo/core"
import type { AskedWork, Runnable } from "./Cpus.ts"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import type { RunningWorkload } from "./RunningWorkload.ts"
import type { Task } from "./Task.ts"

const windowUs = 1000

const deliver = (task: Task, group: MemoryGroup): void => {
  const { consumed, transitions } = task
  const atUs = transitions[consumed]!
  const state = transitions[consumed + 1]!
  const cpu = transitions[consumed + 2]!
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) g.psi.transition(atUs, task.psiState, state, cpu, task.psiCpu)
  task.psiState = state
  task.psiCpu = cpu
  task.consumed += 3
}

/** Hands over what happened up to `untilUs`: always the earliest change of all tasks first. */
const settlePsi = (workloads: Iterable<RunningWorkload>, untilUs: Microseconds): void => {
  const pending: Array<{ readonly task: Task; readonly group: MemoryGroup }> = []
  for (const { group, tasks } of workloads) {
    for (const task of tasks) if (task.transitions.length > task.consumed) pending.push({ task, group })
  }
  while (pending.length > 0) {
    let earliest = pending[0]!
    let atUs = Infinity
    let nextUs = Infinity
    for (const candidate of pending) {
      const time = candidate.task.transitions[candidate.task.consumed] ?? Infinity
      if (time < atUs) {
        nextUs = atUs
        atUs = time
        earliest = candidate
      } else if (time < nextUs) nextUs = time
    }
    if (atUs > untilUs) break
    // Runs of one task's changes, until another task has something earlier.
    do deliver(earliest.task, earliest.group)
    while ((earliest.task.transitions[earliest.task.consumed] ?? Infinity) <= Math.min(nextUs, untilUs))
  }
  for (const { task } of pending) {
    if (task.consumed === task.transitions.length) task.transitions.length = task.consumed = 0
    else if (task.consumed > 6144) {
      task.transitions.splice(0, task.consumed)
      task.consumed = 0
    }
  }
}

/** What is left of a window once a task has started or woken somebody: that one is to run beside it. */
const shortened = (machine: MachineState, start: Microseconds, end: Microseconds): Microseconds =>
  machine.wokeUs === Infinity ? end : Math.min(end, Math.max(start + windowUs, machine.wokeUs))

/** Runs every task to the end of the window; returns where that is: earlier than asked when somebody was started or woken in it. */
const runWindow = (machine: MachineState, workloads: Set<RunningWorkload>, start: Microseconds, until: Microseconds): Microseconds => {
  let end = until
  let isSettled = false
  while (!isSettled) {
    isSettled = true
    // Processes that are started on the way come at the end of the set.
    for (const workload of workloads) {
      for (const task of workload.tasks) {
        if (task.isDone || task.timeUs >= end) continue
        machine.wokeUs = Infinity
        task.runUntil(end)
        if (workload.isDone) workload.end()
        if (machine.wokeUs === Infinity) continue
        end = shortened(machine, start, end)
        isSettled = false
      }
    }
  }
  return end
}

/** The same where CPUs are shared, with work that was asked for beside the tasks; ends when that is done. */
const shareWindow = (
  machine: MachineState,
  workloads: Set<RunningWorkload>,
  start: Microseconds,
  until: Microseconds,
  work: AskedWork | undefined
): Microseconds => {
  let end = until
  for (;;) {
    machine.wokeUs = Infinity
    const runnables: Array<Runnable> = []
    for (const { tasks } of workloads) for (const task of tasks) if (!task.isDone && task.timeUs < end) runnables.push(task)
    if (work !== undefined && !work.isDone) runnables.push(work)
    if (machine.cpus!.runNext(runnables, end) === undefined) {
      for (const waiting of runnables) if (waiting.timeUs < end) waiting.waitUntil(end)
      return end
    }
    for (const workload of workloads) if (workload.isDone) workload.end()
    end = shortened(machine, start, end)
    if (work?.isDone === true) end = Math.min(end, Math.max(start, work.timeUs))
  }
}

const run = (machine: MachineState, workloads: Set<RunningWorkload>, targetUs: Microseconds, work?: AskedWork): void => {
  const clock = { us: machine.nowUs }
  const isOver = () => clock.us >= targetUs || work?.isDone === true
  while (!isOver()) {
    const timer = machine.timers.take(clock.us)
    if (timer !== undefined) {
      machine.nowUs = clock.us
      timer.fire()
      continue
    }
    const nextUs = Math.min(targetUs, machine.timers.nextUs)
    let first = work?.timeUs ?? Infinity
    let second = Infinity
    for (const { tasks } of workloads) {
      for (const task of tasks) {
        if (task.isDone) continue
        if (task.timeUs < first) {
          second = first
          first = task.timeUs
        } else if (task.timeUs < second) second = task.timeUs
      }
    }
    if (first >= nextUs) {
      clock.us = nextUs
      settlePsi(workloads, nextUs)
      continue
    }
    const start = Math.max(clock.us, first)
    const end = Math.min(nextUs, Math.max(start + windowUs, second))
    machine.nowUs = start
    clock.us = machine.cpus === undefined ? runWindow(machine, workloads, start, end) : shareWindow(machine, workloads, start, end, work)
    settlePsi(workloads, clock.us)
  }
  machine.nowUs = Math.max(machine.nowUs, clock.us)
  settlePsi(workloads, machine.nowUs)
  // A workload that has ended stays until its last stall, which may reach past its end, has been counted.
  for (const workload of workloads) {
    if (workload.isDone && workload.tasks.every((task) => task.transitions.length === task.consumed)) workloads.delete(workload)
  }
}

/** Advances the machine to `targetUs`. */
export const runTo = (machine: MachineState, workloads: Set<RunningWorkload>, targetUs: Microseconds): void => {
  run(machine, workloads, targetUs)
  machine.nowUs = targetUs
}

/** Lets the workloads run while work of that long is done for somebody who waits for it: beside them, or on one of the CPUs they share. */
export const runBeside = (machine: MachineState, workloads: Set<RunningWorkload>, workUs: Microseconds): void => {
  if (machine.cpus === undefined) return runTo(machine, workloads, machine.nowUs + workUs)
  const { asked } = machine.cpus
  asked.add(machine.nowUs, workUs)
  run(machine, workloads, Infinity, asked)
}
