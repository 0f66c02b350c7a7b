/**
 * Phase hints: `activeSoon` says that the region will be used soon; what it used in its last active time is what it will use, after the delay that
 * earlier hints had. An active time ends with a pause of the cold age of the whole region. Hints that nothing followed lower the confidence.
 * Knows nothing of order: the chunks come in address order at one moment.
 */
import { byteLength, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

/** A hint that nothing follows for this long was wrong. */
const forgottenMs = 10_000

class Hinted implements Predictor {
  readonly name = "hinted"
  readonly #region: PredictedRegion
  /** The active time in which a chunk was last used, 0 for never. */
  readonly #used: Uint16Array
  #activeTime = 2
  #lastMs = Number.NaN
  #hintMs = Number.NaN
  #delayMs = 0
  #deviationMs = 0
  #kept = 0
  #given = 0

  constructor(region: PredictedRegion) {
    this.#region = region
    this.#used = new Uint16Array(region.chunks)
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (!(chunk >= 0 && chunk < this.#region.chunks)) return
    if (atMs - this.#lastMs >= this.#region.coldMs) this.#wakes(atMs)
    this.#lastMs = atMs
    this.#used[chunk] = this.#activeTime
  }

  readonly hint = (atMs: number): void => {
    // Said again, it moves: the last one counts.
    this.#hintMs = atMs
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    if (!(nowMs - this.#hintMs <= forgottenMs) || Number.isNaN(this.#lastMs)) return nothing
    const atMs = Math.max(nowMs, this.#hintMs + this.#delayMs)
    if (atMs - 2 * this.#deviationMs > nowMs + horizonMs) return nothing
    const confidence = (this.#kept + 1) / (this.#given + 1)
    // How long after a hint is unknown before the first one: any time from now on.
    const spreadMs = this.#kept === 0 ? forgottenMs : 2 * this.#deviationMs
    const when = { stride: 1, atMs, stepMs: 0, spreadMs, confidence }
    const found: Array<Prediction> = []
    for (let chunk = 0; chunk < this.#used.length; chunk++) {
      if (!this.#isUsed(chunk)) continue
      const first = chunk
      while (chunk + 1 < this.#used.length && this.#isUsed(chunk + 1)) chunk++
      found.push({ ...when, chunk: first, count: chunk - first + 1 })
    }
    return found
  }

  get bytes(): number {
    return byteLength(this.#used)
  }

  readonly explain = (): string =>
    this.#given === 0
      ? "no hint yet"
      : `${this.#kept.toFixed(1)} of ${this.#given.toFixed(1)} hints kept, after ${this.#delayMs.toFixed(0)} ms`

  #isUsed(chunk: number): boolean {
    return this.#used[chunk] === this.#activeTime
  }

  #wakes(atMs: number): void {
    // 0 is "never"; numbers come round after 65,535 active times.
    this.#activeTime = this.#activeTime === 0xffff ? 2 : this.#activeTime + 1
    if (Number.isNaN(this.#hintMs)) return
    const delayMs = atMs - this.#hintMs
    this.#given = this.#given * 0.9 + 1
    this.#kept *= 0.9
    if (delayMs <= forgottenMs) {
      const isFirst = this.#kept === 0
      this.#kept += 1
      this.#deviationMs += (Math.abs(delayMs - this.#delayMs) - this.#deviationMs) / 4
      if (isFirst) this.#deviationMs = delayMs / 4
      this.#delayMs = isFirst ? delayMs : this.#delayMs + (delayMs - this.#delayMs) / 4
    }
    this.#hintMs = Number.NaN
  }
}

export const hinted: PredictorKind = {
  name: "hinted",
  summary: "What was used last time, once the application says that it will be used soon.",
  make: (region) => new Hinted(region)
}
