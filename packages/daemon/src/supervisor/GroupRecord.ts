/**
 * What is known of one group that a rule picks, for people: kept up to date by its runner, read by whoever asks. Holds the last decisions, not
 * all: the recording has those.
 */
import type { Milliseconds } from "@wmo/core"
import { encodeSettings } from "@wmo/policies"
import { describeOutcome, type Tick } from "@wmo/recording"
import type { GroupPlan } from "../config/plan.ts"
import type { Explanation, GroupSummary, PastDecision } from "../protocol/Status.ts"

const decisionsKept = 32

export class GroupRecord {
  private ticks = 0
  private reclaimedBytes = 0
  private readonly actions: Record<string, number> = {}
  private readonly decisions: Array<PastDecision> = []
  private last: Tick["observation"] | undefined
  failures = 0
  /** While it is backing off. */
  problem: { readonly what: string; readonly againAtMs: Milliseconds } | undefined
  plan: GroupPlan

  constructor(plan: GroupPlan) {
    this.plan = plan
  }

  took({ observation, outcomes, reason }: Tick): void {
    this.ticks++
    this.last = observation
    this.problem = undefined
    for (const { asked, reclaimedBytes = 0, status } of outcomes) {
      const name = `${asked._tag} ${status}`
      this.actions[name] = (this.actions[name] ?? 0) + 1
      this.reclaimedBytes += Math.max(0, reclaimedBytes)
    }
    this.note(observation.atMs, reason, outcomes.map(describeOutcome))
  }

  failed(what: string, atMs: Milliseconds, againAtMs: Milliseconds): void {
    this.failures++
    this.problem = { what, againAtMs }
    this.note(atMs, what, [])
  }

  private note(atMs: Milliseconds, reason: string, outcomes: ReadonlyArray<string>): void {
    this.decisions.push({ at_ms: atMs, reason, outcomes })
    if (this.decisions.length > decisionsKept) this.decisions.shift()
  }

  /** `stopped`: why nothing is done about any group. */
  summary(stopped: string | undefined): GroupSummary {
    const { group, name, plan } = this.plan
    const reason = this.decisions.at(-1)?.reason
    const { currentBytes, swapCurrentBytes, zswapCurrentBytes } = this.last?.usage ?? {}
    return {
      group,
      ...(name === undefined ? {} : { name }),
      ...(plan === undefined ? {} : { policy: plan.policy.name }),
      ...this.state(stopped),
      ...(this.problem === undefined ? {} : { problem: this.problem.what, again_at_ms: this.problem.againAtMs }),
      ...(currentBytes === undefined ? {} : { current_bytes: currentBytes }),
      ...(swapCurrentBytes === undefined ? {} : { swap_bytes: swapCurrentBytes }),
      ...(zswapCurrentBytes === undefined ? {} : { zswap_bytes: zswapCurrentBytes }),
      reclaimed_bytes: this.reclaimedBytes,
      ticks: this.ticks,
      ...(this.last === undefined ? {} : { last_ms: this.last.atMs }),
      actions: { ...this.actions },
      failures: this.failures,
      ...(reason === undefined ? {} : { reason })
    }
  }

  private state(stopped: string | undefined): Pick<GroupSummary, "state" | "why"> {
    const { plan, why } = this.plan
    if (plan === undefined) return { state: "left-alone", why }
    if (stopped !== undefined) return { state: "stopped", why: stopped }
    return { state: this.problem === undefined ? "acting" : "backing-off", why }
  }

  explanation(stopped: string | undefined): Explanation {
    const { plan } = this.plan
    return {
      summary: this.summary(stopped),
      settings: plan === undefined ? {} : encodeSettings(plan.policy.settings, plan.settings),
      ...(plan === undefined
        ? {}
        : { floor_bytes: plan.rails.floorBytes, tick_bytes: plan.rails.stepBytes, minute_bytes: plan.rails.perMinuteBytes }),
      ...(plan?.cpuPercent === undefined ? {} : { cpu_percent: plan.cpuPercent }),
      decisions: [...this.decisions]
    }
  }
}
