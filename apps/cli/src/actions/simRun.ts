/** What `wmo sim run` does: one workload under one policy on the simulated kernel, against the bound, with a recording if wanted. */
import { formatBytes } from "@wmo/core"
import { comparePolicies, type Job, type PolicyResult, runJob, scenarioOf, sloPromotionsPct } from "@wmo/lab"
import { Console, Effect, Option } from "effect"
import { existsSync } from "node:fs"
import type { SimRunFlags } from "../commands/sim.ts"
import { ExitCode, Failure, usageError } from "../Exit.ts"
import { policyChoice } from "../policyChoice.ts"
import { makeProgress } from "../progress.ts"

const mib = 2 ** 20

export const simRun = Effect.fn("wmo sim run")(function* (flags: SimRunFlags) {
  const settings = Object.fromEntries(Object.entries(flags.set).map(([key, value]) => [`${flags.policy}.${key}`, value]))
  const policy = yield* policyChoice(flags.policy, settings)
  yield* Effect.mapError(scenarioOf(flags.workload), ({ message }) => usageError(message))
  if (flags.duration < flags.learning + 60_000) return yield* usageError("--duration must be at least a minute longer than --learning")
  const recordFile = Option.getOrUndefined(flags.record)
  if (recordFile !== undefined && existsSync(recordFile)) return yield* usageError(`${recordFile} exists; a recording is never overwritten`)
  const progress = makeProgress(1)
  let policyResult: PolicyResult | undefined
  const run = (job: Job, onProgress: (share: number) => void) =>
    runJob(job.kind === "policy" ? { ...job, recordFile } : job, onProgress).pipe(
      Effect.tap((result) => Effect.sync(() => void (job.kind === "policy" && (policyResult = result as PolicyResult))))
    )
  const { bounds, rows } = yield* comparePolicies({
    workloads: [flags.workload],
    policies: [policy],
    seeds: [flags.seed],
    durationMs: flags.duration,
    learningMs: flags.learning,
    jobs: 1,
    runJob: run as (job: Job, onProgress: (share: number) => void) => ReturnType<typeof runJob>,
    onProgress: (done, all, label) => progress.show(0, done / all, label)
  }).pipe(Effect.ensuring(Effect.sync(progress.clear)))
  const row = rows[0]!
  const problems = row.problems.join("; ")
  if (row.seeds === 0) return yield* new Failure({ message: problems, exitCode: ExitCode.failed })
  if (flags.json) return yield* Console.log(JSON.stringify({ ...row, seed: flags.seed, bound: bounds[0] ?? null }, null, 2))
  const size = (mebibytes: number | undefined) => formatBytes(Math.round((mebibytes ?? 0) * mib))
  const share = (value: number | undefined) => `${((value ?? 0) * 100).toFixed(0)} %`
  const lines = [
    `${flags.workload} under ${flags.policy}, ${flags.duration / 60_000} simulated minutes, the first ${flags.learning / 60_000} of learning left out:`,
    `  memory        ${size(row.mean_mib)} on average, ${size(row.peak_mib)} at most; ${size(bounds[0]?.mean_mib)} without a policy`,
    `  saved         ${size(row.saved_mib)} net of compressed copies, ${size(row.saved_gross_mib)} gross`,
    `  at best       ${size(row.bound_mib)} at ${sloPromotionsPct} % promotions a minute: ${share(row.saved_share_of_bound)} of it reached; ${share(row.saved_share_at_own_rate)} at as many promotions as it caused`,
    `  promotions    ${(row.promotions_pct_per_min ?? 0).toFixed(3)} % of the working set (${size(bounds[0]?.working_set_mib)}) a minute`,
    `  pressure      ${(row.psi_some_pct ?? 0).toFixed(3)} % some; stalls of a second p99 ${Math.round(row.stall_p99_us ?? 0).toLocaleString("en-US")} µs; slowdown ${(row.slowdown_pct ?? 0).toFixed(2)} %`,
    `  objective     held in ${(row.slo_minutes_pct ?? 0).toFixed(0)} % of the minutes`,
    `  policy's CPU  ${Math.round(row.policy_cpu_us_per_min ?? 0).toLocaleString("en-US")} µs a minute; ${policyResult?.actions ?? 0} actions`,
    ...(problems === "" ? [] : [`  trouble       ${problems}`]),
    ...(recordFile === undefined ? [] : [`The recording is ${recordFile}; wmo recording summary ${recordFile}`])
  ]
  yield* Console.log(lines.join("\n"))
})
