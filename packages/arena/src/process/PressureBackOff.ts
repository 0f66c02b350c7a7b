/**
 * Stops paging out while the target's group (or the machine, where the group is not told apart) stalls for memory: for a second, then for twice as
 * long each time that it stalls again, up to half a minute. Takes the growth of PSI `some` totals, since averages lag. Pure.
 */
import type { Milliseconds } from "@wmo/core"

const firstPauseMs = 1000
const longestPauseMs = 30_000

export class PressureBackOff {
  #totalUs: bigint | undefined
  #atMs: Milliseconds = 0
  #pauseMs = firstPauseMs
  #untilMs = Number.NEGATIVE_INFINITY
  /** The last reading: a pause does not end before one that is better. */
  #isHigh = false
  /** Share of the last time that somebody stalled; undefined where it is not known. */
  percent: number | undefined

  /** A reading of `some total`, or undefined where there is none. Says when a pause begins, and for how long. */
  observe(totalUs: bigint | undefined, nowMs: Milliseconds, mostPercent: number): Milliseconds | undefined {
    const before = this.#totalUs
    const elapsedMs = nowMs - this.#atMs
    this.#totalUs = totalUs
    this.#atMs = nowMs
    this.percent = undefined
    this.#isHigh = false
    if (totalUs === undefined || before === undefined || elapsedMs <= 0 || totalUs < before) return undefined
    this.percent = Number(totalUs - before) / 10 / elapsedMs
    this.#isHigh = this.percent > mostPercent
    if (!this.#isHigh) {
      if (nowMs - this.#untilMs > longestPauseMs) this.#pauseMs = firstPauseMs
      return undefined
    }
    if (nowMs < this.#untilMs) return undefined
    const pauseMs = this.#pauseMs
    this.#untilMs = nowMs + pauseMs
    this.#pauseMs = Math.min(longestPauseMs, 2 * pauseMs)
    return pauseMs
  }

  isPaused(nowMs: Milliseconds): boolean {
    return this.#isHigh || nowMs < this.#untilMs
  }
}
