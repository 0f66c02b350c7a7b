/**
 * The loop: observe, decide, act, record, once a tick. The same code runs on the real kernel, in virtual time on the simulator, and on
 * the fake. Ticks have fixed times: a late one is taken late, one that was missed altogether is counted, and the rhythm never drifts.
 */
import {
  type Cgroups,
  Damon,
  DamonModules,
  formatDuration,
  type Journal,
  type JournalFailure,
  type KernelError,
  type KernFs,
  type Machine,
  type Mglru,
  Processes,
  type WorkingSet
} from "@wmo/core"
import {
  type CgroupSampler,
  type GroupGone,
  makeCgroupSampler,
  makePageAgeMonitor,
  type Observation,
  type PageAgeChoice,
  type PageAgeMonitor
} from "@wmo/monitors"
import type { AnyPolicy, PastAction, SettingValues, Settings } from "@wmo/policies"
import type { Outcome, RecordingError, RunRecorder, Tick } from "@wmo/recording"
import { Clock, Context, Effect, Layer, Option, type Scope } from "effect"
import { type Actuator, makeActuator } from "./Actuator.ts"
import { decideSafely } from "./decideSafely.ts"
import { effectiveFloor, type GuardRails, remainingBudget } from "./GuardRails.ts"
import type { Pace } from "./Pace.ts"
import { PolicyCannotRun } from "./PolicyCannotRun.ts"
import { missingNeeds } from "./missingNeeds.ts"
import { prepareWorkingSet } from "./prepareWorkingSet.ts"

export interface LoopOptions {
  readonly group: string
  readonly policy: AnyPolicy
  readonly settings: SettingValues<Settings>
  readonly everyMs: number
  readonly rails: GuardRails
  readonly dryRun: boolean
  /** The policy is not asked before this much time has passed, so that a workload can load; observing starts at once. */
  readonly warmupMs?: number
  /** Where page ages come from; or a monitor of the group that was started elsewhere (DAMON, idle bitmap). */
  readonly pageAge: PageAgeChoice | PageAgeMonitor
  /** Called after every tick, with what it saw and did. */
  readonly onTick?: (tick: Tick) => Effect.Effect<void>
  /** Ticks fall on whole multiples of `everyMs` since 1970 and so much later, the first one at once; else they count from the start. */
  readonly phaseMs?: number | undefined
  /** Ticks that may be left out; none by default. */
  readonly pace?: Pace | undefined
}

export interface Loop {
  /**
   * Runs until it is interrupted or the group goes away. A tick that fails to read one file is an error; the group's end is not:
   * it ends the loop with `GroupGone`.
   */
  readonly run: (recorder: RunRecorder) => Effect.Effect<never, GroupGone | KernelError | RecordingError>
  /** Takes one tick now. */
  readonly tick: Effect.Effect<Tick, GroupGone | KernelError>
  readonly missedTicks: () => number
}

/** Those of whoever runs many loops, or ones of this loop's own. */
const damonServices = Effect.gen(function* () {
  const [damon, modules, processes] = yield* Effect.all([
    Effect.serviceOption(Damon),
    Effect.serviceOption(DamonModules),
    Effect.serviceOption(Processes)
  ])
  if (Option.isNone(damon) || Option.isNone(modules) || Option.isNone(processes))
    return yield* Layer.build(Layer.mergeAll(Damon.layer, DamonModules.layer, Processes.layer))
  return Context.make(Damon, damon.value).pipe(Context.add(DamonModules, modules.value), Context.add(Processes, processes.value))
})

/** The last instant of the grid that is not after `nowMs`. */
const onGrid = (nowMs: number, everyMs: number, phaseMs: number): number => Math.floor((nowMs - phaseMs) / everyMs) * everyMs + phaseMs

/**
 * Opens the group and prepares the loop. Fails with `PolicyCannotRun` where the kernel lacks what the policy needs, and with
 * `GroupGone` where there is no such group.
 */
export const makeLoop: (
  options: LoopOptions
) => Effect.Effect<
  Loop,
  GroupGone | JournalFailure | KernelError | PolicyCannotRun,
  Cgroups | KernFs | Machine | Mglru | WorkingSet | Journal | Scope.Scope
