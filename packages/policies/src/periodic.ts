/**
 * WMO's `periodic` policy: every so often, reclaim what has been idle for at least the cold age.
 * Source: the original WMO agent (July and August 2024). Kept: open loop, one request per period. Mended: ages are compared by the lower
 * edge of a bin, all nodes count, anon counts only as far as swap has room, floor and budget hold, it waits while pressure is high, and does not ask for
 * crumbs: asked for 44 KiB, a 6.12 kernel was seen to evict 2,400 pages.
 */
import { formatBytes, formatDuration, limitBytes } from "@wmo/core"
import { coldBytes, growth, type Observation } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration, percent } from "./Setting.ts"

interface State {
  readonly nextReclaimMs: number | undefined
  readonly nextAgeMs: number
  readonly last: { readonly atMs: number; readonly stallUs: bigint } | undefined
}

/** Share of the time since the last tick in which some task was stalled on memory, in percent. */
const stalledPercent = (observation: Observation, last: State["last"]): number => {
  const total = observation.pressure?.some?.totalUs
  if (total === undefined || last === undefined || observation.atMs <= last.atMs) return 0
  return (growth(total, last.stallUs) / 1000 / (observation.atMs - last.atMs)) * 100
}

export const periodic = definePolicy({
  name: "periodic",
  summary: "Every interval, reclaims what has been idle for at least the cold age.",
  source: "the original WMO agent, policy `periodic` (2024)",
  settings: {
    cold_age: duration({ default: "10s", doc: "memory idle for at least this long is cold" }),
    interval: duration({ default: "5s", doc: "time from one reclaim to the next; the first comes one cold age after the start" }),
    least: size({
      default: "4M",
      doc: "leave less cold memory than this alone: the kernel reclaims in batches, and would take warm pages with it"
    }),
    pressure_limit: percent({
      default: "10%",
      doc: "skip a reclaim while some task was stalled on memory for more than this share of time"
    })
  },
  needs: ["page-age", "memory.reclaim"],
  ages: ({ cold_age }) => [cold_age],
  initialState: { nextReclaimMs: undefined, nextAgeMs: 0, last: undefined } as State,
  decide: ({ budgetBytes, floorBytes, observation, settings }, state) => {
    const { atMs, machine, pageAge, pressure, usage } = observation
    const stallUs = pressure?.some?.totalUs
    const stalled = stalledPercent(observation, state.last)
    const nextReclaimMs = state.nextReclaimMs ?? atMs + settings.cold_age
    const due = isDue(atMs, nextReclaimMs, Math.max(settings.cold_age, settings.interval))
    // Generations must be half a cold age apart: then the oldest of four is never younger than the cold age at its lower edge.
    const age = pageAge?.source !== "working-set" && isDue(atMs, state.nextAgeMs, settings.cold_age / 2)
    const next: State = {
      nextReclaimMs: due ? atMs + settings.interval : nextReclaimMs,
      nextAgeMs: age ? atMs + settings.cold_age / 2 : state.nextAgeMs,
      last: stallUs === undefined ? undefined : { atMs, stallUs }
    }
    const actions: Array<Action> = []
    const dueMs = Math.min(next.nextReclaimMs ?? atMs, pageAge?.source === "working-set" ? Infinity : next.nextAgeMs)
    const decided = (reason: string) => ({ actions, state: next, dueMs, reason: age ? `${reason}; a generation is due` : reason })
    // Aging comes last in a tick: it must not empty the histogram that the reclaim was computed from.
    const withAge = (reason: string) => {
      if (age) actions.push({ _tag: "Age" })
      return decided(reason)
    }

    if (!due) return withAge(`next reclaim in ${formatDuration(nextReclaimMs - atMs)}`)
    if (pageAge === undefined) return withAge("the kernel reports no page ages yet")
    if (stalled > settings.pressure_limit) {
      return withAge(`some task was stalled ${stalled.toFixed(1)} % of the time, above ${settings.pressure_limit} %: wait`)
    }
    const cold = coldBytes(pageAge, settings.cold_age)
    const swapRoom = Math.max(0, Math.min(machine.swapFreeBytes, limitBytes(usage.swapMax ?? "max") - (usage.swapCurrentBytes ?? 0)))
    const takeable = cold.fileBytes + Math.min(cold.anonBytes, swapRoom)
    const bytes = Math.floor(Math.min(takeable, usage.currentBytes - floorBytes, budgetBytes) / 4096) * 4096
    const found = `${formatBytes(cold.anonBytes)} anon and ${formatBytes(cold.fileBytes)} file idle ≥ ${formatDuration(settings.cold_age)}`
    const noRoom = cold.anonBytes > swapRoom ? `; swap has room for ${formatBytes(swapRoom)} only` : ""
    if (bytes > 0 && bytes < settings.least)
      return withAge(`${found}${noRoom}: less than ${formatBytes(settings.least)}, not worth a reclaim`)
    if (bytes <= 0) return withAge(`${found}${noRoom}: nothing to reclaim`)
    actions.push({ _tag: "Reclaim", bytes })
    return withAge(`${found}${noRoom}; stalled ${stalled.toFixed(2)} % → reclaim ${formatBytes(bytes)}`)
  }
})
