/**
 * What a predictor's predictions are worth, found out on the stream itself without restoring anything: a shadow of the region in which the restores
 * that `restoresDue` would begin take `restoreMs` each, one after the other, and what is not touched for `coldMs` is compressed.
 * Assumes that touches come at the same times whether or not they had to wait. A large region is judged by a sample of its chunks, one
 * drawn from each group of neighbours.
 *
 * - A touch **needed** a restore when the chunk had not been touched for `coldMs`; a chunk never seen counts from the first observation on.
 * - A chunk is **predicted** when a restore of it is begun (or it is kept from compression) because of a prediction.
 * - **In time**: touched when it was ready. **Late**: touched before it was ready. **Wasted**: not touched until `coldMs` after it was ready and its
 *   touch was expected, when it goes cold again. **Early**: in time, but it had been ready for more than `earlyMs`.
 */
import type { PredictedRegion, Prediction } from "./Predictor.ts"
import { restoresDue } from "./restoresDue.ts"

/** Counts of chunks. `predicted` is at least `inTime + late + wasted`; the rest is still open. `early` is a part of `inTime`. */
export interface Tally {
  needed: number
  predicted: number
  inTime: number
  late: number
  wasted: number
  early: number
}

export const emptyTally = (): Tally => ({ needed: 0, predicted: 0, inTime: 0, late: 0, wasted: 0, early: 0 })

/** Shares from 0 to 1; `undefined` where there is nothing to divide by. */
export interface Measures {
  /** In time / predicted, of those that are settled. `accuracy + late + pollution` is 1. */
  readonly accuracy: number | undefined
  /** In time / needed. */
  readonly coverage: number | undefined
  /** Early / predicted: a part of accuracy. */
  readonly early: number | undefined
  readonly late: number | undefined
  /** Wasted / predicted. */
  readonly pollution: number | undefined
}

const share = (part: number, whole: number): number | undefined => (whole > 0 ? part / whole : undefined)

export const measures = ({ early, inTime, late, needed, wasted }: Tally): Measures => {
  const settled = inTime + late + wasted
  return {
    accuracy: share(inTime, settled),
    coverage: share(inTime, needed),
    early: share(early, settled),
    late: share(late, settled),
    pollution: share(wasted, settled)
  }
}

export interface ScoreOptions {
  /** Time from one question to the next, roughly: what must begin before then begins now. */
  readonly marginMs: number
  readonly leastConfidence: number
  /** Ready for longer than this before the touch is early. Unless given, as long as restoring the whole region takes, at least the cold age. */
  readonly earlyMs?: number
}

/** Which chunks are judged: all, or one drawn from each group of `step` neighbours. Slots are numbered from 0. */
export class Sample {
  readonly step: number
  readonly slots: number
  constructor(chunks: number, most: number) {
    this.step = Math.ceil(chunks / most)
    this.slots = Math.ceil(chunks / this.step)
  }

  /** The first judged chunk from `chunk` on; may lie beyond the region. */
  nextFrom(chunk: number): number {
    if (this.step === 1) return chunk
    const group = Math.floor(chunk / this.step)
    const judged = group * this.step + this.#drawn(group)
    return judged >= chunk ? judged : (group + 1) * this.step + this.#drawn(group + 1)
  }

  /** The chunk's slot, or -1. Drawn by a hash, so that no stride is always or never in it. */
  slot(chunk: number): number {
    if (this.step === 1) return chunk
    const group = Math.floor(chunk / this.step)
    return chunk - group * this.step === this.#drawn(group) ? group : -1
  }

  #drawn(group: number): number {
    const h = Math.imul(group + 1, 0x9e3779b1)
    return ((h ^ (h >>> 15)) >>> 0) % this.step
  }
}

/** When each judged chunk was last touched: the same for all predictors that are compared. */
export class LastTouches {
  readonly sample: Sample
  readonly lastMs: Float64Array
  /** How many scores have an open prediction for it. */
  readonly open: Uint8Array
  readonly #region: PredictedRegion
  #hasBegun = false

  constructor(region: PredictedRegion, mostSlots = 4096) {
    this.#region = region
    this.sample = new Sample(region.chunks, mostSlots)
    this.lastMs = new Float64Array(this.sample.slots)
    this.open = new Uint8Array(this.sample.slots)
  }

  get byteLength(): number {
    return this.lastMs.byteLength + this.open.byteLength
  }

  /** From the first observation on, everything that is not touched grows cold. */
  begin(atMs: number): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.lastMs.fill(atMs)
  }

  isColdAt(slot: number, atMs: number): boolean {
    return atMs - this.lastMs[slot]! >= this.#region.coldMs
  }
}

/** Tells the scores of a touch of `chunk`, then the table. Returns whether the chunk needed a restore; of one that is not judged, no. */
export const scoreTouch = (touched: LastTouches, scores: ReadonlyArray<Score>, chunk: number, atMs: number): boolean => {
  const slot = touched.sample.slot(chunk)
  if (slot < 0) return false
  const needed = touched.isColdAt(slot, atMs)
  if (needed || touched.open[slot]! > 0) for (const score of scores) score.touch(slot, atMs, needed)
  touched.lastMs[slot] = atMs
  return needed
}

