/**
 * One kdamond: samples one page per region, counts accesses, aggregates, merges and splits regions, applies schemes, in the machine's virtual
 * time. The time that it spends counts against its schemes' quotas and delays its next sample.
 * Simplified: it has a CPU of its own; operation sets are vaddr (fvaddr alike) and paddr. Source: mm/damon/core.c of 6.12 (kdamond_fn,
 * kdamond_apply_schemes, damon_do_apply_schemes, damos_apply_scheme), interval tuning as of 6.15 where a goal is set.
 */
import type { DamonContext, DamonIntervals } from "@wmo/core"
import type { Microseconds } from "@wmo/core"
import type { AccessObserver } from "../AccessObserver.ts"
import type { MachineState } from "../MachineState.ts"
import type { MemoryGroup } from "../MemoryGroup.ts"
import type { Random } from "../Random.ts"
import type { Timer } from "../Timers.ts"
import { type AddressSpace, found } from "./AddressSpace.ts"
import { evenly, mergeRegions, Region, smallestRegion, splitRegions } from "./Region.ts"
import { feedLoop, Scheme, type SchemeInputs } from "./Scheme.ts"
import { applyTo, skipCharged, type Turn } from "./schemeTurn.ts"

/** Whether two lists of regions cover the same one range. */
const isSameSpan = (a: ReadonlyArray<Region>, b: ReadonlyArray<Region>): boolean =>
  b.length === 1 && a[0]?.start === b[0]!.start && a.at(-1)?.end === b[0]!.end

export interface KdamondTarget {
  readonly pid: number
  readonly space: AddressSpace
  regions: Array<Region>
}

/** What a kdamond tells of; lines are made only when wanted. */
interface KdamondEvents {
  readonly aggregated: (kdamond: Kdamond) => void
  readonly applying: (kdamond: Kdamond, scheme: number, target: number, region: Region) => void
}

export interface KdamondOptions {
  readonly machine: MachineState
  readonly random: Random
  readonly idleOf: (group: MemoryGroup) => AccessObserver
  readonly spaceOf: (context: DamonContext, pid: number) => AddressSpace
  readonly events: KdamondEvents
  readonly freeShare: () => number
}

export class Kdamond {
  context: DamonContext
  targets: Array<KdamondTarget>
  schemes: Array<Scheme>
  isRunning = true
  /** CPU time of monitoring and schemes. */
  cpuUs: Microseconds = 0
  /** Somebody waits for the regions that schemes are tried on next. */
  wantsTried = false
  private readonly options: KdamondOptions
  private intervalsNow: DamonIntervals
  private samples = 0
  private nextAggregation = 0
  private isPrepared = false
  private lastCount = 0
  private aggregations = 0
  private largestRegion = 0
  /** For interval tuning: what was seen and what could have been, in bytes times samples. */
  private seenAccesses = 0
  private timer: Timer | undefined

  constructor(context: DamonContext, options: KdamondOptions) {
    this.options = options
    this.context = context
    this.intervalsNow = context.intervals
    this.targets = this.makeTargets(context)
    this.schemes = context.schemes.map((spec) => new Scheme(spec))
    for (const scheme of this.schemes) scheme.nextApply = scheme.applyEvery(context.intervals)
    this.nextAggregation = this.samplesPerAggregation
    this.limitRegions()
    this.wakeAt(options.machine.nowUs)
  }

  get intervals(): DamonIntervals {
    return this.intervalsNow
  }

  get isAwake(): boolean {
    return this.schemes.length === 0 || this.schemes.some(({ isActive }) => isActive)
  }

  stop(): void {
    this.isRunning = false
    if (this.timer !== undefined) this.options.machine.timers.remove(this.timer)
  }

  /** Takes a new set-up; what has been learned of targets that stay is kept, in the new intervals' measure. */
  commit(context: DamonContext): void {
    const before = this.targets
    this.context = context
    this.targets = this.makeTargets(context).map((target, i) => {
      const old = before[i]
      return old?.pid === target.pid && (context.targets[i]!.regions.length === 0 || isSameSpan(old.regions, target.regions))
        ? { ...target, regions: old.regions }
        : target
    })
    const running = this.schemes
    this.schemes = context.schemes.map((spec, i) => {
      const scheme = running[i] ?? new Scheme(spec)
      scheme.spec = spec
      scheme.resume = undefined
      if (i >= running.length) scheme.nextApply = this.samples + scheme.applyEvery(context.intervals)
      return scheme
    })
    this.setIntervals(context.intervals)
    this.limitRegions()
  }

