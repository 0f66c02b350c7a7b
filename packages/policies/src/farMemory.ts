/**
 * Far memory's controller: every minute the lowest age at which no more of the working set would have come back than the SLO allows; the K-th
 * percentile of those is the age in force, or the last minute's own where that is higher. Source: Lagar-Cavilla et al., ASPLOS 2019, §4.3.
 * Kept: all of it; far memory holds anon (its backend was zswap), file pages only where asked for. What there is beside: floor, budget, swap room,
 * a pressure limit, and generations, which tell less: whether a page was older than the time between two walks, at the walk that finds it used.
 * So with MGLRU ages double and halve, an age is looked at for three walks before it is used, and what goes is twice as old: memory used in turns
 * of one to two times the time between walks is found used by chance only. Where walks are more than 120 s apart, the working set is only known to lie
 * within bounds: the last size known, within them, or the lower one. File pages that are read through descriptors show only once they have been evicted
 * and come back.
 */
import { formatBytes, formatDuration, type Milliseconds, pageSize } from "@wmo/core"
import { coldBytes, type PageAge, type Promotions } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration, flag, percent } from "./Setting.ts"
import { readStall, showPercent, stalledPercent, type StallReading } from "./stall.ts"
import { inPages, stepRoomBytes, takeableBytes } from "./takeable.ts"

type Bins = Promotions["bins"]

/** Between which bounds the bytes in use within 120 s lie. */
interface Used {
  readonly least: number
  readonly most: number
}

interface State {
  readonly startMs: Milliseconds
  /** The minute that is going on: since when, the counters then, and the most that was found in use. */
  readonly minute: { readonly sinceMs: Milliseconds; readonly bins: Bins; readonly used: Used } | undefined
  /** The best age of each past minute; Infinity: none would have done. */
  readonly best: ReadonlyArray<Milliseconds>
  /** In force; Infinity: nothing is evicted. */
  readonly ageMs: Milliseconds
  readonly nextAgeMs: Milliseconds
  /** Whether the last window showed that the age in force keeps the SLO; generations must try a higher one before that is known. */
  readonly holds: boolean
  /** Bytes in use within 120 s, as known last; undefined: not yet. */
  readonly workingSet: number | undefined
  /** What the last minute said. */
  readonly why: string
  readonly last: StallReading | undefined
}

const minuteMs = 60_000
const workingSetMs = 120_000
/** The first three walks tell only who was used between them, not what was old by then: it takes two more to judge by. */
const learningWalks = 5

/** Pages that came back since, of at least that age, and of the bin that it lies in. A counter that went back begins anew. */
const promotedSince = (now: Bins, before: Bins, ageMs: Milliseconds, hasFile: boolean): number => {
  const sum = (bins: Bins) =>
    bins.reduce((all, { filePages, pages, upperMs }) => (upperMs > ageMs ? all + pages - (hasFile ? 0 : filePages) : all), 0)
  return Math.max(0, sum(now) - sum(before))
}

/** Bytes used within that time; of a bin that reaches beyond it, its share. */
const usedWithin = ({ bins }: PageAge, withinMs: Milliseconds): number =>
  bins.reduce((sum, { anonBytes, fileBytes, lowerMs, upperMs }) => {
    const share = upperMs <= withinMs ? 1 : upperMs === Infinity ? (lowerMs === 0 ? 1 : 0) : (withinMs - lowerMs) / (upperMs - lowerMs)
    return sum + (anonBytes + fileBytes) * Math.max(0, Math.min(1, share))
  }, 0)

/**
 * What generations tell of the working set where walks are `everyMs` apart. Up to 120 s: how large it is. Else what was found used since the walk
 * before is the most; and of it that share the least, in the mean over stretches of 120 s, since those between two walks make up all of it together.
 */
const usedBetweenWalks = (age: PageAge, everyMs: Milliseconds): Used => {
  const least = usedWithin(age, workingSetMs)
  if (everyMs <= workingSetMs) return { least, most: least }
  return { least, most: age.bins.reduce((sum, bin) => (bin.lowerMs < workingSetMs ? sum + bin.anonBytes + bin.fileBytes : sum), 0) }
}

