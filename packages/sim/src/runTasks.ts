/**
 * Lets the tasks run in virtual time, window by window, and hands their states to PSI in order of time.
 * A window is 1 ms while several tasks run, so that they see each other's effects; a task that runs alone gets all the time until the
 * next one wakes up.
 */
import type { Microseconds } from "@wmo/core"
import type { MachineState } from "./MachineState.ts"
import type { MemoryGroup } from "./MemoryGroup.ts"
import type { RunningWorkload } from "./RunningWorkload.ts"
import type { Task } from "./Task.ts"

const windowUs = 1000

const deliver = (task: Task, group: MemoryGroup): void => {
  const atUs = task.transitions[task.consumed]!
  const state = task.transitions[task.consumed + 1]!
  for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) g.psi.transition(atUs, task.psiState, state)
  task.psiState = state
  task.consumed += 2
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
    else if (task.consumed > 4096) {
      task.transitions.splice(0, task.consumed)
      task.consumed = 0
    }
  }
}

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
        end = Math.min(end, Math.max(start + windowUs, machine.wokeUs))
        isSettled = false
      }
    }
  }
  return end
}

/** Advances the machine to `targetUs`. */
export const runTo = (machine: MachineState, workloads: Set<RunningWorkload>, targetUs: Microseconds): void => {
  const clock = { us: machine.nowUs }
  while (clock.us < targetUs) {
    let first = Infinity
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
    if (first >= targetUs) break
    const start = Math.max(clock.us, first)
    machine.nowUs = start
    clock.us = runWindow(machine, workloads, start, Math.min(targetUs, Math.max(start + windowUs, second)))
    settlePsi(workloads, clock.us)
  }
  machine.nowUs = targetUs
  settlePsi(workloads, targetUs)
  // A workload that has ended stays until its last stall, which may reach past its end, has been counted.
  for (const workload of workloads) {
    if (workload.isDone && workload.tasks.every((task) => task.transitions.length === task.consumed)) workloads.delete(workload)
  }
}