  commitGoals(context: DamonContext): void {
    this.schemes.forEach((scheme, i) => {
      const goals = context.schemes[i]?.quotas.goals
      if (goals !== undefined) scheme.spec = { ...scheme.spec, quotas: { ...scheme.spec.quotas, goals } }
    })
  }

  private get samplesPerAggregation(): number {
    return Math.max(1, Math.floor(this.intervalsNow.aggrUs / Math.max(1, this.intervalsNow.sampleUs)))
  }

  private makeTargets(context: DamonContext): Array<KdamondTarget> {
    return context.targets.map(({ pid, regions }) => {
      const space = this.options.spaceOf(context, pid)
      const given = regions.map(({ end, start }) => [Number(start), Number(end)] as const)
      if (context.operations === "paddr" || given.length > 0)
        return { pid, space, regions: given.map(([start, end]) => new Region(start, end)) }
      const ranges = space.ranges()
      const bytes = ranges.reduce((sum, [start, end]) => sum + end - start, 0)
      return { pid, space, regions: evenly(ranges, Math.max(smallestRegion, Math.floor(bytes / Math.max(1, context.nrRegions.min)))) }
    })
  }

  /** No region may be larger than its share of all by the least number of regions. */
  private limitRegions(): void {
    let bytes = 0
    for (const { regions } of this.targets) for (const region of regions) bytes += region.size
    this.largestRegion = Math.max(smallestRegion, Math.floor(bytes / Math.max(1, this.context.nrRegions.min)))
  }

  private setIntervals(intervals: DamonIntervals): void {
    const before = this.intervalsNow
    const mostBefore = this.samplesPerAggregation
    this.intervalsNow = intervals
    if (before.aggrUs === intervals.aggrUs && before.sampleUs === intervals.sampleUs) return
    const scale = this.samplesPerAggregation / mostBefore
    for (const { regions } of this.targets) {
      for (const region of regions) {
        region.nrAccesses = Math.floor(region.nrAccesses * scale)
        region.lastNrAccesses = Math.floor(region.lastNrAccesses * scale)
        region.nrAccessesBp = region.nrAccesses * 10_000
        region.age = Math.floor((region.age * before.aggrUs) / Math.max(1, intervals.aggrUs))
      }
    }
    this.nextAggregation = this.samples + this.samplesPerAggregation
    for (const scheme of this.schemes) scheme.nextApply = this.samples + scheme.applyEvery(intervals)
  }

  private wakeAt(atUs: Microseconds): void {
    this.timer = { atUs, fire: () => this.wake() }
    this.options.machine.timers.add(this.timer)
  }

  private wake(): void {
    const { machine } = this.options
    machine.spentUs = 0
    if (this.targets.length > 0 && this.targets.every(({ space }) => !space.isValid())) return this.stop()
    if (this.isPrepared) this.sample()
    this.isPrepared = false
    const inputs = this.inputs()
    const waits = this.schemes.map((scheme) => scheme.waitUs(inputs))
    const waitUs = waits.length === 0 ? 0 : Math.min(...waits)
    if (waitUs === 0) this.prepare()
    this.isPrepared = waitUs === 0
    const spentUs = machine.spentUs
    this.cpuUs += spentUs
    machine.spentUs = 0
    this.wakeAt(machine.nowUs + spentUs + Math.max(1, waitUs === 0 ? this.intervalsNow.sampleUs : waitUs))
  }

  private inputs(): SchemeInputs {
    const { freeShare, machine } = this.options
    return { nowUs: machine.nowUs, freeShare, someMemoryUs: () => machine.groups.get("")!.psi.someUs(machine.nowUs) }
  }

  private prepare(): void {
    const { idleOf, machine, random } = this.options
    let checks = 0
    for (const { regions, space } of this.targets) {
      for (const region of regions) {
        region.samplingAddress = region.start + random.nextFraction() * (region.end - region.start)
        if (space.look(region.samplingAddress)) idleOf(found.group!).clear(found.page)
      }
      checks += regions.length
    }
    machine.spentUs += checks * machine.costs.damonCheck.meanUs
  }

