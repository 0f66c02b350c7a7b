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
import { Clock, Context, Data, Effect, Layer, Option, type Scope } from "effect"
import { type Actuator, makeActuator } from "./Actuator.ts"
import type { DamonServices } from "./DamonActs.ts"
import { decideSafely } from "./decideSafely.ts"
import { effectiveFloor, type GuardRails, remainingBudget } from "./GuardRails.ts"
import type { Pace } from "./Pace.ts"
import { PolicyCannotRun } from "./PolicyCannotRun.ts"
import type { Turns } from "./Turns.ts"
import { makeWarmup } from "./Warmup.ts"
import { missingNeeds } from "./missingNeeds.ts"
import { prepareWorkingSet } from "./prepareWorkingSet.ts"

/** Whoever looks on (`onTick`) wants no further ticks. */
export class LoopEnded extends Data.TaggedError("LoopEnded")<{ readonly message: string }> {}

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
  /** Called after every tick, with what it saw and did. Where it fails the loop ends. */
  readonly onTick?: (tick: Tick) => Effect.Effect<void, LoopEnded>
  /** Of many loops: ticks that may be left out, and whose turn it is when. Else every tick is taken, counted from the start. */
  readonly turns?:
    | {
        readonly turns: Turns
        readonly pace: Pace
        /** Ticks fall on whole multiples of `everyMs` since 1970 and so much later; the first one is taken at once. */
        readonly phaseMs: number
      }
    | undefined
}

export interface Loop {
  /**
   * Runs until it is interrupted or the group goes away. A tick that fails to read one file is an error; the group's end is not:
   * it ends the loop with `GroupGone`.
   */
  readonly run: (recorder: RunRecorder) => Effect.Effect<never, GroupGone | KernelError | LoopEnded | RecordingError>
  /** Takes one tick now. */
  readonly tick: Effect.Effect<Tick, GroupGone | KernelError>
  readonly missedTicks: () => number
}

/** With those of whoever runs many loops, whose context all of them share, or with ones of this loop's own. */
const withDamonServices = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, DamonServices> | KernFs | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const services: ReadonlyArray<Context.Key<any, unknown>> = [Damon, DamonModules, Processes]
    const isThere = services.every((service) => Option.isSome(Context.getOption(context, service)))
    if (isThere) return effect as Effect.Effect<A, E, Exclude<R, DamonServices>>
    const own = Layer.build(Layer.mergeAll(Damon.layer, DamonModules.layer, Processes.layer))
    return Effect.flatMap(own, (made) => Effect.provideContext(effect, made))
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
> = Effect.fnUntraced(function* ({ dryRun, everyMs, group, onTick, pageAge, policy, rails, settings, turns: shared, warmupMs = 0 }) {
  const ages = typeof pageAge === "string" ? yield* makePageAgeMonitor(group, pageAge) : pageAge
  const sampler: CgroupSampler = yield* makeCgroupSampler(group, ages)
  // They need nothing but files; whoever starts a loop need not know of them.
  const actuator: Actuator = yield* withDamonServices(makeActuator({ rails, dryRun }))
  const missing = yield* withDamonServices(missingNeeds(group, policy, ages.source))
  if (missing.length > 0) return yield* new PolicyCannotRun({ policy: policy.name, missing })
  const agesAsked = policy.ages?.(settings) ?? []
  if (ages.source === "working-set" && agesAsked.length > 0 && !dryRun) yield* prepareWorkingSet(group, agesAsked)

  let state: unknown = policy.initialState
  let before: ReadonlyArray<PastAction> = []
  let missed = 0
  /** When the policy must be asked again though nothing moves; undefined: it did not say, and is asked every tick. */
  let dueMs: number | undefined
  const start = yield* Clock.currentTimeMillis
  const warmupLeft = makeWarmup(start, warmupMs)
  const gridMs = shared === undefined ? start : onGrid(start, everyMs, shared.phaseMs)

  const tick = Effect.gen(function* () {
    const observation: Observation = yield* sampler.sample
    const warmupLeftMs = warmupLeft(observation.atMs)
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

  /** Number of the tick that comes after now, and how many after `n` are over already. */
  const following = (n: number, nowMs: number) => {
    const at = Math.max(n + 1, Math.ceil((nowMs - gridMs) / everyMs))
    return { at, missed: at - (n + 1) }
  }

  const sleepUntilNext = (n: number, nowMs: number) => {
    const next = following(n, nowMs)
    // Of a clock that was set back an hour, that hour is not waited for.
    return Effect.as(Effect.sleep(Math.min(gridMs + next.at * everyMs - nowMs, (next.at - n) * everyMs)), next)
  }

  /** Waits for the tick after `n` that is due by the pace, or that comes after something moved. */
  const waitForTurn = ({ pace, phaseMs, turns }: NonNullable<LoopOptions["turns"]>, n: number, taken: Tick, nowMs: number) => {
    // Asking for a new generation takes nothing.
    const acted = taken.outcomes.some(({ asked }) => asked._tag !== "Age")
    pace.looked(taken.observation, acted, dueMs)
    const { missed } = following(n, nowMs)
    const isDue = (tickMs: number): boolean => !pace.mayLeaveOut(tickMs) || pace.hasMoved(sampler.glance())
    return Effect.map(turns.wait(everyMs, phaseMs, isDue), (turn) => ({
      at: Math.max(n + 1, Math.round((turn.dueMs - gridMs) / everyMs)),
      missed: missed + turn.missed
    }))
  }

  const run = Effect.fnUntraced(function* (recorder: RunRecorder) {
    let missedBefore = 0
    for (let n = 0; ;) {
      const taken: Tick = { ...(yield* tick), missedTicks: missedBefore }
      yield* recorder.tick(taken)
      if (onTick !== undefined) yield* onTick(taken)
      const nowMs = yield* Clock.currentTimeMillis
      const next = yield* shared === undefined ? sleepUntilNext(n, nowMs) : waitForTurn(shared, n, taken, nowMs)
      missedBefore = next.missed
      missed += missedBefore
      n = next.at
    }
  })

  return { run, tick, missedTicks: () => missed }
})
