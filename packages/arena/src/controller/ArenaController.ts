/**
 * The controller of the managed arena: three loops on one clock. The hotness loop adapts the cold age to how long readers wait; the
 * compression loop compresses what is cold; the prefetch loop restores what a predictor expects, just before it is expected.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect, type Scope } from "effect"
import type { Arena } from "../Arena.ts"
import { ArenaError } from "../ArenaError.ts"
import type { PredictorKind } from "../predictors/Predictor.ts"
import { none } from "../predictors/references.ts"
import { type Measures, measures, type Tally } from "../predictors/Score.ts"
import type { Region } from "../region/Region.ts"
import { type Compressor, openThreadCompressor } from "../workers/ThreadCompressor.ts"
import { adaptColdAge } from "./coldAge.ts"
import { CompressionLoop } from "./CompressionLoop.ts"
import { type Decision, DecisionLog } from "./Decision.ts"
import { RegionWatch } from "./RegionWatch.ts"
import { changeSettings, type ControllerSettings, defaultSettings } from "./Settings.ts"

export interface ControllerOptions {
  readonly settings?: Partial<ControllerSettings>
  /** One for all regions of four chunks or more, or one for each. */
  readonly predictor: PredictorKind | ((region: Region) => PredictorKind)
  /** Where the codec runs: on a thread of its own (where that cannot be, on this one), or on this one in slices, which is the default. */
  readonly compressOn?: "thread" | "slices"
  /** PSI `some` of memory in percent, where the caller knows it: under pressure the cold age falls faster. */
  readonly pressurePercent?: () => number | undefined
  readonly onDecision?: (decision: Decision) => void
}

export interface RegionStatus {
  readonly name: string
  readonly predictor: string
  /** What the predictor believes now. */
  readonly explanation: string
  /** Of what was really restored and used, by the definitions of `Score`. */
  readonly tally: Readonly<Tally>
  readonly measures: Measures
  /** Touches that the predictor was not shown, for there were too many. */
  readonly missedTouches: number
}

export interface ControllerStatus {
  readonly settings: ControllerSettings
  readonly coldMs: Milliseconds
  /** Share of the last time that readers and writers waited for restores. */
  readonly stallPercent: number
  /** CPU time spent on compressing, the coldest tier and compaction; on early restores; on asking predictors. */
  readonly compressMs: Milliseconds
  readonly restoreMs: Milliseconds
  readonly predictMs: Milliseconds
  readonly isThreaded: boolean
  readonly metadataBytes: number
  readonly regions: ReadonlyArray<RegionStatus>
}

export interface ArenaController {
  readonly status: () => ControllerStatus
  /** The last few hundred, oldest first. */
  readonly decisions: () => ReadonlyArray<Decision>
  /** Takes effect at the next turn of each loop. A new `coldMs` is where adapting goes on from. */
  readonly change: (changes: Partial<ControllerSettings>) => Effect.Effect<void, ArenaError>
}

/** Restoring is never as regular as it was measured. */
const restoreReserve = 1.25
/** A loop with nothing to do looks again after this long at most. */
const mostPauseMs = 500
/** Regions of fewer chunks are not worth a predictor's memory; whoever thinks otherwise names one for each region. */
const leastPredicted = 4
/** How often the pool gives back what it keeps for the next payloads. */
const trimMs = 10_000

class Loops implements ArenaController {
  readonly #arena: Arena
  readonly #options: ControllerOptions
  readonly #log = new DecisionLog()
  readonly #compression: CompressionLoop
  readonly #isThreaded: boolean
  readonly #watches = new Map<Region, RegionWatch>()
  #settings: ControllerSettings
  #coldMs: Milliseconds
  #stallPercent = 0
  #restoreMs = 0
  #predictMs = 0
  #adaptedAtMs: Milliseconds
  #trimmedAtMs: Milliseconds
  #demandMs: number
  #wake: (() => void) | undefined
  #isQuiet = false

