/** Fixed times of policies that a clock which is set back does not stop: what is further ahead than one interval was not set by this clock. */
import type { Milliseconds } from "@wmo/core"

/** Whether the time has come for what happens every `everyMs`. */
export const isDue = (atMs: Milliseconds, nextMs: Milliseconds, everyMs: Milliseconds): boolean => atMs >= nextMs || nextMs - atMs > everyMs
