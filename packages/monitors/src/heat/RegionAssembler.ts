/**
 * Puts the lines of `damon_aggregated` together again: each is one region of one target, and says how many that target has. A target of
 * which lines were lost is passed over, never shown in part.
 */
import type { DamonAggregated, DamonTraceEvent } from "@wmo/core"
import type { HeatRegion } from "./HeatFrame.ts"

/** All regions of one target at one aggregation; `time` is the kernel's trace clock in seconds. */
export interface TargetRegions {
  readonly target: number
  readonly time: number
  readonly regions: ReadonlyArray<HeatRegion>
}

export class RegionAssembler {
  private target = -1n
  private expected = 0
  private regions: Array<HeatRegion> = []
  /** Aggregations of a target that were given up, because lines of it are missing. */
  incomplete = 0

  push(event: DamonTraceEvent): TargetRegions | undefined {
    if (event.event === "lost") return this.giveUp()
    if (event.event !== "damon_aggregated") return undefined
    const { accesses, age, end, start } = regionOf(event)
    const last = this.regions.at(-1)
    const goesOn = last !== undefined && event.targetId === this.target && event.nrRegions === this.expected && start >= last.end
    if (!goesOn) {
      this.giveUp()
      this.target = event.targetId
      this.expected = event.nrRegions
    }
    this.regions.push({ start, end, accesses, age })
    if (this.regions.length < this.expected) return undefined
    const { regions } = this
    this.regions = []
    return { target: Number(event.targetId), time: event.time, regions }
  }

  /** Drops what is only begun, as when targets have been changed. */
  forget(): undefined {
    this.regions = []
  }

  private giveUp(): undefined {
    if (this.regions.length > 0) this.incomplete++
    this.regions = []
  }
}

const regionOf = ({ age, end, nrAccesses, start }: DamonAggregated): HeatRegion => ({ start, end, accesses: nrAccesses, age: age ?? 0 })
