/**
 * Keeps a group below a share of its limit (the lower of `memory.high` and `memory.max`), so that it is never throttled: bounded batches from a high
 * mark down to a low one, and earlier where growth would reach the limit soon. Source: what Kubernetes (KEP #6398) and Koordinator (#3186) ask for.
 * Simplifies: limits of groups above are not seen; what a byte costs is a guess before the first requests; a higher cost is believed at once, a
 * lower one by and by. Where a disk becomes slow, one step overdraws its budget: 5 s of it are paid back at once, another minute by and by.
 */
import { type Bytes, formatBytes, formatDuration, limitBytes, pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { definePolicy, type PastAction } from "./Policy.ts"
import { bytes as size, duration, percent } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes } from "./takeable.ts"

/** Kernel time. */
interface Account {
  /** What may still be spent; negative: a debt, nothing is asked for before it is paid back. */
  readonly creditMs: number
  /** What was overdrawn beyond a debt, as far as it is not forgiven. */
  readonly overdrawnMs: number
}

interface State extends Account {
  /** From the high mark until the low one is reached. */
  readonly isActive: boolean
  readonly last: StallReading & { readonly currentBytes: Bytes }
  /** Bytes a second that the group would have grown by, smoothed over a few seconds. */
  readonly growth: number
  /** Milliseconds that a byte which is asked for costs, as far as seen. */
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
/** Credit is saved up for so long, and a debt paid back for no longer. */
const creditForMs = 5000
/** So many times as much is remembered as overdrawn: what a minute earns. More is forgiven. */
const overdrawnTimes = 12
/** The kernel takes no less at a time: nothing is known to cost so much that all of the credit would not pay for this. */
const leastBytes = 32 * pageSize
/** A request that seems to have taken longer (the clock was set) took so long; none took less than nothing. */
const longestRequestMs = 60_000
const longestPauseMs = 60_000
/** Steps that are further apart are not looked ahead for. */
const longestStepMs = 10_000

const limitOf = ({ usage: { high, max } }: Observation): { readonly name: string; readonly bytes: Bytes } | undefined => {
  const bytes = Math.min(limitBytes(high), limitBytes(max))
  return bytes === Infinity ? undefined : { name: limitBytes(high) <= bytes ? "memory.high" : "memory.max", bytes }
}

/** What the step before reclaimed: as measured, else nothing is known of it. */
const reclaimedIn = (before: ReadonlyArray<PastAction>): { readonly asked: Bytes; readonly got: Bytes; readonly tookMs: number } =>
  before.reduce(
    (sum, { action, reclaimedBytes, tookMs }) =>
      action._tag === "Reclaim"
        ? {
            asked: sum.asked + action.bytes,
            got: sum.got + Math.max(0, reclaimedBytes ?? 0),
            tookMs: sum.tookMs + Math.min(Math.max(tookMs, 0), longestRequestMs)
          }
        : sum,
    { asked: 0, got: 0, tookMs: 0 }
  )

/**
 * What a byte costs, now that so much was asked for. More than was known is believed at once, where there was enough of it to time: a guess that is too
 * low overdraws the budget, and the group is at its limit while that is paid back. Else what was known before counts as much as what was asked: where all
 * is quick again the cost halves with each step, however little was asked.
 */
const costAfter = (msPerByte: number, { asked, got, tookMs }: ReturnType<typeof reclaimedIn>, mostMsPerByte: number): number => {
  if (asked === 0) return msPerByte
  const useful = Math.min(got, asked)
  const seen = useful > mib ? tookMs / useful : 0
  return Math.min(Math.max(seen, (tookMs + msPerByte * asked) / (useful + asked)), mostMsPerByte)
}

/**
 * Neither credit nor debt is more than `mostMs`, so that one slow request does not leave the group alone for long. What it overdrew beyond that is
 * paid back with half of what is earned, and with what no credit is made of: else a disk that is slow now and then would overdraw each time.
 */
const booked = ({ creditMs, overdrawnMs }: Account, earnedMs: number, spentMs: number, mostMs: number): Account => {
  const backMs = Math.min(overdrawnMs, earnedMs / 2)
  const balanceMs = creditMs + earnedMs - backMs - spentMs
  const leftMs = Math.max(0, overdrawnMs - backMs - Math.max(0, balanceMs - mostMs))
  return {
    creditMs: Math.max(-mostMs, Math.min(balanceMs, mostMs)),
    overdrawnMs: Math.min(leftMs + Math.max(0, -mostMs - balanceMs), overdrawnTimes * mostMs)
  }
}

export const watermark = definePolicy({
  name: "watermark",
  summary: "Keeps a group below a share of its limit by bounded batches, before it is throttled.",
  source: "Kubernetes KEP #6398, Koordinator #3186 (requests of users)",
  settings: {
    high_mark: percent({ default: "90%", doc: "share of memory.high, or of memory.max where that is lower, at which reclaim begins" }),
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
    const mostCreditMs = (creditForMs * settings.cpu_budget) / 100
    const msPerByte = costAfter(state?.msPerByte ?? firstMsPerByte, done, mostCreditMs / leastBytes)
    const spentMs = done.asked > 0 ? done.tookMs : (state?.askedBytes ?? 0) * msPerByte
    const earnedMs = (isStart ? 1000 : elapsedMs) * (settings.cpu_budget / 100)
    const { creditMs, overdrawnMs } = booked(state ?? { creditMs: 0, overdrawnMs: 0 }, earnedMs, spentMs, mostCreditMs)
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
    const next: State = { isActive, last: now, growth, creditMs, overdrawnMs, msPerByte, pauseMs, pausedUntilMs, askedBytes: 0 }
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
