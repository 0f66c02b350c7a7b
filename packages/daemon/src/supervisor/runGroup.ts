/**
 * One group's fiber: sessions of its policy, one after the other. Whatever ends a session (the policy's fault, the kernel's refusal, a group that somebody
 * else has) ends with the group's settings as they were, is told, and is tried again after a while that doubles. Ends by interruption alone.
 */
import { Cgroups, Journal } from "@wmo/core"
import { LoopEnded, type LoopOptions, runSession } from "@wmo/control"
import { GroupGone } from "@wmo/monitors"
import { policies as builtIn } from "@wmo/policies"
import { Cause, Clock, Effect, Exit, type Semaphore } from "effect"
import type { Plan } from "../config/plan.ts"
import { backoffMs, failuresAfter } from "./backoff.ts"
import type { GroupRecord } from "./GroupRecord.ts"
import { guardPolicy, type PolicyMemory } from "./guardPolicy.ts"

export interface RunGroupOptions {
  readonly group: string
  readonly plan: Plan
  readonly everyMs: number
  readonly dryRun: boolean
  readonly memory: PolicyMemory
  readonly record: GroupRecord
  readonly stopped: () => string | undefined
  readonly turns: LoopOptions["turns"]
  /** Let through one after the other, so that a thousand groups do not begin at once; undefined: at once. */
  readonly queue: Semaphore.Semaphore | undefined
  /** Groups of which something could not be put back yet: whoever stops them tries again. */
  readonly unrestored: Set<string>
}

/** Between two groups that begin, where there are many: opening a group's files takes about as long. */
const startEveryMs = 2

/** How long a third party's policy may think: less than a tick, more than any of ours takes on a thousand groups. */
const thinkingMs = 250

/** The one line that says why a session ended. */
const lineOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!
}

/** Puts back what was changed for the group; says once what could not be, and has the group among the unrestored as long as there is something. */
export const putBack = Effect.fnUntraced(function* (group: string, unrestored: Set<string>) {
  const journal = yield* Journal
  const isNews = !unrestored.delete(group)
  for (const change of yield* journal.restoreBelow((yield* Cgroups).path(group))) {
    if (change.result !== "kept") continue
    unrestored.add(group)
    if (isNews) yield* Effect.logWarning(`could not restore ${change.path}: ${change.why}`)
  }
})

const session = Effect.fnUntraced(function* ({
  dryRun,
  everyMs,
  group,
  memory,
  plan,
  record,
  stopped,
  turns,
  unrestored
}: RunGroupOptions) {
  memory.fault = undefined
  const { cpuPercent, policy, rails, settings } = plan
  return yield* runSession({
    group,
    policy: guardPolicy(policy, memory, { stopped, cpuPercent, limitMs: builtIn.includes(policy) ? undefined : thinkingMs }),
    settings,
    everyMs,
    rails,
    dryRun,
    pageAge: "auto",
    turns,
    label: policy.name,
    clock: "real",
    onTick: (tick) =>
      Effect.suspend(() => {
        record.took(tick)
        const { fault } = memory
        return fault === undefined ? Effect.void : Effect.fail(new LoopEnded({ message: `policy ${policy.name} failed: ${fault}` }))
      })
  }).pipe(Effect.scoped, Effect.ensuring(putBack(group, unrestored)))
})

export const runGroup = Effect.fnUntraced(function* (options: RunGroupOptions) {
  const { group, record } = options
  let failures = 0
  // Each begins in a turn of the event loop of its own: whoever asks meanwhile is answered.
  if (options.queue !== undefined) yield* options.queue.withPermits(1)(Effect.sleep(startEveryMs))
  for (;;) {
    const startedMs = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(session(options))
    if (Exit.isSuccess(exit)) continue
    if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
    const nowMs = yield* Clock.currentTimeMillis
    failures = failuresAfter(failures, nowMs - startedMs)
    const waitMs = backoffMs(failures)
    const what = lineOf(exit.cause)
    record.failed(what, nowMs, nowMs + waitMs)
    // Groups come and go: that is nobody's fault.
    if (!(Cause.squash(exit.cause) instanceof GroupGone)) yield* Effect.logWarning(`${group}: ${what}; again in ${waitMs / 1000} s`)
    yield* Effect.sleep(waitMs)
  }
})
