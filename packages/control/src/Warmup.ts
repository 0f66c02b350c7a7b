/** How long a policy is not asked yet, by a clock that may be set back meanwhile: then it begins anew, but not once it is over. */
import type { Milliseconds } from "@wmo/core"

/** Of a moment: what is left of the warm-up then; 0 once it is over. */
export const makeWarmup = (startMs: Milliseconds, warmupMs: Milliseconds): ((nowMs: Milliseconds) => Milliseconds) => {
  let earliestMs = startMs
  let isOver = false
  return (nowMs) => {
    earliestMs = Math.min(earliestMs, nowMs)
    const leftMs = Math.max(0, earliestMs + warmupMs - nowMs)
    isOver ||= leftMs === 0
    return isOver ? 0 : leftMs
  }
}
