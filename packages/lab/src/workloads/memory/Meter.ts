/**
 * Keeps count of a memory workload: operations by second, and a histogram of latencies for each phase, to three digits. Starts counting when
 * the warm-up is over. Latency is what a touch took once it was made (service time); what a workload waited for its turn is a phase of its own.
 */
import type { Milliseconds } from "@wmo/core"
import { createHistogram, type RecordableHistogram } from "node:perf_hooks"

export interface PhaseLatency {
  readonly count: number
  readonly mean_us: number
  readonly p50_us: number
  readonly p95_us: number
  readonly p99_us: number
  readonly p999_us: number
  readonly max_us: number
}

/**
 * `burst_touch`: the first touch of each page in a burst. `cold_touch`: of each chunk that had been left alone for the cold age, in whichever phase;
 * it is in the other phases, too. `response`: of paced operations, from when
 * they were due until they were done. `turn_wait`: for the thread, when others may have it. The others are the workload's own phases.
 */
export type PhaseName = "burst_touch" | "cold_touch" | "steady" | "stream" | "random" | "map" | "heap" | "response" | "turn_wait"

const makeHistogram = (): RecordableHistogram => createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })

const latencyOf = (histogram: RecordableHistogram): PhaseLatency => ({
  count: histogram.count,
  mean_us: histogram.mean / 1000,
  p50_us: histogram.percentile(50) / 1000,
  p95_us: histogram.percentile(95) / 1000,
  p99_us: histogram.percentile(99) / 1000,
  p999_us: histogram.percentile(99.9) / 1000,
  max_us: histogram.max / 1000
})

export class Meter {
  readonly #phases = new Map<PhaseName, RecordableHistogram>()
  readonly #operations = makeHistogram()
  readonly #bySecond: Array<number> = []
  #count = 0
  #countedBefore = 0
  #startedMs = 0
  #nextSecondMs = 0
  #startedAt = 0
  #isStarted = false

  get isStarted(): boolean {
    return this.#isStarted
  }

  start(): void {
    this.#isStarted = true
    this.#startedMs = performance.now()
    this.#nextSecondMs = this.#startedMs + 1000
    this.#startedAt = Date.now()
  }

  /** A latency that is no operation, or is one of those counted by `count`. */
  record(phase: PhaseName, ms: Milliseconds): void {
    if (!this.#isStarted) return
    let histogram = this.#phases.get(phase)
    if (histogram === undefined) this.#phases.set(phase, (histogram = makeHistogram()))
    histogram.record(Math.max(1, Math.round(ms * 1e6)))
  }

  /** The latency of one operation, for the percentiles of all of them. */
  operation(ms: Milliseconds): void {
    if (this.#isStarted) this.#operations.record(Math.max(1, Math.round(ms * 1e6)))
  }

  count(operations: number, nowMs: Milliseconds): void {
    if (!this.#isStarted) return
    this.#count += operations
    for (; nowMs >= this.#nextSecondMs; this.#nextSecondMs += 1000) {
      this.#bySecond.push(this.#count - this.#countedBefore)
      this.#countedBefore = this.#count
    }
  }

  result() {
    const seconds = (performance.now() - this.#startedMs) / 1000
    return {
      operations: this.#count,
      operations_per_second: this.#count / seconds,
      seconds,
      operations_by_second: this.#bySecond,
      measured_from_ms: this.#startedAt,
      mean_us: this.#operations.mean / 1000,
      p50_us: this.#operations.percentile(50) / 1000,
      p99_us: this.#operations.percentile(99) / 1000,
      p999_us: this.#operations.percentile(99.9) / 1000,
      phases: Object.fromEntries([...this.#phases].map(([name, histogram]) => [name, latencyOf(histogram)])) as Partial<
        Record<PhaseName, PhaseLatency>
      >
    }
  }
}
