/**
 * What of a kind is old enough and yet does not go when it is asked for: dirty, locked, or in use after all. To ask for it every second takes about
 * a percent of a core (seen with 700 KiB of page cache) and comes to nothing; it is left alone for a while. Pure.
 */
import type { Bytes, Milliseconds } from "@wmo/core"

export interface Remnant {
  readonly bytes: Bytes
  /** Then all of it is asked for again. */
  readonly untilMs: Milliseconds
  /** What the last step asked for, and how much was old enough then. */
  readonly asked: { readonly bytes: Bytes; readonly coldBytes: Bytes } | undefined
}

const leaveAloneMs = 60_000
/** More than this of what was asked for is something: of a page that is compressed, most may stay in the group's memory. */
const leastGone = 1 / 8
/** What was asked for is a sample: so many times as much is taken to be like it. */
const likeIt = 64

export const noRemnant: Remnant = { bytes: 0, untilMs: 0, asked: undefined }

/** Books what was asked for. */
export const ask = (remnant: Remnant, bytes: Bytes, coldBytes: Bytes): Remnant => ({ ...remnant, asked: { bytes, coldBytes } })

/**
 * Takes what came of the last request. If next to nothing of it went, by the group's memory and by what is old enough now, it and what is taken to be like it are left
 * alone, beside what is already. Where nothing is carried out (`reclaimedBytes` undefined) nothing is learned.
 */
export const leaveAlone = (before: Remnant, coldBytes: Bytes, reclaimedBytes: Bytes | undefined, atMs: Milliseconds): Remnant => {
  const { asked, untilMs } = before
  const bytes = atMs >= untilMs ? 0 : Math.min(before.bytes, coldBytes)
  if (asked === undefined || reclaimedBytes === undefined) return { bytes, untilMs, asked: undefined }
  const gone = Math.max(0, reclaimedBytes, asked.coldBytes - coldBytes)
  if (gone >= asked.bytes * leastGone) return { bytes, untilMs, asked: undefined }
  return { bytes: Math.min(coldBytes, bytes + asked.bytes * likeIt), untilMs: atMs + leaveAloneMs, asked: undefined }
}
