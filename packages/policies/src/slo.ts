/**
 * WMO's own policy: the user states a slowdown, it finds out what may go. It ages the generations, books which ages come back (those that it
 * left alone as well, so that most of the learning costs nothing), evicts at the lowest age that keeps within the budget, first a little, then
 * more, and backs off at once when pressure or refaults say that it was wrong. Without page ages it probes, as TMO does, but by refaults too.
 * Sources: the promotion-rate SLO of ASPLOS 2019 (far memory), the pressure law of ASPLOS 2022 (TMO); DESIGN.md, `slo`.
 */
import { type Bytes, formatBytes, formatDuration, type Milliseconds, pageSize } from "@wmo/core"
import { coldBytes, growth, type Observation, type PageAge } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { definePolicy } from "./Policy.ts"
import { duration, percent } from "./Setting.ts"
import { type Backoff, isHolding, noBackoff, recovered, violated } from "./slo/Backoff.ts"
import { type AgeSearch, lookEndsMs, type SearchInput, searchOn, startSearch } from "./slo/AgeSearch.ts"
import { allowedPerMinute, book, budgetOf, cameBack, lowestAge, openLedger, type PromotionLedger } from "./slo/PromotionLedger.ts"
import { readStall, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes, swapRoomBytes, takeableBytes } from "./takeable.ts"

interface State {
  readonly startMs: Milliseconds
  readonly atMs: Milliseconds
  readonly ledger: PromotionLedger | undefined
  readonly search: AgeSearch | undefined
  readonly nextAgeMs: Milliseconds
  readonly workingSetBytes: Bytes
  /** The most that one second may take; doubles while all goes well. */
  readonly paceBytes: Bytes
  readonly backoff: Backoff
  readonly stall: StallReading
  /** Share of time with some task stalled, in percent, smoothed over a minute; the part of it that was there before anything was taken. */
  readonly pressure: number
  readonly refaults: bigint | undefined
  /** Refaulted pages, smoothed over a minute: pages a minute. */
  readonly refaultRate: number
}

const minuteMs = 60_000
const workingSetMs = 120_000
/** The least that a second may take, and the share of the group that it may take at first. */
const gentlestBytes = 2 ** 18
const gentlestShare = 0.001
/** Pace doubles in this time, unless much comes back. */
const paceDoublesMs = 30_000
/** Less is not worth a request, unless it is all that will ever come. */
const leastBytes = 256 * 1024
/** Refaults beyond this many times the budget within a minute: at once, nothing more is taken. */
const alarm = 8

/** Ages from which it chooses. */
const agesMs: ReadonlyArray<Milliseconds> = [
  5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1440, 1920, 2880, 3840, 5760, 7680
].map((seconds) => seconds * 1000)

/** What was used in the last two minutes: of a bin that reaches beyond, its part. */
const workingSet = ({ bins }: PageAge): Bytes =>
  bins.reduce((sum, { anonBytes, fileBytes, lowerMs, upperMs }) => {
    const within = upperMs <= workingSetMs ? 1 : upperMs === Infinity ? 0 : Math.max(0, workingSetMs - lowerMs) / (upperMs - lowerMs)
    return sum + (anonBytes + fileBytes) * Math.min(1, within)
  }, 0)

/** What compression leaves of a page, 0 to 1, as far as zswap has shown; 0 where it has not. */
const compressedShare = ({ stat, usage }: Observation): number => {
  const stored = stat.zswapped ?? 0
  return stored < 2 ** 22 ? 0 : Math.min(1, (usage.zswapCurrentBytes ?? 0) / stored)
}

const smooth = (before: number, now: number, elapsedMs: Milliseconds): number => {
  const kept = Math.exp(-elapsedMs / minuteMs)
  return before * kept + now * (1 - kept)
}

const refaultsOf = ({ stat }: Observation): bigint | undefined =>
  stat.workingset_refault_anon === undefined && stat.workingset_refault_file === undefined
    ? undefined
    : (stat.workingset_refault_anon ?? 0n) + (stat.workingset_refault_file ?? 0n)

const show = (value: number): string => value.toPrecision(2)

const searchAt = (search: AgeSearch | undefined, input: SearchInput): AgeSearch =>
  search === undefined ? startSearch(input.ages[0] ?? Infinity, input.atMs) : searchOn(search, input)

