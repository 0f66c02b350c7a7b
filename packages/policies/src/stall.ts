/**
 * How long tasks were stalled between two looks, from the totals of the pressure files: the averages lag by ten seconds and more.
 * Does not judge. A look whose clock or counter went back tells nothing.
 */
import type { Observation } from "@wmo/monitors"

/** What is kept of a look. */
export interface StallReading {
  readonly atMs: number
  readonly memoryUs: bigint | undefined
  readonly ioUs: bigint | undefined
}

export const readStall = ({ atMs, ioPressure, pressure }: Observation): StallReading => ({
  atMs,
  memoryUs: pressure?.some?.totalUs,
  ioUs: ioPressure?.some?.totalUs
})

/** Share of the time between two looks in which some task was stalled, 0 to 100; undefined where that is not known. */
export const stalledPercent = (now: StallReading, before: StallReading | undefined, of: "memoryUs" | "ioUs"): number | undefined => {
  const later = now[of]
  const earlier = before?.[of]
  if (before === undefined || later === undefined || earlier === undefined || now.atMs <= before.atMs || later < earlier) return undefined
  return Math.min(100, (Number(later - earlier) / 1000 / (now.atMs - before.atMs)) * 100)
}

/** `12.3 %`, or that it is not known. */
export const showPercent = (percent: number | undefined): string => (percent === undefined ? "unknown" : `${percent.toFixed(2)} %`)
