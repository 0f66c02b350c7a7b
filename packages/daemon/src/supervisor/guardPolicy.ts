/**
 * A policy with somebody beside it: what it throws, answers nonsensically or takes too long for is noted as its fault, what it learned is kept from one
 * session to the next, and it is not asked while everything is stopped or its group's share of CPU is used up.
 */
import { formatDuration, type Milliseconds } from "@wmo/core"
import type { AnyPolicy, Decision, PastAction } from "@wmo/policies"
import { decisionProblem } from "./decisionProblem.ts"
import { withinTime } from "./interruptible.ts"

/** What outlives a session: the runner of a group keeps one for each plan. */
export interface PolicyMemory {
  /** What the policy learned; undefined before it was asked, and after a fault, whose cause it may be. */
  learned: { readonly state: unknown } | undefined
  /** What the policy did wrong; ends the session. */
  fault: string | undefined
  /** When reclaiming took how long. */
  spent: ReadonlyArray<{ readonly atMs: Milliseconds; readonly tookMs: Milliseconds }>
}

export const noMemory = (): PolicyMemory => ({ learned: undefined, fault: undefined, spent: [] })

export interface GuardOptions {
  /** Why nothing may be done at this moment; undefined: go on. */
  readonly stopped: () => string | undefined
  /** Of one CPU; undefined: no limit. */
  readonly cpuPercent: number | undefined
  /** How long an answer may take; for code that is not ours. */
  readonly limitMs: Milliseconds | undefined
}

const minuteMs = 60_000
const messageOf = (thrown: unknown): string => {
  try {
    return (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0]!
  } catch {
    return "it threw what cannot be told"
  }
}

/** As plain data: what is read of somebody else's object may be code that runs then. */
const plainDecision = (decision: Decision<unknown>): Decision<unknown> => {
  if (typeof decision !== "object" || decision === null) return decision
  const { state, ...told } = decision
  return { ...structuredClone(told), state }
}

/** What was thrown is put into words where it was thrown: that, too, may be code. */
const answerOf = <A>(run: () => A): { readonly answer: A } | { readonly problem: string } => {
  try {
    return { answer: run() }
  } catch (thrown) {
    return { problem: messageOf(thrown) }
  }
}

/** Ends a decision: `decideSafely` tells of it, the session's end follows. */
class PolicyFault extends Error {}

const timeSpent = (memory: PolicyMemory, atMs: Milliseconds, before: ReadonlyArray<PastAction> | undefined): Milliseconds => {
  const tookMs = (before ?? []).reduce((sum, past) => sum + past.tookMs, 0)
  memory.spent = [...memory.spent.filter((past) => atMs - past.atMs < minuteMs), ...(tookMs > 0 ? [{ atMs, tookMs }] : [])]
  return memory.spent.reduce((sum, past) => sum + past.tookMs, 0)
}

export const guardPolicy = (policy: AnyPolicy, memory: PolicyMemory, { cpuPercent, limitMs, stopped }: GuardOptions): AnyPolicy => {
  const failed = (what: string): never => {
    memory.fault ??= what
    memory.learned = undefined
    throw new PolicyFault(what)
  }
  const isOurs = limitMs === undefined
  const ask = <A>(run: () => A): A => {
    const result = answerOf(() => (isOurs ? answerOf(run) : withinTime(limitMs, () => answerOf(run))))
    if ("problem" in result) return failed(result.problem)
    return "problem" in result.answer ? failed(result.answer.problem) : result.answer.answer
  }
  const { ages } = policy
  return {
    ...policy,
    ...(ages === undefined ? {} : { ages: (settings) => ask(() => (isOurs ? ages(settings) : Array.from(ages(settings), Number))) }),
    initialState: memory.learned === undefined ? policy.initialState : memory.learned.state,
    decide: (input, state) => {
      const quiet = (reason: string): Decision<unknown> => ({ actions: [], reason, state })
      const why = stopped()
      if (why !== undefined) return quiet(why)
      const { atMs } = input.observation
      const tookMs = timeSpent(memory, atMs, input.before)
      if (cpuPercent !== undefined && tookMs > (cpuPercent / 100) * minuteMs)
        return quiet(`reclaiming took ${formatDuration(tookMs)} of the last minute, more than ${cpuPercent} % of a CPU: wait`)
      const decision = ask(() => (isOurs ? policy.decide(input, state) : plainDecision(policy.decide(input, state))))
      const problem = decisionProblem(decision)
      if (problem !== undefined) return failed(problem)
      memory.learned = { state: decision.state }
      return decision
    }
  }
}
