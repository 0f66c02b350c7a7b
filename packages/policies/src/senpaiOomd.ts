/**
 * oomd's `senpai` plugin: keeps `memory.high` just above the need (`limit`), or reclaims a share at once while nothing stalls (`immediate`), with its
 * swap rules. Source: facebookincubator/oomd, plugins/Senpai.cpp. Kept: both laws, floors, ceilings, the slow averages that gate (avg10 and avg60).
 * Mended: swap validation the right way round, real ratios, `interval` itself and not one tick more, swappiness by request and not for the machine,
 * no reset on a partial reclaim, a limit of the administrator's stays the ceiling, memory.low counts. Swap limits of groups above are not seen.
 */
import { type Bytes, formatBytes, limitBytes, pageSize } from "@wmo/core"
import { growth, type Observation } from "@wmo/monitors"
import { isDue } from "./due.ts"
import { type DecideInput, definePolicy } from "./Policy.ts"
import { bytes as size, choice, duration, flag, percent, ratio, type SettingValues } from "./Setting.ts"
import { inPages, stepRoomBytes, swapRoomBytes } from "./takeable.ts"

const settings = {
  mode: choice({ default: "limit", words: ["limit", "immediate"], doc: "keep a limit set, or reclaim at once" }),
  limit_min: size({ default: "100M", doc: "leave this much beside what cannot be reclaimed" }),
  limit_max: size({ default: "10G", doc: "limit mode: never set the limit further than this above what is in use" }),
  interval: duration({ default: "30s", doc: "time from one step to the next" }),
  pressure: duration({ default: "10ms", doc: "limit mode: stall (PSI some) allowed per interval" }),
  pressure_pct: percent({
    default: "0.1%",
    doc: "immediate mode: nothing while memory stall (PSI some, 10 s or 60 s average) is at this or above"
  }),
  io_pressure_pct: percent({ default: "0.1%", doc: "immediate mode: nothing while IO stall (as above) is at this or above" }),
  max_probe: ratio({ default: "0.01", minimum: 0, maximum: 1, doc: "largest share by which a step lowers the limit, or reclaims" }),
  max_backoff: ratio({ default: "1", minimum: 0, maximum: 10, doc: "limit mode: largest share by which a backoff raises the limit" }),
  coeff_probe: ratio({
    default: "10",
    minimum: 0.1,
    maximum: 1000,
    doc: "limit mode: max_probe is reached when the stall is this many times below what is allowed"
  }),
  coeff_backoff: ratio({
    default: "20",
    minimum: 0.1,
    maximum: 1000,
    doc: "limit mode: max_backoff is reached when the stall is this many times above what is allowed"
  }),
  swap_threshold: ratio({
    default: "0.8",
    minimum: 0,
    maximum: 1,
    doc: "share of swap in use from which on nothing more is to be swapped out"
  }),
  swapout_bps_threshold: size({ default: "1M", doc: "bytes a second swapped out from which on nothing more is to be swapped out" }),
  swap_validation: flag({ default: "off", doc: "immediate mode: do nothing at all while swap is used beyond swap_threshold" }),
  modulate_swappiness: flag({
    default: "off",
    doc: "immediate mode: lower swappiness of the request as swap and swap-out near their thresholds"
  })
}

interface Swapping {
  readonly atMs: number
  readonly pages: bigint | undefined
  /** Bytes a second, smoothed over 60 s and 300 s. */
  readonly bps60: number
  readonly bps300: number
}

interface State {
  readonly nextMs: number
  readonly swapping: Swapping
  /** Limit mode. */
  readonly limit: number | undefined
  /** What the administrator's limit was when we began. */
  readonly adminHigh: number
  readonly totalUs: bigint
  readonly stallUs: number
}

type Input = DecideInput<typeof settings>

