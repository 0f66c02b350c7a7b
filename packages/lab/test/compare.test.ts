/** What the comparison makes of runs: shares, rates, intervals and trouble, on results that were made up. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type BoundResult, comparePolicies, type Job, JobFailed, type PolicyResult, runJob } from "../src/index.ts"
import { estimate } from "../src/compare/statistics.ts"

const mib = 2 ** 20
const minute = 60_000

/** Ten minutes: 100 MiB of working set, 60 MiB that are free to take, and 1,000 gaps of 2 KiB for 100 s. */
const part = {
  seconds: 600,
  byteSeconds: 600 * 200 * mib,
  netOffloadByteSeconds: 0,
  grossOffloadByteSeconds: 0,
  peakBytes: 210 * mib,
  refaults: 0,
  psiSomeUs: 0,
  stallUs: 0,
  stallP99Us: 0,
  thinkUs: 300e6,
  overheadUs: 0,
  policyCpuUs: 0,
  minuteRefaults: Array.from({ length: 10 }, () => 0),
  minutePsiUs: Array.from({ length: 10 }, () => 0),
  minuteWorkingSets: Array.from({ length: 10 }, () => 25_600)
}
const bound: BoundResult["measured"] = {
  ...part,
  net: { free: 600 * 60 * mib, bins: [[12_000, 1000, 1000 * 2048 * 100]] },
  // 512 promotions are allowed: an age of a minute keeps to that, one of half a minute does not.
  fixedAges: [
    { ageMs: 30_000, net: 600 * 70 * mib, promotions: 513 },
    { ageMs: 60_000, net: 600 * 50 * mib, promotions: 500 },
    { ageMs: 120_000, net: 600 * 40 * mib, promotions: 0 }
  ],
  gross: { free: 600 * 80 * mib, bins: [[12_700, 1000, 1000 * 4096 * 100]] }
}

const run = (over: Partial<typeof part>): PolicyResult => ({
  learning: part,
  measured: { ...part, ...over },
  oomKilled: false,
  actions: 4,
  failedActions: 0
})

const compare = (
  policies: ReadonlyArray<string>,
  results: (job: Extract<Job, { kind: "policy" }>) => Effect.Effect<PolicyResult, JobFailed>,
  seeds = [1, 2]
) =>
  comparePolicies({
    workloads: ["w"],
    policies: policies.map((name) => ({ name, settings: {} })),
    seeds,
    durationMs: 20 * minute,
    learningMs: 10 * minute,
    jobs: 2,
    runJob: (job) => (job.kind === "bound" ? Effect.succeed({ learning: bound, measured: bound }) : results(job))
  })

