/**
 * Turns of many loops: one timer wakes all that have their turn at the same moment, and asks each, in plain code, whether it has something to do; only those
 * go on. A thousand loops at rest are a thousand short questions a second, not a thousand fibers that wake. Turns fall on whole multiples of the period since
 * 1970, plus the phase: late ones are taken late, those missed altogether are counted, and a clock that is set does not stop them.
 */
import type { Milliseconds } from "@wmo/core"
import { Clock, Effect, type Scope } from "effect"

export interface Turn {
  /** When it was due. */
  readonly dueMs: Milliseconds
  /** Turns since the loop began to wait that nobody took. */
  readonly missed: number
}

export interface TurnsOptions {
  /** One turn of so many is taken. */
  readonly stride?: (() => number) | undefined
  /** Told of each loop at each turn that is taken: how late it was asked, or went on. */
  readonly onTurn?: ((latenessMs: Milliseconds) => void) | undefined
}

export interface Turns {
  /** Waits for the first turn at which `isDue`; one that throws has its turn. */
  readonly wait: (everyMs: Milliseconds, phaseMs: Milliseconds, isDue: (dueMs: Milliseconds) => boolean) => Effect.Effect<Turn>
}

interface Waiting {
  readonly isDue: (dueMs: Milliseconds) => boolean
  readonly resume: (turn: Turn) => void
  missed: number
}

/** Turns for which nobody waits, before its timer ends. */
const idleTurns = 8

const asks = (waiting: Waiting, dueMs: Milliseconds): boolean => {
  try {
    return waiting.isDue(dueMs)
  } catch {
    return true
  }
}

/** Timers end with the scope; who waits then waits for ever, and is expected to end, too. */
export const makeTurns: (options?: TurnsOptions) => Effect.Effect<Turns, never, Scope.Scope> = Effect.fnUntraced(function* ({
  onTurn,
  stride = () => 1
} = {}) {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const waiting = new Map<string, Set<Waiting>>()

  const late = (dueMs: Milliseconds): void => onTurn?.(clock.currentTimeMillisUnsafe() - dueMs)

  const run = Effect.fnUntraced(function* (key: string, waiters: Set<Waiting>, everyMs: Milliseconds, phaseMs: Milliseconds) {
    const next = (nowMs: Milliseconds): Milliseconds => Math.floor((nowMs - phaseMs) / everyMs + 1) * everyMs + phaseMs
    let turn = 0
    for (let quiet = 0; quiet < idleTurns;) {
      const before = yield* Clock.currentTimeMillis
      const dueMs = next(before)
      yield* Effect.sleep(dueMs - before)
      const missed = Math.max(0, Math.floor((clock.currentTimeMillisUnsafe() - dueMs) / everyMs))
      if (missed > 0) for (const each of waiters) each.missed += missed
      turn += 1 + missed
      quiet = waiters.size === 0 ? quiet + 1 : 0
      if (turn % Math.max(1, stride()) !== 0) continue
      // Who goes on waits again before this is over.
      const asked = [...waiters]
      for (const each of asked) {
        if (!asks(each, dueMs)) {
          late(dueMs)
          continue
        }
        waiters.delete(each)
        each.resume({ dueMs, missed: each.missed })
      }
    }
    waiting.delete(key)
  })

  return {
    wait: (everyMs, phaseMs, isDue) =>
      Effect.suspend(() => {
        const key = `${everyMs} ${phaseMs}`
        let waiters = waiting.get(key)
        const isNew = waiters === undefined
        if (waiters === undefined) waiting.set(key, (waiters = new Set()))
        const all = waiters
        const turn = Effect.callback<Turn>((resume) => {
          const one: Waiting = { isDue, missed: 0, resume: (value) => resume(Effect.succeed(value)) }
          all.add(one)
          return Effect.sync(() => void all.delete(one))
        })
        const begun = isNew ? Effect.andThen(Effect.forkIn(run(key, all, everyMs, phaseMs), scope), turn) : turn
        return Effect.tap(begun, ({ dueMs }) => Effect.sync(() => late(dueMs)))
      })
  }
})
