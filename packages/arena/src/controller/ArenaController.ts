/**
 * The controller of the managed arena: three loops on one clock. The hotness loop adapts the cold age to how long readers wait; the
 * compression loop compresses what is cold; the prefetch loop restores what a predictor expects, just before it is expected. Here they are
 * put together; what each does is in its own file.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { availableParallelism } from "node:os"
import type { Arena } from "../Arena.ts"
import { ArenaError } from "../ArenaError.ts"
import type { PredictorKind } from "../predictors/Predictor.ts"
import { type Measures, measures, type Tally } from "../predictors/Score.ts"
import type { Region } from "../region/Region.ts"
import { type Compressor, openThreadCompressor } from "../workers/ThreadCompressor.ts"
import { CompressionLoop } from "./CompressionLoop.ts"
import { type Decision, DecisionLog } from "./Decision.ts"
import { openDecisionFile } from "./decisionFile.ts"
import { HotnessLoop } from "./HotnessLoop.ts"
import { ownPressurePercent } from "./ownPressure.ts"
import { PrefetchLoop } from "./PrefetchLoop.ts"
import { changeSettings, type ControllerSettings, defaultSettings } from "./Settings.ts"
import { Tuning } from "./Tuning.ts"
import { Watches } from "./Watches.ts"

export interface ControllerOptions {
  readonly settings?: Partial<ControllerSettings>
  /** One for all regions of four chunks or more, or one for each. */
  readonly predictor: PredictorKind | ((region: Region) => PredictorKind)
  /**
   * Where the codec runs: on this thread in slices, or on a thread of its own (where that cannot be, on this one). By default it starts in
   * slices, and gets a thread when compressing has cost as much as a thread does (`auto`).
   */
  readonly compressOn?: "auto" | "thread" | "slices"
  /** PSI `some` of memory in percent: under pressure the cold age falls faster. By default that of this process's cgroup, or the machine's. */
  readonly pressurePercent?: () => number | undefined
  readonly onDecision?: (decision: Decision) => void
  /** A file to which every decision is appended when it is made, as a line of JSON. */
  readonly recordTo?: string
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

/**
 * What compressing may cost on this thread before it gets one of its own. That one costs 0.4 s of CPU to start, and takes 60 to 90 % of the work off this one
 * (`bench/codec.ts thread`): having spent about as much as it costs, more of the same is to be expected.
 */
const threadPaysAfterMs = 700
/** With nothing to do the compression loop looks again after this long at most. */
const mostPauseMs = 500

const openThread = (arena: Arena): Effect.Effect<Compressor | undefined, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => openThreadCompressor(arena.codec.name).catch(() => undefined)),
    (opened) => Effect.promise(async () => opened?.close())
  )

/** Runs the loops on an arena until the scope ends. Fails with `ArenaError` for options that make no sense. */
export const controlArena: (arena: Arena, options: ControllerOptions) => Effect.Effect<ArenaController, ArenaError, Scope.Scope> =
  Effect.fnUntraced(function* (arena, options) {
    const settings = changeSettings(defaultSettings, options.settings ?? {})
    if (settings instanceof ArenaError) return yield* settings
    const { compressOn = "auto", onDecision, pressurePercent = ownPressurePercent, recordTo } = options
    const record = recordTo === undefined ? undefined : yield* openDecisionFile(recordTo)
    const log = new DecisionLog((decision) => {
      record?.(decision)
      onDecision?.(decision)
    })
    const tuning = new Tuning(settings)
    const watches = yield* Effect.acquireRelease(
      Effect.sync(() => new Watches(arena, tuning, options.predictor)),
      (made) => Effect.sync(() => made.stop())
    )
    const hotness = new HotnessLoop(arena, tuning, watches, log, pressurePercent)
    const compression = new CompressionLoop(arena, log, compressOn === "thread" ? yield* openThread(arena) : undefined)
    const prefetch = new PrefetchLoop(arena, tuning, watches, log)

    const hotnessLoop = Effect.suspend(() => Effect.sleep(hotness.turn(prefetch.isQuiet))).pipe(Effect.forever)
    const compressionLoop = Effect.gen(function* () {
      // A thread that is sent copies of everything would cost more than it takes off this one.
      let mayGetThread = compressOn === "auto" && arena.memoryKind === "mmap" && availableParallelism() > 1
      let pauseMs = tuning.settings.compressTickMs
      while (true) {
        const { compressTickMs } = tuning.settings
        const isBusy = yield* compression.turn(watches.all(), tuning.coldMs, tuning.settings)
        // What is cold now was not a moment ago: with nothing to do, a quarter of the cold age is soon enough.
        const soonEnoughMs = watches.haveCandidates ? tuning.coldMs / 4 : mostPauseMs
        const mostMs = Math.max(compressTickMs, Math.min(mostPauseMs, soonEnoughMs))
        pauseMs = isBusy ? compressTickMs : Math.min(mostMs, pauseMs * 2)
        if (mayGetThread && compression.spentMs >= threadPaysAfterMs) {
          mayGetThread = false
          compression.moveTo(yield* openThread(arena))
        }
        yield* Effect.sleep(pauseMs)
      }
    })
    for (const loop of [hotnessLoop, compressionLoop, Effect.forever(prefetch.turn)]) yield* Effect.forkScoped(loop)

    return {
      status: () => ({
        settings: tuning.settings,
        coldMs: tuning.coldMs,
        stallPercent: hotness.stallPercent,
        compressMs: compression.spentMs,
        restoreMs: prefetch.restoreMs,
        predictMs: prefetch.predictMs,
        isThreaded: compression.isThreaded,
        metadataBytes: watches.all().reduce((sum, { metadataBytes }) => sum + metadataBytes, 0),
        regions: watches.all().map(({ missedTouches, predictor, region, tally }) => ({
          name: region.name,
          predictor: predictor.name,
          explanation: predictor.explain(),
          tally: { ...tally },
          measures: measures(tally),
          missedTouches
        }))
      }),
      decisions: () => log.recent(),
      change: (changes) =>
        Effect.suspend(() => {
          const problem = tuning.change(changes)
          if (problem !== undefined) return Effect.fail(problem)
          const said = Object.entries(changes).map(([name, value]) => `${name} is ${value}`)
          log.add({ atMs: arena.now(), loop: "settings", reason: `${said.join(", ")} from now on` })
          return Effect.void
        })
    }
  })
