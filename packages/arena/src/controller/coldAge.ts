/**
 * The cold age: how long a chunk must be untouched to be compressed. It grows while readers wait too much for restores, and falls while they
 * hardly do; faster when the machine is short of memory. Pure. The prototype's law (a step a second) with a measured share in place of a count.
 */
import { formatDuration, type Milliseconds } from "@wmo/core"
import type { ControllerSettings } from "./Settings.ts"

export interface ColdAgeSignals {
  /** Share of the last time that readers and writers waited for restores. */
  readonly stallPercent: number
  /** PSI `some` of memory, where it is known: from this on the machine counts as short of memory. */
  readonly pressurePercent: number | undefined
}

const growth = 1.5
const decay = 0.95
const decayUnderPressure = 0.7
const pressureAtPercent = 1

export const adaptColdAge = (
  coldMs: Milliseconds,
  { pressurePercent = 0, stallPercent }: ColdAgeSignals,
  { leastColdMs, mostColdMs, mostStallPercent }: Pick<ControllerSettings, "leastColdMs" | "mostColdMs" | "mostStallPercent">
): { readonly coldMs: Milliseconds; readonly reason: string } | undefined => {
  const within = (ms: number): Milliseconds => Math.min(mostColdMs, Math.max(leastColdMs, ms))
  const waited = `waited ${stallPercent.toFixed(2)} % of the time for restores, ${mostStallPercent} % may be`
  const isShort = pressurePercent >= pressureAtPercent
  const factor = stallPercent > mostStallPercent ? growth : stallPercent < mostStallPercent / 2 ? (isShort ? decayUnderPressure : decay) : 1
  const next = within(coldMs * factor)
  if (next === coldMs) return undefined
  const pressure = isShort ? `; memory pressure ${pressurePercent.toFixed(1)} %` : ""
  return { coldMs: next, reason: `${waited}${pressure} → cold after ${formatDuration(next)}, before ${formatDuration(coldMs)}` }
}
