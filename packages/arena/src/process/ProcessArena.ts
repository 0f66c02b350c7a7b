/**
 * The arena of a process that knows nothing of it: what DAMON sees untouched is paged out into zswap or zram, what a predictor expects is read
 * in before. Needs root, DAMON with `vaddr`, compressed swap. Ends when the process ends; when we do, its memory comes back by itself as it is
 * touched, and the kdamond goes with the scope or by the journal.
 */
import {
  Cgroups,
  type Damon,
  type DamonTrace,
  isKernelThread,
  type Journal,
  type KernelError,
  type Machine,
  type PageMap,
  type Pressure,
  type ProcessMemory,
  Processes,
  type Zram,
  type Zswap
} from "@wmo/core"
import { Clock, Deferred, Effect, type Scope } from "effect"
import { ArenaError } from "../ArenaError.ts"
import type { Decision } from "../controller/Decision.ts"
import type { PredictorKind } from "../predictors/Predictor.ts"
import { rangesOf, statusOf } from "./describe.ts"
import { FollowLoop } from "./FollowLoop.ts"
import { HotnessLoop } from "./HotnessLoop.ts"
import { PageOutLoop } from "./PageOutLoop.ts"
import { ReadInLoop } from "./ReadInLoop.ts"
import { compressedSwap, memoryOf } from "./account.ts"
import { type Advisor, damosAdvisor, isEndOfProcess, pretendAdvisor, syscallAdvisor } from "./Advisor.ts"
import { makeDamonTouches, type TouchError } from "./DamonTouches.ts"
import { ProcessArenaError } from "./ProcessArenaError.ts"
import { ProcessState } from "./ProcessState.ts"
import { changeProcessSettings, defaultProcessSettings, type ProcessSettings } from "./ProcessSettings.ts"
import type { ProcessArenaStatus, ProcessMode, ProcessRange } from "./ProcessStatus.ts"

export interface ProcessArenaOptions {
  readonly pid: number
  readonly mode: ProcessMode
  readonly predictor: PredictorKind
  readonly settings?: Partial<ProcessSettings>
  /** How the kernel is advised; `auto`: by system call where that can be, else by sysfs. */
  readonly by?: "syscall" | "sysfs" | "auto"
  /** Stops whoever uses DAMON, and starts it again at the end. */
  readonly takeOver?: boolean
  readonly onDecision?: (decision: Decision) => void
}

export interface ProcessArena {
  readonly status: () => ProcessArenaStatus
  /** The last few hundred, oldest first. */
  readonly decisions: () => ReadonlyArray<Decision>
  readonly ranges: () => ReadonlyArray<ProcessRange>
  /** Why it has ended: the process has, or our rights have. Does not come while all goes on. */
  readonly ended: Effect.Effect<string>
  /** A look at mappings, page tables and sums out of turn: figures are of now then. */
  readonly refresh: Effect.Effect<void>
  readonly change: (changes: Partial<ProcessSettings>) => Effect.Effect<void, ArenaError>
  /** The program will use its memory soon. */
  readonly activeSoon: Effect.Effect<void>
}

export type ProcessArenaFailure = ArenaError | ProcessArenaError | TouchError | KernelError

type LoopServices = Cgroups | Machine | PageMap | Pressure | Processes | Zram | Zswap
type Services = LoopServices | Damon | DamonTrace | Journal | ProcessMemory

const refuse = (message: string) => new ProcessArenaError({ why: "refused", message })
const gone = (pid: number) => new ProcessArenaError({ why: "gone", message: `there is no process ${pid}` })

/** Runs until the scope ends, or the process. */
export const openProcessArena: (options: ProcessArenaOptions) => Effect.Effect<ProcessArena, ProcessArenaFailure, Services | Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const { mode, pid } = options
    const settings = changeProcessSettings(defaultProcessSettings, options.settings ?? {})
    if (settings instanceof ArenaError) return yield* settings
    const processes = yield* Processes
    const stat = yield* Effect.catchIf(processes.stat(pid), isEndOfProcess, () => Effect.fail(gone(pid)))
    if (isKernelThread(stat)) return yield* refuse(`process ${pid} (${stat.comm}) is a thread of the kernel: it has no memory of its own`)
    if (pid === process.pid && mode === "advise") {
      return yield* refuse("paging out the program that pages out makes it wait for itself: run it as a process of its own")
    }
    const before = yield* Effect.catchIf(memoryOf(pid), isEndOfProcess, () => Effect.succeed(undefined))
    if (before === undefined) return yield* gone(pid)
    const swap = mode === "watch" ? "" : yield* compressedSwap
    const group = yield* Effect.orElseSucceed(groupOf(pid), () => undefined)
    const by = options.by ?? "auto"
    let whyNot: string | undefined
    const bySyscall =
      mode !== "advise" || by === "sysfs"
        ? undefined
        : yield* syscallAdvisor(stat).pipe(
            Effect.map((advisor): Advisor | undefined => advisor),
            Effect.catchIf(
              (error) => by === "auto" && !isEndOfProcess(error),
              (error) => {
                whyNot = error.message
                return Effect.succeed(undefined)
              }
            )
          )
    const needsSecond = mode === "advise" && bySyscall === undefined
    const damon = yield* makeDamonTouches({
      pid,
      intervalMs: settings.intervalMs,
      takeOver: options.takeOver ?? false,
      kdamonds: needsSecond ? 2 : 1
    })
    const advisor = bySyscall ?? (needsSecond ? damosAdvisor(damon.owned, pid, 1) : pretendAdvisor)
    const ended = yield* Deferred.make<string>()
    const state = new ProcessState(
      {
        identity: stat,
        name: stat.comm,
        mode,
        settings,
        predictor: options.predictor,
        advisor,
        damon,
        swap,
        group,
        before,
        ended,
        onDecision: options.onDecision
      },
      yield* Clock.currentTimeMillis
    )
    if (whyNot !== undefined) state.say("process", `by DAMON's schemes, which takes longer: no system calls (${whyNot})`)
    const context = yield* Effect.context<LoopServices>()
    const follow = new FollowLoop(state)
    const hotness = new HotnessLoop(state)
    yield* follow.follow
    const running = [
      follow.following,
      hotness.hotness,
      hotness.adapting,
      new ReadInLoop(state).prefetch,
      ...(mode === "watch" ? [] : [new PageOutLoop(state).compression])
    ] as ReadonlyArray<Effect.Effect<void, never, LoopServices>>
    for (const loop of running) yield* Effect.forkScoped(loop)
    return {
      status: () => statusOf(state),
      decisions: () => state.log.recent(),
      ranges: () => rangesOf(state),
      ended: Deferred.await(ended),
      refresh: Effect.provideContext(follow.follow, context) as Effect.Effect<void>,
      change: (changes) =>
        Effect.suspend(() => {
          const changed = changeProcessSettings(state.settings, changes, true)
          if (changed instanceof ArenaError) return Effect.fail(changed)
          state.settings = changed
          state.coldMs = Math.min(changed.mostColdMs, Math.max(changed.leastColdMs, changes.coldMs ?? state.coldMs))
          return Effect.void
        }),
      activeSoon: Effect.map(Clock.currentTimeMillis, (nowMs) => {
        state.expectations.predictor.hint(nowMs)
        state.wake?.()
      })
    } satisfies ProcessArena
  })

const groupOf = (pid: number) =>
  Effect.gen(function* () {
    const group = yield* (yield* Processes).cgroup(pid)
    return group === undefined || !(yield* (yield* Cgroups).exists(group)) ? undefined : group
  })
