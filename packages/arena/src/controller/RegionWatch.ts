/**
 * What the controller knows of one region: its predictor, the touches that it has yet to see, what is to be restored, what is kept raw
 * because it is expected, and what came of it. Counts as `Score` defines them, of what was really done.
 */
import type { Milliseconds } from "@wmo/core"
import type { PredictedRegion, Predictor, PredictorKind } from "../predictors/Predictor.ts"
import { restoresDue } from "../predictors/restoresDue.ts"
import { emptyTally, type Tally } from "../predictors/Score.ts"
import { ChunkState, isIncompressible } from "../region/ChunkTable.ts"
import type { Region } from "../region/Region.ts"
import type { ControllerSettings } from "./Settings.ts"
import { TouchLog } from "./TouchLog.ts"

/** What is expected of a chunk, 0 for nothing: it waits to be restored, has been restored, or was raw and is kept so. */
const isWaiting = 1
const isRestored = 2
const isKept = 3

export class RegionWatch {
  readonly region: Region
  readonly predictor: Predictor
  /** Restores to do, in order. */
  readonly #queue: Array<number> = []
  #queueAt = 0
  readonly #predicted: PredictedRegion
  readonly #log: TouchLog
  /** Until when a chunk is not to be compressed. */
  readonly #keptUntilMs: Float64Array
  readonly #readyMs: Float64Array
  readonly #expectation: Uint8Array
  readonly tally: Tally = emptyTally()
  #lastMs: Milliseconds = Number.NEGATIVE_INFINITY
  #isTouched = false
  #isExpecting = false

  /** `wake` is called at the first touch since `plan`, and when somebody had to wait for a restore. */
  constructor(region: Region, kind: PredictorKind, coldMs: Milliseconds, restoreMs: Milliseconds, wake: (isDemand: boolean) => void) {
    this.region = region
    this.#predicted = { chunks: region.chunks, coldMs, restoreMs }
    this.predictor = kind.make(this.#predicted)
    this.#log = new TouchLog(region.chunks)
    this.#keptUntilMs = new Float64Array(region.chunks)
    this.#readyMs = new Float64Array(region.chunks)
    this.#expectation = new Uint8Array(region.chunks)
    const observe = this.predictor.observe
    region.onTouch = (chunk, atMs, isWrite, wasCompressed, idleMs) => {
      // Whoever set the clock back: predictors want times that do not decrease.
      this.#lastMs = Math.max(this.#lastMs, atMs)
      this.#log.add(chunk, this.#lastMs, isWrite)
      this.#count(chunk, atMs, wasCompressed, idleMs)
      if (this.#log.isHalfFull) this.#log.drain(observe)
      if (wasCompressed || !this.#isTouched) wake(wasCompressed)
      this.#isTouched = true
    }
    region.onActiveSoon = (atMs) => {
      this.predictor.hint(Math.max(this.#lastMs, atMs))
      this.#isTouched = true
      wake(true)
    }
  }

  /** Shows the predictor what has happened, and what compressing and restoring take now. */
  observe(coldMs: Milliseconds, restoreMs: Milliseconds): void {
    this.#predicted.coldMs = coldMs
    this.#predicted.restoreMs = restoreMs
    this.#log.drain(this.predictor.observe)
  }

  /** Asks the predictor, and queues what has to be restored now. Gives how many chunks that is. */
  plan(nowMs: Milliseconds, settings: ControllerSettings): number {
    const { coldMs, restoreMs } = this.#predicted
    const { flags, state, touchedAtMs } = this.region.table
    this.#isTouched = false
    const predictions = this.predictor.predict(Math.max(nowMs, this.#lastMs), settings.horizonMs)
    this.#isExpecting = predictions.length > 0
    const due = restoresDue(
      predictions,
      {
        nowMs,
        busyUntilMs: nowMs + this.waiting * restoreMs,
        restoreMs,
        marginMs: settings.prefetchTickMs,
        leastConfidence: settings.leastConfidence
      },
      (chunk, expectedByMs) => {
        if (this.#expectation[chunk] !== 0) {
          if (this.#keptUntilMs[chunk]! < expectedByMs + coldMs) this.#keptUntilMs[chunk] = expectedByMs + coldMs
          return false
        }
        if (state[chunk] === ChunkState.compressed) return true
        return (flags[chunk]! & isIncompressible) === 0 && touchedAtMs[chunk]! + coldMs <= expectedByMs
      }
    )
    for (const { chunk, expectedByMs } of due) {
      if (this.#expectation[chunk] !== 0) continue
      this.#keptUntilMs[chunk] = Math.max(nowMs, expectedByMs) + coldMs
      this.tally.predicted++
      if (state[chunk] === ChunkState.compressed) {
        this.#expectation[chunk] = isWaiting
        this.#queue.push(chunk)
      } else this.#ready(chunk, isKept, nowMs)
    }
    return due.length
  }

  /** Nothing has happened since `plan`, and nothing is expected. */
  get isQuiet(): boolean {
    return !this.#isTouched && !this.#isExpecting && this.waiting === 0
  }

  get waiting(): number {
    return this.#queue.length - this.#queueAt
  }

  /** Restores the first that waits. False where there is none. Throws `ArenaError` for a damaged chunk, which then waits for its reader. */
  restoreNext(nowMs: Milliseconds): boolean {
    const chunk = this.#queue[this.#queueAt]
    if (chunk === undefined) {
      this.#queue.length = 0
      this.#queueAt = 0
      return false
    }
    this.#queueAt++
    if (this.#expectation[chunk] !== isWaiting) return true
    this.#expectation[chunk] = 0
    this.region.restoreEarly(chunk)
    this.#ready(chunk, isRestored, nowMs)
    return true
  }

  /** Whether a chunk may be compressed as far as predictions go. What was expected for too long is no more. */
  mayCompress(chunk: number, nowMs: Milliseconds): boolean {
    if (this.#expectation[chunk] === 0) return true
    if (nowMs <= this.#keptUntilMs[chunk]!) return false
    this.#expectation[chunk] = 0
    this.tally.wasted++
    return true
  }

  get missedTouches(): number {
    return this.#log.missed
  }

  get metadataBytes(): number {
    return this.region.chunks * (8 + 8 + 1) + this.#log.metadataBytes + this.#queue.length * 8
  }

  stop(): void {
    this.region.onTouch = undefined
    this.region.onActiveSoon = undefined
  }

  #ready(chunk: number, how: typeof isRestored | typeof isKept, nowMs: Milliseconds): void {
    this.#expectation[chunk] = how
    this.#readyMs[chunk] = nowMs
  }

  #count(chunk: number, atMs: Milliseconds, wasCompressed: boolean, idleMs: Milliseconds): void {
    const { tally } = this
    const { chunks, coldMs, restoreMs } = this.#predicted
    const expectation = this.#expectation[chunk]!
    if (wasCompressed || expectation === isRestored || (expectation === isKept && idleMs >= coldMs)) tally.needed++
    if (expectation === 0) return
    this.#expectation[chunk] = 0
    // Kept, and used before it was cold: neither right nor wrong.
    if (expectation === isKept && idleMs < coldMs) tally.predicted--
    else if (expectation === isWaiting) tally.late++
    else {
      tally.inTime++
      if (atMs - this.#readyMs[chunk]! > Math.max(coldMs, chunks * restoreMs)) tally.early++
    }
  }
}
