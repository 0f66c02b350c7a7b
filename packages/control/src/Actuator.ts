/**
 * The only thing that changes the machine: carries out actions inside the guard rails, measures what came of them, and journals
 * whatever stays set. Reclaim goes in chunks, so that one request never holds a kernel thread for long and stops at the first sign
 * that the kernel has no more to give.
 */
import { type Bytes, Cgroups, Journal, type JournalFailure, type KernelError, Memcg, Mglru, pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "@wmo/policies"
import type { Outcome } from "@wmo/recording"
import { Clock, Effect } from "effect"
import { type GuardRails, judge, nothingSpent, spend, type Spent } from "./GuardRails.ts"

/** Size of one write to `memory.reclaim`. */
const chunkBytes: Bytes = 32 * 2 ** 20

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
        return Effect.as(mglru.age(group), { status: "done", reclaimedBytes: undefined })
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
