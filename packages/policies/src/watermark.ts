/**
 * Keeps a group below a share of its limit (`memory.high`, else `memory.max`), so that it is never throttled: bounded batches from a high mark
 * down to a low one, and earlier where growth would reach the limit soon. Source: what Kubernetes (KEP #6398) and Koordinator (#3186) ask for.
 * Simplifies: limits of groups above are not seen; what a batch costs is the time that its write took (a guess before the first one).
 */
import { type Bytes, formatBytes, formatDuration, type Limit } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { definePolicy, type PastAction } from "./Policy.ts"
import { bytes as size, duration, percent } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes } from "./takeable.ts"

interface State {
  /** From the high mark until the low one is reached. */
  readonly isActive: boolean
  readonly last: StallReading & { readonly currentBytes: Bytes }
  /** Bytes a second that the group would have grown by, smoothed over a few seconds. */
  readonly growth: number
  /** Kernel time that may still be spent; negative: a debt. */
  readonly creditMs: number
  /** Milliseconds that a byte costs, as far as seen. */
  readonly msPerByte: number
  readonly pauseMs: number
  readonly pausedUntilMs: number
  /** What was asked in the step before. */
  readonly askedBytes: Bytes
}

const mib = 2 ** 20
const smoothMs = 3000
/** A guess until a batch has been timed: 2 µs a page. */
const firstMsPerByte = 0.002 / 4096
/** Credit is saved up for so long. */
const creditForMs = 5000
const longestPauseMs = 60_000
/** Steps that are further apart are not looked ahead for. */
const longestStepMs = 10_000

const limitOf = ({ usage }: Observation): { readonly name: string; readonly bytes: Bytes } | undefined => {
  const finite = (name: string, limit: Limit) => (limit === "max" ? undefined : { name, bytes: limit })
  return finite("memory.high", usage.high) ?? finite("memory.max", usage.max)
}

/** What the step before reclaimed: as measured, else nothing is known of it. */
const reclaimedIn = (before: ReadonlyArray<PastAction>): { readonly asked: Bytes; readonly got: Bytes; readonly tookMs: number } =>
  before.reduce(
    (sum, { action, reclaimedBytes, tookMs }) =>
      action._tag === "Reclaim"
        ? { asked: sum.asked + action.bytes, got: sum.got + Math.max(0, reclaimedBytes ?? 0), tookMs: sum.tookMs + tookMs }
        : sum,
    { asked: 0, got: 0, tookMs: 0 }
  )

