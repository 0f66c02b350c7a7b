/**
 * Who runs what: groups come and go, configurations are reloaded, everything is paused or stopped in an emergency; after each of these the plans
 * are made anew, and only fibers whose plan has changed are ended or started. What is stopped is put back first, so that a group never has two.
 * Holds no kernel file itself, and decides nothing about memory: plans and policies do.
 */
import { Cgroups, formatDuration, type Journal, KernelRoots, KernFs, Machine, type Mglru, type WorkingSet } from "@wmo/core"
import { type IdlePace, makePace, makeTurns } from "@wmo/control"
import type { Sample } from "@wmo/monitors"
import type { Recorder } from "@wmo/recording"
import { Clock, type Context, Data, Effect, Fiber, Queue, Result, type Scope, Semaphore, Stream } from "effect"
import type { Config } from "../config/Config.ts"
import { type GroupPlan, planGroups } from "../config/plan.ts"
import { describeOverride, type Override } from "../config/Override.ts"
import { localTime } from "../config/schedule.ts"
import type { ConfigRejected } from "../config/ConfigProblem.ts"
import type { Explanation, GroupSummary, History, Mode, MonitorStatus, PodsStatus } from "../protocol/Status.ts"
import { calm, type EmergencyState, judgeMachine } from "./emergency.ts"
import { GroupRecord } from "./GroupRecord.ts"
import { Lateness } from "./Lateness.ts"
import { noMemory, type PolicyMemory } from "./guardPolicy.ts"
import { KnownPods } from "./KnownPods.ts"
import { changedParts, RestartNeeded } from "./RestartNeeded.ts"
import { describeOwn, judgeOwn, type OwnState, ownStart } from "./ownBudget.ts"
import { OwnCost } from "./ownCost.ts"
import { putBack, runGroup } from "./runGroup.ts"
import { idlePhaseOf, phaseOf, Slots } from "./Slots.ts"
import type { SteadyClock } from "./SteadyClock.ts"
import { RunningMonitors } from "./RunningMonitors.ts"
import { setOverride, type SetRequest } from "./setOverride.ts"

/** What `wmo set` asked for is not possible; what was in force stays in force. */
export class NotSet extends Data.TaggedError("NotSet")<{ readonly message: string }> {}

export interface SupervisorStatus {
  readonly config: Config
  readonly loadedMs: number
  readonly mode: typeof Mode.Type
  readonly why: string | undefined
  readonly emergencyStops: number
  readonly reloads: number
  readonly reloadsRefused: number
  readonly groupsSeen: number
  readonly pods: PodsStatus | undefined
  readonly monitors: ReadonlyArray<MonitorStatus>
  readonly lateness: Lateness
  readonly own: OwnState
  readonly groups: ReadonlyArray<GroupSummary>
}

export interface Monitored {
  readonly monitor: string
  readonly samples: ReadonlyArray<Sample>
}

export interface Supervisor {
  readonly status: Effect.Effect<SupervisorStatus>
  /** Undefined: no rule picks the group. */
  readonly explain: (group: string) => Effect.Effect<Explanation | undefined>
  /** Undefined: no rule picks the group, or it was never looked at. */
  readonly history: (group: string) => Effect.Effect<History | undefined>
  /** What monitors of third parties saw last. */
  readonly monitored: Effect.Effect<ReadonlyArray<Monitored>>
  /** Sets a group's policy or settings by hand: all of it is taken, or nothing. See `Override` for how long. */
  readonly set: (request: SetRequest) => Effect.Effect<Explanation, NotSet>
  readonly unset: (group: string) => Effect.Effect<Explanation, NotSet>
  /** Stops everything and puts it back; done when it is. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Takes what `load` gives, or nothing of it. */
  readonly reload: (load: Effect.Effect<Config, ConfigRejected>) => Effect.Effect<void, ConfigRejected | RestartNeeded>
}

interface Running {
  readonly planned: GroupPlan
  readonly everyMs: number
  readonly dryRun: boolean
  readonly fiber: Fiber.Fiber<never>
  readonly pace: IdlePace
  readonly slot: number
}

/** Schedules, and pods that got names: looked after this often. */
const tendEveryMs = 5000
const watchAgainMs = 5000
/** Groups that begin at once; others queue up. */
const startAtOnce = 20
/** Whether it is time to ask for pods again: a changed interval counts within so long. */
const askAgainMs = 1000

type Services = Cgroups | Journal | KernFs | Machine | Mglru | Recorder | WorkingSet

