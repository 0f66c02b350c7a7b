/**
 * The only thing that changes the machine: carries out actions inside the guard rails, measures what came of them, and journals
 * whatever stays set. Reclaim goes in chunks, so that one request never holds a kernel thread for long and stops at the first sign
 * that the kernel has no more to give.
 */
import {
  type Bytes,
  Cgroups,
  formatBytes,
  Journal,
  type JournalFailure,
  type KernelError,
  type KernFs,
  Memcg,
  Mglru,
  pageSize
} from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "@wmo/policies"
import type { Outcome } from "@wmo/recording"
import { Clock, Effect, Result, type Scope } from "effect"
import { type DamonActs, type DamonFailure, type DamonResult, type DamonServices, makeDamonActs } from "./DamonActs.ts"
import { effectiveFloor, type GuardRails, judge, nothingSpent, remainingBudget, spend, spendOutside, type Spent } from "./GuardRails.ts"
import { chunkBytes, evictOld } from "./evictOld.ts"

/** What is known of an action that was carried out. */
interface CarriedOut extends Pick<Outcome, "status" | "reclaimedBytes" | "detail"> {
  /** What counts against the budget, where that is another amount: of an eviction, and of DAMON since it was looked at last. */
  readonly takenBytes?: Bytes
}

const ofDamon = ({ detail, takenBytes }: DamonResult): CarriedOut => ({
  status: "done",
  reclaimedBytes: undefined,
  takenBytes,
  detail: [detail, takenBytes > 0 ? `${formatBytes(takenBytes)} taken since` : ""].filter(Boolean).join(", ")
})

/** Reclaims in chunks; `reclaimedBytes` is how much `memory.current` fell, which is what counts. */
const reclaim = Effect.fnUntraced(function* (
  cgroups: Cgroups["Service"],
  group: string,
  { bytes, swappiness }: Extract<Action, { _tag: "Reclaim" }>
): Effect.fn.Return<CarriedOut, KernelError> {
  const before = yield* cgroups.read(group, Memcg.memoryCurrent)
  let left = bytes
  let trouble: string | undefined
  while (left >= pageSize && trouble === undefined) {
    const chunk = Math.min(left, chunkBytes)
    const result = yield* Effect.result(cgroups.reclaim(group, { bytes: chunk, swappiness }))
    if (Result.isFailure(result)) {
      const { failure } = result
      if (failure.reason._tag === "Invalid" && swappiness !== undefined)
        return { status: "failed", reclaimedBytes: undefined, detail: takesNoSwappiness }
      if (left === bytes) return yield* failure
      trouble = failure.message
    } else if (result.success === "partial") trouble = "the kernel found less to reclaim than was asked"
    left -= chunk
  }
  const reclaimedBytes = before - (yield* cgroups.read(group, Memcg.memoryCurrent))
  return { status: trouble === undefined ? "done" : "partial", reclaimedBytes, detail: trouble }
})

const takesNoSwappiness =
  "this kernel's memory.reclaim takes no swappiness (Linux 6.11 does), so that neither file nor anon can be asked for alone"

/** A new generation for the group and for those below it that have pages; one that goes away meanwhile is left out. */
const age = Effect.fnUntraced(function* (mglru: Mglru["Service"], group: string) {
  for (const { path, nodes } of yield* mglru.groups(group)) {
    const isEmpty = nodes.every(({ generations }) => generations.every(({ anonPages, filePages }) => anonPages + filePages === 0))
    if (isEmpty) continue
    const name = path.slice(1)
    yield* mglru.age(name).pipe(
      Effect.catchIf(
        (error) => error._tag === "KernFsError" && error.isGone && name !== group,
        () => Effect.void
      )
    )
  }
})

const nothingDone: Effect.Effect<ReadonlyArray<Outcome>> = Effect.succeed([])

const stopTaking = Effect.fnUntraced(function* (damon: DamonActs, detail: string) {
  const start = yield* Clock.currentTimeMillis
  const off = yield* damon.stopTaking
  const tookMs = (yield* Clock.currentTimeMillis) - start
  return off.map((asked): Outcome => ({ asked, allowed: asked, status: "done", reclaimedBytes: undefined, tookMs, detail }))
})

