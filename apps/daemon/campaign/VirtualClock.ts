/**
 * Effect's clock in virtual time with a wall clock that can be set, as an administrator or NTP would, while the monotonic one goes on; and with stalls,
 * as of a process that was stopped. Whoever advances it lets fibers run in between. Does not wait for real I/O.
 */
import { Clock, Duration, Effect } from "effect"

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

/** Turns of the event loop after which fibers that had something to do have done it. */
const turns = 6
export const settle = async (count = turns): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

export class VirtualClock implements Clock.Clock {
  private monotonicMs = 1_000_000
  /** Wall time less monotonic time. */
  private offsetMs: number
  private sleepers: ReadonlyArray<Sleeper> = []

  constructor(wallMs: number) {
    this.offsetMs = wallMs - this.monotonicMs
  }

  currentTimeMillisUnsafe = (): number => Math.floor(this.monotonicMs + this.offsetMs)
  currentTimeNanosUnsafe = (): bigint => BigInt(Math.round((this.monotonicMs + this.offsetMs) * 1000)) * 1000n
  monotonicTimeNanosUnsafe = (): bigint => BigInt(Math.round(this.monotonicMs * 1000)) * 1000n
  readonly currentTimeMillis = Effect.sync(this.currentTimeMillisUnsafe)
  readonly currentTimeNanos = Effect.sync(this.currentTimeNanosUnsafe)
  readonly monotonicTimeNanos = Effect.sync(this.monotonicTimeNanosUnsafe)

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const ms = Duration.toMillis(duration)
    if (ms <= 0) return Effect.yieldNow
    if (ms === Infinity) return Effect.never
    return Effect.callback<void>((resume) => {
      const sleeper: Sleeper = { atMs: this.monotonicMs + ms, wake: () => resume(Effect.void) }
      this.sleepers = [...this.sleepers, sleeper]
      return Effect.sync(() => {
        this.sleepers = this.sleepers.filter((each) => each !== sleeper)
      })
    })
  }

  /** Sets the wall clock forward or back; sleepers do not notice. */
  setWall(byMs: number): void {
    this.offsetMs += byMs
  }

  /** Nobody runs for so long, then everybody who should have. */
  async stall(ms: number): Promise<void> {
    this.monotonicMs += ms
    await this.advance(0)
  }

  async advance(ms: number): Promise<void> {
    const end = this.monotonicMs + ms
    for (;;) {
      await settle()
      const next = this.sleepers.reduce<Sleeper | undefined>(
        (first, each) => (each.atMs <= end && (first === undefined || each.atMs < first.atMs) ? each : first),
        undefined
      )
      if (next === undefined) break
      this.monotonicMs = Math.max(this.monotonicMs, next.atMs)
      this.sleepers = this.sleepers.filter((each) => each !== next)
      next.wake()
    }
    this.monotonicMs = Math.max(this.monotonicMs, end)
  }
}
