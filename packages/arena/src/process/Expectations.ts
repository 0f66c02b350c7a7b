/**
 * What is expected of each chunk of a process, and what came of it, counted as `Score` defines it, of what was really done: the process arena's
 * counterpart of `RegionWatch`. Pure but for what it holds; it is told of touches, and says which chunks to read in and which to keep.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { PredictedRegion, Predictor, PredictorKind } from "../predictors/Predictor.ts"
import { restoresDue } from "../predictors/restoresDue.ts"
import type { Tally } from "../predictors/Score.ts"
import { ChunkPlace, type ProcessChunks } from "./ProcessChunks.ts"

/** What is expected of a chunk, 0 for nothing: it waits to be read in, has been, or was in memory and is kept there. */
const isWaiting = 1
const isReadIn = 2
const isKept = 3

export interface PlanOptions {
  readonly horizonMs: Milliseconds
  readonly leastConfidence: number
  readonly marginMs: Milliseconds
}

export class Expectations {
  readonly predictor: Predictor
  readonly tally: Tally
  readonly #chunks: ProcessChunks
  readonly #region: PredictedRegion
  readonly #expectation: Uint8Array
  readonly #keptUntilMs: Float64Array
  readonly #readyMs: Float64Array
  #queue: Array<number> = []
  #lastMs = Number.NEGATIVE_INFINITY

  /** For as many chunks as have numbers now. `tally`: goes on counting. */
  constructor(chunks: ProcessChunks, kind: PredictorKind, coldMs: Milliseconds, restoreMs: Milliseconds, tally: Tally) {
    this.#chunks = chunks
    this.#region = { chunks: chunks.capacity, coldMs, restoreMs }
    this.predictor = kind.make(this.#region)
    this.tally = tally
    this.#expectation = new Uint8Array(chunks.capacity)
    this.#keptUntilMs = new Float64Array(chunks.capacity)
    this.#readyMs = new Float64Array(chunks.capacity)
  }

  get metadataBytes(): Bytes {
    return this.predictor.bytes + this.#region.chunks * (8 + 8 + 1)
  }

  get capacity(): number {
    return this.#region.chunks
  }

  get waiting(): number {
    return this.#queue.length
  }

  tune(coldMs: Milliseconds, restoreMs: Milliseconds): void {
    this.#region.coldMs = coldMs
    this.#region.restoreMs = restoreMs
  }

  /**
   * A chunk was touched at `atMs`, or, if that is not known well enough for a predictor, some time before. Gives whether it had been paged out
   * and nobody had read it in.
   */
  touch(chunk: number, atMs: Milliseconds, isExact: boolean): boolean {
    const { place, touchedAtMs } = this.#chunks
    if (isExact) {
      this.#lastMs = Math.max(this.#lastMs, atMs)
      this.predictor.observe(chunk, this.#lastMs, false)
    }
    const idleMs = atMs - touchedAtMs[chunk]!
    touchedAtMs[chunk] = Math.max(touchedAtMs[chunk]!, atMs)
    const { tally } = this
    const wasOut = place[chunk] === ChunkPlace.out
    const expectation = this.#expectation[chunk]!
    if (wasOut || expectation === isReadIn || (expectation === isKept && idleMs >= this.#region.coldMs)) tally.needed++
    if (place[chunk] !== ChunkPlace.none) place[chunk] = ChunkPlace.raw
    if (expectation === 0) return wasOut
    this.#expectation[chunk] = 0
    // Kept, and used before it was cold: neither right nor wrong.
    if (expectation === isKept && idleMs < this.#region.coldMs) tally.predicted--
    else if (expectation === isWaiting) tally.late++
    else {
      tally.inTime++
      const { coldMs, restoreMs } = this.#region
      if (atMs - this.#readyMs[chunk]! > Math.max(coldMs, this.#chunks.count * restoreMs)) tally.early++
    }
    return wasOut
  }

  /** Asks the predictor, and queues what has to be read in now. Gives how many chunks that is. */
  plan(nowMs: Milliseconds, { horizonMs, leastConfidence, marginMs }: PlanOptions): number {
    const { coldMs, restoreMs } = this.#region
    const { place, restUntilMs, touchedAtMs } = this.#chunks
    const due = restoresDue(
      this.predictor.predict(Math.max(nowMs, this.#lastMs), horizonMs),
      { nowMs, busyUntilMs: nowMs + this.#queue.length * restoreMs, restoreMs, marginMs, leastConfidence },
      (chunk, expectedByMs) => {
        if (place[chunk] === ChunkPlace.none) return false
        if (this.#expectation[chunk] !== 0) {
          this.#keptUntilMs[chunk] = Math.max(this.#keptUntilMs[chunk]!, expectedByMs + coldMs)
          return false
        }
        if (place[chunk] === ChunkPlace.out) return restUntilMs[chunk]! <= nowMs
        return touchedAtMs[chunk]! + coldMs <= expectedByMs
      }
    )
    let planned = 0
    for (const { chunk, expectedByMs } of due) {
      if (this.#expectation[chunk] !== 0) continue
      this.#keptUntilMs[chunk] = Math.max(nowMs, expectedByMs) + coldMs
      this.tally.predicted++
      planned++
      if (place[chunk] === ChunkPlace.out) {
        this.#expectation[chunk] = isWaiting
        this.#queue.push(chunk)
      } else {
        this.#expectation[chunk] = isKept
        this.#readyMs[chunk] = nowMs
      }
    }
    return planned
  }

  /** The first that wait, at most so many bytes of them, in order. They stay expected until `wasReadIn` or a touch. */
  take(mostBytes: Bytes): ReadonlyArray<number> {
    const taken: Array<number> = []
    let bytes = 0
    let at = 0
    for (; at < this.#queue.length; at++) {
      const chunk = this.#queue[at]!
      if (this.#expectation[chunk] !== isWaiting || this.#chunks.place[chunk] !== ChunkPlace.out) continue
      const more = this.#chunks.bytesOf(chunk)
      if (bytes > 0 && bytes + more > mostBytes) break
      bytes += more
      taken.push(chunk)
    }
    this.#queue = this.#queue.slice(at)
    return taken
  }

  /** A chunk has been paged out. What came to be expected while that was going on waits to be read in. */
  wentOut(chunk: number): void {
    this.#chunks.place[chunk] = ChunkPlace.out
    if (this.#expectation[chunk] !== isKept) return
    this.#expectation[chunk] = isWaiting
    this.#queue.push(chunk)
  }

  wasReadIn(chunk: number, nowMs: Milliseconds): void {
    if (this.#expectation[chunk] !== isWaiting) return
    this.#expectation[chunk] = isReadIn
    this.#readyMs[chunk] = nowMs
    this.#chunks.place[chunk] = ChunkPlace.restored
  }

  /** The kernel would not, or there was no time: what was expected is given up, and counts as nothing. */
  giveUp(chunk: number): void {
    if (this.#expectation[chunk] === 0) return
    this.#expectation[chunk] = 0
    this.tally.predicted--
  }

  /** Whether a chunk may be paged out as far as predictions go. What was expected for too long is no more. */
  mayPageOut(chunk: number, nowMs: Milliseconds): boolean {
    if (this.#expectation[chunk] === 0) return true
    if (nowMs <= this.#keptUntilMs[chunk]!) return false
    this.#expectation[chunk] = 0
    this.tally.wasted++
    return true
  }

  /** A chunk has gone, or is another now. */
  forget(chunk: number): void {
    this.giveUp(chunk)
  }
}
