/**
 * Age, then evict by generation: creates a generation every so often, and evicts whole ones once they are old. Nothing that was used since is touched.
 * Source: what MGLRU's debugfs file is for (kernel Documentation/admin-guide/mm/multigen_lru.rst, "Proactive reclaim"), as a shell loop in our VM
 * notes. Kept: no feedback of refaults; a working set that returns later than the age is evicted each time. Mended: bounded by floor,
 * budget and swap room, stops at a pressure limit.
 */
import { formatBytes, formatDuration } from "@wmo/core"
import { coldBytes } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration, percent, ratio } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes, takeableBytes } from "./takeable.ts"

interface State {
  readonly nextAgeMs: number
  readonly last: StallReading | undefined
}

export const lruGen = definePolicy({
  name: "lru-gen",
  summary: "Ages the generations at a fixed pace and evicts those that are older than an age.",
  source: "MGLRU's debugfs interface (Google, Linux 6.1)",
  settings: {
    age_every: duration({ default: "4s", doc: "time from one new generation to the next; four of them exist" }),
    older_than: duration({ default: "8s", doc: "evict generations whose youngest page has been idle for at least this long" }),
    swappiness: ratio({ default: "200", minimum: 0, maximum: 200, doc: "200 prefers anon, 0 takes file pages only" }),
    least: size({ default: "4M", doc: "leave generations that hold less than this alone" }),
    pressure_limit: percent({
      default: "10%",
      doc: "evict nothing while some task was stalled on memory for more than this share of time"
    })
  },
  needs: ["page-age", "lru_gen"],
  ages: ({ older_than }) => [older_than],
  initialState: { nextAgeMs: 0, last: undefined } as State,
  decide: (input, state) => {
    const { observation, settings } = input
    const { atMs, pageAge } = observation
    const now = readStall(observation)
    const stalled = stalledPercent(now, state.last, "memoryUs")
    const age = isDue(atMs, state.nextAgeMs, settings.age_every)
    const next: State = { nextAgeMs: age ? atMs + settings.age_every : state.nextAgeMs, last: now }
    // Aging comes last: it must not empty the generation that is to be evicted.
    const decided = (reason: string, evict: ReadonlyArray<Action> = []) => ({
      actions: age ? [...evict, { _tag: "Age" as const }] : evict,
      reason: age ? `${reason}; a generation is due` : reason,
      state: next
    })
    if (pageAge === undefined) return decided("the kernel reports no page ages yet")
    const cold = coldBytes(pageAge, settings.older_than)
    const found = `${formatBytes(cold.anonBytes)} anon and ${formatBytes(cold.fileBytes)} file in generations ≥ ${formatDuration(settings.older_than)}`
    if ((stalled ?? 0) > settings.pressure_limit)
      return decided(`${found}; stalled ${showPercent(stalled)}, above ${settings.pressure_limit} %: wait`)
    const wanted = settings.swappiness === 0 ? cold.fileBytes : takeableBytes(cold, observation)
    const bytes = Math.min(inPages(wanted), stepRoomBytes(input))
    if (bytes === 0 || bytes < settings.least) return decided(`${found}: ${formatBytes(bytes)} can be taken, not worth it`)
    return decided(`${found}; stalled ${showPercent(stalled)} → evict ${formatBytes(bytes)}`, [
      { _tag: "Evict", olderThanMs: settings.older_than, bytes, swappiness: settings.swappiness }
    ])
  }
})
