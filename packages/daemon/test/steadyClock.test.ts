import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { SteadyClock } from "../src/supervisor/SteadyClock.ts"

describe("the steady clock", () => {
  it.effect("goes on by the monotonic clock when the wall clock is set, tells of it, and follows when told to", () =>
    Effect.gen(function* () {
      let wallMs = Date.UTC(2026, 10, 21)
      let monotonicMs = 5000
      const under: Clock.Clock = {
        ...(yield* Clock.Clock),
        currentTimeMillisUnsafe: () => wallMs,
        monotonicTimeNanosUnsafe: () => BigInt(monotonicMs) * 1_000_000n
      }
      const clock = new SteadyClock(under)
      const start = clock.currentTimeMillisUnsafe()
      assert.strictEqual(start, wallMs)
      const pass = (ms: number) => {
        wallMs += ms
        monotonicMs += ms
      }
      pass(1500)
      assert.strictEqual(yield* clock.currentTimeMillis, start + 1500)
      wallMs -= 3_600_000
      pass(10)
      assert.strictEqual(clock.currentTimeMillisUnsafe(), start + 1510)
      assert.strictEqual(clock.jumpMs(), -3_600_000)
      clock.follow()
      assert.strictEqual(clock.currentTimeMillisUnsafe(), wallMs)
      // What NTP does in small steps is no jump.
      wallMs += 900
      assert.strictEqual(clock.jumpMs(), 0)
    })
  )
})
