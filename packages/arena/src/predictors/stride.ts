/**
 * Streams: chunks touched at equal distances, any stride in either direction, several streams at once, each with its own pace.
 * A stream is found when three unexplained touches of the last 16 lie at equal distances, and believed from the fourth on. It looks no further
 * ahead than twice its length so far, as kernel readahead grows its window. One skipped step is forgiven; steps that vary are `delta`'s.
 */
import { byteLength, fitting, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

const mostStreams = 16
/** A power of two. */
const remembered = 16
/** Steps seen before a stream is believed. */
const believed = 3
const furthest = 512

class Streams implements Predictor {
  readonly name = "stride"
  readonly hint = () => {}
  readonly #region: PredictedRegion
  readonly #last = new Int32Array(mostStreams)
  readonly #stride = new Int32Array(mostStreams)
  readonly #steps = new Int32Array(mostStreams)
  readonly #lastMs = new Float64Array(mostStreams)
  readonly #paceMs = new Float64Array(mostStreams)
  readonly #deviationMs = new Float64Array(mostStreams)
  #streams = 0
  /** Touches that no stream explains, newest at `#newest`. */
  readonly #chunk = new Int32Array(remembered).fill(-1)
  readonly #atMs = new Float64Array(remembered)
  #newest = 0
  /** How many of them have these low bits: most searches end here. */
  readonly #lowBits = new Uint8Array(1024)
  #lastChunk = -1

  constructor(region: PredictedRegion) {
    this.#region = region
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (chunk === this.#lastChunk || !(chunk >= 0 && chunk < this.#region.chunks)) return
    this.#lastChunk = chunk
    let seen = false
    let skipping = -1
    for (let s = 0; s < this.#streams; s++) {
      const distance = chunk - this.#last[s]!
      const stride = this.#stride[s]!
      if (distance === stride) return this.#advance(s, chunk, atMs, 1)
      if (distance === 0) seen = true
      else if (distance === 2 * stride) skipping = s
    }
    // A stream that was here before, or that skips a step, comes after one that goes on: two on one path would take turns.
    if (seen) return
    if (skipping >= 0) this.#advance(skipping, chunk, atMs, 2)
    else this.#unexplained(chunk, atMs)
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    let found: Array<Prediction> | undefined
    for (let s = 0; s < this.#streams; s++) {
      const steps = this.#steps[s]!
      const paceMs = this.#paceMs[s]!
      const lastMs = this.#lastMs[s]!
      if (steps < believed || nowMs - lastMs > Math.max(16 * paceMs, this.#region.coldMs)) continue
      const atMs = Math.max(nowMs, lastMs + paceMs)
      const left = nowMs + horizonMs - atMs
      if (left < 0) continue
      const stride = this.#stride[s]!
      const ahead = Math.min(furthest, 2 * steps, 1 + (paceMs > 0 ? Math.floor(left / paceMs) : furthest))
      const chunk = this.#last[s]! + stride
      const count = fitting(this.#region, chunk, stride, ahead)
      if (count === 0) continue
      found ??= []
      found.push({ chunk, stride, count, atMs, stepMs: paceMs, spreadMs: this.#deviationMs[s]!, confidence: steps / (steps + 1) })
    }
    return found === undefined ? nothing : found.toSorted((a, b) => a.atMs - b.atMs)
  }

  get bytes(): number {
    return byteLength(
      this.#last,
      this.#stride,
      this.#steps,
      this.#lastMs,
      this.#paceMs,
      this.#deviationMs,
      this.#chunk,
      this.#atMs,
      this.#lowBits
    )
  }

  readonly explain = (): string => {
    const streams = Array.from({ length: this.#streams }, (_, s) => s).filter((s) => this.#steps[s]! >= believed)
    return streams.length === 0
      ? "no stream"
      : `${streams.length} stream${streams.length > 1 ? "s" : ""}: ${streams
          .map(
            (s) =>
              `at ${this.#last[s]!} by ${this.#stride[s]! > 0 ? "+" : ""}${this.#stride[s]!} every ${this.#paceMs[s]!.toPrecision(2)} ms`
          )
          .join(", ")}`
  }

  #advance(s: number, chunk: number, atMs: number, steps: number): void {
    this.#steps[s]! += 1
    this.#last[s] = chunk
    const offMs = (atMs - this.#lastMs[s]!) / steps - this.#paceMs[s]!
    this.#paceMs[s]! += offMs / 8
    this.#deviationMs[s]! += (Math.abs(offMs) - this.#deviationMs[s]!) / 8
    this.#lastMs[s] = atMs
    if (fitting(this.#region, chunk + this.#stride[s]!, 1, 1) === 0) this.#end(s)
  }

  /** Past the region's end: its place is the next to be taken, and no touch is near it. */
  #end(s: number): void {
    this.#steps[s] = 0
    this.#last[s] = -(2 ** 30)
    this.#lastMs[s] = Number.NEGATIVE_INFINITY
  }

  #unexplained(chunk: number, atMs: number): void {
    for (let i = 0; i < remembered; i++) {
      const a = (this.#newest - i) & (remembered - 1)
      const middle = this.#chunk[a]!
      if (middle < 0) break
      const stride = chunk - middle
      if (stride === 0) return
      const before = middle - stride
      if (before < 0 || before >= this.#region.chunks || this.#lowBits[before & 1023] === 0) continue
      for (let j = i + 1; j < remembered; j++) {
        const b = (this.#newest - j) & (remembered - 1)
        if (this.#chunk[b] !== before) continue
        this.#begin(chunk, stride, atMs, (atMs - this.#atMs[b]!) / 2)
        return
      }
    }
    this.#newest = (this.#newest + 1) % remembered
    const forgotten = this.#chunk[this.#newest]!
    if (forgotten >= 0) this.#lowBits[forgotten & 1023]!--
    this.#lowBits[chunk & 1023]!++
    this.#chunk[this.#newest] = chunk
    this.#atMs[this.#newest] = atMs
  }

  #begin(chunk: number, stride: number, atMs: number, paceMs: number): void {
    let s = 0
    for (let i = 1; i < this.#streams; i++) if (this.#lastMs[i]! < this.#lastMs[s]!) s = i
    if (this.#streams < mostStreams && (this.#streams === 0 || this.#steps[s] !== 0)) s = this.#streams++
    this.#last[s] = chunk
    this.#stride[s] = stride
    this.#steps[s] = 2
    this.#lastMs[s] = atMs
    this.#paceMs[s] = paceMs
    this.#deviationMs[s] = 0
  }
}

export const stride: PredictorKind = {
  name: "stride",
  summary: "Streams of equal steps: any stride, several at once.",
  make: (region) => new Streams(region)
}
