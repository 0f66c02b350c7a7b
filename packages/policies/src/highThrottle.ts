/**
 * WMO's second policy: every so often sets `memory.high` to what is in use less what is cold, for a moment, so that the kernel reclaims.
 * Source: the original WMO agent (July 2024), policy `memory.high`. Kept: the means; the limit takes 1.6 to 2 times what was asked for where the
 * workload allocates meanwhile, and tasks that allocate are throttled. Mended: lower edges of bins, never at or below the floor, the limit
 * that was there comes back (not `max`), it is lifted at once under pressure, budget and swap room hold, ages are aged.
 */
import { formatBytes, formatDuration, type Limit, limitBytes } from "@wmo/core"
import { coldBytes } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration, percent } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes, takeableBytes } from "./takeable.ts"

interface State {
  readonly nextMs: number | undefined
  readonly nextAgeMs: number
  readonly last: StallReading | undefined
  /** While the limit is set: since when, ours, and the one that was there. */
  readonly throttle: { readonly untilMs: number; readonly ours: number; readonly before: Limit } | undefined
}

export const highThrottle = definePolicy({
  name: "high-throttle",
  summary: "Every interval, sets memory.high below what is in use by what is cold, for a moment.",
  source: "the original WMO agent, policy `memory.high` (2024)",
  settings: {
    cold_age: duration({ default: "10s", doc: "memory idle for at least this long is cold" }),
    interval: duration({
      default: "30s",
      doc: "time from lifting the limit to the next one; the first comes one cold age after the start"
    }),
    throttle: duration({ default: "300ms", doc: "how long the limit stays, to the next turn of the loop" }),
    least: size({ default: "4M", doc: "leave less cold memory than this alone" }),
    pressure_limit: percent({
      default: "10%",
      doc: "set no limit, and lift it, while some task was stalled on memory for more than this share of time"
    })
  },
  needs: ["page-age", "memory.high"],
  ages: ({ cold_age }) => [cold_age],
  initialState: { nextMs: undefined, nextAgeMs: 0, last: undefined, throttle: undefined } as State,
  decide: (input, state) => {
    const { observation, settings } = input
    const { atMs, pageAge, usage } = observation
    const now = readStall(observation)
    const stalled = stalledPercent(now, state.last, "memoryUs")
    const isPressed = (stalled ?? 0) > settings.pressure_limit
    const nextMs = state.nextMs ?? atMs + settings.cold_age
    const age = pageAge?.source !== "working-set" && isDue(atMs, state.nextAgeMs, settings.cold_age / 2)
    const kept: State = { ...state, nextMs, last: now, nextAgeMs: age ? atMs + settings.cold_age / 2 : state.nextAgeMs }
    const decided = (reason: string, changes: Partial<State> = {}, actions: ReadonlyArray<Action> = []) => ({
      actions: age ? [...actions, { _tag: "Age" as const }] : actions,
      reason: age ? `${reason}; a generation is due` : reason,
      state: { ...kept, ...changes }
    })

    const { throttle } = state
    if (throttle !== undefined) {
      const over = { throttle: undefined, nextMs: atMs + settings.interval }
      if (limitBytes(usage.high) !== throttle.ours) return decided("memory.high is not ours any more: leave it as it is", over)
      if (!isPressed && !isDue(atMs, throttle.untilMs, settings.throttle)) return decided("the limit stays for the moment")
      const why = isPressed ? `stalled ${showPercent(stalled)}, above ${settings.pressure_limit} %` : `held ${settings.throttle} ms`
      return decided(`${why}: put memory.high back to ${showLimit(throttle.before)}`, over, [{ _tag: "SetHigh", limit: throttle.before }])
    }
    if (!isDue(atMs, nextMs, Math.max(settings.cold_age, settings.interval)))
      return decided(`next limit in ${formatDuration(nextMs - atMs)}`)
    const later = { nextMs: atMs + settings.interval }
    if (pageAge === undefined) return decided("the kernel reports no page ages yet", later)
    if (isPressed) return decided(`stalled ${showPercent(stalled)}, above ${settings.pressure_limit} %: wait`, later)
    const cold = coldBytes(pageAge, settings.cold_age)
    const take = Math.min(inPages(takeableBytes(cold, observation)), stepRoomBytes(input))
    const found = `${formatBytes(cold.anonBytes)} anon and ${formatBytes(cold.fileBytes)} file idle ≥ ${formatDuration(settings.cold_age)}`
    if (take < settings.least || take === 0) return decided(`${found}: ${formatBytes(take)} can be taken, not worth a limit`, later)
    const limit = inPages(usage.currentBytes - take)
    if (limit < input.floorBytes || limit === 0) return decided(`${found}: the group is at its floor`, later)
    if (limitBytes(usage.high) <= limit) return decided(`${found}: memory.high is at ${showLimit(usage.high)} already`, later)
    const set = { ours: limit, before: usage.high, untilMs: atMs + settings.throttle }
    return decided(`${found} → memory.high ${formatBytes(limit)} for ${formatDuration(settings.throttle)}`, { throttle: set }, [
      { _tag: "SetHigh", limit }
    ])
  }
})

const showLimit = (limit: Limit): string => (limit === "max" ? "max" : formatBytes(limit))
