/**
 * The hotness loop: shows predictors what was touched, adapts the cold age to how long readers waited and to memory pressure, and gives back
 * what the arena kept for nothing.
 */
import type { Milliseconds } from "@wmo/core"
import type { Arena } from "../Arena.ts"
import { adaptColdAge } from "./coldAge.ts"
import type { DecisionLog } from "./Decision.ts"
import type { Tuning } from "./Tuning.ts"
import type { Watches } from "./Watches.ts"

/** With nothing to do it looks again after this long at most. */
const mostPauseMs = 500
/** How often the arena gives back what it keeps for the next payloads and restores. */
const trimMs = 10_000

export class HotnessLoop {
  readonly #arena: Arena
  readonly #tuning: Tuning
  readonly #watches: Watches
  readonly #log: DecisionLog
  readonly #pressurePercent: () => number | undefined
  #stallPercent = 0
  #adaptedAtMs: Milliseconds
  #trimmedAtMs: Milliseconds
  #demandMs: Milliseconds

  constructor(arena: Arena, tuning: Tuning, watches: Watches, log: DecisionLog, pressurePercent: () => number | undefined) {
    this.#arena = arena
    this.#tuning = tuning
    this.#watches = watches
    this.#log = log
    this.#pressurePercent = pressurePercent
    this.#adaptedAtMs = arena.now()
    this.#trimmedAtMs = this.#adaptedAtMs
    this.#demandMs = arena.counters.demandMs
  }

  /** Share of the last time that readers and writers waited for restores. */
  get stallPercent(): number {
    return this.#stallPercent
  }

  /** One look. Gives how long to wait for the next. */
  turn(isQuiet: boolean): Milliseconds {
    this.#watches.follow()
    this.#watches.observe()
    const nowMs = this.#arena.now()
    this.#adapt(nowMs)
    this.#trim(nowMs)
    const { adaptMs, hotnessTickMs } = this.#tuning.settings
    return isQuiet ? Math.max(hotnessTickMs, Math.min(mostPauseMs, adaptMs)) : hotnessTickMs
  }

  #adapt(nowMs: Milliseconds): void {
    const elapsedMs = nowMs - this.#adaptedAtMs
    if (elapsedMs < this.#tuning.settings.adaptMs) return
    const { demandMs } = this.#arena.counters
    this.#stallPercent = (100 * (demandMs - this.#demandMs)) / elapsedMs
    this.#adaptedAtMs = nowMs
    this.#demandMs = demandMs
    const signals = { stallPercent: this.#stallPercent, pressurePercent: this.#pressurePercent() }
    const adapted = adaptColdAge(this.#tuning.coldMs, signals, this.#tuning.settings)
    if (adapted === undefined) return
    this.#tuning.coldMs = adapted.coldMs
    this.#log.add({ atMs: nowMs, loop: "hotness", reason: adapted.reason })
  }

  #trim(nowMs: Milliseconds): void {
    if (nowMs - this.#trimmedAtMs < trimMs) return
    this.#trimmedAtMs = nowMs
    this.#arena.trim(this.#tuning.settings.readyBytes)
  }
}
