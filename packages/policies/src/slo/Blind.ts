/**
 * What goes where there are no page ages: TMO's law, less the nearer pressure and refaults are to what is allowed. As in `tmo`, what it grants is saved
 * up until it is worth a request, and forfeited where nothing may be taken. Pure.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { inPages, stepRoomBytes } from "../takeable.ts"
import type { Health, Limits } from "./Health.ts"

/** This share of the group each 6 s. */
const shareEach = 0.0005
const eachMs = 6000
/** Time between two looks counts up to this: nobody knows what was between. */
const longestStepMs = 60_000
/** For less, a 6.12 kernel takes batches of warm pages. */
const leastBytes: Bytes = 4 * 2 ** 20

export interface Blind {
  /** To be asked for now; 0: nothing. */
  readonly bytes: Bytes
  /** What is left of the grants. */
  readonly owedBytes: Bytes
}

/** 1 where nothing stalls and nothing comes back, 0 where as much does as may. */
const headroomOf = ({ allowedPages, pressure, refaultRate }: Health, limits: Limits): number =>
  Math.max(0, 1 - pressure / limits.pressure) * Math.max(0, 1 - refaultRate / Math.max(allowedPages, 1))

export const takeBlindly = (
  owedBytes: Bytes,
  input: Parameters<typeof stepRoomBytes>[0],
  elapsedMs: Milliseconds,
  health: Health,
  limits: Limits
): Blind => {
  const { currentBytes } = input.observation.usage
  const headroom = headroomOf(health, limits)
  const granted = currentBytes * shareEach * (Math.min(elapsedMs, longestStepMs) / eachMs) * headroom
  const owed = headroom > 0 ? Math.min(owedBytes + granted, Math.max(0, currentBytes - input.floorBytes)) : 0
  const bytes = Math.min(inPages(owed), stepRoomBytes(input))
  const isWorthIt = bytes > 0 && bytes >= Math.min(leastBytes, inPages(input.budgetBytes))
  return isWorthIt ? { bytes, owedBytes: owed - bytes } : { bytes: 0, owedBytes: owed }
}
