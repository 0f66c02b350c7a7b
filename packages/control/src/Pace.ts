/**
 * Which ticks may be left out: those of a group in which nothing moves, looked at twice as seldom each time up to a limit, and at once when a glance shows
 * that something does. Pure but for its memory. Does not read anything, nor know when turns are.
 */
import type { Milliseconds } from "@wmo/core"
import type { Glance, Observation } from "@wmo/monitors"

export interface Pace {
  /** After a look: what was seen, whether anything was done, and when the policy must be asked again in any case (undefined: every tick). */
  readonly looked: (observation: Observation, acted: boolean, dueMs: Milliseconds | undefined) => void
  /** Whether this tick need not be a look, unless something has moved. */
  readonly mayLeaveOut: (tickMs: Milliseconds) => boolean
  /** Whether the group is not what it was at the last look. */
  readonly hasMoved: (glance: Glance) => boolean
}

export interface PaceOptions {
  readonly everyMs: Milliseconds
  /** Time between two looks at a group in which nothing moves, at most; `everyMs` or less: every tick is a look. */
  readonly idleEveryMs: () => Milliseconds
  /** Where in such a time looks at an idle group come, from 0 to below 1: apart from other groups', so that a thousand do not come at once. */
  readonly phase?: number | undefined
}

/** Less is no movement: charges come and go in batches of 256 KiB a CPU, and a thousandth of a group is nobody's concern. */
const leastMovedBytes = 256 * 1024
const leastMovedShare = 0.001

const glanceOf = ({ pressure, usage }: Observation): Glance => ({ currentBytes: usage.currentBytes, stallUs: pressure?.some?.totalUs })

const differs = (a: Glance, b: Glance): boolean =>
  a.stallUs !== b.stallUs || Math.abs(a.currentBytes - b.currentBytes) > Math.max(leastMovedBytes, a.currentBytes * leastMovedShare)

const counted = ["workingset_refault_anon", "workingset_refault_file", "pgsteal", "pgmajfault"] as const

/** Whether the group was left alone, by itself and by the kernel, between two looks. */
const isStill = (before: Observation, now: Observation): boolean =>
  !differs(glanceOf(before), glanceOf(now)) &&
  before.usage.swapCurrentBytes === now.usage.swapCurrentBytes &&
  counted.every((name) => before.stat[name] === now.stat[name])

export interface IdlePace extends Pace {
  /** Time between two looks as things are. */
  readonly everyMs: () => Milliseconds
}

/** The first moment of a group's own that is not at once, so the interval after a look at the latest. */
const nextOwn = (atMs: Milliseconds, intervalMs: Milliseconds, phase: number): Milliseconds =>
  (Math.floor(atMs / intervalMs - phase) + 1 + phase) * intervalMs

export const makePace = ({ everyMs, idleEveryMs, phase }: PaceOptions): IdlePace => {
  let last: Observation | undefined
  let seen: Glance | undefined
  let intervalMs = everyMs
  let nextMs = 0
  return {
    everyMs: () => intervalMs,
    looked: (observation, acted, dueMs) => {
      const isIdle = last !== undefined && !acted && dueMs !== undefined && isStill(last, observation)
      intervalMs = isIdle ? Math.min(Math.max(everyMs, idleEveryMs()), intervalMs * 2) : everyMs
      last = observation
      seen = glanceOf(observation)
      const ownMs = phase === undefined ? observation.atMs + intervalMs : nextOwn(observation.atMs, intervalMs, phase)
      nextMs = Math.min(ownMs, dueMs ?? 0)
    },
    // Half an interval early is nearer than half an interval late; a clock that was set back does not stop anything.
    mayLeaveOut: (tickMs) => tickMs + everyMs / 2 < nextMs && last !== undefined && tickMs >= last.atMs - everyMs,
    hasMoved: (glance) => seen === undefined || differs(seen, glance)
  }
}
