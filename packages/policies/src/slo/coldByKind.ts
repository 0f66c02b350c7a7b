/** How much of each kind could go at an age, and how old its generations must be for that. Pure. */
import type { Bytes, Milliseconds } from "@wmo/core"
import { coldBytes, type Observation, type PageAge } from "@wmo/monitors"
import { swapRoomBytes } from "../takeable.ts"
import type { Kind } from "./KindState.ts"

/** What compression leaves of a page, 0 to 1, as far as zswap has shown; 0 where it has not. */
const compressedShare = ({ stat, usage }: Observation): number => {
  const stored = stat.zswapped ?? 0
  return stored < 2 ** 22 ? 0 : Math.min(1, (usage.zswapCurrentBytes ?? 0) / stored)
}

/**
 * The age that generations must have for memory of a kind to be idle for `ageMs`. Accessed bits were looked at when the youngest was made: of file
 * the kernel looks again at what it evicts, and leaves alone what is in use; asked for anon of which nothing is idle after all, it takes file.
 */
export const evictAgeOf = ({ bins, source }: PageAge, ageMs: Milliseconds, kind: Kind): Milliseconds =>
  kind === "anon" && source === "mglru" && bins.length > 1 ? ageMs + bins[0]!.upperMs : ageMs

/** What of each kind could go at an age: anon only as far as swap has room, and while compressing it saves something. */
export const takeableOf = (observation: Observation, pageAge: PageAge, ageMs: Milliseconds, kind: Kind): Bytes => {
  const { anonBytes, fileBytes } = coldBytes(pageAge, evictAgeOf(pageAge, ageMs, kind))
  if (kind === "file") return fileBytes
  return compressedShare(observation) < 0.9 ? Math.min(anonBytes, swapRoomBytes(observation)) : 0
}
