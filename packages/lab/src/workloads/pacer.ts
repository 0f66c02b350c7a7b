/** An open loop: what is due comes at its time, however long what came before took, so that latency counts the wait (no coordinated omission). */
import type { Milliseconds } from "@wmo/core"

export interface Pacer {
  /** When the next is due, on the clock of `performance.now`. */
  readonly nextMs: () => Milliseconds
  /** Waits until then, and says when that was. */
  readonly next: () => Promise<Milliseconds>
}

/** `startMs` and then every `everyMs`. What is late does not move what comes after it. Infinity: nothing is ever waited for. */
export const pacer = (everyMs: Milliseconds, startMs: Milliseconds): Pacer => {
  if (everyMs === Infinity) return { nextMs: () => -Infinity, next: () => Promise.resolve(performance.now()) }
  let nextMs = startMs
  return {
    nextMs: () => nextMs,
    next: async () => {
      const dueMs = nextMs
      nextMs += everyMs
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      // Timers may be early.
      return Math.min(dueMs, performance.now())
    }
  }
}