export interface Actuator {
  /** Carries out one action on the group that was observed. Never fails: what went wrong is in the outcome. */
  readonly act: (action: Action, observation: Observation) => Effect.Effect<Outcome>
  /** What must be done before a policy is asked: takes off what DAMON does by itself once the group is at its floor, or the budget used up. */
  readonly tend: (observation: Observation) => Effect.Effect<ReadonlyArray<Outcome>>
  /** What has been spent of the budgets so far. */
  readonly spent: () => Spent
}

/** An actuator with its own budget. `dryRun`: everything but the write itself. */
export const makeActuator: (options: {
  readonly rails: GuardRails
  readonly dryRun: boolean
}) => Effect.Effect<Actuator, never, Cgroups | DamonServices | Mglru | Journal | KernFs | Scope.Scope> = Effect.fnUntraced(function* ({
  dryRun,
  rails
}) {
  const cgroups = yield* Cgroups
  const mglru = yield* Mglru
  const journal = yield* Journal
  const context = yield* Effect.context<Cgroups | DamonServices | Journal | KernFs | Scope.Scope>()
  const services = yield* Effect.context<Cgroups | Mglru>()
  /** Most policies never ask for it. */
  let damon: DamonActs | undefined
  const withDamon = <A, E>(use: (acts: DamonActs) => Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      damon ??= yield* Effect.provideContext(makeDamonActs({ takeOver: rails.takeOver === true }), context)
      return yield* use(damon)
    })
  let spent = nothingSpent
  let swappedBefore: Bytes | undefined

  const carryOut = (action: Action, group: string): Effect.Effect<CarriedOut, KernelError | JournalFailure | DamonFailure> => {
    switch (action._tag) {
      case "Reclaim":
        return reclaim(cgroups, group, action)
      case "SetHigh":
        return Effect.as(journal.set(cgroups.path(group, Memcg.memoryHigh.file), Memcg.memoryHigh.encode(action.limit).trim()), {
          status: "done",
          reclaimedBytes: undefined
        })
      case "Age":
        return Effect.as(age(mglru, cgroups.normalize(group)), { status: "done", reclaimedBytes: undefined })
      case "Evict":
        return Effect.map(Effect.provideContext(evictOld(group, action), services), ({ trouble, ...evicted }) => ({
          ...evicted,
          status: trouble === undefined ? "done" : "partial",
          detail: trouble
        }))
      case "SetSchemes":
        return Effect.map(
          withDamon((acts) => acts.setSchemes(group, action)),
          ofDamon
        )
      case "SetDamonModule":
        return Effect.map(
          withDamon((acts) => acts.setModule(action.parameters)),
          ofDamon
        )
    }
  }

  return {
    spent: () => spent,
    tend: (observation) => {
      const swapped = observation.usage.swapCurrentBytes ?? 0
      const grown = swapped - (swappedBefore ?? swapped)
      swappedBefore = swapped
      if (damon === undefined || !damon.isTaking()) return nothingDone
      // Of processes DAMON counts address space: what went to swap is what it took.
      if (damon.isTaking("processes") && grown > 0) spent = spendOutside(spent, observation.atMs, grown)
      const floor = effectiveFloor(rails, observation)
      const isAtFloor = observation.usage.currentBytes <= floor
      if (!isAtFloor && remainingBudget(rails, spent, observation.atMs) > 0) return nothingDone
      return stopTaking(damon, isAtFloor ? `the group is at its floor of ${formatBytes(floor)}` : "the budget of this minute is used up")
    },
    act: Effect.fnUntraced(function* (asked, observation) {
      const verdict = judge(asked, observation, rails, spent)
      const base = { asked, allowed: verdict.allowed, reclaimedBytes: undefined, tookMs: 0 }
      if (verdict.allowed === undefined) return { ...base, status: "refused", detail: verdict.refusal } satisfies Outcome
      const { allowed, note } = verdict
      if (dryRun) return { ...base, status: "dry-run", detail: note } satisfies Outcome
      const start = yield* Clock.currentTimeMillis
      const { takenBytes, ...result }: CarriedOut = yield* carryOut(allowed, observation.group).pipe(
        Effect.catch((error) => Effect.succeed<CarriedOut>({ status: "failed", reclaimedBytes: undefined, detail: error.message }))
      )
      if (result.status !== "failed") spent = spend(spent, allowed, observation.atMs, takenBytes ?? result.reclaimedBytes)
      const detail = [note, result.detail].filter(Boolean).join("; ") || undefined
      return { ...base, ...result, detail, tookMs: (yield* Clock.currentTimeMillis) - start } satisfies Outcome
    })
  }
})