  private sample(): void {
    const { machine } = this.options
    this.samples++
    const most = this.check()
    const isAggregation = this.samples >= this.nextAggregation
    if (isAggregation) {
      const { max } = this.context.nrRegions
      mergeRegions(this.targets, Math.floor(most / 10), this.largestRegion, max, this.samplesPerAggregation)
    }
    this.applySchemes()
    if (!isAggregation) return
    this.nextAggregation += this.samplesPerAggregation
    this.options.events.aggregated(this)
    for (const { regions } of this.targets) {
      for (const region of regions) {
        this.seenAccesses += region.size * region.nrAccesses
        region.lastNrAccesses = region.nrAccesses
        region.nrAccesses = 0
      }
    }
    this.lastCount = splitRegions(this.targets, this.context.nrRegions.max, this.lastCount, this.options.random)
    machine.spentUs += this.lastCount * machine.costs.damonCheck.meanUs
    this.tuneIntervals()
  }

  /** Looks at what was prepared; returns the most accesses that any region has. */
  private check(): number {
    const { idleOf, machine } = this.options
    const window = this.samplesPerAggregation
    let most = 0
    let checks = 0
    for (const { regions, space } of this.targets) {
      for (const region of regions) {
        const isAccessed = space.look(region.samplingAddress) && idleOf(found.group!).isAccessed(found.page)
        const leaves = Math.floor((region.lastNrAccesses * 10_000) / window)
        region.nrAccessesBp = Math.max(0, region.nrAccessesBp - leaves + (isAccessed ? 10_000 : 0))
        if (isAccessed) region.nrAccesses++
        most = Math.max(most, region.nrAccesses)
      }
      checks += regions.length
    }
    machine.spentUs += checks * machine.costs.damonCheck.meanUs
    return most
  }

  private turn(scheme: Scheme): Turn {
    const { events, idleOf, machine } = this.options
    return {
      scheme,
      context: { idleOf, machine, isPhysical: this.context.operations === "paddr" },
      wantsTried: this.wantsTried,
      applying: (target, region) => events.applying(this, this.schemes.indexOf(scheme), target, region)
    }
  }

  private *allRegions(): Generator<Region> {
    for (const { regions } of this.targets) yield* regions
  }

  private applySchemes(): void {
    const due = this.schemes.filter(({ isActive, nextApply }) => isActive && this.samples >= nextApply)
    if (due.length === 0) return
    const inputs = this.inputs()
    for (const scheme of due) {
      scheme.tried = []
      scheme.adjustQuota(this.allRegions(), this.intervalsNow, inputs)
    }
    this.targets.forEach((target, index) => {
      for (let at = 0; at < target.regions.length; at++) {
        for (const scheme of due) {
          if (scheme.isUsedUp) continue
          const skip = skipCharged(scheme, target, index, at)
          if (skip === "all") continue
          // The part that had its turn has been split off: go on with the rest.
          if (skip === "first") at++
          if (scheme.isFor(target.regions[at]!, this.intervalsNow)) applyTo(this.turn(scheme), target, index, at)
        }
      }
    })
    for (const scheme of due) scheme.nextApply = this.samples + scheme.applyEvery(this.intervalsNow)
    if (this.schemes.every(({ isActive, nextApply }) => !isActive || nextApply > this.samples)) this.wantsTried = false
  }

  private tuneIntervals(): void {
    const { goal } = this.intervalsNow
    if (goal === undefined || goal.aggrs === 0 || ++this.aggregations % goal.aggrs !== 0) return
    const seen = this.seenAccesses / goal.aggrs
    this.seenAccesses = 0
    let bytes = 0
    for (const region of this.allRegions()) bytes += region.size
    const wanted = (bytes * this.samplesPerAggregation * goal.accessBp) / 10_000
    const adapted = feedLoop(100_000_000, Math.floor((seen * 10_000) / Math.max(1, wanted))) / 10_000
    const factor = (adapted <= 10_000 ? 5000 + adapted / 2 : adapted) / 10_000
    const sampleUs = Math.min(goal.maxSampleUs, Math.max(goal.minSampleUs, Math.floor(this.intervalsNow.sampleUs * factor)))
    this.setIntervals({ ...this.intervalsNow, sampleUs, aggrUs: sampleUs * this.samplesPerAggregation })
  }
}
