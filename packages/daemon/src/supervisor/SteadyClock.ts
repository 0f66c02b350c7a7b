/**
 * The wall clock without its jumps: it goes on by the monotonic one, so that nobody waits an hour for a tick or thinks that one is over because the time was
 * set. Whoever owns it follows a jump at a moment of their own choice. NTP's slow corrections move both clocks of the kernel and are no jump.
 */
import type { Milliseconds } from "@wmo/core"
import { Clock, type Duration, Effect } from "effect"

/** Less is not worth a new beginning. */
const leastJumpMs: Milliseconds = 1000
const nanosPerMs = 1_000_000n

export class SteadyClock implements Clock.Clock {
  private readonly under: Clock.Clock
  private offsetNanos: bigint

  constructor(under: Clock.Clock) {
    this.under = under
    this.offsetNanos = this.wallOffset()
  }

  currentTimeNanosUnsafe = (): bigint => this.under.monotonicTimeNanosUnsafe() + this.offsetNanos
  currentTimeMillisUnsafe = (): Milliseconds => Number(this.currentTimeNanosUnsafe() / nanosPerMs)
  monotonicTimeNanosUnsafe = (): bigint => this.under.monotonicTimeNanosUnsafe()
  readonly currentTimeMillis = Effect.sync(this.currentTimeMillisUnsafe)
  readonly currentTimeNanos = Effect.sync(this.currentTimeNanosUnsafe)
  readonly monotonicTimeNanos = Effect.sync(this.monotonicTimeNanosUnsafe)

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return this.under.sleep(duration)
  }

  /** How far the wall clock was set since it was followed last, negative where it was set back; 0 where it was not. */
  jumpMs(): Milliseconds {
    const byMs = Number(this.wallOffset() - this.offsetNanos) / 1e6
    return Math.abs(byMs) < leastJumpMs ? 0 : byMs
  }

  /** From now on the time is the wall clock's again. */
  follow(): void {
    this.offsetNanos = this.wallOffset()
  }

  private wallOffset(): bigint {
    return BigInt(this.under.currentTimeMillisUnsafe()) * nanosPerMs - this.under.monotonicTimeNanosUnsafe()
  }
}
