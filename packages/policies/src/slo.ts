/**
 * WMO's own policy: the user states a slowdown, it finds out what may go. It ages the generations and looks at what comes back (of what it left
 * alone as well, so that most of the learning costs nothing), evicts anon and file each at the lowest age that keeps within the budget, and stops at
 * once when pressure or refaults say that it was wrong. Without page ages it probes, as TMO does, but minds refaults too.
 * Sources: the promotion-rate SLO of ASPLOS 2019 (far memory), the pressure law of ASPLOS 2022 (TMO); DESIGN.md, `slo`.
 */
import { type Bytes, formatBytes, formatDuration, type Milliseconds, pageSize } from "@wmo/core"
import { coldBytes, type Observation, type PageAge } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { definePolicy } from "./Policy.ts"
import { duration, percent } from "./Setting.ts"
import { isOpen, lookEndsMs } from "./slo/AgeSearch.ts"
import { type Backoff, isHolding, noBackoff, recovered, violated } from "./slo/Backoff.ts"
import { evictable } from "./slo/EvictionOutcome.ts"
import { type BothKinds, type Kind, kinds, type Lead, leaderOf, learn, openKind, searchBoth } from "./slo/KindState.ts"
import { allowedPerMinute, budgetOf, cameBack } from "./slo/PromotionLedger.ts"
import { type Refaults, refaultsSince } from "./slo/Refaults.ts"
import { readStall, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes, swapRoomBytes } from "./takeable.ts"

interface State {
  readonly atMs: Milliseconds
  /** Undefined while nothing tells what comes back. */
  readonly known: (BothKinds & { readonly lead: Lead }) | undefined
  readonly nextAgeMs: Milliseconds
  readonly workingSetBytes: Bytes
  /** The most that one second may take; doubles while all goes well. */
  readonly paceBytes: Bytes
  readonly backoff: Backoff
  readonly stall: StallReading
  /** Share of time with some task stalled, in percent, smoothed over a minute. */
  readonly pressure: number
  readonly refaults: Refaults
  /** Refaulted pages a minute, smoothed over a minute. */
  readonly refaultRate: number
}

const minuteMs = 60_000
const workingSetMs = 120_000
/** The least that a second may take, and the share of the group that it may take at first. */
const gentlestBytes = 2 ** 18
const gentlestShare = 0.002
/** Pace doubles in this time. */
const paceDoublesMs = 10_000
/** Less is not worth a request. */
const leastBytes = 256 * 1024
/** Refaults beyond this many times the budget within a minute, and beyond any program's noise: at once, nothing more is taken. */
const alarm = 8
const noisePages = 32
/** Share of the promotion rate that it aims at: the working set is an estimate. */
const caution = 0.9

/** Ages from which it chooses. */
const agesMs: ReadonlyArray<Milliseconds> = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1440, 1920, 2880, 3840, 5760, 7680
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

const show = (value: number): string => (value < 0.001 ? "0" : value.toPrecision(2))

/**
 * The age that generations must have for memory of a kind to be idle for `ageMs`. Accessed bits were looked at when the youngest was made: of file
 * the kernel looks again at what it evicts, and leaves alone what is in use; asked for anon of which nothing is idle after all, it takes file.
 */
const evictAgeOf = ({ bins, source }: PageAge, ageMs: Milliseconds, kind: Kind): Milliseconds =>
  kind === "anon" && source === "mglru" && bins.length > 1 ? ageMs + bins[0]!.upperMs : ageMs

/** What of each kind could go at an age: anon only as far as swap has room, and while compressing it saves something. */
const takeableOf = (observation: Observation, pageAge: PageAge, ageMs: Milliseconds, kind: Kind): Bytes => {
  const { anonBytes, fileBytes } = coldBytes(pageAge, evictAgeOf(pageAge, ageMs, kind))
  if (kind === "file") return fileBytes
  return compressedShare(observation) < 0.9 ? Math.min(anonBytes, swapRoomBytes(observation)) : 0
}

const start = (observation: Observation): State => ({
  atMs: observation.atMs,
  known: undefined,
  nextAgeMs: observation.atMs,
  workingSetBytes: 0,
  paceBytes: gentlestBytes,
  backoff: noBackoff,
  stall: readStall(observation),
  pressure: 0,
  refaults: refaultsSince(undefined, observation),
  refaultRate: 0
})

