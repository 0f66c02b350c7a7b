/**
 * What is known of one group that a rule picks, for people: kept up to date by its runner, read by whoever asks. Holds the last decisions, not
 * all: the recording has those.
 */
import type { Milliseconds } from "@wmo/core"
import { coldBytes, type Observation, type PageAge } from "@wmo/monitors"
import { encodeSettings } from "@wmo/policies"
import { describeOutcome, type Tick } from "@wmo/recording"
import type { GroupPlan } from "../config/plan.ts"
import type { ColdBand, Explanation, GroupSummary, History, PastDecision } from "../protocol/Status.ts"
import { GroupHistory, savedBytes } from "./GroupHistory.ts"

/** A reason takes about 300 bytes, and there may be a thousand groups. */
const decisionsKept = 12
const actedKept = 16
const nothingDone: ReadonlyArray<string> = []

/** Each age that some page is known to have been idle for, with all that is at least as old. */
const bandsOf = (age: PageAge): Array<typeof ColdBand.Type> => {
  const edges = [...new Set([0, ...age.bins.map(({ lowerMs }) => lowerMs)])].toSorted((a, b) => a - b)
  return edges.map((idle_ms) => {
    const { anonBytes, fileBytes } = coldBytes(age, idle_ms)
    return { idle_ms, anon_bytes: anonBytes, file_bytes: fileBytes }
  })
}

const overrideOf = ({ override }: GroupPlan): Pick<GroupSummary, "override"> => {
  if (override === undefined) return {}
  const { policy, settings, untilMs } = override
  return {
    override: {
      ...(policy === undefined ? {} : { policy: policy.name }),
      settings,
      ...(untilMs === undefined ? {} : { until_ms: untilMs })
    }
  }
}

export class GroupRecord {
  private ticks = 0
  private reclaimedBytes = 0
  private readonly actions: Record<string, number> = {}
  private readonly decisions: Array<PastDecision> = []
  private readonly acted: Array<PastDecision> = []
  /** Undefined while nothing is kept. */
  private past: GroupHistory | undefined = new GroupHistory()
  private isKept = true
  private missedTicks = 0
  private last: Observation | undefined
  failures = 0
  /** While it is backing off. */
  problem: { readonly what: string; readonly againAtMs: Milliseconds } | undefined
  plan: GroupPlan

  constructor(plan: GroupPlan) {
    this.plan = plan
  }

  took({ missedTicks = 0, observation, outcomes, reason }: Tick): void {
    this.ticks++
    this.missedTicks += missedTicks
    this.past?.add(observation)
    this.last = observation
    this.problem = undefined
    for (const { asked, reclaimedBytes = 0, status } of outcomes) {
      const name = `${asked._tag} ${status}`
      this.actions[name] = (this.actions[name] ?? 0) + 1
      this.reclaimedBytes += Math.max(0, reclaimedBytes)
    }
    // Looking at ages changes nothing, and would crowd out what does.
    const isActing = outcomes.some(({ asked }) => asked._tag !== "Age")
    this.note(observation.atMs, reason, outcomes.map(describeOutcome), isActing)
  }

  failed(what: string, atMs: Milliseconds, againAtMs: Milliseconds): void {
    this.failures++
    this.problem = { what, againAtMs }
    this.note(atMs, what, [], false)
  }

  private note(atMs: Milliseconds, reason: string, outcomes: ReadonlyArray<string>, isActing: boolean): void {
    const decision: PastDecision = { at_ms: atMs, reason, outcomes: outcomes.length === 0 ? nothingDone : outcomes }
    this.decisions.push(decision)
    if (this.decisions.length > (this.isKept ? decisionsKept : 1)) this.decisions.shift()
    if (!isActing || !this.isKept) return
    this.acted.push(decision)
    if (this.acted.length > actedKept) this.acted.shift()
  }

  /** Whether more is kept than the last decision; what there is goes when it is not. */
  keepHistory(isKept: boolean): void {
    if (isKept === this.isKept) return
    this.isKept = isKept
    this.past = isKept ? new GroupHistory() : undefined
    if (isKept) return
    this.decisions.splice(0, this.decisions.length - 1)
    this.acted.length = 0
  }

  /** Undefined: it was never looked at. */
  history(): History | undefined {
    return this.past?.read()
  }

  /** `stopped`: why nothing is done about any group. `everyMs`: time between two looks as things are. */
  summary(stopped: string | undefined, everyMs?: Milliseconds): GroupSummary {
    const { group, name, plan } = this.plan
    const objective = plan?.policy.settings["pressure"]?.unit === "percent" ? plan.settings["pressure"] : undefined
    const reason = this.decisions.at(-1)?.reason
    const { currentBytes, swapCurrentBytes, zswapCurrentBytes } = this.last?.usage ?? {}
    return {
      group,
      ...(name === undefined ? {} : { name }),
      ...(plan === undefined ? {} : { policy: plan.policy.name }),
      ...this.state(stopped),
      ...overrideOf(this.plan),
      ...(this.problem === undefined ? {} : { problem: this.problem.what, again_at_ms: this.problem.againAtMs }),
      ...(currentBytes === undefined ? {} : { current_bytes: currentBytes }),
      ...(swapCurrentBytes === undefined ? {} : { swap_bytes: swapCurrentBytes }),
      ...(zswapCurrentBytes === undefined ? {} : { zswap_bytes: zswapCurrentBytes }),
      ...(this.last === undefined ? {} : this.health(this.last)),
      ...(objective === undefined ? {} : { pressure_objective_percent: objective }),
      reclaimed_bytes: this.reclaimedBytes,
      ticks: this.ticks,
      missed_ticks: this.missedTicks,
      ...(everyMs === undefined ? {} : { every_ms: everyMs }),
      ...(this.last === undefined ? {} : { last_ms: this.last.atMs }),
      actions: { ...this.actions },
      failures: this.failures,
      ...(reason === undefined ? {} : { reason })
    }
  }

  private health(last: Observation): Partial<GroupSummary> {
    const saved = savedBytes(last)
    const refaultsPerSecond = this.past?.refaultsPerSecond
    const { workingset_refault_anon: anon, workingset_refault_file: file } = last.stat
    const some = last.pressure?.some
    return {
      ...(saved === undefined ? {} : { saved_bytes: saved }),
      ...(some === undefined ? {} : { pressure_percent: some.avg10, pressure_seconds: Number(some.totalUs) / 1e6 }),
      ...(refaultsPerSecond === undefined ? {} : { refaults_per_second: refaultsPerSecond }),
      ...(anon === undefined ? {} : { refaults_anon: Number(anon) }),
      ...(file === undefined ? {} : { refaults_file: Number(file) })
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
    const pageAge = this.last?.pageAge
    return {
      summary: this.summary(stopped),
      settings: plan === undefined ? {} : encodeSettings(plan.policy.settings, plan.settings),
      ...(plan === undefined
        ? {}
        : { floor_bytes: plan.rails.floorBytes, tick_bytes: plan.rails.stepBytes, minute_bytes: plan.rails.perMinuteBytes }),
      ...(plan?.cpuPercent === undefined ? {} : { cpu_percent: plan.cpuPercent }),
      decisions: [...this.decisions],
      acted: [...this.acted],
      ...(pageAge === undefined ? {} : { cold: { source: pageAge.source, bands: bandsOf(pageAge) } })
    }
  }
}
