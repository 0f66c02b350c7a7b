/**
 * One DAMOS scheme as it runs: which regions it is for, its watermarks, its quota (size, time, goals), what it has done.
 * Source: mm/damon/core.c of 6.12 (__damos_valid_target, damos_set_effective_quota, damos_adjust_quota, damos_wmark_wait_us,
 * damon_feed_loop_next_input), mm/damon/ops-common.c (damon_hot_score, damon_cold_score).
 */
import type { DamonIntervals, DamonTriedRegion, DamosGoal, DamosScheme } from "@wmo/core"
import { type Bytes, type Microseconds, pageSize } from "@wmo/core"
import type { Region } from "./Region.ts"

const highestScore = 99
const subscoreAtMost = 100
const ageInLogAtMost = 32

/** Next input of the proportional feedback loop: 10,000 is a goal that is just met. */
export const feedLoop = (last: number, score: number): number => {
  const goal = 10_000
  const least = 10_000
  if (score === goal) return last
  if (score >= goal * 2) return least
  const compensation = Math.floor((last * Math.abs(score - goal)) / goal)
  return score > goal ? Math.max(last - compensation, least) : last + compensation
}

/** What the machine knows that goals and watermarks are about. */
export interface SchemeInputs {
  readonly nowUs: Microseconds
  /** Of the whole machine, as PSI's last update has it. */
  readonly someMemoryUs: () => Microseconds
  /** Share of memory that is free, 0..1. */
  readonly freeShare: () => number
}

const isIn = (value: number, { max, min }: { readonly min: number; readonly max: number }): boolean => value >= min && value <= max

export class Scheme {
  spec: DamosScheme
  /** The sample at which its next turn comes. */
  nextApply = 0
  isActive = true
  readonly stats = { nrTried: 0, szTried: 0, nrApplied: 0, szApplied: 0, qtExceeds: 0 }
  /** Bytes that it may still be applied to in a reset interval; 0: as many as it likes. */
  effectiveBytes: Bytes = 0
  chargedBytes: Bytes = 0
  /** Where the quota ran out: the next turn goes on from there. */
  resume: { readonly target: number; readonly address: number } | undefined
  minScore = 0
  /** Regions of its last turn, where somebody has asked for them. */
  tried: Array<DamonTriedRegion> = []
  private goalBp = 0
  private totalChargedBytes: Bytes = 0
  totalChargedUs: Microseconds = 0
  private chargedFromUs: Microseconds | undefined
  private lastSomeUs: Microseconds = 0

  constructor(spec: DamosScheme) {
    this.spec = spec
    // Without a metric it is always active; with one, the first look decides.
    this.isActive = spec.watermarks.metric === "none"
  }

  applyEvery({ aggrUs, sampleUs }: DamonIntervals): number {
    return Math.max(1, Math.floor((this.spec.applyIntervalUs || aggrUs) / Math.max(1, sampleUs)))
  }

  /** How long to wait until the watermarks are looked at again; 0: it is active. */
  waitUs(inputs: SchemeInputs): Microseconds {
    const { high, intervalUs, low, metric, mid } = this.spec.watermarks
    if (metric === "none") {
      this.isActive = true
      return 0
    }
    const permil = Math.floor(inputs.freeShare() * 1000)
    if (permil > high || permil < low) this.isActive = false
    else if (permil <= mid) this.isActive = true
    return this.isActive ? 0 : intervalUs
  }

  /** Whether the pattern matches. */
  matches(region: Region): boolean {
    const { age, nrAccesses, sz } = this.spec.pattern
    return isIn(region.size, sz) && isIn(Math.floor(region.nrAccessesBp / 10_000), nrAccesses) && isIn(region.age, age)
  }

  /** Whether the pattern matches, and the region is among those that the quota is for. */
  isFor(region: Region, intervals: DamonIntervals): boolean {
    if (!this.matches(region)) return false
    return this.effectiveBytes === 0 || this.score(region, intervals) >= this.minScore
  }

  get isUsedUp(): boolean {
    return this.effectiveBytes > 0 && this.chargedBytes >= this.effectiveBytes
  }

