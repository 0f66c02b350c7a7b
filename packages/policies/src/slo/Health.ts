/**
 * How a group fares: pressure and refaults, smoothed over a minute, against what is allowed, and whether that says to wait. Looks at what is seen,
 * whoever caused it; decides nothing of ages. Pure.
 */
import { type Bytes, formatDuration, type Milliseconds, pageSize, type Pages } from "@wmo/core"
import type { Observation, PageAge } from "@wmo/monitors"
import { readStall, stalledPercent, type StallReading } from "../stall.ts"
import { type Backoff, isHolding, noBackoff, recovered, violated } from "./Backoff.ts"
import { allowedPerMinute } from "./PromotionLedger.ts"
import { type Refaults, refaultsSince } from "./Refaults.ts"

export interface Health {
  readonly stall: StallReading
  /** Share of time with some task stalled, in percent, smoothed over a minute. */
  readonly pressure: number
  readonly refaults: Refaults
  /** Refaulted pages a minute, smoothed over a minute. */
  readonly refaultRate: number
  readonly workingSetBytes: Bytes
  /** Pages that may come back a minute. */
  readonly allowedPages: Pages
  readonly isStalled: boolean
  readonly isAlarmed: boolean
  readonly backoff: Backoff
}

/** What the user allows, in percent. */
export interface Limits {
  readonly promotions: number
  readonly pressure: number
}

const minuteMs = 60_000
export const workingSetMs = 120_000
/** Refaults beyond this many times the budget within a minute, and beyond any program's noise: at once, nothing more is taken. */
const alarm = 8
const noisePages = 32
/** Share of the promotion rate that is aimed at: the working set is an estimate. */
const caution = 0.9

/** What was used in the last two minutes: of a bin that reaches beyond, its part. */
const workingSet = ({ bins }: PageAge): Bytes =>
  bins.reduce((sum, { anonBytes, fileBytes, lowerMs, upperMs }) => {
    const within = upperMs <= workingSetMs ? 1 : upperMs === Infinity ? 0 : Math.max(0, workingSetMs - lowerMs) / (upperMs - lowerMs)
    return sum + (anonBytes + fileBytes) * Math.min(1, within)
  }, 0)

const smooth = (before: number, now: number, elapsedMs: Milliseconds): number => {
  const kept = Math.exp(-elapsedMs / minuteMs)
  return before * kept + now * (1 - kept)
}

/** At the first look nothing is known but where the counters stand. */
export const firstHealth = (observation: Observation): Health => ({
  stall: readStall(observation),
  pressure: 0,
  refaults: refaultsSince(undefined, observation),
  refaultRate: 0,
  workingSetBytes: 0,
  allowedPages: 0,
  isStalled: false,
  isAlarmed: false,
  backoff: noBackoff
})

/** `isFine`: page ages tell what was used within two minutes. Where they do not, an estimate from before is kept. */
export const examine = (before: Health, observation: Observation, elapsedMs: Milliseconds, limits: Limits, isFine: boolean): Health => {
  const { atMs, pageAge, usage } = observation
  const stall = readStall(observation)
  const stalled = stalledPercent(stall, before.stall, "memoryUs")
  const pressure = stalled === undefined ? before.pressure : smooth(before.pressure, stalled, elapsedMs)
  const refaults = refaultsSince(before.refaults, observation)
  const refaulted = refaults.since.anon + refaults.since.file
  const refaultRate = elapsedMs > 0 ? smooth(before.refaultRate, (refaulted / elapsedMs) * minuteMs, elapsedMs) : before.refaultRate
  const seen = pageAge === undefined ? usage.currentBytes : workingSet(pageAge)
  const known = Math.min(before.workingSetBytes, usage.currentBytes)
  // Generations that the kernel has just joined, or that were made farther apart until now, tell less than was used: for some time that is remembered.
  const workingSetBytes = isFine ? Math.max(seen, known * Math.exp(-elapsedMs / workingSetMs)) : known
  const allowedPages = allowedPerMinute(workingSetBytes, limits.promotions * caution)
  const isStalled = pressure > limits.pressure
  const isAlarmed = refaultRate > alarm * Math.max(allowedPages, noisePages)
  const backoff = isStalled || isAlarmed ? violated(before.backoff, atMs) : recovered(before.backoff, atMs)
  return { stall, pressure, refaults, refaultRate, workingSetBytes, allowedPages, isStalled, isAlarmed, backoff }
}

const show = (value: number): string => (value < 0.001 ? "0" : value.toPrecision(2))

/** For a reason: both rates beside what is allowed. */
export const describeHealth = ({ pressure, refaultRate, workingSetBytes }: Health, limits: Limits): string => {
  const rate = workingSetBytes > 0 ? (refaultRate / (workingSetBytes / pageSize)) * 100 : 0
  return `promotions ${show(rate)} %/min of ${limits.promotions}; PSI ${show(pressure)} % of ${limits.pressure}`
}

/** Why nothing is to be taken now; undefined where something may. */
export const whyWait = (health: Health, atMs: Milliseconds, limits: Limits): string | undefined => {
  const { backoff, isAlarmed, isStalled } = health
  if (!isHolding(backoff, atMs)) return undefined
  const why = isStalled ? "tasks are stalled" : isAlarmed ? "too much came back" : "backing off"
  return `${why}: ${describeHealth(health, limits)}; nothing is taken for ${formatDuration(Math.round(backoff.untilMs - atMs))}`
}
