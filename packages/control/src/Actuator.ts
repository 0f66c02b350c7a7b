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
  type LruGenMemcg,
  Memcg,
  Mglru,
  type Milliseconds,
  pageSize
} from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "@wmo/policies"
import type { Outcome } from "@wmo/recording"
import { Clock, Effect, type Scope } from "effect"
import { type DamonActs, type DamonFailure, type DamonResult, type DamonServices, makeDamonActs } from "./DamonActs.ts"
import { effectiveFloor, type GuardRails, judge, nothingSpent, remainingBudget, spend, type Spent } from "./GuardRails.ts"

/** Size of one write to `memory.reclaim`. */
const chunkBytes: Bytes = 32 * 2 ** 20

/** By memory cgroup: the youngest generation of which everything is at least so old, and the pages of it and of older ones. */
const oldGenerations = (memcgs: ReadonlyArray<LruGenMemcg>, olderThanMs: Milliseconds) =>
  memcgs.flatMap(({ nodes, path }) =>
    nodes.flatMap(({ generations }) => {
      // The two youngest are never evicted; a generation ends where the next one begins.
      const old = generations.slice(0, -2).filter((_, i) => generations[i + 1]!.ageMs >= olderThanMs)
      const youngest = old.at(-1)
      if (youngest === undefined) return []
      const pages = old.reduce((sum, { anonPages, filePages }) => sum + anonPages + filePages, 0)
      return [{ memcg: path.slice(1), seq: youngest.seq, pages }]
    })
  )

/** What is known of an action that was carried out. */
interface CarriedOut extends Pick<Outcome, "status" | "reclaimedBytes" | "detail"> {
  /** What DAMON took by itself since it was looked at last. */
  readonly takenBytes?: Bytes
}

const ofDamon = ({ detail, takenBytes }: DamonResult): CarriedOut => ({
  status: "done",
  reclaimedBytes: undefined,
  takenBytes,
  detail: [detail, takenBytes > 0 ? `${formatBytes(takenBytes)} taken since` : ""].filter(Boolean).join(", ")
})

/** Reclaims in chunks; tells how much `memory.current` fell, which is what counts, and whether the kernel gave up early. */
const reclaim = Effect.fnUntraced(function* (
  cgroups: Cgroups["Service"],
  group: string,
  { bytes, swappiness }: Extract<Action, { _tag: "Reclaim" }>
) {
  const before = yield* cgroups.read(group, Memcg.memoryCurrent)
  let left = bytes
  let gaveUp = false
  while (left >= pageSize && !gaveUp) {
    const chunk = Math.min(left, chunkBytes)
    gaveUp = (yield* cgroups.reclaim(group, { bytes: chunk, swappiness })) === "partial"
    left -= chunk
  }
  const after = yield* cgroups.read(group, Memcg.memoryCurrent)
  return { reclaimedBytes: before - after, gaveUp }
})

/** Evicts in chunks, from the group and those below it; tells how much `memory.current` fell. */
const evict = Effect.fnUntraced(function* (
  cgroups: Cgroups["Service"],
  mglru: Mglru["Service"],
  group: string,
  { bytes, olderThanMs, swappiness }: Extract<Action, { _tag: "Evict" }>
) {
  const current = cgroups.read(group, Memcg.memoryCurrent)
  /** Memory cgroups whose old pages do not go: in use after all, locked, or without room in swap. */
  const stuck = new Set<string>()
  let reclaimedBytes = 0
  let before = yield* current
  for (let left = bytes; left >= pageSize;) {
    const old = oldGenerations(yield* mglru.groups(group), olderThanMs)
    const next = old.find(({ memcg, pages }) => pages > 0 && !stuck.has(memcg))
    if (next === undefined) break
    const pages = Math.min(left, chunkBytes) / pageSize
    yield* mglru.evict(next.memcg, { seq: next.seq, pages, ...(swappiness === undefined ? {} : { swappiness }) })
    const now = yield* current
    if (now >= before) stuck.add(next.memcg)
    else {
      reclaimedBytes += before - now
      left -= Math.min(next.pages, pages) * pageSize
    }
    before = now
  }
  return { reclaimedBytes }
})

const age = Effect.fnUntraced(function* (mglru: Mglru["Service"], group: string) {
  for (const { path, nodes } of yield* mglru.groups(group)) {
    const isEmpty = nodes.every(({ generations }) => generations.every(({ anonPages, filePages }) => anonPages + filePages === 0))
    if (!isEmpty) yield* mglru.age(path.slice(1))
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
        return Effect.map(reclaim(cgroups, group, action), ({ gaveUp, reclaimedBytes }) =>
          gaveUp
            ? { status: "partial", reclaimedBytes, detail: "the kernel found less to reclaim than was asked" }
            : { status: "done", reclaimedBytes }
        )
      case "SetHigh":
        return Effect.as(journal.set(cgroups.path(group, Memcg.memoryHigh.file), Memcg.memoryHigh.encode(action.limit).trim()), {
          status: "done",
          reclaimedBytes: undefined
        })
      case "Age":
        return Effect.as(age(mglru, group), { status: "done", reclaimedBytes: undefined })
      case "Evict":
        return Effect.map(evict(cgroups, mglru, group, action), ({ reclaimedBytes }) => ({ status: "done", reclaimedBytes }))
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
      if (damon.isTaking("processes") && grown > 0)
        spent = spend(spent, { _tag: "Evict", olderThanMs: 0, bytes: grown }, observation.atMs, grown)
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
      spent = spend(spent, allowed, observation.atMs, takenBytes ?? result.reclaimedBytes)
      const detail = [note, result.detail].filter(Boolean).join("; ") || undefined
      return { ...base, ...result, detail, tookMs: (yield* Clock.currentTimeMillis) - start } satisfies Outcome
    })
  }
})