export const slo = definePolicy({
  name: "slo",
  summary: "Saves what it can within a slowdown that you state, and finds the ages for that itself.",
  source: "WMO; after far memory (ASPLOS 2019) and TMO (ASPLOS 2022)",
  settings: {
    promotions: percent({ default: "0.2%", doc: "share of the working set that may be brought back from compression or disk a minute" }),
    pressure: percent({ default: "0.1%", doc: "share of time in which some task may be stalled on memory" }),
    least_age: duration({ default: "10s", doc: "never take what is younger than this" }),
    most_age: duration({ default: "2h", doc: "what is older than this may always go, unless it comes back" })
  },
  needs: ["memory.reclaim"],
  ages: ({ least_age }) => agesMs.filter((ageMs) => ageMs >= least_age),
  initialState: undefined as State | undefined,
  decide: (input, given) => {
    const { observation, settings } = input
    const { atMs, pageAge, promotions } = observation
    const stall = readStall(observation)
    const refaults = refaultsOf(observation)
    const candidates = agesMs.filter((ageMs) => ageMs >= settings.least_age && ageMs <= settings.most_age)
    const isNew = given === undefined || atMs < given.atMs
    const before: State = isNew
      ? {
          startMs: atMs,
          atMs,
          ledger: undefined,
          search: undefined,
          nextAgeMs: atMs,
          workingSetBytes: 0,
          paceBytes: gentlestBytes,
          backoff: noBackoff,
          stall,
          pressure: 0,
          refaults,
          refaultRate: 0
        }
      : given
    const elapsedMs = atMs - before.atMs

    // What has been seen.
    const stalled = stalledPercent(stall, before.stall, "memoryUs")
    const pressure = stalled === undefined ? before.pressure : smooth(before.pressure, stalled, elapsedMs)
    const refaulted = growth(refaults, before.refaults)
    const refaultRate = elapsedMs > 0 ? smooth(before.refaultRate, (refaulted / elapsedMs) * minuteMs, elapsedMs) : before.refaultRate
    const isGenerations = pageAge?.source === "mglru"
    const seen = pageAge === undefined ? observation.usage.currentBytes : workingSet(pageAge)
    // Coarse generations make the estimate coarse: a finer one from before is kept then.
    const isFine = !isGenerations || before.search === undefined || before.search.lookMs <= workingSetMs / 2
    const workingSetBytes = isFine ? seen : Math.min(before.workingSetBytes, observation.usage.currentBytes)
    const allowed = allowedPerMinute(workingSetBytes, settings.promotions)
    const ledger =
      promotions === undefined
        ? before.ledger
        : before.ledger === undefined
          ? openLedger(promotions.bins)
          : book(before.ledger, promotions.bins, elapsedMs, (allowed * elapsedMs) / minuteMs)

    // At which age.
    const isKnown = promotions !== undefined && ledger !== undefined && pageAge !== undefined
    const search = isKnown
      ? searchAt(before.search, {
          atMs,
          ages: candidates,
          cameBack: (ageMs) => promotions.bins.reduce((sum, bin) => (bin.lowerMs >= ageMs ? sum + bin.pages : sum), 0),
          allowedPages: allowed,
          lowestMs: lowestAge(ledger, candidates, allowed)
        })
      : before.search
    const isRaised = search !== undefined && search.ageMs > (before.search?.ageMs ?? 0)

    // How fast.
    const isStalled = pressure > settings.pressure
    const isAlarmed = refaultRate > alarm * Math.max(allowed, 32)
    const backoff = isStalled || isAlarmed ? violated(before.backoff, atMs) : recovered(before.backoff, atMs)
    const holds = isHolding(backoff, atMs)
    const gentle = Math.max(gentlestBytes, observation.usage.currentBytes * gentlestShare)
    const faster = refaultRate > allowed / 2 ? 1 : 2 ** (Math.min(elapsedMs, minuteMs) / paceDoublesMs)
    const fastest = search?.phase === "aim" ? observation.usage.currentBytes / Math.max(1, search.ageMs / 1000) : 2 ** 40
    const paceBytes = holds || isRaised ? gentle : Math.min(Math.max(gentle, fastest), Math.max(gentle, before.paceBytes * faster))

    // A little more than the age that is looked at, so that what is between two generations is as old.
    const everyMs = (search?.lookMs ?? settings.least_age) + Math.min(elapsedMs, 1000)
    const age = isGenerations && (atMs >= before.nextAgeMs || before.nextAgeMs - atMs > everyMs)
    const state: State = {
      ...before,
      atMs,
      ledger,
      search,
      nextAgeMs: age ? atMs + everyMs : Math.min(before.nextAgeMs, atMs + everyMs),
      workingSetBytes,
      paceBytes,
      backoff,
      stall,
      pressure,
      refaults,
      refaultRate
    }
    const rate = workingSetBytes > 0 ? (refaultRate / (workingSetBytes / pageSize)) * 100 : 0
    const health = `promotions ${show(rate)} %/min of ${settings.promotions}; PSI ${show(pressure)} % of ${settings.pressure}`
    const decided = (reason: string, take: ReadonlyArray<Action> = []) => ({
      actions: age ? [...take, { _tag: "Age" as const }] : take,
      reason: age ? `${reason}; a generation is due` : reason,
      state
    })
    if (!holds && refaultRate > allowed && refaultRate > 32) return decided(`as much comes back as may: ${health}; nothing more is taken`)
    if (!holds && ledger !== undefined && cameBack(ledger, 0) > budgetOf(ledger, allowed)) {
      const back = `${Math.round(cameBack(ledger, 0))} pages came back within the hour of ${Math.round(budgetOf(ledger, allowed))} that may`
      return decided(`${back}; ${health}: nothing more is taken for a while`)
    }
    if (holds) {
      const why = isStalled ? "tasks are stalled" : isAlarmed ? "too much came back" : "backing off"
      return decided(`${why}: ${health}; nothing is taken for ${formatDuration(Math.round(backoff.untilMs - atMs))}`)
    }
    const roomBytes = stepRoomBytes(input)
    const stepBytes = Math.min(roomBytes, paceBytes * Math.max(1, elapsedMs / 1000))

    if (pageAge === undefined) {
      // Blind: as TMO, less the nearer pressure and refaults are to what is allowed.
      const headroom = Math.max(0, 1 - pressure / settings.pressure) * Math.max(0, 1 - refaultRate / Math.max(allowed, 1))
      const share = 0.0005 * (Math.max(1, elapsedMs) / 6000)
      const bytes = inPages(Math.min(stepBytes, observation.usage.currentBytes * share * headroom))
      return bytes === 0
        ? decided(`no page ages; ${health}: nothing is taken`)
        : decided(`no page ages; ${health} → reclaim ${formatBytes(bytes)}`, [{ _tag: "Reclaim", bytes }])
    }
    if (search === undefined) return decided(`nothing is known of what comes back; ${health}: nothing is taken`)
    const { ageMs } = search
    if (ageMs === Infinity) return decided(`of every age more comes back than may; ${health}`)
    if (search.phase === "first" || search.phase === "rise") {
      const leftMs = Math.max(0, Math.round(lookEndsMs(search) - atMs))
      return decided(`watching for another ${formatDuration(leftMs)} what comes back after ${formatDuration(ageMs)}; ${health}`)
    }
    const cold = coldBytes(pageAge, ageMs)
    const isWorthCompressing = compressedShare(observation) < 0.9
    const takeable = isWorthCompressing ? takeableBytes(cold, observation) : cold.fileBytes
    const found = `${formatBytes(cold.anonBytes)} anon and ${formatBytes(cold.fileBytes)} file idle ≥ ${formatDuration(ageMs)}`
    const back =
      ledger === undefined
        ? ""
        : `; of such pages ${Math.round(cameBack(ledger, ageMs))} came back lately of ${Math.round(budgetOf(ledger, allowed))}`
    const note = isWorthCompressing
      ? swapRoomBytes(observation) < cold.anonBytes
        ? `; swap has room for ${formatBytes(swapRoomBytes(observation))}`
        : ""
      : "; compression saves too little: file only"
    const bytes = inPages(Math.min(takeable, stepBytes))
    if (bytes < Math.min(leastBytes, roomBytes) || bytes === 0) return decided(`${found}${back}; ${health}${note}: nothing to take`)
    const swappiness = isWorthCompressing && swapRoomBytes(observation) > 0 ? undefined : 0
    const take: Action = isGenerations
      ? { _tag: "Evict", olderThanMs: ageMs, bytes, ...(swappiness === undefined ? {} : { swappiness }) }
      : { _tag: "Reclaim", bytes, ...(swappiness === undefined ? {} : { swappiness }) }
    return decided(`${found}${back}; ${health}${note} → ${formatBytes(bytes)}`, [take])
  }
})