/** The group that this process is in, and those above it; none where it is in the root. */
const ownGroups = Effect.gen(function* () {
  const fs = yield* KernFs
  const { proc } = yield* KernelRoots
  const text = yield* Effect.orElseSucceed(
    Effect.map(fs.read(`${proc}/self/cgroup`), (bytes) => new TextDecoder().decode(bytes)),
    () => ""
  )
  const own = /^0::\/(.+)$/m.exec(text)?.[1]
  return own === undefined ? [] : [own]
})

/** Begins at once, and ends with the scope: then every group is as it was. */
export const makeSupervisor: (
  initial: Config,
  /** The clock that this runs on, where it must be told when to follow the wall clock. */
  clock?: SteadyClock
) => Effect.Effect<Supervisor, never, Services | Scope.Scope> = Effect.fnUntraced(function* (initial, clock) {
  const cgroups = yield* Cgroups
  const machine = yield* Machine
  const scope = yield* Effect.scope
  const services = yield* Effect.context<Services>()
  /** One context for all groups, not a copy each. */
  const shared: (own: Context.Context<never>) => Context.Context<Services> = () => services
  const own = yield* ownGroups
  const lock = Semaphore.makeUnsafe(1)
  const wakes = yield* Queue.sliding<void>(1)
  const pods = new KnownPods()
  const overrides = new Map<string, Override>()
  const monitors = new RunningMonitors(services, scope)

  let config = initial
  let loadedMs = yield* Clock.currentTimeMillis
  let reloads = 0
  let reloadsRefused = 0
  let isPaused = false
  let emergency: EmergencyState = calm
  let emergencyStops = 0
  let isEnding = false
  const groups = new Set<string>()
  const running = new Map<string, Running>()
  /** Of groups that a rule picks, for as long as it does. */
  const records = new Map<string, GroupRecord>()
  const lateness = new Lateness()
  const slots = new Slots()
  const startQueue = Semaphore.makeUnsafe(1)
  const ownCost = yield* OwnCost
  let budget = ownStart
  /** Groups so far. */
  let started = 0
  const turns = yield* makeTurns({ stride: () => budget.stride, onTurn: (lateMs) => lateness.add(lateMs) })
  const memories = new Map<string, { readonly key: string; readonly policy: unknown; readonly memory: PolicyMemory }>()

  const stopped = (): string | undefined =>
    emergency.why !== undefined ? `emergency stop: ${emergency.why}` : isPaused ? "paused" : isEnding ? "wmod is ending" : undefined

  /** What a policy learned goes on for as long as its plan is the same. */
  const memoryOf = (group: string, { key, policy }: NonNullable<GroupPlan["plan"]>): PolicyMemory => {
    const known = memories.get(group)
    if (known !== undefined && known.key === key && known.policy === policy) return known.memory
    const memory = noMemory()
    memories.set(group, { key, policy, memory })
    return memory
  }

  const recordOf = (planned: GroupPlan): GroupRecord => {
    const known = records.get(planned.group)
    if (known !== undefined) {
      known.plan = planned
      return known
    }
    const record = new GroupRecord(planned)
    records.set(planned.group, record)
    return record
  }

  const isSame = ({ dryRun, everyMs, planned }: Running, now: GroupPlan | undefined): boolean =>
    now?.plan !== undefined &&
    now.plan.key === planned.plan?.key &&
    now.plan.policy === planned.plan.policy &&
    dryRun === config.dryRun &&
    everyMs === config.everyMs

  /** Where the kernel refused to take an old value back: tried again as long as nobody runs there. */
  const unrestored = new Set<string>()

  const stop = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const fibers = names.flatMap((name) => running.get(name)?.fiber ?? [])
    for (const name of names) {
      const slot = running.get(name)?.slot
      if (slot !== undefined) slots.leave(slot)
      running.delete(name)
    }
    yield* Fiber.interruptAll(fibers)
  })

  const start = Effect.fnUntraced(function* (planned: GroupPlan, queue: Semaphore.Semaphore | undefined) {
    const { group, plan } = planned
    if (plan === undefined) return
    const { dryRun, everyMs } = config
    const record = records.get(group)!
    record.problem = undefined
    const slot = slots.take(running.size + 1)
    const pace = makePace({ everyMs, idleEveryMs: () => config.idleEveryMs * budget.stride, phase: idlePhaseOf(started++) })
    const turn = { turns, pace, phaseMs: phaseOf(slot, everyMs) }
    const run = runGroup({ group, plan, everyMs, dryRun, record, stopped, memory: memoryOf(group, plan), turns: turn, queue, unrestored })
    const fiber = yield* Effect.forkIn(Effect.interruptible(Effect.updateContext(run, shared)), scope)
    running.set(group, { planned, everyMs, dryRun, fiber, pace, slot })
  })

  /** Brings what runs in line with what should. Under the lock. */
  const reconcile = Effect.gen(function* () {
    yield* pods.look(config.pods)
    const nowMs = yield* Clock.currentTimeMillis
    for (const [group, { untilMs = Infinity }] of overrides) if (nowMs >= untilMs || !groups.has(group)) overrides.delete(group)
    const plans = planGroups({ config, groups, pods: pods.pods, time: localTime(nowMs), own, overrides })
    for (const planned of plans.values()) recordOf(planned)
    for (const group of records.keys()) if (!plans.has(group)) records.delete(group)
    for (const group of memories.keys()) if (!groups.has(group)) memories.delete(group)
    const isOn = stopped() === undefined
    yield* stop([...running.keys()].filter((group) => !isOn || !isSame(running.get(group)!, plans.get(group))))
    // A list of its own: what fails again is among them again.
    const again = [...unrestored].filter((group) => !running.has(group))
    for (const group of again) yield* Effect.provideContext(putBack(group, unrestored), services)
    if (!isOn) return
    const missing = [...plans.values()].filter(({ group, plan }) => plan !== undefined && !running.has(group))
    for (const [i, planned] of missing.entries()) yield* start(planned, i < startAtOnce ? undefined : startQueue)
  })
  const settle = lock.withPermits(1)(Effect.uninterruptible(reconcile))

  /** All groups are known before anything is done: of what is protected nobody above may act. */
  const listen = Effect.gen(function* () {
    const found = yield* Stream.runCollect(cgroups.walk(""))
    groups.clear()
    for (const group of found) if (group !== "") groups.add(group)
    yield* settle
    yield* cgroups.watch("").pipe(
      Stream.runForEach(({ _tag, group }) =>
        Effect.suspend(() => {
          const isNews = _tag === "Appeared" ? !groups.has(group) : groups.has(group)
          if (_tag === "Appeared") groups.add(group)
          else groups.delete(group)
          return isNews ? Queue.offer(wakes, undefined) : Effect.void
        })
      )
    )
  })
  const watch = listen.pipe(
    Effect.catch((error) => Effect.logWarning(`groups cannot be watched: ${error.message}; again in ${watchAgainMs / 1000} s`)),
    Effect.andThen(Effect.sleep(watchAgainMs)),
    Effect.forever
  )

  /** Where the wall clock was set all groups begin anew: budgets, ages and what policies have learned are of another time. */
  const followClock = Effect.gen(function* () {
    const jumpMs = clock?.jumpMs() ?? 0
    if (clock === undefined || jumpMs === 0) return
    yield* Effect.logWarning(
      `the clock was set ${jumpMs > 0 ? "forward" : "back"} by ${formatDuration(Math.abs(jumpMs))}: all groups begin anew`
    )
    yield* Effect.gen(function* () {
      yield* stop([...running.keys()])
      clock.follow()
      memories.clear()
      emergency = { ...emergency, last: undefined, seenMs: emergency.seenMs + jumpMs }
      yield* reconcile
    }).pipe(Effect.uninterruptible, lock.withPermits(1))
  })

  const look = Effect.gen(function* () {
    yield* followClock
    const info = yield* Effect.orElseSucceed(machine.memInfo, (): Readonly<Record<string, number>> => ({}))
    const stall = yield* Effect.orElseSucceed(machine.pressure, () => undefined)
    const reading = {
      atMs: yield* Clock.currentTimeMillis,
      stallUs: stall?.some?.totalUs,
      availableBytes: info["MemAvailable"],
      totalBytes: info["MemTotal"]
    }
    const before = emergency.why
    // From here on no policy is asked; what they have set is put back next.
    emergency = judgeMachine(config.emergencyStop, reading, emergency)
    if ((before === undefined) === (emergency.why === undefined)) return
    if (emergency.why !== undefined) emergencyStops++
    yield* emergency.why === undefined
      ? Effect.logInfo("the emergency is over: going on")
      : Effect.logWarning(`emergency stop: ${emergency.why}`)
    yield* settle
  })

  /** Keeps to wmod's own budget, and says so. */
  const keepToBudget = Effect.gen(function* () {
    const before = budget
    budget = judgeOwn(config.ownBudget, { atMs: yield* Clock.currentTimeMillis, ...ownCost() }, budget)
    for (const record of records.values()) record.keepHistory(!budget.isOverMemory)
    for (const [isWarning, text] of describeOwn(config.ownBudget, config.everyMs, before, budget)) {
      yield* isWarning ? Effect.logWarning(text) : Effect.logInfo(text)
    }
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isEnding = true
      return settle
    })
  )
  yield* Effect.forkScoped(watch)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        look,
        Effect.suspend(() => Effect.sleep(config.everyMs))
      )
    )
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.timeoutOption(Queue.take(wakes), tendEveryMs), settle)))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(tendEveryMs), keepToBudget)))

  yield* Effect.forkScoped(
    Effect.forever(
      Effect.gen(function* () {
        if (yield* pods.ask()) yield* Queue.offer(wakes, undefined)
        yield* Effect.sleep(askAgainMs)
      })
    )
  )
  yield* monitors.settle(config.monitors)

  const take = (next: Config) =>
    Effect.gen(function* () {
      const what = changedParts(config, next)
      if (what.length > 0) return yield* new RestartNeeded({ what })
      config = next
      loadedMs = yield* Clock.currentTimeMillis
      reloads++
      // What holds is what the file says.
      overrides.clear()
      yield* Effect.logInfo(`${next.file} is in force`)
      yield* reconcile
      yield* monitors.settle(config.monitors)
    }).pipe(Effect.uninterruptible, lock.withPermits(1))

  const explained = (group: string): Explanation => records.get(group)!.explanation(stopped())

  const set = (request: SetRequest) =>
    Effect.gen(function* () {
      const group = cgroups.normalize(request.group)
      const nowMs = yield* Clock.currentTimeMillis
      const others = new Map([...overrides].filter(([name]) => name !== group))
      const without = planGroups({ config, groups, pods: pods.pods, time: localTime(nowMs), own, overrides: others }).get(group)
      const wanted = setOverride({ ...request, group }, without, overrides.get(group), config.policies, nowMs)
      if (Result.isFailure(wanted)) return yield* new NotSet({ message: wanted.failure })
      const before = overrides.get(group)
      overrides.set(group, wanted.success)
      yield* reconcile
      const { plan } = records.get(group)!
      if (plan.plan === undefined) {
        // With what the rules set besides it is none that can be.
        if (before === undefined) overrides.delete(group)
        else overrides.set(group, before)
        yield* reconcile
        return yield* new NotSet({ message: plan.why })
      }
      yield* Effect.logInfo(`${group}: set by hand: ${describeOverride(wanted.success)}`)
      return explained(group)
    }).pipe(Effect.uninterruptible, lock.withPermits(1))

  const unset = (asked: string) =>
    Effect.gen(function* () {
      const group = cgroups.normalize(asked)
      if (!overrides.delete(group)) return yield* new NotSet({ message: `nothing was set for ${group} by \`wmo set\`` })
      yield* reconcile
      yield* Effect.logInfo(`${group}: goes by its rules again`)
      return explained(group)
    }).pipe(Effect.uninterruptible, lock.withPermits(1))

  const everyMsOf = (group: string): number | undefined => {
    const pace = running.get(group)?.pace
    return pace === undefined ? undefined : Math.max(pace.everyMs(), config.everyMs * budget.stride)
  }

  const setPaused = (paused: boolean) =>
    Effect.suspend(() => {
      isPaused = paused
      return Effect.andThen(Effect.logInfo(paused ? "paused" : "resumed"), settle)
    })

  return {
    status: Effect.sync(() => ({
      config,
      loadedMs,
      mode: emergency.why !== undefined ? "emergency" : isPaused ? "paused" : "running",
      why: emergency.why,
      emergencyStops,
      reloads,
      reloadsRefused,
      groupsSeen: groups.size,
      pods: pods.status,
      monitors: monitors.records.map((record) => record.status),
      lateness,
      own: budget,
      groups: [...records.values()].map((record) => record.summary(stopped(), everyMsOf(record.plan.group)))
    })),
    explain: (group) => Effect.sync(() => records.get(cgroups.normalize(group))?.explanation(stopped())),
    history: (group) => Effect.sync(() => records.get(cgroups.normalize(group))?.history()),
    monitored: Effect.sync(() => monitors.records.map(({ configured, samples }) => ({ monitor: configured.monitor.name, samples }))),
    set,
    unset,
    pause: setPaused(true),
    resume: setPaused(false),
    reload: (load) =>
      Effect.flatMap(load, take).pipe(
        Effect.tapError(({ message }) =>
          Effect.suspend(() => {
            reloadsRefused++
            return Effect.logWarning(`the configuration was refused, the one before stays in force: ${message}`)
          })
        )
      )
  } satisfies Supervisor
})
