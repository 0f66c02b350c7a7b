/** `slo` in a closed loop: on simulated workloads, through control's loop, against the bound. What it decides one by one is tested in policies. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type BoundResult, measure, type PolicyResult, runJob, sloPromotionsPct, sloPsiPct } from "../src/index.ts"

const play = Effect.fnUntraced(function* (workload: string, minutes: number, learningMs = 600_000) {
  const job = { workload, seed: 1, durationMs: minutes * 60_000, learningMs }
  const bound = (yield* runJob({ kind: "bound", ...job })) as BoundResult
  const run = (yield* runJob({ kind: "policy", policy: { name: "slo", settings: {} }, ...job })) as PolicyResult
  return { learning: measure(run.learning, bound.learning), measured: measure(run.measured, bound.measured) }
})

// Hours of page accesses: seconds on a quiet machine.
describe("slo on the simulator", { timeout: 120_000 }, () => {
  it.live("saves nearly all that can be saved of memory that is never used again, and brings nothing back", () =>
    Effect.gen(function* () {
      const { learning, measured } = yield* play("hotcold", 15)
      assert.isAbove(measured.saved_share_of_bound, 0.97)
      assert.strictEqual(measured.promotions_pct_per_min, 0)
      assert.strictEqual(learning.promotions_pct_per_min, 0)
    })
  )

  it.live("keeps within its objective on a store whose items are used ever more seldom, once it has learned", () =>
    Effect.gen(function* () {
      const { measured } = yield* play("kv-gauss", 40)
      assert.isAtMost(measured.promotions_pct_per_min, sloPromotionsPct)
      assert.isAtMost(measured.psi_some_pct, sloPsiPct)
      assert.isAbove(measured.saved_share_of_bound, 0.2)
    })
  )

  it.live("finds within three turns the age at which regions are left alone that take them, and what is never used again goes", () =>
    Effect.gen(function* () {
      const { measured } = yield* play("min-age-2", 20, 3 * 120_000)
      assert.strictEqual(measured.promotions_pct_per_min, 0)
      // The best fixed age saves 5.8 MiB.
      assert.isAbove(measured.saved_mib, 0.9 * 5.8)
    })
  )
})
