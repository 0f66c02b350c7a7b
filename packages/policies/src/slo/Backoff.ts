/**
 * Backs off at once and recovers slowly: after a violation nothing is taken for a while, twice as long after each further one, half as long
 * after every quiet stretch. Pure.
 */
import type { Milliseconds } from "@wmo/core"

export interface Backoff {
  /** Nothing is taken before. */
  readonly untilMs: Milliseconds
  /** How long the next violation holds. */
  readonly holdMs: Milliseconds
  readonly lastMs: Milliseconds
}

const shortestMs = 30_000
const longestMs = 1_800_000
/** So many times the hold without a violation halve it. */
const quietHolds = 4

export const noBackoff: Backoff = { untilMs: -Infinity, holdMs: shortestMs, lastMs: -Infinity }

/** A clock that went back ends a hold. */
export const isHolding = (backoff: Backoff, atMs: Milliseconds): boolean => atMs < backoff.untilMs && backoff.untilMs - atMs <= longestMs

export const violated = (backoff: Backoff, atMs: Milliseconds): Backoff => ({
  untilMs: atMs + backoff.holdMs,
  holdMs: isHolding(backoff, atMs) ? backoff.holdMs : Math.min(longestMs, backoff.holdMs * 2),
  lastMs: atMs
})

export const recovered = (backoff: Backoff, atMs: Milliseconds): Backoff =>
  backoff.holdMs > shortestMs && atMs - backoff.lastMs > quietHolds * backoff.holdMs
    ? { ...backoff, holdMs: backoff.holdMs / 2, lastMs: atMs }
    : backoff