const swappingSince = ({ atMs, machine }: Observation, last: Swapping | undefined): Swapping => {
  const pages = machine.pswpout
  if (last === undefined || atMs <= last.atMs) return { atMs, pages, bps60: last?.bps60 ?? 0, bps300: last?.bps300 ?? 0 }
  const seconds = (atMs - last.atMs) / 1000
  const rate = (growth(pages, last.pages) * pageSize) / seconds
  const smooth = (old: number, over: number) => rate + (old - rate) * Math.exp(-seconds / over)
  return { atMs, pages, bps60: smooth(last.bps60, 60), bps300: smooth(last.bps300, 300) }
}

const swappinessOf = ({ machine }: Observation): number => machine.swappiness ?? 60

/** Share of swap in use: the group's of its own limit, or the machine's, whichever is more. 0 where there is none. */
const swapUse = ({ machine, usage }: Observation): number => {
  const own =
    usage.swapMax === undefined || usage.swapMax === "max" || usage.swapMax === 0 ? 0 : (usage.swapCurrentBytes ?? 0) / usage.swapMax
  const whole = machine.swapTotalBytes > 0 ? 1 - machine.swapFreeBytes / machine.swapTotalBytes : 0
  return usage.swapMax === 0 ? 0 : Math.max(own, whole)
}

const canSwap = (observation: Observation): boolean =>
  observation.machine.swapTotalBytes > 0 && swappinessOf(observation) > 0 && observation.usage.swapMax !== 0

/** The least that must be left: `limit_min` beside what cannot be reclaimed, and what is protected. */
const leastOf = ({ floorBytes, observation, settings: { limit_min } }: Input): Bytes => {
  const { stat, usage } = observation
  const file = (stat.active_file ?? 0) + (stat.inactive_file ?? 0)
  const anon = canSwap(observation) ? Math.min(swapRoomBytes(observation), (stat.active_anon ?? 0) + (stat.inactive_anon ?? 0)) : 0
  const needed = limit_min + Math.max(0, usage.currentBytes - file - anon)
  return Math.max(needed, floorBytes, Math.min(limitBytes(usage.min), Number.MAX_SAFE_INTEGER))
}

/** The limit law. */
const keepLimit = (input: Input, state: State | undefined, swapping: Swapping) => {
  const { observation, settings: set } = input
  const { atMs, machine, usage } = observation
  const totalUs = observation.pressure!.some!.totalUs
  const fresh = { nextMs: atMs + set.interval, swapping, totalUs, stallUs: 0 }
  const setLimit = (limit: Bytes, adminHigh: number, reason: string) => ({
    actions: limit >= pageSize ? [{ _tag: "SetHigh" as const, limit }] : [],
    reason: `${reason} → memory.high ${formatBytes(limit)}`,
    state: { ...fresh, limit, adminHigh } satisfies State
  })
  const begin = (why: string) =>
    setLimit(
      inPages(Math.min(Math.max(usage.currentBytes, input.floorBytes), limitBytes(usage.max))),
      limitBytes(usage.high),
      `${why} at the current ${formatBytes(usage.currentBytes)}`
    )
  if (state?.limit === undefined) return begin("start")
  if (limitBytes(usage.high) !== state.limit) return begin("memory.high is not ours: start over")

  const least = leastOf(input)
  const most = Math.min(machine.memTotalBytes || Infinity, set.limit_max + usage.currentBytes, state.adminHigh, limitBytes(usage.max))
  const stallUs = state.stallUs + growth(totalUs, state.totalUs)
  const allowedUs = set.pressure * 1000
  const seen = `stalled ${(stallUs / 1000).toFixed(1)} ms of ${set.pressure} ms`
  const adjust = (share: number, what: string) =>
    setLimit(
      inPages(Math.max(least, Math.min(most, state.limit! * (1 + share)))),
      state.adminHigh,
      `${seen}: ${what} ${(Math.abs(share) * 100).toFixed(2)} %, between ${formatBytes(least)} and ${formatBytes(most)}`
    )
  if (stallUs >= allowedUs)
    return adjust(Math.min((stallUs / allowedUs / set.coeff_backoff) ** 2 * set.max_backoff, set.max_backoff), "back off by")
  if (!isDue(atMs, state.nextMs, set.interval))
    return { actions: [], reason: `${seen}: wait for the next probe`, state: { ...state, swapping, totalUs, stallUs } }
  return adjust(-Math.min((allowedUs / Math.max(stallUs, 1) / set.coeff_probe) ** 2 * set.max_probe, set.max_probe), "probe down by")
}

