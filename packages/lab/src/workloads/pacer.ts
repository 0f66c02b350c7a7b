/** An open loop: what is due comes at its time, however long what came before took, so that latency counts the wait (no coordinated omission). */
import type { Milliseconds } from "@wmo/core"

/**
 * Each call waits until the next is due, `startMs` and then every `everyMs`, and says when that was, on the clock of `performance.now`. What is late
 * does not move what comes after it. Infinity: nothing is ever due, there is no waiting.
 */
export const pacer = (everyMs: Milliseconds, startMs: Milliseconds): (() => Promise<Milliseconds>) => {
  if (everyMs === Infinity) return () => Promise.resolve(performance.now())
  let nextMs = startMs
  return async () => {
    const dueMs = nextMs
    nextMs += everyMs
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    // Timers may be early.
    return Math.min(dueMs, performance.now())
  }
}