> = Effect.fnUntraced(function* ({ dryRun, everyMs, group, onTick, pace, pageAge, phaseMs, policy, rails, settings, warmupMs = 0 }) {
  const ages = typeof pageAge === "string" ? yield* makePageAgeMonitor(group, pageAge) : pageAge
  const sampler: CgroupSampler = yield* makeCgroupSampler(group, ages)
  // They need nothing but files; whoever starts a loop need not know of them.
  const damon = yield* damonServices
  const actuator: Actuator = yield* Effect.provideContext(makeActuator({ rails, dryRun }), damon)
  const missing = yield* Effect.provideContext(missingNeeds(group, policy, ages.source), damon)
  if (missing.length > 0) return yield* new PolicyCannotRun({ policy: policy.name, missing })
  const agesAsked = policy.ages?.(settings) ?? []
  if (ages.source === "working-set" && agesAsked.length > 0 && !dryRun) yield* prepareWorkingSet(group, agesAsked)

  let state: unknown = policy.initialState
  let before: ReadonlyArray<PastAction> = []
  let missed = 0
  /** When the policy must be asked again though nothing moves; undefined: it did not say, and is asked every tick. */
  let dueMs: number | undefined
  const start = yield* Clock.currentTimeMillis
  const gridMs = phaseMs === undefined ? start : onGrid(start, everyMs, phaseMs)

  const tick = Effect.gen(function* () {
    const observation: Observation = yield* sampler.sample
    const warmupLeftMs = start + warmupMs - observation.atMs
    const outcomes: Array<Outcome> = [...(yield* actuator.tend(observation))]
    dueMs = undefined
    if (warmupLeftMs > 0) return { observation, reason: `warming up for another ${formatDuration(warmupLeftMs)}`, outcomes } satisfies Tick
    const decision = decideSafely(
      policy,
      {
        observation,
        settings,
        floorBytes: effectiveFloor(rails, observation),
        budgetBytes: remainingBudget(rails, actuator.spent(), observation.atMs),
        ...(dryRun ? {} : { before })
      },
      state
    )
    state = decision.state
    dueMs = decision.dueMs
    for (const action of decision.actions) outcomes.push(yield* actuator.act(action, observation))
    before = outcomes.flatMap(({ allowed, reclaimedBytes, tookMs }) =>
      allowed === undefined ? [] : [{ action: allowed, reclaimedBytes, tookMs }]
    )
    return { observation, reason: decision.reason, outcomes } satisfies Tick
  })

  /** Sleeps until the tick after `n` that is due by the pace, or that comes after something moved; gives its number, and how many were missed. */
  const sleepUntilDue = Effect.fnUntraced(function* (n: number, taken: Tick) {
    pace?.looked(taken.observation, taken.outcomes.length > 0, dueMs)
    let at = n
    let missedHere = 0
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      const planned = at + Math.max(1, pace?.stride() ?? 1)
      at = Math.max(planned, Math.ceil((now - gridMs) / everyMs))
      missedHere += at - planned
      const dueAtMs = gridMs + at * everyMs
      // Of a clock that was set back an hour, that hour is not waited for.
      yield* Effect.sleep(Math.min(dueAtMs - now, (at - n) * everyMs))
      if (pace === undefined) break
      const wokeMs = yield* Clock.currentTimeMillis
      pace.woke(wokeMs - dueAtMs)
      if (!pace.mayLeaveOut(dueAtMs) || pace.hasMoved(yield* sampler.glance)) break
    }
    return { at, missed: missedHere }
  })

  const run = Effect.fnUntraced(function* (recorder: RunRecorder) {
    let missedBefore = 0
    for (let n = 0; ;) {
      const taken: Tick = { ...(yield* tick), missedTicks: missedBefore }
      yield* recorder.tick(taken)
      if (onTick !== undefined) yield* onTick(taken)
      const next = yield* sleepUntilDue(n, taken)
      missedBefore = next.missed
      missed += missedBefore
      n = next.at
    }
  })

  return { run, tick, missedTicks: () => missed }
})
