/**
 * Effect's clock in virtual time: `Effect.sleep`, `Schedule`, timeouts and `Clock.currentTimeMillis` run on a simulation's time.
 * When no fiber has anything to do but sleep, the simulation is advanced to the earliest wake-up and that one sleeper goes on. Work between
 * sleeps takes no virtual time, but for writes that make the kernel work (memory.reclaim, lru_gen, limits); nothing waits in real time.
 * Does not see real I/O: time goes on while a fiber waits for a socket or a thread pool, unless it does so inside `SimClock.pausing`.
 */
import { Clock, Context, Duration, Effect, Latch, Layer, Scheduler } from "effect"
import type { Simulation } from "./Simulation.ts"

interface Sleeper {
  readonly atMs: number
  readonly latch: Latch.Latch
  /** What the simulation threw on the way to `atMs`: a defect in a workload. */
  defect?: unknown
}

/** The part of a simulation that the clock needs. */
export type Timeline = Pick<Simulation, "nowMs" | "advanceTo">

export interface SimClockOptions {
  /** Unix time at boot, in milliseconds. Default 0. */
  readonly bootMs?: number
}

/** How many fibers hold the clock back: see {@link pausing}. */
const Holds = Context.Reference<{ count: number; readonly release: () => void } | undefined>("@wmo/sim/SimClock/Holds", {
  defaultValue: () => undefined
})

const make = ({ bootMs = 0 }: SimClockOptions, simulation: Timeline, parent: Scheduler.Scheduler) => {
  /** Latest first; equal times: last come first, so that `pop` wakes in order. */
  const sleepers: Array<Sleeper> = []
  /** Tasks that fibers have scheduled and that have not run yet. */
  let pending = 0
  let isArmed = false
  const holds = { count: 0, release: () => arm() }

  // Scheduled tasks run in setImmediate, after all microtasks: whoever looks there twice in a row and finds no task in between, neither
  // scheduled nor run, finds every fiber waiting.
  let quietTurns = 0
  let ran = 0
  let ranBefore = 0
  const look = (): void => {
    isArmed = false
    if (sleepers.length === 0 || holds.count > 0) return
    quietTurns = pending === 0 && ran === ranBefore ? quietTurns + 1 : 0
    ranBefore = ran
    if (quietTurns > 1) {
      quietTurns = 0
      const sleeper = sleepers.pop()!
      try {
        simulation.advanceTo(sleeper.atMs)
      } catch (defect) {
        sleeper.defect = defect
      }
      sleeper.latch.openUnsafe()
    }
    arm()
  }
  const arm = (): void => {
    if (isArmed || sleepers.length === 0) return
    isArmed = true
    setImmediate(look)
  }

  const nowNanos = (): bigint => BigInt(Math.round((bootMs + simulation.nowMs) * 1000)) * 1000n
  const monotonicNanos = (): bigint => BigInt(Math.round(simulation.nowMs * 1000)) * 1000n
  const nowMillis = (): number => Math.floor(bootMs + simulation.nowMs)

  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: nowMillis,
    currentTimeMillis: Effect.sync(nowMillis),
    currentTimeNanosUnsafe: nowNanos,
    currentTimeNanos: Effect.sync(nowNanos),
    monotonicTimeNanosUnsafe: monotonicNanos,
    monotonicTimeNanos: Effect.sync(monotonicNanos),
    sleep: (duration) => {
      const ms = Duration.toMillis(duration)
      if (ms <= 0) return Effect.yieldNow
      if (ms === Infinity) return Effect.never
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          const sleeper: Sleeper = { atMs: simulation.nowMs + ms, latch: Latch.makeUnsafe() }
          let at = sleepers.length
          while (at > 0 && sleepers[at - 1]!.atMs <= sleeper.atMs) at--
          sleepers.splice(at, 0, sleeper)
          arm()
          return sleeper
        }),
        (sleeper) => Effect.flatMap(sleeper.latch.await, () => (sleeper.defect === undefined ? Effect.void : Effect.die(sleeper.defect))),
        (sleeper) =>
          Effect.sync(() => {
            const at = sleepers.indexOf(sleeper)
            if (at !== -1) sleepers.splice(at, 1)
          })
      )
    }
  }

  const scheduler: Scheduler.Scheduler = {
    executionMode: parent.executionMode,
    shouldYield: (fiber) => parent.shouldYield(fiber),
    makeDispatcher: () => {
      const dispatcher = parent.makeDispatcher()
      return {
        scheduleTask: (task, priority) => {
          pending++
          dispatcher.scheduleTask(() => {
            pending--
            ran++
            task()
          }, priority)
        },
        flush: () => dispatcher.flush()
      }
    }
  }

  return Context.make(Clock.Clock, clock).pipe(Context.add(Scheduler.Scheduler, scheduler), Context.add(Holds, holds))
}

/** Effect's clock (and a scheduler that knows when all fibers sleep) on the simulation's time. */
export const layer = (simulation: Timeline, options: SimClockOptions = {}): Layer.Layer<never> =>
  Layer.effectContext(Effect.map(Scheduler.Scheduler, (parent) => make(options, simulation, parent)))

/** Holds virtual time back while the effect runs: for real I/O, such as writing a report, in the middle of a simulation. */
export const pausing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Holds, (holds) =>
    holds === undefined
      ? effect
      : Effect.acquireUseRelease(
          Effect.sync(() => void holds.count++),
          () => effect,
          () =>
            Effect.sync(() => {
              holds.count--
              holds.release()
            })
        )
  )
