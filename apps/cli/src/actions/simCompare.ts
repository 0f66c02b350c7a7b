/** What `wmo sim compare` does: policies × workloads × seeds, two at a time, and the tables of it. */
import {
  boundTable,
  comparePolicies,
  comparisonSentence,
  comparisonTable,
  policyTable,
  runJob,
  scenarioOf,
  sloPromotionsPct
} from "@wmo/lab"
import { policies } from "@wmo/policies"
import { simScenarios } from "@wmo/sim"
import { Console, Effect, Option } from "effect"
import type { SimCompareFlags } from "../commands/sim.ts"
import { usageError } from "../Exit.ts"
import { policyChoice, splitPolicies } from "../policyChoice.ts"
import { makeProgress } from "../progress.ts"
import { makeSimWorkers } from "../simWorkers.ts"

const quick = { workloads: ["bursts", "cache-filler", "server"], durationMs: 10 * 60_000, learningMs: 4 * 60_000 }

const listed = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((text) => text.split(",")).filter((name) => name !== "")

/** Words that stand for several workloads. */
const suiteOf = (word: string): ReadonlyArray<string> | undefined =>
  word === "all" || word === "comparison" || word === "stress"
    ? simScenarios.filter(({ suite }) => word === "all" || suite === word).map(({ name }) => name)
    : undefined

/** The flags, made sense of. */
const planOf = Effect.fnUntraced(function* (flags: SimCompareFlags) {
  const asked = listed(flags.workload).flatMap((name) => suiteOf(name) ?? [name])
  for (const name of asked) {
    yield* Effect.mapError(scenarioOf(name), ({ message }) => usageError(message))
  }
  const names = flags.policy.length > 0 ? flags.policy.flatMap(splitPolicies) : policies.map(({ name }) => name)
  const chosen = yield* Effect.forEach(names, (text) => policyChoice(text, flags.set))
  for (const key of Object.keys(flags.set)) {
    const policy = key.split(".")[0]
    if (chosen.some(({ name }) => name === policy)) continue
    return yield* usageError(`--set ${key}: it must begin with one of the compared policies, as in ${chosen[0]?.name ?? "periodic"}.${key}`)
  }
  const durationMs = flags.quick
    ? quick.durationMs
    : Option.match(flags.minutes, { onSome: (n) => n * 60_000, onNone: () => flags.duration })
  const learningMs = flags.quick ? quick.learningMs : flags.learning
  if (flags.seeds < 1) return yield* usageError("--seeds must be at least 1")
  if (flags.jobs < 1) return yield* usageError("--jobs must be at least 1")
  if (durationMs < learningMs + 120_000) return yield* usageError("--duration must be at least two minutes longer than --learning")
  return {
    workloads: asked.length > 0 ? asked : flags.quick ? quick.workloads : suiteOf("comparison")!,
    policies: chosen,
    seeds: Array.from({ length: flags.quick ? 1 : flags.seeds }, (_, i) => i + 1),
    durationMs,
    learningMs
  }
})

export const simCompare = Effect.fn("wmo sim compare")(function* (flags: SimCompareFlags) {
  const plan = yield* planOf(flags)
  const steps = plan.workloads.length * plan.seeds.length * (plan.policies.length + 1)
  yield* Console.error(
    `${plan.policies.length} policies on ${plan.workloads.length} workloads with ${plan.seeds.length} seeds, ` +
      `${plan.durationMs / 60_000} simulated minutes each, the first ${plan.learningMs / 60_000} shown apart:`
  )
  const progress = makeProgress(1)
  let finished = 0
  const onProgress = (done: number, all: number, label: string) => {
    progress.show(0, done / all, label)
    const tenth = Math.floor((done / all) * 10)
    if (tenth <= finished) return
    finished = tenth
    if (process.stderr.isTTY !== true) process.stderr.write(`  ${Math.floor(done)}/${steps} runs\n`)
  }
  const comparison = yield* Effect.gen(function* () {
    // One at a time needs no other process.
    const run = flags.jobs === 1 ? runJob : yield* makeSimWorkers(process.argv[1]!)
    return yield* comparePolicies({ ...plan, jobs: flags.jobs, runJob: run, onProgress })
  }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(progress.clear)))
  const { bounds, rows, summaries } = comparison
  if (flags.json) return yield* Console.log(JSON.stringify({ rows, policies: summaries, bounds }, null, 2))
  yield* Console.log(`\n${comparisonTable(rows)}\n\nMeans over the workloads\n${policyTable(summaries)}`)
  yield* Console.log(`\nWhat a clairvoyant saves, net, in MiB on average, by promotions allowed\n${boundTable(bounds)}`)
  const sentence = comparisonSentence(comparison)
  if (sentence !== undefined) yield* Console.log(`\n${sentence}`)
  yield* Console.log(
    `"of bound" is against ${sloPromotionsPct} % of the working set promoted a minute; "at own rate" against as many promotions as the policy caused.`
  )
})