  constructor(arena: Arena, settings: ControllerSettings, options: ControllerOptions, compressor: Compressor | undefined) {
    this.#arena = arena
    this.#settings = settings
    this.#options = options
    this.#coldMs = settings.coldMs
    this.#isThreaded = compressor !== undefined
    const log = this.#log
    const { onDecision } = options
    if (onDecision !== undefined) {
      const add = log.add.bind(log)
      log.add = (decision) => {
        add(decision)
        onDecision(decision)
      }
    }
    this.#compression = new CompressionLoop(arena, log, compressor)
    this.#adaptedAtMs = arena.now()
    this.#trimmedAtMs = this.#adaptedAtMs
    this.#demandMs = arena.counters.demandMs
    this.#follow()
  }

  status(): ControllerStatus {
    const watches = [...this.#watches.values()]
    return {
      settings: this.#settings,
      coldMs: this.#coldMs,
      stallPercent: this.#stallPercent,
      compressMs: this.#compression.spentMs,
      restoreMs: this.#restoreMs,
      predictMs: this.#predictMs,
      isThreaded: this.#isThreaded,
      metadataBytes: watches.reduce((sum, { metadataBytes }) => sum + metadataBytes, 0),
      regions: watches.map(({ missedTouches, predictor, region, tally }) => ({
        name: region.name,
        predictor: predictor.name,
        explanation: predictor.explain(),
        tally: { ...tally },
        measures: measures(tally),
        missedTouches
      }))
    }
  }

  decisions(): ReadonlyArray<Decision> {
    return this.#log.recent()
  }

  change(changes: Partial<ControllerSettings>): Effect.Effect<void, ArenaError> {
    return Effect.suspend(() => {
      const changed = changeSettings(this.#settings, changes)
      if (changed instanceof ArenaError) return Effect.fail(changed)
      this.#settings = changed
      this.#coldMs = Math.min(changed.mostColdMs, Math.max(changed.leastColdMs, changes.coldMs ?? this.#coldMs))
      return Effect.void
    })
  }

  readonly hotness: Effect.Effect<never> = Effect.suspend(() => {
    this.#follow()
    this.#observe()
    this.#adapt()
    this.#trim()
    const { adaptMs, hotnessTickMs } = this.#settings
    return Effect.sleep(this.#isQuiet ? Math.max(hotnessTickMs, Math.min(mostPauseMs, adaptMs)) : hotnessTickMs)
  }).pipe(Effect.forever)

  readonly compression: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    let pauseMs = this.#settings.compressTickMs
    while (true) {
      const { compressTickMs } = this.#settings
      const isBusy = yield* this.#compression.turn([...this.#watches.values()], this.#coldMs, this.#settings)
      // What is cold now was not a moment ago: with nothing to do, a quarter of the cold age is soon enough.
      const mostMs = Math.max(compressTickMs, Math.min(mostPauseMs, this.#coldMs / 4))
      pauseMs = isBusy ? compressTickMs : Math.min(mostMs, pauseMs * 2)
      yield* Effect.sleep(pauseMs)
    }
  })

  readonly prefetch: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    while (true) {
      this.#follow()
      this.#plan()
      while (this.#restoreSlice()) yield* Effect.yieldNow
      const { horizonMs, prefetchTickMs } = this.#settings
      this.#isQuiet = [...this.#watches.values()].every((watch) => watch.isQuiet)
      // Nothing happens: what a predictor sees coming, it sees a horizon ahead.
      const pauseMs = this.#isQuiet ? Math.max(prefetchTickMs, Math.min(mostPauseMs, horizonMs / 5)) : prefetchTickMs
      yield* Effect.timeoutOption(this.#woken, pauseMs)
    }
  })

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop()
    this.#watches.clear()
  }

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

  #follow(): void {
    const { predictor } = this.#options
    for (const region of this.#arena.regions) {
      if (this.#watches.has(region)) continue
      const kind = typeof predictor === "function" ? predictor(region) : region.chunks < leastPredicted ? none : predictor
      const wake = (isDemand: boolean): void => {
        if (isDemand || this.#isQuiet) this.#wake?.()
      }
      this.#watches.set(region, new RegionWatch(region, kind, this.#coldMs, this.#oneRestoreMs(), wake))
    }
    for (const region of this.#watches.keys()) if (region.isFreed) this.#watches.delete(region)
  }

  #observe(): void {
    const restoreMs = this.#oneRestoreMs()
    for (const watch of this.#watches.values()) watch.observe(this.#coldMs, restoreMs)
  }

  /** As measured; before anything was, 1 ms for 2 MiB. */
  #oneRestoreMs(): Milliseconds {
    const { demandRestores, earlyRestores, restoreMs } = this.#arena.counters
    const restores = demandRestores + earlyRestores
    return restores === 0 ? this.#arena.chunkBytes / 2 ** 21 : (restoreReserve * restoreMs) / restores
  }

  #adapt(): void {
    const nowMs = this.#arena.now()
    const elapsedMs = nowMs - this.#adaptedAtMs
    if (elapsedMs < this.#settings.adaptMs) return
    const { demandMs } = this.#arena.counters
    this.#stallPercent = (100 * (demandMs - this.#demandMs)) / elapsedMs
    this.#adaptedAtMs = nowMs
    this.#demandMs = demandMs
    const signals = { stallPercent: this.#stallPercent, pressurePercent: this.#options.pressurePercent?.() }
    const adapted = adaptColdAge(this.#coldMs, signals, this.#settings)
    if (adapted === undefined) return
    this.#coldMs = adapted.coldMs
    this.#log.add({ atMs: nowMs, loop: "hotness", reason: adapted.reason })
  }

  #trim(): void {
    const nowMs = this.#arena.now()
    if (nowMs - this.#trimmedAtMs < trimMs) return
    this.#trimmedAtMs = nowMs
    this.#arena.trim()
  }

  #plan(): void {
    const started = this.#arena.meter()
    const nowMs = this.#arena.now()
    this.#observe()
    for (const watch of this.#watches.values()) {
      const planned = watch.plan(nowMs, this.#settings)
      if (planned === 0) continue
      const reason = `${planned} chunks are restored before they are touched: ${watch.predictor.explain()}`
      this.#log.add({ atMs: nowMs, loop: "prefetch", region: watch.region.name, reason })
    }
    this.#predictMs += this.#arena.meter() - started
  }

  /** Restores for no longer than a slice. False when nothing waits any more. */
  #restoreSlice(): boolean {
    const started = this.#arena.meter()
    const { sliceMs } = this.#settings
    let spentMs = 0
    for (const watch of this.#watches.values()) {
      while (spentMs < sliceMs && this.#restoreNext(watch)) spentMs = this.#arena.meter() - started
    }
    this.#restoreMs += this.#arena.meter() - started
    return spentMs >= sliceMs
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

/** Runs the loops on an arena until the scope ends. Fails with `ArenaError` for settings that make no sense. */
export const controlArena: (arena: Arena, options: ControllerOptions) => Effect.Effect<ArenaController, ArenaError, Scope.Scope> =
  Effect.fnUntraced(function* (arena, options) {
    const settings = changeSettings(defaultSettings, options.settings ?? {})
    if (settings instanceof ArenaError) return yield* settings
    const compressor =
      options.compressOn === "thread"
        ? yield* Effect.acquireRelease(
            Effect.promise(() => openThreadCompressor(arena.codec.name).catch(() => undefined)),
            (opened) => Effect.promise(async () => opened?.close())
          )
        : undefined
    const loops = yield* Effect.acquireRelease(
      Effect.sync(() => new Loops(arena, settings, options, compressor)),
      (made) => Effect.sync(() => made.stop())
    )
    for (const loop of [loops.hotness, loops.compression, loops.prefetch]) yield* Effect.forkScoped(loop)
    return loops
  })
