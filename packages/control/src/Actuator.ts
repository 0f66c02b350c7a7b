/**
 * The only thing that changes the machine: carries out actions inside the guard rails, measures what came of them, and journals
 * whatever stays set. Reclaim goes in chunks, so that one request never holds a kernel thread for long and stops at the first sign
 * that the kernel has no more to give.
 */
import {
  type Bytes,
  Cgroups,
  Journal,
  type JournalFailure,
  type KernelError,
  type LruGenMemcg,
  Memcg,
  Mglru,
  type Milliseconds,
  pageSize
} from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "@wmo/policies"
import type { Outcome } from "@wmo/recording"
import { Clock, Effect } from "effect"
import { type GuardRails, judge, nothingSpent, spend, type Spent } from "./GuardRails.ts"

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
      return [{ group: path.slice(1), seq: youngest.seq, pages }]
    })
  )

export interface Actuator {
  /** Carries out one action on the group that was observed. Never fails: what went wrong is in the outcome. */
  readonly act: (action: Action, observation: Observation) => Effect.Effect<Outcome>
  /** What has been spent of the budgets so far. */
  readonly spent: () => Spent
}

/** An actuator with its own budget. `dryRun`: everything but the write itself. */
export const makeActuator: (options: {
  readonly rails: GuardRails
  readonly dryRun: boolean
}) => Effect.Effect<Actuator, never, Cgroups | Mglru | Journal> = Effect.fnUntraced(function* ({ dryRun, rails }) {
  const cgroups = yield* Cgroups
  const mglru = yield* Mglru
  const journal = yield* Journal
  let spent = nothingSpent

  /** Reclaims in chunks; tells how much `memory.current` fell, which is what counts, and whether the kernel gave up early. */
  const reclaim = Effect.fnUntraced(function* (group: string, { bytes, swappiness }: Extract<Action, { _tag: "Reclaim" }>) {
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

  const evict = Effect.fnUntraced(function* (group: string, { bytes, olderThanMs, swappiness }: Extract<Action, { _tag: "Evict" }>) {
    const before = yield* cgroups.read(group, Memcg.memoryCurrent)
    let last = before
    for (let left = bytes; left >= pageSize;) {
      const old = oldGenerations(yield* mglru.groups(group), olderThanMs)
      const next = old.find(({ pages }) => pages > 0)
      if (next === undefined) break
      const pages = Math.min(left, chunkBytes) / pageSize
      yield* mglru.evict(next.group, { seq: next.seq, pages, ...(swappiness === undefined ? {} : { swappiness }) })
      const now = yield* cgroups.read(group, Memcg.memoryCurrent)
      // What is left cannot go: in use after all, locked, or swap is full.
      if (now >= last) break
      left -= Math.min(next.pages, pages) * pageSize
      last = now
    }
    return { reclaimedBytes: before - last }
  })

  const age = Effect.fnUntraced(function* (group: string) {
    for (const { path, nodes } of yield* mglru.groups(group)) {
      const isEmpty = nodes.every(({ generations }) => generations.every(({ anonPages, filePages }) => anonPages + filePages === 0))
      if (!isEmpty) yield* mglru.age(path.slice(1))
    }
  })

  const carryOut = (
    action: Action,
    group: string
  ): Effect.Effect<Pick<Outcome, "status" | "reclaimedBytes" | "detail">, KernelError | JournalFailure> => {
    switch (action._tag) {
      case "Reclaim":
        return Effect.map(reclaim(group, action), ({ gaveUp, reclaimedBytes }) =>
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
        return Effect.as(age(group), { status: "done", reclaimedBytes: undefined })
      case "Evict":
        return Effect.map(evict(group, action), ({ reclaimedBytes }) => ({ status: "done", reclaimedBytes }))
    }
  }

  return {
    spent: () => spent,
    act: Effect.fnUntraced(function* (asked, observation) {
      const verdict = judge(asked, observation, rails, spent)
      const base = { asked, allowed: verdict.allowed, reclaimedBytes: undefined, tookMs: 0 }
      if (verdict.allowed === undefined) return { ...base, status: "refused", detail: verdict.refusal } satisfies Outcome
      const { allowed, note } = verdict
      if (dryRun) return { ...base, status: "dry-run", detail: note } satisfies Outcome
      const start = yield* Clock.currentTimeMillis
      const result = yield* carryOut(allowed, observation.group).pipe(
        Effect.catch((error) => Effect.succeed({ status: "failed" as const, reclaimedBytes: undefined, detail: error.message }))
      )
      spent = spend(spent, allowed, observation.atMs, result.reclaimedBytes)
      const detail = [note, result.detail].filter(Boolean).join("; ") || undefined
      return { ...base, ...result, detail, tookMs: (yield* Clock.currentTimeMillis) - start } satisfies Outcome
    })
  }
})