/** By how much swappiness is lowered, 0 to 1: nothing is swapped out any more at either threshold. */
const swapFactor = (observation: Observation, { bps300, bps60 }: Swapping, set: SettingValues<typeof settings>): number => {
  const bps = Math.max(bps60, bps300)
  const use = swapUse(observation)
  if (set.swap_threshold <= 0 || bps >= set.swapout_bps_threshold || use >= set.swap_threshold) return 0
  return Math.min(1 - bps / set.swapout_bps_threshold, 1 - use / set.swap_threshold)
}

/** The immediate law. Not due again only after it has acted: a pressed group is looked at in every turn. */
const reclaimNow = (input: Input, state: State | undefined, swapping: Swapping) => {
  const { observation, settings: set } = input
  const { atMs, ioPressure, pressure, usage } = observation
  const kept: State = {
    nextMs: state?.nextMs ?? atMs + set.interval,
    swapping,
    limit: undefined,
    adminHigh: Infinity,
    totalUs: 0n,
    stallUs: 0
  }
  const nothing = (reason: string) => ({ actions: [], reason, state: kept })
  if (!isDue(atMs, kept.nextMs, set.interval)) return nothing("wait for the next step")
  const memory = Math.max(pressure!.some!.avg10, pressure!.some!.avg60)
  const io = Math.max(ioPressure?.some?.avg10 ?? 0, ioPressure?.some?.avg60 ?? 0)
  const use = swapUse(observation)
  const seen = `stalled on memory ${memory.toFixed(2)} %, on IO ${io.toFixed(2)} %, swap in use ${(use * 100).toFixed(0)} %`
  if (memory >= set.pressure_pct || io >= set.io_pressure_pct) return nothing(`${seen}: wait`)
  if (set.swap_validation === 1 && canSwap(observation) && use >= set.swap_threshold)
    return nothing(`${seen}, at the threshold of ${set.swap_threshold * 100} %: wait`)
  const least = leastOf(input)
  const bytes = Math.min(inPages((usage.currentBytes - least) * set.max_probe), stepRoomBytes(input))
  if (bytes === 0) return nothing(`${seen}: ${formatBytes(usage.currentBytes)} in use, ${formatBytes(least)} must stay`)
  const swappiness =
    set.modulate_swappiness === 1 ? Math.floor(swappinessOf(observation) * swapFactor(observation, swapping, set)) : undefined
  return {
    actions: [{ _tag: "Reclaim" as const, bytes, ...(swappiness === undefined ? {} : { swappiness }) }],
    reason: `${seen} → reclaim ${formatBytes(bytes)}${swappiness === undefined ? "" : ` with swappiness ${swappiness}`}`,
    state: { ...kept, nextMs: atMs + set.interval }
  }
}

export const senpaiOomd = definePolicy({
  name: "senpai-oomd",
  summary: "oomd's senpai: a limit just above the need, or small reclaims at once while nothing stalls.",
  source: "facebookincubator/oomd, plugin senpai",
  settings,
  needs: ["pressure", "memory.high", "memory.reclaim"],
  initialState: undefined as State | undefined,
  decide: (input, state) => {
    if (input.observation.pressure?.some === undefined)
      return { actions: [], reason: "the kernel reports no pressure: senpai cannot steer without it", state }
    const swapping = swappingSince(input.observation, state?.swapping)
    return input.settings.mode === 1 ? reclaimNow(input, state, swapping) : keepLimit(input, state, swapping)
  }
})
