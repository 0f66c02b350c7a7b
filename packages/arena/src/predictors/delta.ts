/**
 * Delta correlation: after these two or three distances between touches, that distance came next. Finds patterns of unequal steps (+1 +1 +5) and
 * pointer chases in an order that repeats. One history for the whole region: touches of unrelated streams in between break it (`stride`, `association`).
 * Source: Nesbit and Smith, "Data Cache Prefetching Using a Global History Buffer" (HPCA 2004); Shevgoor et al., VLDP (MICRO 2015).
 */
import { byteLength, type Draft, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

const furthest = 64
const surest = 7

/** From a context of distances to the next one, with a counter that says how often it held. Each context may lie in two places. */
class DeltaTable {
  readonly #mask: number
  readonly #context: Int32Array
  readonly #next: Int32Array
  readonly #sure: Uint8Array

  constructor(entries: number) {
    this.#mask = entries - 1
    this.#context = new Int32Array(entries)
    this.#next = new Int32Array(entries)
    this.#sure = new Uint8Array(entries)
  }

  get byteLength(): number {
    return this.#context.byteLength + this.#next.byteLength + this.#sure.byteLength
  }

  learn(context: number, next: number): void {
    let i = this.#find(context)
    if (i >= 0 && this.#next[i] === next) {
      if (this.#sure[i]! < surest) this.#sure[i]! += 1
      return
    }
    if (i < 0) {
      i = context & this.#mask
      if (this.#sure[i ^ 1]! < this.#sure[i]!) i ^= 1
    }
    if (this.#sure[i]! > 1) {
      this.#sure[i]! >>= 1
      return
    }
    this.#context[i] = context
    this.#next[i] = next
    this.#sure[i] = 1
  }

  /** How often the context's answer held lately, 0 if it has none. */
  sureness(context: number): number {
    const i = this.#find(context)
    return i < 0 ? 0 : this.#sure[i]!
  }

  /** Only after `sureness` was not 0. */
  next(context: number): number {
    return this.#next[this.#find(context)]!
  }

  #find(context: number): number {
    const i = context & this.#mask
    if (this.#context[i] === context && this.#sure[i] !== 0) return i
    return this.#context[i ^ 1] === context && this.#sure[i ^ 1] !== 0 ? i ^ 1 : -1
  }
}

const mixed = (a: number, b: number): number => {
  const h = Math.imul(Math.imul(a, 0x9e3779b1) ^ b, 0x85ebca6b)
  return h ^ (h >>> 15)
}

class DeltaCorrelation implements Predictor {
  readonly name = "delta"
  readonly hint = () => {}
  readonly #region: PredictedRegion
  readonly #two: DeltaTable
  readonly #three: DeltaTable
  /** The last three distances, newest first. */
  #d1 = 0
  #d2 = 0
  #d3 = 0
  #seen = 0
  #last = -1
  #lastMs = 0
  #paceMs = 0
  #deviationMs = 0
  /** The share of distances that came as the tables said, lately. */
  #held = 0

  constructor(region: PredictedRegion) {
    this.#region = region
    const entries = Math.min(8192, Math.max(256, 2 * 2 ** Math.ceil(Math.log2(Math.max(1, region.chunks)))))
    this.#two = new DeltaTable(entries)
    this.#three = new DeltaTable(entries)
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (chunk === this.#last || !(chunk >= 0 && chunk < this.#region.chunks)) return
    if (this.#last >= 0) {
      const delta = chunk - this.#last
      const two = mixed(this.#d1, this.#d2)
      const three = mixed(two, this.#d3)
      const sure = this.#sureness(two, three)
      if (sure > 0) this.#held += ((this.#next(two, three) === delta ? 1 : 0) - this.#held) / 32
      if (this.#seen >= 2) this.#two.learn(two, delta)
      if (this.#seen >= 3) this.#three.learn(three, delta)
      this.#d3 = this.#d2
      this.#d2 = this.#d1
      this.#d1 = delta
      // A pause is not part of the pace.
      const sinceMs = atMs - this.#lastMs
      if (sinceMs < this.#region.coldMs) {
        const offMs = sinceMs - this.#paceMs
        this.#paceMs += offMs / (this.#seen === 0 ? 1 : 8)
        if (this.#seen > 0) this.#deviationMs += (Math.abs(offMs) - this.#deviationMs) / 8
      }
      if (this.#seen < 3) this.#seen++
    }
    this.#last = chunk
    this.#lastMs = atMs
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    if (this.#seen < 2 || nowMs - this.#lastMs > Math.max(16 * this.#paceMs, this.#region.coldMs)) return nothing
    const found: Array<Draft> = []
    let [d1, d2, d3, chunk] = [this.#d1, this.#d2, this.#d3, this.#last]
    let atMs = Math.max(nowMs, this.#lastMs + this.#paceMs)
    let held = 1
    let weakest = surest
    for (let i = 0; i < furthest && atMs <= nowMs + horizonMs; i++) {
      const two = mixed(d1, d2)
      const three = mixed(two, d3)
      const sure = this.#sureness(two, three)
      if (sure === 0) break
      const delta = this.#next(two, three)
      // Every step ahead may fail as the last ones did; what the way's weakest context is worth counts once.
      weakest = Math.min(weakest, sure)
      held *= this.#held
      const confidence = (held * weakest) / (weakest + 1)
      chunk += delta
      if (confidence < 0.25 || delta === 0 || chunk < 0 || chunk >= this.#region.chunks) break
      this.#add(found, chunk, delta, atMs, confidence)
      d3 = d2
      d2 = d1
      d1 = delta
      atMs += this.#paceMs
    }
    return found
  }

  get bytes(): number {
    return byteLength(this.#two, this.#three)
  }

  readonly explain = (): string =>
    this.#seen < 2 ? "too few touches" : `at ${this.#last} after distances ${this.#d3}, ${this.#d2}, ${this.#d1}`

  #sureness(two: number, three: number): number {
    return Math.max(this.#two.sureness(two), this.#three.sureness(three))
  }

  /** What the longer context says, if it says anything. */
  #next(two: number, three: number): number {
    return this.#three.sureness(three) > 0 ? this.#three.next(three) : this.#two.next(two)
  }

  #add(found: Array<Draft>, chunk: number, delta: number, atMs: number, confidence: number): void {
    const run = found.at(-1)
    const stepMs = this.#paceMs
    if (
      run !== undefined &&
      (run.count === 1 || run.stride === delta) &&
      run.chunk + run.count * delta === chunk &&
      run.confidence === confidence
    ) {
      run.stride = delta
      run.count++
    } else found.push({ chunk, stride: delta, count: 1, atMs, stepMs, spreadMs: this.#deviationMs, confidence })
  }
}

export const delta: PredictorKind = {
  name: "delta",
  summary: "What distance came next after these distances.",
  make: (region) => new DeltaCorrelation(region)
}
