/**
 * Caps a group's page cache: drops clean file pages above a limit, and those that are older than an age. Never swaps anything out.
 * Source: what Koordinator #2515 and HTCondor #2575 ask for. Cache is what is on the file lists; shared memory and tmpfs are not, nor
 * what is dirty or being written. Simplifies: which file pages go is the kernel's choice, but for MGLRU by age.
 */
import { type Bytes, formatBytes, formatDuration } from "@wmo/core"
import { coldBytes, type Observation } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration, percent } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes } from "./takeable.ts"

interface State {
  readonly nextMs: number
  readonly nextAgeMs: number
  readonly last: StallReading | undefined
}

/** Page cache that can be dropped without writing, as far as memory.stat says. */
const cacheBytes = ({ stat }: Observation): { readonly held: Bytes; readonly clean: Bytes } => {
  const listed = stat.active_file === undefined || stat.inactive_file === undefined ? undefined : stat.active_file + stat.inactive_file
  const held = Math.max(0, listed ?? (stat.file ?? 0) - (stat.shmem ?? 0))
  return { held, clean: Math.max(0, held - (stat.file_dirty ?? 0) - (stat.file_writeback ?? 0)) }
}

export const cacheCap = definePolicy({
  name: "cache-cap",
  summary: "Keeps a group's page cache below a cap, and drops cache that is older than an age.",
  source: "Koordinator #2515, HTCondor #2575 (requests of users)",
  settings: {
    cap: size({ default: "256M", doc: "page cache that a group may hold" }),
    max_age: duration({ default: "10m", doc: "cache idle for longer is dropped, below the cap, too, where page ages are known" }),
    interval: duration({ default: "5s", doc: "time from one look to the next" }),
    least: size({ default: "4M", doc: "leave less than this alone" }),
    pressure_limit: percent({
      default: "10%",
      doc: "drop nothing while some task was stalled on memory or IO for more than this share of time"
    })
  },
  needs: ["memory.reclaim", "swappiness"],
  ages: ({ max_age }) => [max_age],
  initialState: { nextMs: 0, nextAgeMs: 0, last: undefined } as State,
  decide: (input, state) => {
    const { observation, settings } = input
    const { atMs, pageAge } = observation
    if (!isDue(atMs, state.nextMs, settings.interval))
      return { actions: [], reason: `next look in ${formatDuration(state.nextMs - atMs)}`, state }
    const now = readStall(observation)
    const stalled = Math.max(stalledPercent(now, state.last, "memoryUs") ?? 0, stalledPercent(now, state.last, "ioUs") ?? 0)
    const age = pageAge?.source === "mglru" && isDue(atMs, state.nextAgeMs, settings.max_age / 2)
    const next: State = { nextMs: atMs + settings.interval, nextAgeMs: age ? atMs + settings.max_age / 2 : state.nextAgeMs, last: now }
    const actions: Array<Action> = []
    const decided = (reason: string) => {
      if (age) actions.push({ _tag: "Age" })
      return { actions, reason: age ? `${reason}; a generation is due` : reason, state: next }
    }

    const { clean, held } = cacheBytes(observation)
    const oldBytes = pageAge === undefined ? 0 : coldBytes(pageAge, settings.max_age).fileBytes
    const old = pageAge === undefined ? "its ages unknown" : `${formatBytes(oldBytes)} of it idle ≥ ${formatDuration(settings.max_age)}`
    const seen = `${formatBytes(held)} of cache, ${formatBytes(clean)} clean, ${old}, cap ${formatBytes(settings.cap)}`
    if (stalled > settings.pressure_limit)
      return decided(`${seen}; stalled ${showPercent(stalled)}, above ${settings.pressure_limit} %: wait`)
    const room = Math.min(inPages(clean), stepRoomBytes(input))
    const byAge = Math.min(inPages(oldBytes), room)
    const aged = byAge >= settings.least ? byAge : 0
    if (aged > 0) {
      if (pageAge?.source === "mglru") actions.push({ _tag: "Evict", olderThanMs: settings.max_age, bytes: aged, swappiness: 0 })
      else actions.push({ _tag: "Reclaim", bytes: aged, swappiness: 0 })
    }
    const over = Math.min(inPages(held - aged - settings.cap), room - aged)
    const capped = over >= settings.least ? over : 0
    if (capped > 0) actions.push({ _tag: "Reclaim", bytes: capped, swappiness: 0 })
    if (aged + capped === 0) return decided(`${seen}: nothing to drop`)
    return decided(`${seen} → drop ${formatBytes(aged)} by age and ${formatBytes(capped)} above the cap`)
  }
})
