/** The watches of an arena's regions, as regions come and go. Does not decide anything about a region. */
import type { Milliseconds } from "@wmo/core"
import type { Arena } from "../Arena.ts"
import type { PredictorKind } from "../predictors/Predictor.ts"
import { none } from "../predictors/references.ts"
import type { Region } from "../region/Region.ts"
import { RegionWatch } from "./RegionWatch.ts"
import type { Tuning } from "./Tuning.ts"

/** Restoring is never as regular as it was measured. */
const restoreReserve = 1.25
/** Regions of fewer chunks are not worth a predictor's memory; whoever thinks otherwise names one for each region. */
const leastPredicted = 4

export class Watches {
  readonly #arena: Arena
  readonly #tuning: Tuning
  readonly #predictor: PredictorKind | ((region: Region) => PredictorKind)
  readonly #watches = new Map<Region, RegionWatch>()
  /** Is told when a reader had to wait, and of the first touch after a look. */
  onWake: (isDemand: boolean) => void = () => {}

  constructor(arena: Arena, tuning: Tuning, predictor: PredictorKind | ((region: Region) => PredictorKind)) {
    this.#arena = arena
    this.#tuning = tuning
    this.#predictor = predictor
    this.follow()
  }

  all(): ReadonlyArray<RegionWatch> {
    return [...this.#watches.values()]
  }

  [Symbol.iterator](): IterableIterator<RegionWatch> {
    return this.#watches.values()
  }

  /** Nothing has happened in any region, and nothing is expected. */
  get areQuiet(): boolean {
    for (const watch of this) if (!watch.isQuiet) return false
    return true
  }

  /** Some chunk might be compressed when it is cold. */
  get haveCandidates(): boolean {
    for (const { region } of this) if (region.candidates > 0) return true
    return false
  }

  get haveCompressed(): boolean {
    for (const { region } of this) if (region.compressedChunks > 0) return true
    return false
  }

  /** Takes up regions that are new, and drops those that are no more. */
  follow(): void {
    for (const region of this.#arena.regions) {
      if (this.#watches.has(region)) continue
      const wake = (isDemand: boolean): void => this.onWake(isDemand)
      this.#watches.set(region, new RegionWatch(region, this.#kindOf(region), this.#tuning.coldMs, this.#oneRestoreMs(), wake))
    }
    for (const region of this.#watches.keys()) if (region.isFreed) this.#watches.delete(region)
  }

  /** Shows the predictors what has happened. */
  observe(): void {
    const restoreMs = this.#oneRestoreMs()
    for (const watch of this) watch.observe(this.#tuning.coldMs, restoreMs)
  }

  stop(): void {
    for (const watch of this) watch.stop()
    this.#watches.clear()
  }

  #kindOf(region: Region): PredictorKind {
    if (typeof this.#predictor === "function") return this.#predictor(region)
    return region.chunks < leastPredicted ? none : this.#predictor
  }

  /** As measured; before anything was, 1 ms for 2 MiB. */
  #oneRestoreMs(): Milliseconds {
    const { demandRestores, earlyRestores, restoreMs } = this.#arena.counters
    const restores = demandRestores + earlyRestores
    return restores === 0 ? this.#arena.chunkBytes / 2 ** 21 : (restoreReserve * restoreMs) / restores
  }
}