  /** Begins a turn: a new charge window where it is time for one, and the least score that the quota reaches down to. */
  adjustQuota(regions: Iterable<Region>, intervals: DamonIntervals, inputs: SchemeInputs): void {
    const { bytes, goals = [], ms, resetIntervalMs } = this.spec.quotas
    if (ms === 0 && bytes === 0 && goals.length === 0) {
      this.effectiveBytes = 0
      return
    }
    if (this.chargedFromUs === undefined) {
      this.chargedFromUs = inputs.nowUs
      this.lastSomeUs = inputs.someMemoryUs()
      this.setEffectiveBytes(inputs)
    } else if (inputs.nowUs >= this.chargedFromUs + resetIntervalMs * 1000) {
      if (this.isUsedUp) this.stats.qtExceeds++
      this.totalChargedBytes += this.chargedBytes
      this.chargedFromUs = inputs.nowUs
      this.chargedBytes = 0
      this.setEffectiveBytes(inputs)
    }
    const histogram = new Float64Array(highestScore + 1)
    let highest = 0
    for (const region of regions) {
      if (!this.matches(region)) continue
      const score = this.score(region, intervals)
      histogram[score]! += region.size
      highest = Math.max(highest, score)
    }
    let sum = 0
    let score = highest
    for (; ; score--) {
      sum += histogram[score]!
      if (sum >= this.effectiveBytes || score === 0) break
    }
    this.minScore = score
  }

  private setEffectiveBytes(inputs: SchemeInputs): void {
    const { bytes, goals = [], ms } = this.spec.quotas
    if (ms === 0 && goals.length === 0) {
      this.effectiveBytes = bytes
      return
    }
    let effective = Infinity
    if (goals.length > 0) {
      const score = Math.max(...goals.map((goal) => Math.floor((this.current(goal, inputs) * 10_000) / Math.max(1, goal.targetValue))))
      this.goalBp = feedLoop(Math.max(this.goalBp, 10_000), score)
      effective = Math.floor(this.goalBp / 10_000)
    }
    if (ms > 0) {
      // Bytes a millisecond, as they have been so far.
      const pace = this.totalChargedUs > 0 ? Math.floor((this.totalChargedBytes * 1000) / this.totalChargedUs) : pageSize * 1024
      effective = Math.min(pace * ms, effective)
    }
    if (bytes > 0) effective = Math.min(bytes, effective)
    this.effectiveBytes = effective
  }

  private current({ currentValue, metric }: DamosGoal, inputs: SchemeInputs): number {
    if (metric === "some_mem_psi_us") {
      const now = inputs.someMemoryUs()
      const grown = now - this.lastSomeUs
      this.lastSomeUs = now
      return grown
    }
    if (metric === "node_mem_free_bp") return inputs.freeShare() * 10_000
    if (metric === "node_mem_used_bp") return (1 - inputs.freeShare()) * 10_000
    return currentValue
  }

  /** 0..99: which regions go first where the quota does not do for all. */
  private score(region: Region, { aggrUs, sampleUs }: DamonIntervals): number {
    const { action } = this.spec
    if (action !== "pageout" && action !== "lru_prio" && action !== "lru_deprio") return highestScore
    const { agePermil, nrAccessesPermil } = this.spec.quotas.weights
    const mostAccesses = Math.max(1, Math.floor(aggrUs / Math.max(1, sampleUs)))
    const frequency = Math.floor((region.nrAccesses * subscoreAtMost) / mostAccesses)
    const seconds = Math.floor((region.age * aggrUs) / 1e6)
    const inLog = seconds < 1 ? 0 : Math.min(ageInLogAtMost, Math.floor(Math.log2(seconds)) + 1)
    const age = Math.floor((((frequency === 0 ? -inLog : inLog) + ageInLogAtMost) * subscoreAtMost) / ageInLogAtMost / 2)
    const weights = nrAccessesPermil + agePermil
    const hotness = nrAccessesPermil * frequency + agePermil * age
    const hot = Math.floor(((weights > 0 ? Math.floor(hotness / weights) : hotness) * highestScore) / subscoreAtMost)
    return action === "lru_prio" ? hot : highestScore - hot
  }
}
