/**
 * Lets a simulation run on real time, faster by a factor: Effect's clock shows its time, and it is brought up to date ten times a second. A simulation
 * that takes longer than half of that falls behind, and what it missed is left out.
 */
import type { Simulation } from "@wmo/sim"
import { Clock, Duration, Effect, type Scope } from "effect"

const stepMs = 100
/** For the simulation, of a step; and virtual time after which it looks whether that is used up. */
const workMs = 50
const sliceMs = 20

const clockAt = (speed: number): Clock.Clock => {
  const bootMs = Date.now()
  const start = performance.now()
  const elapsedMs = (): number => (performance.now() - start) * speed
  const nowMs = (): number => Math.floor(bootMs + elapsedMs())
  const monotonicNanos = (): bigint => BigInt(Math.round(elapsedMs() * 1000)) * 1000n
  const nowNanos = (): bigint => BigInt(bootMs) * 1_000_000n + monotonicNanos()
  return {
    currentTimeMillisUnsafe: nowMs,
    currentTimeMillis: Effect.sync(nowMs),
    currentTimeNanosUnsafe: nowNanos,
    currentTimeNanos: Effect.sync(nowNanos),
    monotonicTimeNanosUnsafe: monotonicNanos,
    monotonicTimeNanos: Effect.sync(monotonicNanos),
    sleep: (duration) => {
      const ms = Duration.toMillis(duration)
      if (ms === Infinity) return Effect.never
      return Effect.callback<void>((resume) => {
        const timer = setTimeout(() => resume(Effect.void), Math.max(0, ms) / speed)
        return Effect.sync(() => clearTimeout(timer))
      })
    }
  }
}

/** Runs the effect while the simulation runs; `speed`: simulated seconds in a real one. */
export const atPace =
  (simulation: Simulation, speed: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
    Effect.suspend(() => {
      const clock = clockAt(speed)
      const elapsedMs = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      let from = simulation.nowMs - elapsedMs()
      // A write that reclaims takes virtual time: the simulation may be ahead.
      const advance = (): void => {
        const toMs = from + elapsedMs()
        const startMs = performance.now()
        while (simulation.nowMs < toMs && performance.now() - startMs < workMs)
          simulation.advanceTo(Math.min(toMs, simulation.nowMs + sliceMs))
        if (simulation.nowMs < toMs) from -= toMs - simulation.nowMs
      }
      const pace = Effect.acquireRelease(
        Effect.sync(() => setInterval(advance, stepMs)),
        (timer) => Effect.sync(() => clearInterval(timer))
      )
      return Effect.scoped(Effect.andThen(pace, Effect.provideService(effect, Clock.Clock, clock)))
    })