export const watermark = definePolicy({
  name: "watermark",
  summary: "Keeps a group below a share of its limit by bounded batches, before it is throttled.",
  source: "Kubernetes KEP #6398, Koordinator #3186 (requests of users)",
  settings: {
    high_mark: percent({ default: "90%", doc: "share of memory.high (of memory.max where there is none) at which reclaim begins" }),
    low_mark: percent({ default: "85%", doc: "share of the limit at which reclaim ends" }),
    horizon: duration({ default: "3s", doc: "reclaim below the high mark, too, when the group would reach its limit within this time" }),
    batch: size({ default: "32M", doc: "largest single request; a step may make several" }),
    batches: size({ default: "256M", doc: "most that one step asks for" }),
    cpu_budget: percent({ default: "2%", doc: "share of one core that reclaim may take" }),
    pressure_limit: percent({
      default: "20%",
      doc: "ask for a quarter only while some task was stalled on memory for more than this share of time"
    })
  },
  needs: ["memory.reclaim"],
  initialState: undefined as State | undefined,
  decide: (input, state) => {
    const { before = [], floorBytes, observation, settings } = input
    const { atMs, usage } = observation
    const now = { ...readStall(observation), currentBytes: usage.currentBytes }
    const limit = limitOf(observation)
    if (limit === undefined)
      return { actions: [], reason: "the group has neither memory.high nor memory.max: nothing to stay below", state: undefined }
    const elapsedMs = state === undefined ? 0 : atMs - state.last.atMs
    const isStart = state === undefined || elapsedMs <= 0

    const done = reclaimedIn(before)
    const grown = isStart ? 0 : ((usage.currentBytes - state.last.currentBytes + done.got) * 1000) / elapsedMs
    // Growth is believed at once, and forgotten slowly.
    const growth = isStart ? 0 : Math.max(grown, grown + (state.growth - grown) * Math.exp(-elapsedMs / smoothMs), 0)
    const msPerByte = done.got > mib ? done.tookMs / done.got : (state?.msPerByte ?? firstMsPerByte)
    const spentMs = done.asked > 0 ? done.tookMs : (state?.askedBytes ?? 0) * msPerByte
    const earnedMs = (isStart ? 1000 : elapsedMs) * (settings.cpu_budget / 100)
    const creditMs = Math.min((state?.creditMs ?? 0) + earnedMs - spentMs, (creditForMs * settings.cpu_budget) / 100)
    // Little came of it: the next attempts wait, twice as long each time.
    const isPoor = done.asked >= mib && done.got < done.asked / 4
    const pauseMs = isPoor
      ? Math.min(Math.max(1000, (state?.pauseMs ?? 0) * 2), longestPauseMs)
      : done.asked > 0
        ? 0
        : (state?.pauseMs ?? 0)
    const pausedUntilMs = isPoor ? atMs + pauseMs : (state?.pausedUntilMs ?? 0)

    // Where the group grows by more than the marks leave in two steps, it must be lower than they say.
    const headroom = (growth * 2 * Math.min(elapsedMs, longestStepMs)) / 1000
    const lowMark = Math.max(
      Math.min((limit.bytes * Math.min(settings.low_mark, settings.high_mark)) / 100, limit.bytes - headroom),
      floorBytes
    )
    const highMark = Math.max((limit.bytes * settings.high_mark) / 100, lowMark)
    const leftMs = growth > 0 ? ((limit.bytes - usage.currentBytes) / growth) * 1000 : Infinity
    // The next step must not come too late.
    const isSoon = leftMs < Math.max(settings.horizon, 2 * Math.min(elapsedMs, longestStepMs))
    const isActive = usage.currentBytes > lowMark && (usage.currentBytes >= highMark || isSoon || (state?.isActive ?? false))
    const next: State = { isActive, last: now, growth, creditMs, msPerByte, pauseMs, pausedUntilMs, askedBytes: 0 }
    const marks = `${formatBytes(usage.currentBytes)} of ${limit.name} ${formatBytes(limit.bytes)} (marks ${formatBytes(highMark)} and ${formatBytes(lowMark)}), growing ${formatBytes(Math.round(growth))}/s`
    const until = isSoon ? `, ${leftMs > 0 ? `${formatDuration(Math.round(leftMs))} to the limit` : "at the limit"}` : ""
    const nothing = (reason: string) => ({ actions: [], reason: `${marks}${until}: ${reason}`, state: next })

    if (limit.bytes <= floorBytes) return nothing(`the floor of ${formatBytes(floorBytes)} is no lower: nothing may be taken`)
    if (!isActive) return nothing("below the marks")
    if (atMs < pausedUntilMs && pausedUntilMs - atMs <= longestPauseMs)
      return nothing(`the last requests got little: wait ${formatDuration(pausedUntilMs - atMs)}`)
    if (creditMs <= 0) return nothing(`the CPU budget of ${settings.cpu_budget} % is spent: ${(-creditMs).toFixed(1)} ms over`)
    const stalled = stalledPercent(now, state?.last, "memoryUs")
    const isPressed = (stalled ?? 0) > settings.pressure_limit
    // What is above the low mark now, and what will have come until the next step.
    const wanted = usage.currentBytes - lowMark + (growth * Math.min(elapsedMs, longestStepMs)) / 1000
    const share = isPressed ? 0.25 : 1
    const bytes = Math.min(inPages(Math.min(wanted, settings.batches, creditMs / msPerByte) * share), stepRoomBytes(input))
    if (bytes === 0) return nothing("less than a page may be taken")
    const actions: Array<Action> = []
    for (let left = bytes; left > 0; left -= Math.min(left, batchBytes(settings.batch)))
      actions.push({ _tag: "Reclaim", bytes: Math.min(left, batchBytes(settings.batch)) })
    const pressed = isPressed ? `, a quarter since ${showPercent(stalled)} was stalled` : ""
    return {
      actions,
      reason: `${marks}${until} → reclaim ${formatBytes(bytes)}${pressed}`,
      state: { ...next, askedBytes: bytes }
    }
  }
})

/** A batch of whole pages; never less than a quarter of a MiB, or a step would be thousands of them. */
const batchBytes = (batch: Bytes): Bytes => Math.min(Math.max(inPages(batch), mib / 4), 32 * mib)
