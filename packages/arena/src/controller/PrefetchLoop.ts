/**
 * The prefetch loop: asks each region's predictor what will be touched, and restores it just before, in slices so that the thread's other work
 * goes on. Wakes early when somebody had to wait for a restore.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import type { Arena } from "../Arena.ts"
import { ArenaError } from "../ArenaError.ts"
import type { DecisionLog } from "./Decision.ts"
import type { RegionWatch } from "./RegionWatch.ts"
import type { Tuning } from "./Tuning.ts"
import type { Watches } from "./Watches.ts"

/** With nothing to do it looks again after this long at most. */
const mostPauseMs = 500

export class PrefetchLoop {
  readonly #arena: Arena
  readonly #tuning: Tuning
  readonly #watches: Watches
  readonly #log: DecisionLog
  #restoreMs = 0
  #predictMs = 0
  #wake: (() => void) | undefined
  #isQuiet = false

  constructor(arena: Arena, tuning: Tuning, watches: Watches, log: DecisionLog) {
    this.#arena = arena
    this.#tuning = tuning
    this.#watches = watches
    this.#log = log
    watches.onWake = (isDemand) => {
      if (isDemand || this.#isQuiet) this.#wake?.()
    }
  }

  /** CPU time of early restores so far. */
  get restoreMs(): Milliseconds {
    return this.#restoreMs
  }

  /** CPU time of asking predictors so far. */
  get predictMs(): Milliseconds {
    return this.#predictMs
  }

  /** At the last turn nothing had happened, and nothing was expected. */
  get isQuiet(): boolean {
    return this.#isQuiet
  }

  /** One look, and the restores that are due; then waits for the next, or until somebody has to wait. */
  readonly turn: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    this.#watches.follow()
    this.#plan()
    while (this.#restoreSlice()) yield* Effect.yieldNow
    this.#prepare()
    const { horizonMs, prefetchTickMs } = this.#tuning.settings
    this.#isQuiet = this.#watches.areQuiet
    // Nothing happens: what a predictor sees coming, it sees a horizon ahead. Where all is raw for good, there is nothing to see.
    const soonEnoughMs = this.#watches.haveCandidates || this.#watches.haveCompressed ? horizonMs / 5 : mostPauseMs
    const pauseMs = this.#isQuiet ? Math.max(prefetchTickMs, Math.min(mostPauseMs, soonEnoughMs)) : prefetchTickMs
    yield* Effect.timeoutOption(this.#woken, pauseMs)
  })

  /** Somebody waited for a restore: what comes next may be known now. Or the first touch after nothing happened. */
  readonly #woken: Effect.Effect<void> = Effect.callback((resume) => {
    this.#wake = () => {
      this.#wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })

  #plan(): void {
    const started = this.#arena.meter()
    const nowMs = this.#arena.now()
    this.#watches.observe()
    for (const watch of this.#watches) {
      const planned = watch.plan(nowMs, this.#tuning.settings)
      if (planned === 0) continue
      const reason = `${planned} chunks are restored before they are touched: ${watch.predictor.explain()}`
      this.#log.add({ atMs: nowMs, loop: "prefetch", region: watch.region.name, reason })
    }
    this.#predictMs += this.#arena.meter() - started
  }

  /** Restores for no longer than a slice. False when nothing waits any more. */
  #restoreSlice(): boolean {
    const started = this.#arena.meter()
    const { sliceMs } = this.#tuning.settings
    let spentMs = 0
    for (const watch of this.#watches) {
      while (spentMs < sliceMs && this.#restoreNext(watch)) spentMs = this.#arena.meter() - started
    }
    this.#restoreMs += this.#arena.meter() - started
    return spentMs >= sliceMs
  }

  /** For whoever comes unexpected. */
  #prepare(): void {
    if (this.#watches.haveCompressed) this.#arena.prepare(this.#tuning.settings.readyBytes)
  }

  #restoreNext(watch: RegionWatch): boolean {
    const nowMs = this.#arena.now()
    try {
      return watch.restoreNext(nowMs)
    } catch (problem) {
      if (!(problem instanceof ArenaError)) throw problem
      // It stays compressed: whoever reads it gets the same error.
      this.#log.add({ atMs: nowMs, loop: "prefetch", region: watch.region.name, reason: problem.message })
      return true
    }
  }
}
