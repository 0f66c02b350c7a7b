/**
 * Whether everything must stop: the machine's tasks stalled on memory for too much of the last tick, or too little memory is available. Pure; stops at
 * once, and lets go only after a while without either.
 */
import { type Bytes, formatBytes, formatDuration, type Milliseconds } from "@wmo/core"
import type { EmergencyStop } from "../config/Config.ts"

export interface MachineReading {
  readonly atMs: Milliseconds
  /** Counts microseconds in which some task was stalled on memory; undefined where the kernel does not count. */
  readonly stallUs: bigint | undefined
  readonly availableBytes: Bytes | undefined
  readonly totalBytes: Bytes | undefined
}

export interface EmergencyState {
  readonly last: MachineReading | undefined
  /** Why everything is stopped; undefined: it is not. */
  readonly why: string | undefined
  /** When it was seen last that it must be. */
  readonly seenMs: Milliseconds
}

export const calm: EmergencyState = { last: undefined, why: undefined, seenMs: 0 }

const stalledPercent = (now: MachineReading, last: MachineReading | undefined): number => {
  if (now.stallUs === undefined || last?.stallUs === undefined || now.atMs <= last.atMs || now.stallUs < last.stallUs) return 0
  return (Number(now.stallUs - last.stallUs) / 1000 / (now.atMs - last.atMs)) * 100
}

const reason = (
  { available, pressurePercent }: EmergencyStop,
  now: MachineReading,
  last: MachineReading | undefined
): string | undefined => {
  const stalled = stalledPercent(now, last)
  if (stalled > pressurePercent)
    return `some task was stalled on memory ${stalled.toFixed(0)} % of ${formatDuration(now.atMs - last!.atMs)}, above ${pressurePercent} %`
  if (now.availableBytes === undefined) return undefined
  const least = "bytes" in available ? available.bytes : ((now.totalBytes ?? 0) * available.percent) / 100
  return now.availableBytes < least ? `${formatBytes(now.availableBytes)} of memory available, less than ${formatBytes(least)}` : undefined
}

export const judgeMachine = (stop: EmergencyStop | undefined, now: MachineReading, state: EmergencyState): EmergencyState => {
  const why = stop === undefined ? undefined : reason(stop, now, state.last)
  if (why !== undefined) return { last: now, why, seenMs: now.atMs }
  const isOver = state.why === undefined || stop === undefined || now.atMs - state.seenMs >= stop.resumeAfterMs
  return { last: now, why: isOver ? undefined : state.why, seenMs: state.seenMs }
}
