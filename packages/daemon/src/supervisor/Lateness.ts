/** How late ticks came, counted by bounds, as Prometheus has histograms. Fixed memory; a quantile is the bound that it is not above. */
import type { Milliseconds } from "@wmo/core"

export const latenessBoundsMs: ReadonlyArray<Milliseconds> = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]

export class Lateness {
  /** By bound; the last one is of what is above all of them. */
  readonly counts: Array<number> = Array.from({ length: latenessBoundsMs.length + 1 }, () => 0)
  sumMs: Milliseconds = 0
  mostMs: Milliseconds = 0

  add(lateMs: Milliseconds): void {
    const ms = Math.max(0, lateMs)
    const at = latenessBoundsMs.findIndex((bound) => ms <= bound)
    this.counts[at < 0 ? latenessBoundsMs.length : at]!++
    this.sumMs += ms
    this.mostMs = Math.max(this.mostMs, ms)
  }
}
