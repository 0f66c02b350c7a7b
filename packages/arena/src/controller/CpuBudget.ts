/** A share of one core, saved up for at most a second: what is spent beyond it is paid back before anything else is done. */
import type { Milliseconds } from "@wmo/core"

const mostSavedSeconds = 1

export class CpuBudget {
  #leftMs = 0
  #atMs: Milliseconds

  constructor(nowMs: Milliseconds) {
    this.#atMs = nowMs
  }

  /** What may be spent now. */
  available(nowMs: Milliseconds, percent: number): Milliseconds {
    const earned = (Math.max(0, nowMs - this.#atMs) * percent) / 100
    this.#atMs = nowMs
    this.#leftMs = Math.min(this.#leftMs + earned, mostSavedSeconds * 10 * percent)
    return Math.max(0, this.#leftMs)
  }

  spend(ms: Milliseconds): void {
    this.#leftMs -= ms
  }
}
