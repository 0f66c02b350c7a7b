/**
 * TMO's law: `reclaim = current × ratio × max(0, 1 − PSI some / threshold)` every interval, memory and IO pressure alike, and no more swapped out
 * than the disk is to bear. Source: Weiner et al., "TMO: Transparent Memory Offloading in Datacenters", ASPLOS 2022, §3.
 * Kept: law and constants; what goes is the kernel's choice. Mended: on a small group the law grants crumbs, for which 6.12 takes
 * batches of warm pages: what is granted is saved up until it is worth a request, and forfeited when pressure reaches the threshold.
 */
import { formatBytes, formatDuration, pageSize } from "@wmo/core"
import { growth } from "@wmo/monitors"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration, percent } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes } from "./takeable.ts"

interface State {
  readonly nextMs: number
  readonly owedBytes: number
  readonly last: StallReading
  readonly swappedOut: bigint | undefined
  /** Bytes a second that the machine swaps out, smoothed over a minute. */
  readonly swapRate: number
}

const smoothMs = 60_000

export const tmo = definePolicy({
  name: "tmo",
  summary: "Reclaims a small share of the group every interval, less the nearer pressure is to its threshold.",
  source: "TMO (Meta), ASPLOS 2022, the published formula",
  settings: {
    reclaim_ratio: percent({ default: "0.05%", doc: "share of the group that one interval reclaims when nothing stalls" }),
    pressure: percent({ default: "0.1%", doc: "memory stall (PSI some, share of time) at which nothing is reclaimed any more" }),
    io_pressure: percent({ default: "0.1%", doc: "IO stall (PSI some, share of time) at which nothing is reclaimed any more" }),
    interval: duration({ default: "6s", doc: "time from one step to the next" }),
    write_limit: size({ default: "1M", doc: "bytes a second that may be swapped out; above it only file pages are reclaimed" }),
    least: size({ default: "4M", doc: "save up what the law grants until a request is at least this large" })
  },
  needs: ["pressure", "memory.reclaim"],
  initialState: undefined as State | undefined,
  decide: (input, state) => {
    const { observation, settings } = input
    const { atMs, machine, usage } = observation
    const now = readStall(observation)
    const swappedOut = machine.pswpout
    const start: State = { nextMs: atMs + settings.interval, owedBytes: 0, last: now, swappedOut, swapRate: 0 }
    if (now.memoryUs === undefined) return { actions: [], reason: "the kernel reports no pressure: TMO cannot steer without it", state }
    if (state === undefined) return { actions: [], reason: `first look: next step in ${formatDuration(settings.interval)}`, state: start }
    if (!isDue(atMs, state.nextMs, settings.interval))
      return { actions: [], reason: `next step in ${formatDuration(state.nextMs - atMs)}`, state }
    const memory = stalledPercent(now, state.last, "memoryUs")
    if (memory === undefined) return { actions: [], reason: "clock or pressure total went back: start over", state: start }

    const io = stalledPercent(now, state.last, "ioUs")
    const elapsedMs = atMs - state.last.atMs
    const rateNow = (growth(swappedOut, state.swappedOut) * pageSize * 1000) / elapsedMs
    const swapRate = rateNow + (state.swapRate - rateNow) * Math.exp(-elapsedMs / smoothMs)
    const nearness = Math.max(shareOf(memory, settings.pressure), shareOf(io ?? 0, settings.io_pressure))
    const granted = usage.currentBytes * (settings.reclaim_ratio / 100) * Math.max(0, 1 - nearness)
    const room = stepRoomBytes(input)
    // Once the threshold is reached nothing is owed from quieter times.
    const owedBytes = nearness >= 1 ? 0 : Math.min(state.owedBytes + granted, Math.max(0, usage.currentBytes - input.floorBytes))
    const next: State = { ...start, owedBytes, swapRate }
    const seen = `memory stalled ${showPercent(memory)}, IO ${showPercent(io)}, swapped out ${formatBytes(Math.round(swapRate))}/s`
    const bytes = Math.min(inPages(owedBytes), room)
    if (nearness >= 1) return { actions: [], reason: `${seen}: at the threshold, nothing is reclaimed`, state: next }
    if (bytes === 0 || bytes < Math.min(settings.least, inPages(input.budgetBytes)))
      return {
        actions: [],
        reason: `${seen}: ${formatBytes(Math.round(granted))} granted, ${formatBytes(inPages(owedBytes))} saved up, ${formatBytes(room)} may be taken`,
        state: next
      }
    const fileOnly = swapRate >= settings.write_limit
    return {
      actions: [{ _tag: "Reclaim", bytes, ...(fileOnly ? { swappiness: 0 } : {}) }],
      reason: `${seen} → reclaim ${formatBytes(bytes)}${fileOnly ? ` of file pages only: above ${formatBytes(settings.write_limit)}/s` : ""}`,
      state: { ...next, owedBytes: owedBytes - bytes }
    }
  }
})

/** How near to its threshold; a threshold of nothing is reached by any stall. */
const shareOf = (value: number, threshold: number): number => (threshold > 0 ? value / threshold : value > 0 ? 1 : 0)
