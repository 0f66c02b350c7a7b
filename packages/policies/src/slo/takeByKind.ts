/** What of each kind goes in this step, and why so much: whole generations of the ages that the searches have found. Pure. */
import { type Bytes, formatBytes, formatDuration, type Milliseconds, pageSize } from "@wmo/core"
import type { Observation, PageAge } from "@wmo/monitors"
import type { Action } from "../Action.ts"
import type { PastAction } from "../Policy.ts"
import { inPages } from "../takeable.ts"
import { isOpen, lookEndsMs } from "./AgeSearch.ts"
import { evictAgeOf, takeableOf } from "./coldByKind.ts"
import { evictable } from "./EvictionOutcome.ts"
import type { Health } from "./Health.ts"
import { type BothKinds, type Kind, kinds, type KindState } from "./KindState.ts"
import { budgetOf, cameBack } from "./PromotionLedger.ts"
import { ask } from "./Remnant.ts"

/** Less is not worth a request. */
export const leastBytes: Bytes = 256 * 1024

/** 200 takes anon, as long as there is any; 0 takes file pages only. */
const swappinessFor: Readonly<Record<Kind, number>> = { anon: 200, file: 0 }

/** By how much the last request for a kind made the group smaller; undefined: there was none, or nothing is carried out. */
export const reclaimedOf = (kind: Kind, before: ReadonlyArray<PastAction> | undefined): Bytes | undefined =>
  before?.find(({ action }) => (action._tag === "Evict" || action._tag === "Reclaim") && action.swappiness === swappinessFor[kind])
    ?.reclaimedBytes

export interface Taking {
  readonly actions: ReadonlyArray<Action>
  /** A phrase for each kind. */
  readonly reason: string
  /** The kinds, with what was asked for. */
  readonly states: BothKinds
}

/** No more than `stepBytes` of both together, in proportion to what is cold. */
export const takeByKind = (
  states: BothKinds,
  { elapsedMs, observation, pageAge }: { readonly observation: Observation; readonly pageAge: PageAge; readonly elapsedMs: Milliseconds },
  { allowedPages, refaults }: Health,
  stepBytes: Bytes
): Taking => {
  const oldOf = (kind: Kind): Bytes => takeableOf(observation, pageAge, states[kind].search.ageMs, kind)
  const coldOf = (kind: Kind): Bytes => Math.max(0, oldOf(kind) - states[kind].remnant.bytes)
  const settled = kinds.filter((kind) => !isOpen(states[kind].search) && states[kind].search.ageMs !== Infinity)
  const allCold = settled.reduce((sum, kind) => sum + coldOf(kind), 0)
  const phrases: Array<string> = []
  const actions: Array<Action> = []
  const asked: Record<Kind, KindState> = { ...states }
  for (const kind of kinds) {
    const { ledger, outcome, remnant, search } = states[kind]
    const { ageMs, phase } = search
    if (ageMs === Infinity) {
      phrases.push(`${kind}: of every age more comes back than may`)
      continue
    }
    if (isOpen(search)) {
      const watchMs = Math.max(0, Math.round(lookEndsMs(search, elapsedMs) - observation.atMs))
      phrases.push(`${kind}: watching for another ${formatDuration(watchMs)} what comes back after ${formatDuration(ageMs)}`)
      continue
    }
    const cold = coldOf(kind)
    const budget = budgetOf(ledger, allowedPages * refaults.budgetShare[kind])
    const back = cameBack(ledger, ageMs)
    const doubtful = phase === "aim" ? evictable(outcome, budget - back) * pageSize : Infinity
    const bytes = back >= budget ? 0 : inPages(Math.min(cold, (stepBytes * cold) / Math.max(1, allCold), doubtful))
    const isWorthIt = bytes >= leastBytes
    const came = `${Math.round(back)} such pages came back lately of ${Math.round(budget)}`
    const left = remnant.bytes > 0 ? `, ${formatBytes(remnant.bytes)} more would not go` : ""
    phrases.push(
      `${kind}: ${formatBytes(cold)} idle ≥ ${formatDuration(ageMs)}${left}, ${came}${isWorthIt ? ` → ${formatBytes(bytes)}` : ""}`
    )
    if (!isWorthIt) continue
    asked[kind] = { ...states[kind], remnant: ask(remnant, bytes, oldOf(kind)) }
    const swappiness = swappinessFor[kind]
    actions.push(
      pageAge.source === "mglru"
        ? { _tag: "Evict", olderThanMs: evictAgeOf(pageAge, ageMs, kind), bytes, swappiness }
        : { _tag: "Reclaim", bytes, swappiness }
    )
  }
  return { actions, reason: phrases.join("; "), states: asked }
}
