/** How long a group's policy is left out after it failed: twice as long each time, up to a while. Pure. */
import type { Milliseconds } from "@wmo/core"

const firstMs: Milliseconds = 1000
const mostMs: Milliseconds = 300_000

/** After so many failures in a row (from 1 on). */
export const backoffMs = (failures: number): Milliseconds => Math.min(mostMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)))

/** Failures in a row, after a session of this length failed: one that went well for long enough begins anew. */
export const failuresAfter = (failures: number, sessionMs: Milliseconds): number => (sessionMs >= mostMs ? 1 : failures + 1)
