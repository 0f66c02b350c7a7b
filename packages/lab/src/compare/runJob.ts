/**
 * Carries out one job: a workload without a policy, watched page by page; or under a policy, through control's real loop over the simulated
 * files in virtual time. The policy acts from the first second on: loading is part of what it has to cope with.
 */
import { decodeSettings, findPolicy } from "@wmo/policies"
import { Recorder } from "@wmo/recording"
import { GapCollector, netBytesOf, observeRun, type SimScenario } from "@wmo/sim"
import { Effect } from "effect"
import type { BoundJob, BoundResult, Job, PolicyJob, PolicyResult } from "./Job.ts"
import { PartTally } from "./PartTally.ts"
import { JobFailed, scenarioOf } from "./scenario.ts"
import { simulatedGroup, simulatedGroupName } from "./simulatedGroup.ts"
import { runSimulatedSession } from "./simulatedSession.ts"

const tickMs = 1000

/** What could be saved at best: runs the workload without a policy and watches its pages. */
export const watchBound = (scenario: SimScenario, job: Pick<BoundJob, "seed" | "learningMs" | "durationMs">): BoundResult => {
  const simulation = simulatedGroup(scenario, job.seed)
  const { pages } = simulation.group(simulatedGroupName)
  const fileBit = 8
  const gaps = new GapCollector({
    tickMs,
    windows: [
      { fromMs: 0, toMs: job.learningMs },
      { fromMs: job.learningMs, toMs: job.durationMs }
    ],
    netBytes: (page) => netBytesOf((pages.flags[page]! & fileBit) !== 0, pages.compressed[page]!)
  })
  const learning = new PartTally(simulation)
  let measured: PartTally | undefined
  observeRun(simulation, simulatedGroupName, Math.round(job.durationMs / tickMs), tickMs, {
    access: (page) => gaps.access(page),
    gone: (page) => gaps.free(page),
    tick: () => {
      ;(measured ?? learning).sample(gaps.workingSetPages)
      if (simulation.nowMs >= job.learningMs) measured ??= new PartTally(simulation)
      gaps.nextTick()
    }
  })
  const [early, late] = gaps.end()
  const parts = { learning: learning.finish(), measured: (measured ?? learning).finish() }
  return {
    learning: { ...parts.learning, net: early!.net, gross: early!.gross, fixedAges: early!.fixedAges },
    measured: { ...parts.measured, net: late!.net, gross: late!.gross, fixedAges: late!.fixedAges }
  }
}

const runPolicy = Effect.fnUntraced(function* (job: PolicyJob, onProgress: (share: number) => void) {
  const scenario = yield* scenarioOf(job.workload)
  const policy = yield* Effect.mapError(Effect.fromResult(findPolicy(job.policy.name)), ({ message }) => new JobFailed({ message }))
  const settings = yield* Effect.mapError(
    Effect.fromResult(decodeSettings(policy.name, policy.settings, job.policy.settings)),
    ({ message }) => new JobFailed({ message })
  )
  const simulation = simulatedGroup(scenario, job.seed)
  const learning = new PartTally(simulation)
  let measured: PartTally | undefined
  let actions = 0
  let failedActions = 0
  let firstFailure: string | undefined
  const sampling = Effect.gen(function* () {
    for (let n = 0; ; n++) {
      // Between two turns of the loop, and at fixed times: asked-for work takes time of its own.
      yield* Effect.sleep((n + 0.5) * tickMs - simulation.nowMs)
      ;(measured ?? learning).sample()
      if (simulation.nowMs >= job.learningMs) measured ??= new PartTally(simulation)
    }
  })
  const recorder = job.recordFile === undefined ? Recorder.layerNone : Recorder.layerFile(job.recordFile)
  yield* runSimulatedSession(simulation, {
    group: simulatedGroupName,
    policy,
    settings,
    label: policy.name,
    command: job.workload,
    durationMs: job.durationMs,
    beside: sampling,
    onTick: ({ outcomes }) =>
      Effect.sync(() => {
        for (const { detail, status } of outcomes) {
          actions++
          if (status !== "failed") continue
          failedActions++
          firstFailure ??= detail
        }
        onProgress(simulation.nowMs / job.durationMs)
      })
  }).pipe(
    Effect.provide(recorder),
    Effect.mapError(({ message }) => new JobFailed({ message }))
  )
  return {
    learning: learning.finish(),
    measured: (measured ?? learning).finish(),
    oomKilled: simulation.outcome(simulatedGroupName).oomKilled,
    actions,
    failedActions,
    firstFailure
  } satisfies PolicyResult
})

/** Runs a job to its end. A defect in a workload or a policy is a failure of this run, not of the comparison. */
export const runJob = (job: Job, onProgress: (share: number) => void = () => {}): Effect.Effect<BoundResult | PolicyResult, JobFailed> =>
  Effect.catchDefect(
    Effect.suspend((): Effect.Effect<BoundResult | PolicyResult, JobFailed> =>
      job.kind === "bound" ? Effect.map(scenarioOf(job.workload), (scenario) => watchBound(scenario, job)) : runPolicy(job, onProgress)
    ),
    (defect) => Effect.fail(new JobFailed({ message: defect instanceof Error ? defect.message : String(defect) }))
  )
