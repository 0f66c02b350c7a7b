/**
 * WMO's own policy: the user states a slowdown, it finds out what may go. It ages the generations and looks at what comes back (of what it left
 * alone as well, so that most of the learning costs nothing), evicts anon and file each at the lowest age that keeps within the budget, and stops at
 * once when pressure or refaults say that it was wrong. Without page ages it probes, as TMO does, but minds refaults too.
 * Sources: the promotion-rate SLO of ASPLOS 2019 (far memory), the pressure law of ASPLOS 2022 (TMO); DESIGN.md, `slo`.
 */
import { type Bytes, formatBytes, type Milliseconds } from "@wmo/core"
import { coldBytes, type Observation } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import { definePolicy, type PastAction } from "./Policy.ts"
import { duration, percent } from "./Setting.ts"
import { isOpen } from "./slo/AgeSearch.ts"
import { takeBlindly } from "./slo/Blind.ts"
import { takeableOf } from "./slo/coldByKind.ts"
import { describeHealth, examine, firstHealth, type Health, type Limits, whyWait, workingSetMs } from "./slo/Health.ts"
import { type BothKinds, type Kind, kinds, learn, openKind } from "./slo/KindState.ts"
import { type Lead, leaderOf, searchBoth } from "./slo/Lead.ts"
import { isLoading, type Opening } from "./slo/Opening.ts"
import { leastBytes, reclaimedOf, takeByKind } from "./slo/takeByKind.ts"
import { inPages, stepRoomBytes } from "./takeable.ts"

interface Known extends BothKinds {
  readonly lead: Lead
  readonly opening: Opening
}

interface State {
  readonly atMs: Milliseconds
  readonly health: Health
  /** Undefined while nothing tells what comes back. */
  readonly known: Known | undefined
  readonly nextAgeMs: Milliseconds
  /** The most that one second may take; doubles while all goes well. */
  readonly paceBytes: Bytes
  /** Where there are no page ages: granted, and not asked for yet. */
  readonly owedBytes: Bytes
}

/** The least that a second may take, and the share of the group that it may take at first. */
const gentlestBytes = 2 ** 18
const gentlestShare = 0.002
/** Pace doubles in this time, a minute counts at most. */
const paceDoublesMs = 10_000
const longestStepMs = 60_000

/** Ages from which it chooses. */
const agesMs: ReadonlyArray<Milliseconds> = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1440, 1920, 2880, 3840, 5760, 7680
].map((seconds) => seconds * 1000)

const start = (observation: Observation): State => ({
  atMs: observation.atMs,
  health: firstHealth(observation),
  known: undefined,
  nextAgeMs: observation.atMs,
  paceBytes: gentlestBytes,
  owedBytes: 0
})

/** Takes what has been seen, and goes on looking for the ages; `hasMore`: something of the ages in force is still there. */
const lookOn = (
  before: Known | undefined,
  {
    ages,
    before: past,
    elapsedMs,
    health,
    observation
  }: {
    readonly ages: ReadonlyArray<Milliseconds>
    readonly before: ReadonlyArray<PastAction> | undefined
    readonly elapsedMs: Milliseconds
    readonly health: Health
    readonly observation: Observation
  }
): { readonly known: Known | undefined; readonly hasMore: boolean } => {
  const { atMs, pageAge, promotions } = observation
  if (pageAge === undefined || promotions === undefined) return { known: before, hasMore: false }
  const { allowedPages, refaults } = health
  const held = coldBytes(pageAge, 0)
  const isFirst = before?.anon.search.phase === "first" && before.file.search.phase === "first"
  const isAnew = before === undefined || (isFirst && isLoading(before.opening, held.anonBytes, atMs, ages[0]!))
  const opened: Known = isAnew
    ? {
        anon: openKind(promotions, ages, atMs),
        file: openKind(promotions, ages, atMs),
        lead: { kind: "anon", sinceMs: atMs },
        opening: { seenMs: before?.opening.seenMs ?? atMs, anonBytes: held.anonBytes }
      }
    : before
  const allowedOf = (kind: Kind) => allowedPages * refaults.budgetShare[kind]
  const learned = (kind: Kind) =>
    learn(opened[kind], {
      elapsedMs,
      allowedPages: allowedOf(kind),
      atMs,
      coldBytes: takeableOf(observation, pageAge, opened[kind].search.ageMs, kind),
      evictedPages: refaults.evicted[kind],
      reclaimedBytes: reclaimedOf(kind, past),
      refaultedPages: refaults.byBin[kind]
    })
  const states: BothKinds = { anon: learned("anon"), file: learned("file") }
  const isBusy = (kind: Kind) =>
    takeableOf(observation, pageAge, states[kind].search.ageMs, kind) - states[kind].remnant.bytes >= leastBytes
  const look = {
    atMs,
    elapsedMs,
    ages,
    promotions,
    allowedPages: { anon: allowedOf("anon"), file: allowedOf("file") },
    isBusy: { anon: isBusy("anon"), file: isBusy("file") },
    bytes: { anon: held.anonBytes, file: held.fileBytes }
  }
  const lead = leaderOf(states, opened.lead, look)
  return {
    known: { ...searchBoth(states, lead.kind, look), lead, opening: opened.opening },
    hasMore: kinds.some((kind) => !isOpen(states[kind].search) && look.isBusy[kind])
  }
}