export const slo = definePolicy({
  name: "slo",
  summary: "Saves what it can within a slowdown that you state, and finds the ages for that itself.",
  source: "WMO; after far memory (ASPLOS 2019) and TMO (ASPLOS 2022)",
  settings: {
    promotions: percent({ default: "0.2%", doc: "share of the working set that may be brought back from compression or disk a minute" }),
    pressure: percent({ default: "0.1%", doc: "share of time in which some task may be stalled on memory" }),
    least_age: duration({
      default: "10s",
      doc: "never take what is younger than this; nothing at all before fifteen times as long has been watched"
    }),
    most_age: duration({ default: "2h", doc: "look no further than this: what is older and still comes back is too much" })
  },
  needs: ["memory.reclaim"],
  ages: ({ least_age }) => agesMs.filter((ageMs) => ageMs >= least_age),
  initialState: undefined as State | undefined,
  decide: (input, given) => {
    const { observation, settings } = input
    const { atMs, pageAge, promotions, usage } = observation
    const before = given === undefined || atMs < given.atMs ? start(observation) : given
    const elapsedMs = atMs - before.atMs
    const inside = agesMs.filter((ageMs) => ageMs >= settings.least_age && ageMs <= settings.most_age)
    const ages = inside.length > 0 ? inside : [settings.least_age]

    // What has been seen.
    const stall = readStall(observation)
    const stalled = stalledPercent(stall, before.stall, "memoryUs")
    const pressure = stalled === undefined ? before.pressure : smooth(before.pressure, stalled, elapsedMs)
    const refaults = refaultsSince(before.refaults, observation)
    const refaulted = refaults.since.anon + refaults.since.file
    const refaultRate = elapsedMs > 0 ? smooth(before.refaultRate, (refaulted / elapsedMs) * minuteMs, elapsedMs) : before.refaultRate
    const isGenerations = pageAge?.source === "mglru"
    const lookMs = before.known === undefined ? settings.least_age : before.known[before.known.lead.kind].search.lookMs
    // Coarse generations make the estimate coarse: a finer one from before is kept then.
    const isFine = !isGenerations || before.known === undefined || lookMs <= workingSetMs / 2
    const seen = pageAge === undefined ? usage.currentBytes : workingSet(pageAge)
    const workingSetBytes = isFine ? seen : Math.min(before.workingSetBytes, usage.currentBytes)
    const allowed = allowedPerMinute(workingSetBytes, settings.promotions * caution)

    // At which ages.
    let known = before.known
    let hasMore = false
    if (pageAge !== undefined && promotions !== undefined) {
      known ??= {
        anon: openKind(promotions, ages[0]!, atMs),
        file: openKind(promotions, ages[0]!, atMs),
        lead: { kind: "anon", sinceMs: atMs }
      }
      const held = coldBytes(pageAge, 0)
      const learned = (kind: Kind) =>
        learn(known![kind], {
          elapsedMs,
          allowedPages: allowed * refaults.budgetShare[kind],
          evictedPages: refaults.evicted[kind],
          refaultedPages: refaults.byBin[kind]
        })
      const states: BothKinds = { anon: learned("anon"), file: learned("file") }
      const isBusy = (kind: Kind) => takeableOf(observation, pageAge, states[kind].search.ageMs, kind) >= leastBytes
      const look = {
        atMs,
        ages,
        promotions,
        allowedPages: { anon: allowed * refaults.budgetShare.anon, file: allowed * refaults.budgetShare.file },
        isBusy: { anon: isBusy("anon"), file: isBusy("file") },
        bytes: { anon: held.anonBytes, file: held.fileBytes }
      }
      hasMore = kinds.some((kind) => !isOpen(states[kind].search) && look.isBusy[kind])
      const lead = leaderOf(states, known.lead, look)
      known = { ...searchBoth(states, lead.kind, look), lead }
    }
    const hasRisen = kinds.some((kind) => (known?.[kind].search.ageMs ?? 0) > (before.known?.[kind].search.ageMs ?? Infinity))

    // How fast.
    const isStalled = pressure > settings.pressure
    const isAlarmed = refaultRate > alarm * Math.max(allowed, noisePages)
    const backoff = isStalled || isAlarmed ? violated(before.backoff, atMs) : recovered(before.backoff, atMs)
    const isWaiting = isHolding(backoff, atMs)
    const gentle = Math.max(gentlestBytes, usage.currentBytes * gentlestShare)
    const faster = before.paceBytes * 2 ** (Math.min(elapsedMs, minuteMs) / paceDoublesMs)
    const paceBytes = isWaiting || hasRisen || !(hasMore || pageAge === undefined) ? gentle : Math.min(2 ** 40, Math.max(gentle, faster))

    // A little more than the age that is looked at, so that what is between two generations is as old.
    const everyMs = (known === undefined ? settings.least_age : known[known.lead.kind].search.lookMs) + Math.min(elapsedMs, 1000)
    const age = isGenerations && (atMs >= before.nextAgeMs || before.nextAgeMs - atMs > everyMs)
    const state: State = {
      atMs,
      known,
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
    if (isWaiting) {
      const why = isStalled ? "tasks are stalled" : isAlarmed ? "too much came back" : "backing off"
      return decided(`${why}: ${health}; nothing is taken for ${formatDuration(Math.round(backoff.untilMs - atMs))}`)
    }
    const room = stepRoomBytes(input)
    const stepBytes = Math.min(room, paceBytes * Math.max(1, elapsedMs / 1000))

    if (pageAge === undefined) {
      // Blind: as TMO, less the nearer pressure and refaults are to what is allowed.
      const headroom = Math.max(0, 1 - pressure / settings.pressure) * Math.max(0, 1 - refaultRate / Math.max(allowed, 1))
      const share = 0.0005 * (Math.max(1, elapsedMs) / 6000)
      const bytes = inPages(Math.min(stepBytes, usage.currentBytes * share * headroom))
      return bytes === 0
        ? decided(`no page ages; ${health}: nothing is taken`)
        : decided(`no page ages; ${health} → reclaim ${formatBytes(bytes)}`, [{ _tag: "Reclaim", bytes }])
    }
    if (known === undefined) return decided(`nothing is known of what comes back; ${health}: nothing is taken`)

    const phrases: Array<string> = []
    const take: Array<Action> = []
    const settled = kinds.filter((kind) => !isOpen(known[kind].search) && known[kind].search.ageMs !== Infinity)
    const coldOf = (kind: Kind) => takeableOf(observation, pageAge, known[kind].search.ageMs, kind)
    const allCold = settled.reduce((sum, kind) => sum + coldOf(kind), 0)
    for (const kind of kinds) {
      const { ledger, outcome, search } = known[kind]
      const { ageMs, phase } = search
      if (ageMs === Infinity) {
        phrases.push(`${kind}: of every age more comes back than may`)
        continue
      }
      if (isOpen(search)) {
        const watchMs = Math.max(0, Math.round(lookEndsMs(search) - atMs))
        phrases.push(`${kind}: watching for another ${formatDuration(watchMs)} what comes back after ${formatDuration(ageMs)}`)
        continue
      }
      const cold = coldOf(kind)
      const mayReturn = budgetOf(ledger, allowed * refaults.budgetShare[kind]) - cameBack(ledger, ageMs)
      const doubtful = phase === "aim" ? evictable(outcome, mayReturn) * pageSize : Infinity
      const bytes = mayReturn <= 0 ? 0 : inPages(Math.min(cold, (stepBytes * cold) / Math.max(1, allCold), doubtful))
      const isWorthIt = bytes >= leastBytes
      const came = `${Math.round(cameBack(ledger, ageMs))} such pages came back lately of ${Math.round(budgetOf(ledger, allowed * refaults.budgetShare[kind]))}`
      phrases.push(`${kind}: ${formatBytes(cold)} idle ≥ ${formatDuration(ageMs)}, ${came}${isWorthIt ? ` → ${formatBytes(bytes)}` : ""}`)
      if (!isWorthIt) continue
      const swappiness = kind === "file" ? 0 : 200
      take.push(
        isGenerations
          ? { _tag: "Evict", olderThanMs: evictAgeOf(pageAge, ageMs, kind), bytes, swappiness }
          : { _tag: "Reclaim", bytes, swappiness }
      )
    }
    return decided(`${phrases.join("; ")}; ${health}`, take)
  }
})
