/**
 * Predictors to compare with: `none` (the reactive arena), `next-k` (what the prototype did: the next chunks, whatever happens) and `oracle`, which
 * is given the future. The oracle knows the touches, not the restores: what cannot be restored in time is late for it too.
 */
import { fitting, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

export const none: PredictorKind = {
  name: "none",
  summary: "Predicts nothing: every restore is on demand.",
  make: () => ({ name: "none", bytes: 0, observe: () => {}, hint: () => {}, predict: () => nothing, explain: () => "predicts nothing" })
}

/** After every touch, the `k` chunks behind it; when, it does not know: within a cold age. */
export const nextK = (k = 4): PredictorKind => ({
  name: "next-k",
  summary: `After every touch, the next ${k} chunks.`,
  make: (region) => {
    let last = -1
    let lastAtMs = 0
    return {
      name: "next-k",
      bytes: 16,
      observe: (chunk, atMs) => {
        if (!(chunk >= 0 && chunk < region.chunks)) return
        last = chunk
        lastAtMs = atMs
      },
      hint: () => {},
      predict: (nowMs) => {
        const count = last < 0 || nowMs - lastAtMs > region.coldMs ? 0 : fitting(region, last + 1, 1, k)
        return count === 0
          ? nothing
          : [{ chunk: last + 1, stride: 1, count, atMs: nowMs, stepMs: 0, spreadMs: region.coldMs, confidence: 0.5 }]
      },
      explain: () => (last < 0 ? "nothing touched yet" : `the ${k} chunks after ${last}`)
    }
  }
})

/** Touches of one region in order of time: `chunks[i]` at `timesMs[i]`. */
export interface TouchSequence {
  readonly chunks: ArrayLike<number>
  readonly timesMs: ArrayLike<number>
}

/** Knows all touches of the region before they happen; names only those that come after a pause of the cold age. At most 8192 an answer. */
export const oracle = (future: TouchSequence): PredictorKind => ({
  name: "oracle",
  summary: "Given the future: the most that any predictor can reach with these restores.",
  make: (region) => new Oracle(region, future)
})

class Oracle implements Predictor {
  readonly name = "oracle"
  readonly hint = () => {}
  readonly observe = () => {}
  /** The future itself, which is not counted: no arena has it. */
  readonly bytes = 0
  readonly #chunks: Array<number> = []
  readonly #timesMs: Array<number> = []
  #next = 0

  constructor(region: PredictedRegion, future: TouchSequence) {
    const lastMs = new Float64Array(region.chunks).fill(Number.NEGATIVE_INFINITY)
    for (let i = 0; i < future.chunks.length; i++) {
      const chunk = future.chunks[i]!
      const atMs = future.timesMs[i]!
      if (!(chunk >= 0 && chunk < region.chunks)) continue
      if (atMs - lastMs[chunk]! >= region.coldMs) {
        this.#chunks.push(chunk)
        this.#timesMs.push(atMs)
      }
      lastMs[chunk] = atMs
    }
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    while (this.#next < this.#chunks.length && this.#timesMs[this.#next]! <= nowMs) this.#next++
    const runs: Array<Prediction> = []
    const end = Math.min(this.#chunks.length, this.#next + 8192)
    let i = this.#next
    while (i < end && this.#timesMs[i]! <= nowMs + horizonMs) {
      const chunk = this.#chunks[i]!
      const atMs = this.#timesMs[i]!
      const stepMs = i + 1 < end ? this.#timesMs[i + 1]! - atMs : 0
      let count = 1
      // Neighbours in even steps are one run.
      while (
        i + count < end &&
        this.#chunks[i + count] === chunk + count &&
        Math.abs(this.#timesMs[i + count]! - (atMs + count * stepMs)) < 1e-6 * (1 + count) &&
        this.#timesMs[i + count]! <= nowMs + horizonMs
      ) {
        count++
      }
      runs.push({ chunk, stride: 1, count, atMs, stepMs: count > 1 ? stepMs : 0, spreadMs: 0, confidence: 1 })
      i += count
    }
    return runs
  }

  readonly explain = () => `${this.#chunks.length - this.#next} cold touches to come`
}
