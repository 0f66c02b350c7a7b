/**
 * Whether wmod keeps to its own budget, and what it does about it: above its share of CPU, ticks are taken less often, as far as it takes; above its memory,
 * histories are not kept. Pure. CPU is that of all threads but those that wait for the kernel to reclaim: that has budgets of its own.
 */
import { type Bytes, formatBytes, formatDuration, type Milliseconds } from "@wmo/core"

export interface OwnReading {
  readonly atMs: Milliseconds
  /** Since the process began. */
  readonly cpuMs: Milliseconds
  readonly rssBytes: Bytes
}

export interface OwnBudget {
  /** Of one CPU; undefined: no limit. */
  readonly cpuPercent: number | undefined
  readonly memoryBytes: Bytes | undefined
}

export interface OwnState {
  /** Since ticks were taken as they are now, and no older than a while. */
  readonly readings: ReadonlyArray<OwnReading>
  /** Of one CPU; undefined until there is enough to tell by. */
  readonly cpuPercent: number | undefined
  /** One tick of so many is taken. */
  readonly stride: number
  readonly isOverMemory: boolean
}

export const ownStart: OwnState = { readings: [], cpuPercent: undefined, stride: 1, isOverMemory: false }

/** Long enough that a start or a reload is not taken for the usual. */
const windowMs: Milliseconds = 30_000
const leastMs: Milliseconds = 20_000
const mostStride = 64
/** It goes back to more ticks when these would take no more than this share of the budget. */
const easyShare = 0.7
/** Memory is in order again below this share of the budget. */
const lessShare = 0.9

const usedPercent = ([first]: ReadonlyArray<OwnReading>, now: OwnReading): number | undefined =>
  first === undefined || now.atMs - first.atMs < leastMs || now.cpuMs < first.cpuMs
    ? undefined
    : ((now.cpuMs - first.cpuMs) / (now.atMs - first.atMs)) * 100

const strideFor = (used: number, stride: number, budget: number): number => {
  const needed = Math.max(1, Math.min(mostStride, Math.ceil((stride * used) / budget)))
  if (used > budget) return Math.max(needed, Math.min(mostStride, stride + 1))
  const easy = Math.max(1, Math.ceil((stride * used) / (budget * easyShare)))
  return Math.min(stride, easy)
}

export const judgeOwn = ({ cpuPercent: budget, memoryBytes }: OwnBudget, now: OwnReading, state: OwnState): OwnState => {
  const isOverMemory =
    memoryBytes !== undefined && (state.isOverMemory ? now.rssBytes > memoryBytes * lessShare : now.rssBytes > memoryBytes)
  // A clock that was set back makes nothing of what was seen.
  const known = state.readings.filter(({ atMs }) => atMs <= now.atMs && now.atMs - atMs <= windowMs)
  const used = usedPercent(known, now)
  const readings = [...known, now]
  if (budget === undefined) return { readings, cpuPercent: used, stride: 1, isOverMemory }
  if (used === undefined) return { ...state, readings, isOverMemory }
  const stride = strideFor(used, state.stride, budget)
  return { readings: stride === state.stride ? readings : [now], cpuPercent: used, stride, isOverMemory }
}

/** What is worth telling of a change, and whether it is a warning. */
export const describeOwn = (
  { cpuPercent, memoryBytes }: OwnBudget,
  everyMs: Milliseconds,
  before: OwnState,
  now: OwnState
): ReadonlyArray<readonly [isWarning: boolean, text: string]> => {
  const told: Array<readonly [boolean, string]> = []
  const every = formatDuration(everyMs * now.stride)
  if (now.stride > before.stride) {
    const took = `wmod took ${now.cpuPercent?.toFixed(1)} % of a CPU, its budget is ${cpuPercent} %`
    told.push([true, `${took}: groups are looked at every ${every}`])
  } else if (now.stride < before.stride) told.push([false, `groups are looked at every ${every} again`])
  if (now.isOverMemory === before.isOverMemory) return told
  const over = `wmod's memory is above its budget of ${formatBytes(memoryBytes ?? 0)}: histories of groups are dropped`
  const within = "wmod's memory is within its budget: histories are kept again"
  return [...told, now.isOverMemory ? [true, over] : [false, within]]
}