describe("comparison", () => {
  it.effect("a share of the bound at 0.2 %/min and at the policy's own rate; costs beside it", () =>
    Effect.gen(function* () {
      const result = run({
        netOffloadByteSeconds: 600 * 54 * mib,
        refaults: 2560,
        psiSomeUs: 6e6,
        overheadUs: 3e6,
        minuteRefaults: [2509, 51, 0, 0, 0, 0, 0, 0, 0, 0],
        minutePsiUs: [0, 0, 0, 0, 0, 6e6, 0, 0, 0, 0]
      })
      const { bounds, rows, summaries } = yield* compare(["p"], () => Effect.succeed(result))
      assert.deepStrictEqual([bounds[0]!.best_fixed_age_seconds, bounds[0]!.best_fixed_age_net_mib], [60, 50])
      const row = rows[0]!
      // 512 promotions in ten minutes are 0.2 % of 25,600 pages a minute.
      const atSlo = 60 * mib + (512 * 2048 * 100) / 600
      const atOwn = 60 * mib + (1000 * 2048 * 100) / 600
      assert.approximately(row.saved_share_of_bound!, (54 * mib) / atSlo, 1e-9)
      assert.approximately(row.saved_share_at_own_rate!, (54 * mib) / atOwn, 1e-9)
      assert.approximately(row.promotions_pct_per_min!, 1, 1e-9)
      assert.approximately(row.psi_some_pct!, 1, 1e-9)
      assert.approximately(row.slowdown_pct!, 1, 1e-9)
      // One minute broke the rate, one the pressure; 51 of 51.2 is within.
      assert.strictEqual(row.slo_minutes_pct, 80)
      assert.strictEqual(row.saved_share_of_bound_ci95, 0)
      assert.deepStrictEqual(summaries[0]!.over_slo, ["w"])
      assert.strictEqual(summaries[0]!.saved_share_within_slo, 0)
    })
  )

  it.effect("means and intervals over seeds", () =>
    Effect.gen(function* () {
      const { rows } = yield* compare(
        ["p"],
        ({ seed }) => Effect.succeed(run({ netOffloadByteSeconds: 600 * (40 + 10 * seed) * mib })),
        [1, 2, 3]
      )
      assert.approximately(rows[0]!.saved_mib!, 60, 1e-9)
      // Standard deviation 10 of three: t(2) = 4.303.
      assert.approximately(rows[0]!.saved_mib_ci95!, (4.303 * 10) / Math.sqrt(3), 0.01)
    })
  )

  it.effect("a run that failed is a row that says why; the others go on", () =>
    Effect.gen(function* () {
      const { rows, summaries } = yield* compare(["broken", "half", "odd"], ({ policy, seed }) =>
        policy.name === "broken" || (policy.name === "half" && seed === 2)
          ? Effect.fail(new JobFailed({ message: "no such thing" }))
          : Effect.succeed({ ...run({}), oomKilled: true, failedActions: 2, firstFailure: "EINVAL" })
      )
      assert.deepStrictEqual(
        rows.map(({ policy, problems, seeds }) => [policy, seeds, problems]),
        [
          ["broken", 0, ["no such thing"]],
          ["half", 1, ["killed: out of memory", "some actions failed: EINVAL", "no such thing"]],
          ["odd", 2, ["killed: out of memory", "some actions failed: EINVAL"]]
        ]
      )
      assert.deepStrictEqual(
        summaries.map(({ policy }) => policy),
        ["half", "odd"]
      )
    })
  )

  it("intervals of one value and of none are unknown", () => {
    assert.deepStrictEqual(estimate([5]), { mean: 5, ci95: null })
    assert.isNaN(estimate([]).mean)
  })
})

describe("one run", () => {
  const job = { workload: "fork-exit-storm", seed: 1, durationMs: 4 * minute, learningMs: 2 * minute }

  it.live("a policy on the real loop beside the run without one: what it reaches is below the bound", () =>
    Effect.gen(function* () {
      const { rows } = yield* comparePolicies({
        ...job,
        workloads: [job.workload],
        policies: [
          { name: "none", settings: {} },
          { name: "periodic", settings: { cold_age: "20s", least: "64K" } }
        ],
        seeds: [1],
        jobs: 1,
        runJob
      })
      assert.deepStrictEqual(
        rows.flatMap(({ problems }) => problems),
        []
      )
      const [none, periodic] = rows
      assert.strictEqual(none!.saved_mib, 0)
      // A third of the group is the floor that guard rails leave.
      assert.isAbove(periodic!.saved_share_at_own_rate!, 0.6)
      assert.isAtMost(periodic!.saved_share_at_own_rate!, 1.001)
    })
  )

  it.live("fails with a line for what is not there", () =>
    Effect.gen(function* () {
      const problem = (over: object) =>
        Effect.map(
          Effect.flip(runJob({ ...job, kind: "policy", policy: { name: "none", settings: {} }, ...over })),
          ({ message }) => message
        )
      assert.match(yield* problem({ workload: "nix" }), /^there is no simulated workload "nix"/)
      assert.match(yield* problem({ workload: "trace:/nix" }), /^cannot read \/nix: ENOENT/)
      assert.match(yield* problem({ policy: { name: "nix", settings: {} } }), /^there is no policy "nix"/)
      assert.match(yield* problem({ policy: { name: "periodic", settings: { cold_age: "x" } } }), /^setting cold_age of policy periodic/)
    })
  )
})