const leadersLook = (known: Known | undefined, otherwiseMs: Milliseconds): Milliseconds =>
  known === undefined ? otherwiseMs : known[known.lead.kind].search.lookMs

/** Nothing goes before a look is over that begins now: its first generation is made at once. */
const isRisingNow = (now: Known | undefined, before: Known | undefined): boolean => {
  const search = now?.[now.lead.kind].search
  const last = before?.[before.lead.kind].search
  return search?.phase === "rise" && search.lookMs !== last?.lookMs
}

const hasRisen = (now: Known | undefined, before: Known | undefined): boolean =>
  kinds.some((kind) => (now?.[kind].search.ageMs ?? 0) > (before?.[kind].search.ageMs ?? Infinity))

export const slo = definePolicy({
  name: "slo",
  summary: "Saves what it can within a slowdown that you state, and finds the ages for that itself.",
  source: "WMO; after far memory (ASPLOS 2019) and TMO (ASPLOS 2022)",
  settings: {
    promotions: percent({ default: "0.2%", doc: "share of the working set that may be brought back from compression or disk a minute" }),
    pressure: percent({ default: "0.1%", doc: "share of time in which some task may be stalled on memory" }),
    least_age: duration({
      default: "10s",
      doc: "never take what is younger than this; nothing at all before thirteen times as long has been watched"
    }),
    most_age: duration({ default: "2h", doc: "look no further than this: what is older and still comes back is too much" })
  },
  needs: ["memory.reclaim"],
  ages: ({ least_age }) => agesMs.filter((ageMs) => ageMs >= least_age),
  initialState: undefined as State | undefined,
  decide: (input, given) => {
    const { observation, settings } = input
    const { atMs, pageAge, usage } = observation
    const limits: Limits = settings
    const before = given === undefined || atMs < given.atMs ? start(observation) : given
    const elapsedMs = atMs - before.atMs
    const inside = agesMs.filter((ageMs) => ageMs >= settings.least_age && ageMs <= settings.most_age)
    const ages = inside.length > 0 ? inside : [settings.least_age]

    const isGenerations = pageAge?.source === "mglru"
    const isFine = !isGenerations || leadersLook(before.known, 0) <= workingSetMs / 2
    const health = examine(before.health, observation, elapsedMs, limits, isFine)
    const { hasMore, known } = lookOn(before.known, { ages, before: input.before, elapsedMs, health, observation })
    const waiting = whyWait(health, atMs, limits)

    const gentle = Math.max(gentlestBytes, usage.currentBytes * gentlestShare)
    const faster = before.paceBytes * 2 ** (Math.min(elapsedMs, longestStepMs) / paceDoublesMs)
    const isQuiet = waiting === undefined && !hasRisen(known, before.known) && (hasMore || pageAge === undefined)
    const paceBytes = isQuiet ? Math.min(2 ** 40, Math.max(gentle, faster)) : gentle

    // A little more than the age that is looked at, so that what is between two generations is as old.
    const everyMs = leadersLook(known, settings.least_age) + Math.min(elapsedMs, 1000)
    const age = isGenerations && (isRisingNow(known, before.known) || atMs >= before.nextAgeMs || before.nextAgeMs - atMs > everyMs)
    const nextAgeMs = age ? atMs + everyMs : Math.min(before.nextAgeMs, atMs + everyMs)
    const decided = (reason: string, take: ReadonlyArray<Action> = [], after = known) => ({
      actions: age ? [...take, { _tag: "Age" as const }] : take,
      reason: age ? `${reason}; a generation is due` : reason,
      state: { atMs, health, known: after, nextAgeMs, paceBytes, owedBytes: 0 },
      dueMs: isGenerations ? nextAgeMs : Infinity
    })
    if (waiting !== undefined) return decided(waiting)
    const fares = describeHealth(health, limits)

    if (pageAge === undefined) {
      const { bytes, owedBytes } = takeBlindly(before.owedBytes, input, elapsedMs, health, limits)
      const decision =
        bytes === 0
          ? decided(`no page ages; ${fares}: ${formatBytes(inPages(owedBytes))} saved up, nothing is taken`)
          : decided(`no page ages; ${fares} → reclaim ${formatBytes(bytes)}`, [{ _tag: "Reclaim", bytes }])
      return { ...decision, state: { ...decision.state, owedBytes } }
    }
    if (known === undefined) return decided(`nothing is known of what comes back; ${fares}: nothing is taken`)
    const stepBytes = Math.min(stepRoomBytes(input), paceBytes * Math.max(1, elapsedMs / 1000))
    const { actions, reason, states } = takeByKind(known, { observation, pageAge, elapsedMs }, health, stepBytes)
    return decided(`${reason}; ${fares}`, actions, { ...known, ...states })
  }
})
