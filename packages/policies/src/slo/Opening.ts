/**
 * When the first look may begin: a program that is still loading its data has no past. Nothing comes back of what it has only just written, and all of it would be
 * taken for cold. Pure.
 */
import type { Bytes, Milliseconds } from "@wmo/core"

export interface Opening {
  /** Since when there is a group to look at. */
  readonly seenMs: Milliseconds
  /** The anon memory that it had when the first look began. */
  readonly anonBytes: Bytes
}

/** More than this during the first look is loading. */
const growth = 1.1
/** For how long a group may load, in lowest ages. Something grows for as long as it lives. */
const longest = 60

export const isLoading = ({ anonBytes, seenMs }: Opening, nowBytes: Bytes, atMs: Milliseconds, leastMs: Milliseconds): boolean =>
  nowBytes > anonBytes * growth && atMs - seenMs < longest * leastMs
