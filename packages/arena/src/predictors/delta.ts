/**
 * Delta correlation: after these two or three distances between touches, that distance came next. Finds patterns of unequal steps (+1 +1 +5) and
 * pointer chases in an order that repeats. One history for the whole region: touches of unrelated streams in between break it (`stride`, `association`).
 * Source: Nesbit and Smith, "Data Cache Prefetching Using a Global History Buffer" (HPCA 2004); Shevgoor et al., VLDP (MICRO 2015).
 */
import { nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

const furthest = 64
const surest = 7

/** From a context of distances to the next one; direct-mapped, with a counter that says how often it held. */
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

  learn(context: number, next: number): void {
    const i = context & this.#mask
    const sure = this.#sure[i]!
    if (sure > 0 && this.#context[i] === context && this.#next[i] === next) {
      if (sure < surest) this.#sure[i] = sure + 1
    } else if (sure > 1) this.#sure[i] = sure >> 1
    else {
      this.#context[i] = context
      this.#next[i] = next
      this.#sure[i] = 1
    }
  }

  /** How often the context's answer held lately, 0 if it has none. */
  sureness(context: number): number {
    const i = context & this.#mask
    return this.#context[i] === context ? this.#sure[i]! : 0
  }

  next(context: number): number {
    return this.#next[context & this.#mask]!
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

  constructor(region: PredictedRegion) {
    this.#region = region
    const entries = Math.min(4096, Math.max(256, 2 ** Math.ceil(Math.log2(Math.max(1, region.chunks)))))
    this.#two = new DeltaTable(entries)
    this.#three = new DeltaTable(entries)
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (chunk === this.#last || !(chunk >= 0 && chunk < this.#region.chunks)) return
    if (this.#last >= 0) {
      const delta = chunk - this.#last
      const two = mixed(this.#d1, this.#d2)
      if (this.#seen >= 2) this.#two.learn(two, delta)
      if (this.#seen >= 3) this.#three.learn(mixed(two, this.#d3), delta)
      this.#d3 = this.#d2
      this.#d2 = this.#d1
      this.#d1 = delta
      // A pause is not part of the pace.
      const sinceMs = atMs - this.#lastMs
      if (sinceMs < this.#region.coldMs) this.#paceMs += (sinceMs - this.#paceMs) / (this.#seen === 0 ? 1 : 8)
      if (this.#seen < 3) this.#seen++
    }
    this.#last = chunk
    this.#lastMs = atMs
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    if (this.#seen < 2 || nowMs - this.#lastMs > Math.max(16 * this.#paceMs, this.#region.coldMs)) return nothing
    const found: Array<Prediction> = []
    let [d1, d2, d3, chunk] = [this.#d1, this.#d2, this.#d3, this.#last]
    let atMs = Math.max(nowMs, this.#lastMs + this.#paceMs)
    let confidence = 1
    for (let i = 0; i < furthest && atMs <= nowMs + horizonMs; i++) {
      const two = mixed(d1, d2)
      const three = mixed(two, d3)
      const byThree = this.#three.sureness(three)
      const byTwo = this.#two.sureness(two)
      const sure = Math.max(byThree, byTwo)
      if (sure < 2) break
      const delta = byThree >= 2 ? this.#three.next(three) : this.#two.next(two)
      // A context that held every time loses nothing on the way ahead.
      confidence *= (sure + 1) / (surest + 1)
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

  readonly explain = (): string =>
    this.#seen < 2 ? "too few touches" : `at ${this.#last} after distances ${this.#d3}, ${this.#d2}, ${this.#d1}`

  #add(found: Array<Prediction>, chunk: number, delta: number, atMs: number, confidence: number): void {
    const run = found.at(-1)
    const stepMs = this.#paceMs
    if (
      run !== undefined &&
      (run.count === 1 || run.stride === delta) &&
      run.chunk + run.count * delta === chunk &&
      run.confidence === confidence
    ) {
      found[found.length - 1] = { ...run, stride: delta, count: run.count + 1 }
    } else found.push({ chunk, stride: delta, count: 1, atMs, stepMs, spreadMs: stepMs, confidence })
  }
}

export const delta: PredictorKind = {
  name: "delta",
  summary: "What distance came next after these distances.",
  make: (region) => new DeltaCorrelation(region)
}