/** Halves a tally that holds twice `chunks`. */
const fade = (tally: Tally, chunks: number): void => {
  if (tally.needed + tally.predicted < 2 * chunks) return
  for (const key of Object.keys(tally) as Array<keyof Tally>) tally[key] /= 2
}

export class Score {
  readonly total = emptyTally()
  /** The same, the past counting half after as much again as the region has chunks. */
  readonly recent = emptyTally()
  /** `recent` of each zone of the region (`zones.ts`). */
  readonly zones: ReadonlyArray<Tally>
  readonly #region: PredictedRegion
  readonly #touched: LastTouches
  readonly #options: ScoreOptions
  /** When a predicted chunk is ready; 0 if none is open. */
  readonly #readyMs: Float64Array
  readonly #keptUntilMs: Float64Array
  #busyUntilMs = 0
  #swept = 0

  constructor(region: PredictedRegion, touched: LastTouches, options: ScoreOptions, zones = 1) {
    this.#region = region
    this.#touched = touched
    this.#options = options
    this.#readyMs = new Float64Array(touched.sample.slots)
    this.#keptUntilMs = new Float64Array(touched.sample.slots)
    this.zones = Array.from({ length: zones }, emptyTally)
  }

  get byteLength(): number {
    return this.#readyMs.byteLength + this.#keptUntilMs.byteLength
  }

  /** A judged chunk is touched, when it `needed` a restore or has an open prediction; other touches tell nothing. */
  touch(slot: number, atMs: number, needed: boolean): void {
    if (needed) this.#count("needed", slot)
    const readyMs = this.#readyMs[slot]!
    if (readyMs === 0) return
    if (this.#expire(slot, atMs)) return
    // Touched while it is warm all the same: the restore is neither right nor wrong yet.
    if (!needed) return this.#withdraw(slot)
    this.#close(slot)
    if (atMs < readyMs) return this.#count("late", slot)
    this.#count("inTime", slot)
    if (atMs - readyMs > this.#earlyMs()) this.#count("early", slot)
  }

  /** The predictor was asked at `nowMs` and said this. `marginMs`: when it is not asked as often as the options say. */
  asked(nowMs: number, predictions: ReadonlyArray<Prediction>, marginMs = this.#options.marginMs): void {
    this.#sweep(nowMs)
    if (predictions.length === 0) return
    const { sample } = this.#touched
    const restores = restoresDue(
      predictions,
      {
        nowMs,
        busyUntilMs: this.#busyUntilMs,
        restoreMs: this.#region.restoreMs * sample.step,
        marginMs,
        leastConfidence: this.#options.leastConfidence
      },
      (chunk, expectedByMs) => {
        const slot = sample.slot(chunk)
        return slot >= 0 && this.#touched.isColdAt(slot, expectedByMs) && (this.#readyMs[slot] === 0 || this.#expire(slot, nowMs))
      },
      sample
    )
    for (const { chunk, expectedByMs } of restores) {
      const slot = sample.slot(chunk)
      // A prediction may name a chunk twice.
      if (this.#readyMs[slot] !== 0) continue
      let readyMs = nowMs
      if (this.#touched.isColdAt(slot, nowMs)) {
        this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + this.#region.restoreMs * sample.step
        readyMs = this.#busyUntilMs
      }
      // 0 means none: a region may begin at time 0.
      this.#readyMs[slot] = Math.max(readyMs, Number.MIN_VALUE)
      this.#touched.open[slot]!++
      this.#keptUntilMs[slot] = Math.max(readyMs, expectedByMs) + this.#region.coldMs
      this.#count("predicted", slot)
    }
  }

  /** Settles what has gone cold by `nowMs`. */
  settle(nowMs: number): void {
    for (let slot = 0; slot < this.#readyMs.length; slot++) this.#expire(slot, nowMs)
  }

  #earlyMs(): number {
    return this.#options.earlyMs ?? Math.max(this.#region.coldMs, this.#region.chunks * this.#region.restoreMs)
  }

  #expire(slot: number, nowMs: number): boolean {
    if (this.#readyMs[slot] === 0 || nowMs <= this.#keptUntilMs[slot]!) return false
    this.#close(slot)
    this.#count("wasted", slot)
    return true
  }

  #close(slot: number): void {
    this.#readyMs[slot] = 0
    this.#touched.open[slot]!--
  }

  #withdraw(slot: number): void {
    this.#close(slot)
    this.total.predicted--
    this.recent.predicted--
    this.#zone(slot).predicted--
  }

  /** A sixteenth of the slots each time it is asked, so that waste shows soon though nobody comes by. */
  #sweep(nowMs: number): void {
    const end = Math.min(this.#readyMs.length, this.#swept + Math.ceil(this.#readyMs.length / 16))
    for (let slot = this.#swept; slot < end; slot++) this.#expire(slot, nowMs)
    this.#swept = end === this.#readyMs.length ? 0 : end
  }

  #zone(slot: number): Tally {
    return this.zones[Math.floor((slot * this.zones.length) / this.#readyMs.length)]!
  }

  #count(what: keyof Tally, slot: number): void {
    const zone = this.#zone(slot)
    this.total[what]++
    this.recent[what]++
    zone[what]++
    if (what !== "needed" && what !== "predicted") return
    fade(this.recent, Math.max(512, this.#readyMs.length))
    fade(zone, Math.max(128, this.#readyMs.length / this.zones.length))
  }
}