const larger = (a: Used, b: Used): Used => ({ least: Math.max(a.least, b.least), most: Math.max(a.most, b.most) })

/**
 * As far as generations tell: what came back that was older than the age in force, and, where what is older was evicted, than half of it. A
 * higher age must be tried to be known. Ages double and halve.
 */
const lowestByGenerations = (inForceMs: Milliseconds, leastMs: Milliseconds, holds: (ageMs: Milliseconds) => boolean): Milliseconds => {
  if (inForceMs / 2 >= leastMs && holds(inForceMs / 2)) return inForceMs / 2
  return holds(inForceMs) ? inForceMs : 2 * inForceMs
}

/** The value below which K percent of them are (nearest rank). */
export const percentile = (values: ReadonlyArray<number>, k: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((k / 100) * sorted.length) - 1)] ?? Infinity
}

const showAge = (ageMs: Milliseconds): string => (ageMs === Infinity ? "none" : formatDuration(ageMs))

export const farMemory = definePolicy({
  name: "far-memory",
  summary: "Evicts what is older than the lowest age that past minutes say keeps promotions within an SLO.",
  source: "Software-Defined Far Memory (Google), ASPLOS 2019",
  settings: {
    promotions: percent({ default: "0.2%", doc: "share of the working set that may come back a minute (the SLO, P)" }),
    percentile: percent({ default: "98%", doc: "share of past minutes that the age must have held in (K)" }),
    silent: duration({
      default: "10m",
      doc: "evict nothing for this long after the start, while learning (S); with MGLRU for five times least_age at least"
    }),
    least_age: duration({ default: "120s", doc: "never evict what is younger than this" }),
    history: duration({ default: "24h", doc: "how many past minutes count" }),
    file: flag({ default: "off", doc: "evict file pages, too, and count those that came back" }),
    least: size({ default: "4M", doc: "leave less cold memory than this alone" }),
    pressure_limit: percent({
      default: "10%",
      doc: "evict nothing while some task was stalled on memory for more than this share of time"
    })
  },
  needs: ["page-age", "promotions", "memory.reclaim"],
  ages: ({ least_age }) => [...new Set([least_age, workingSetMs, ...[2, 4, 8, 16, 32, 64].map((times) => least_age * times)])],
  initialState: undefined as State | undefined,
  decide: (input, given) => {
    const { observation, settings } = input
    const { atMs, pageAge, promotions } = observation
    const isNew = given === undefined || atMs < given.startMs
    const first: State = {
      startMs: atMs,
      minute: undefined,
      best: [],
      ageMs: Infinity,
      nextAgeMs: 0,
      holds: false,
      workingSet: undefined,
      why: "no minute is over yet",
      last: undefined
    }
    const before = isNew ? first : given
    const hasFile = settings.file === 1
    const isGenerations = pageAge?.source === "mglru"
    const learnMs = isGenerations ? Math.max(settings.silent, learningWalks * settings.least_age) : settings.silent
    const silentMs = learnMs - (atMs - before.startMs)
    const inForceMs = before.ageMs === Infinity ? settings.least_age : before.ageMs
    // While nothing is evicted, what comes back is told by walks as far apart as the age itself; then generations must reach to twice the age.
    const evicts = silentMs <= 0 && before.holds
    const ageEveryMs = evicts ? (2 * inForceMs) / 3 : inForceMs
    // A walk tells of what was not used between the two before it: once the age has risen, the first two say nothing of it.
    const settlingMs = isGenerations && !before.holds && before.ageMs !== Infinity ? 2 * ageEveryMs : 0
    const windowMs = isGenerations ? Math.max(minuteMs, evicts ? ageEveryMs : 3 * ageEveryMs) + settlingMs : minuteMs
    const age = isGenerations && isDue(atMs, before.nextAgeMs, ageEveryMs)
    const stall = readStall(observation)
    const stalled = stalledPercent(stall, before.last, "memoryUs")
    let state: State = age ? { ...before, nextAgeMs: atMs + ageEveryMs } : before
    const decided = (reason: string, evict: ReadonlyArray<Action> = []) => ({
      actions: age ? [...evict, { _tag: "Age" as const }] : evict,
      reason: age ? `${reason}; a generation is due` : reason,
      state: { ...state, last: stall }
    })
    if (promotions === undefined) return decided("the kernel tells nothing of what came back: no age can be chosen")
    if (pageAge === undefined) return decided("the kernel reports no page ages yet")

    // Generations tell most right after a walk.
    const within = usedWithin(pageAge, workingSetMs)
    const used = isGenerations ? usedBetweenWalks(pageAge, ageEveryMs) : { least: within, most: within }
    const begin = { sinceMs: atMs, bins: promotions.bins, used }
    const elapsedMs = atMs - (state.minute?.sinceMs ?? atMs)
    if (state.minute === undefined || elapsedMs < 0 || elapsedMs > 10 * windowMs) {
      state = { ...state, minute: begin }
    } else if (elapsedMs >= windowMs) {
      const { least, most } = isGenerations ? state.minute.used : used
      // What was known while walks were nearer, as far as it can still be so.
      const workingSet = Math.max(least, Math.min(state.workingSet ?? 0, most))
      const allowed = (settings.promotions / 100) * (workingSet / pageSize) * ((elapsedMs - settlingMs) / minuteMs)
      const promoted = (ageMs: Milliseconds) => promotedSince(promotions.bins, state.minute!.bins, ageMs, hasFile)
      const lowest = isGenerations
        ? lowestByGenerations(inForceMs, evicts ? settings.least_age : Infinity, (ageMs) => promoted(ageMs) <= allowed)
        : ([...new Set([settings.least_age, ...promotions.bins.map(({ lowerMs }) => lowerMs)])]
            .filter((ageMs) => ageMs >= settings.least_age)
            .toSorted((a, b) => a - b)
            .find((ageMs) => promoted(ageMs) <= allowed) ?? Infinity)
      const best = [...state.best, lowest].slice(-Math.max(1, Math.round(settings.history / minuteMs)))
      const kth = percentile(best, settings.percentile)
      const why = `${promoted(settings.least_age)} pages older than ${showAge(settings.least_age)} came back, ${Math.floor(allowed)} may; the last minute needs ${showAge(lowest)}, ${settings.percentile} % of ${best.length} need ${showAge(kth)}`
      state = {
        ...state,
        best,
        ageMs: Math.max(kth, lowest),
        why,
        holds: lowest <= inForceMs || !isGenerations,
        workingSet,
        minute: begin
      }
    } else state = { ...state, minute: { ...state.minute, used: larger(state.minute.used, used) } }

    if (silentMs > 0) return decided(`${state.why}; silent for another ${formatDuration(silentMs)}`)
    if (!state.holds && isGenerations) return decided(`${state.why}; ${showAge(state.ageMs)} is not known to hold yet: nothing is evicted`)
    if (state.ageMs === Infinity) return decided(`${state.why}: no age meets the SLO, nothing is evicted`)
    if ((stalled ?? 0) > settings.pressure_limit)
      return decided(`${state.why}; stalled ${showPercent(stalled)}, above ${settings.pressure_limit} %: wait`)
    const evictMs = isGenerations ? 2 * state.ageMs : state.ageMs
    const cold = coldBytes(pageAge, evictMs)
    const takeable = takeableBytes(hasFile ? cold : { ...cold, fileBytes: 0 }, observation)
    const bytes = Math.min(inPages(takeable), stepRoomBytes(input))
    // 200 takes anon, as long as there is any.
    const swappiness = hasFile ? {} : { swappiness: 200 }
    const found = `${state.why}; ${formatBytes(cold.anonBytes)} anon and ${formatBytes(cold.fileBytes)} file idle ≥ ${formatDuration(evictMs)}`
    if (bytes === 0 || bytes < settings.least) return decided(`${found}: ${formatBytes(bytes)} can be taken, not worth it`)
    return decided(`${found} → evict ${formatBytes(bytes)}`, [
      isGenerations ? { _tag: "Evict", olderThanMs: evictMs, bytes, ...swappiness } : { _tag: "Reclaim", bytes, ...swappiness }
    ])
  }
})
