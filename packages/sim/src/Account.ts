/**
 * What has come of a workload so far: of the process that was started in a group and of all that it has started since, together.
 * Kept apart from the processes, so that an hour of processes that come and go leaves one account.
 */
import type { Microseconds } from "@wmo/core"
import { LatencyHistogram } from "./LatencyHistogram.ts"

export class Account {
  readonly latencies = new LatencyHistogram()
  readonly startUs: Microseconds
  /** When loading ended; NaN until then. */
  loadedUs: Microseconds = Number.NaN
  /** When the last process ended; NaN until then. */
  endUs: Microseconds = Number.NaN
  thinkUs = 0
  overheadUs = 0
  stallUs = 0
  /** Time that tasks could have run but had no CPU. */
  cpuWaitUs = 0
  touches = 0
  isOomKilled = false
  /** Processes that have been started, the first one included. */
  processes = 0
  /** How many of them run. */
  living = 0

  constructor(startUs: Microseconds) {
    this.startUs = startUs
  }

  get isLoaded(): boolean {
    return !Number.isNaN(this.loadedUs)
  }
}
