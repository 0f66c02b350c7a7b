/**
 * Bursts: each cluster of chunks (at most 1024) learns the time from one start of its use to the next, where a start is a touch after a pause of at
 * least the cold age. What comes round regularly is predicted for its next start, with a spread of 2.5 mean deviations, so that jitter is met by
 * being early. Two gaps that agree with each other but not with the mean are a new period; a single odd one is let pass, and a touch in between does
 * not move the beat; a skipped beat or two are waited for. Does not see patterns of several unequal gaps. Mean and deviation: as TCP's round-trip times (RFC 6298).
 */
import { Clusters } from "./clusters.ts"
import { byteLength, type Draft, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

const mostClusters = 1024
/** Mean deviation over period above which nothing is regular; of Poisson arrivals it is 0.74. */
const regular = 0.2
/** Two gaps that differ by less than this share are the same period. */
const same = 0.15
/** Predictions less sure than this are not made. */
const hopeless = 0.2
/** Beats that may be skipped before it stops waiting. */
const patience = 2

class Periodic implements Predictor {
  readonly name = "periodic"
  readonly hint = () => {}
  readonly #region: PredictedRegion
  readonly #clusters: Clusters
  readonly #lastMs: Float64Array
  readonly #startMs: Float64Array
  readonly #periodMs: Float32Array
  readonly #deviationMs: Float32Array
  /** The last gap that did not fit, 0 if the last one did; negative if it was too long, and the beat was counted from its end. */
  readonly #oddMs: Float32Array
  readonly #gaps: Uint8Array
  /** The share of gaps in the whole region that were as expected, lately: how far to believe a cluster of which little is known. */
  #trust = 1
  /** Nothing is due before this: a lower bound, so that an idle region costs nothing to ask about. */
  #nothingBeforeMs = Number.POSITIVE_INFINITY

  constructor(region: PredictedRegion) {
    this.#region = region
    this.#clusters = new Clusters(region.chunks, mostClusters)
    const { count } = this.#clusters
    this.#lastMs = new Float64Array(count).fill(Number.NaN)
    this.#startMs = new Float64Array(count)
    this.#periodMs = new Float32Array(count)
    this.#deviationMs = new Float32Array(count)
    this.#oddMs = new Float32Array(count)
    this.#gaps = new Uint8Array(count)
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (!(chunk >= 0 && chunk < this.#region.chunks)) return
    const cluster = chunk >> this.#clusters.shift
    const lastMs = this.#lastMs[cluster]!
    // NaN before the first touch: that one is a start too, but ends no gap.
    if (!(atMs - lastMs < this.#region.coldMs)) {
      if (!(atMs >= lastMs) || this.#learn(cluster, atMs - this.#startMs[cluster]!)) this.#startMs[cluster] = atMs
      this.#clusters.visit(cluster)
      const dueMs = this.#earliest(cluster)
      if (dueMs < this.#nothingBeforeMs) this.#nothingBeforeMs = dueMs
    }
    this.#lastMs[cluster] = atMs
    this.#clusters.mark(chunk)
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    const untilMs = nowMs + horizonMs
    if (untilMs < this.#nothingBeforeMs) return nothing
    const found: Array<Draft> = []
    let soonestMs = Number.POSITIVE_INFINITY
    let runEnd = -1
    for (let cluster = 0; cluster < this.#clusters.count; cluster++) {
      const beat = this.#nextBeat(cluster, nowMs)
      if (beat === 0) continue
      const periodMs = this.#periodMs[cluster]!
      const atMs = this.#startMs[cluster]! + beat * periodMs
      const spreadMs = this.#spread(cluster)
      if (atMs - spreadMs > untilMs) {
        soonestMs = Math.min(soonestMs, atMs - spreadMs)
        continue
      }
      soonestMs = Math.min(soonestMs, nowMs)
      const gaps = this.#gaps[cluster]!
      const confidence = ((gaps / (gaps + 1)) * (1 - this.#relativeDeviation(cluster)) * this.#trust ** (2 / gaps)) / beat
      if (confidence < hopeless) continue
      runEnd = this.#add(found, cluster, runEnd, { atMs, spreadMs, confidence })
    }
    this.#nothingBeforeMs = soonestMs
    return found.toSorted((a, b) => a.atMs - b.atMs)
  }

  get bytes(): number {
    return byteLength(this.#clusters, this.#lastMs, this.#startMs, this.#periodMs, this.#deviationMs, this.#oddMs, this.#gaps)
  }

  readonly explain = (): string => {
    let most = -1
    const groups = new Map<string, { clusters: number; periodMs: number; deviationMs: number }>()
    for (let cluster = 0; cluster < this.#clusters.count; cluster++) {
      if (!this.#isRegular(cluster)) continue
      const periodMs = this.#periodMs[cluster]!
      const key = Math.round(Math.log2(periodMs) * 4).toString()
      const group = groups.get(key) ?? { clusters: 0, periodMs, deviationMs: this.#deviationMs[cluster]! }
      group.clusters++
      groups.set(key, group)
      most = Math.max(most, group.clusters)
    }
    const group = [...groups.values()].find(({ clusters }) => clusters === most)
    if (group === undefined) return "nothing comes round regularly"
    const chunks = Math.min(this.#region.chunks, group.clusters << this.#clusters.shift)
    return `${chunks} of ${this.#region.chunks} chunks every ${group.periodMs.toFixed(0)} ms ± ${group.deviationMs.toFixed(0)} ms`
  }

  /** A start. Returns whether the next beat is counted from it. */
  #learn(cluster: number, gapMs: number): boolean {
    const gaps = this.#gaps[cluster]!
    const periodMs = this.#periodMs[cluster]!
    if (gaps === 0) return this.#set(cluster, gapMs, 0, 1)
    const offMs = gapMs - periodMs
    const isExpected = this.#isRegular(cluster) && Math.abs(offMs) <= this.#spread(cluster)
    this.#trust += ((isExpected ? 1 : 0) - this.#trust) / 256
    if (gaps > 1 && Math.abs(offMs) > Math.max(this.#spread(cluster), same * periodMs)) return this.#odd(cluster, gapMs)
    const deviationMs = this.#deviationMs[cluster]!
    this.#periodMs[cluster] = periodMs + offMs * Math.max(1 / 8, 1 / (gaps + 1))
    this.#deviationMs[cluster] = deviationMs + (Math.abs(offMs) - deviationMs) * Math.max(1 / 8, 1 / gaps)
    this.#oddMs[cluster] = 0
    if (gaps < 255) this.#gaps[cluster] = gaps + 1
    return true
  }

  /** A start that came at the wrong time: a new period if it agrees with the one before it, else noise, which costs a little confidence. */
  #odd(cluster: number, gapMs: number): boolean {
    const periodMs = this.#periodMs[cluster]!
    const oddMs = this.#oddMs[cluster]!
    // Of early starts the beat goes on from the last good one: this one came so long after the last odd one.
    const sinceMs = oddMs > 0 ? gapMs - oddMs : gapMs
    const before = Math.abs(oddMs)
    if (before > 0 && Math.abs(sinceMs - before) <= same * before) {
      const newMs = (sinceMs + before) / 2
      const jumpMs = Math.abs(newMs - periodMs)
      // A small step may be jitter that is larger than it seemed.
      return this.#set(cluster, newMs, Math.max(Math.abs(sinceMs - before), jumpMs < 0.35 * periodMs ? jumpMs : 0) / 2, 2)
    }
    this.#gaps[cluster]! -= 1
    const isEarly = gapMs < periodMs
    this.#oddMs[cluster] = isEarly ? gapMs : -sinceMs
    return !isEarly
  }

  #set(cluster: number, periodMs: number, deviationMs: number, gaps: number): true {
    this.#periodMs[cluster] = periodMs
    this.#deviationMs[cluster] = deviationMs
    this.#oddMs[cluster] = 0
    this.#gaps[cluster] = gaps
    return true
  }

  #relativeDeviation(cluster: number): number {
    // What is known of few gaps is little: as if one more had been off by a tenth.
    const gaps = this.#gaps[cluster]!
    return ((gaps * this.#deviationMs[cluster]!) / this.#periodMs[cluster]! + 0.1) / (gaps + 1)
  }

  #isRegular(cluster: number): boolean {
    return this.#gaps[cluster]! > 0 && this.#relativeDeviation(cluster) <= regular
  }

  #spread(cluster: number): number {
    const periodMs = this.#periodMs[cluster]!
    return Math.max(2.5 * this.#relativeDeviation(cluster) * periodMs, periodMs / 100)
  }

  /** Which beat after the last start is the next one to expect: 1, or more when some were skipped; 0 if none. */
  #nextBeat(cluster: number, nowMs: number): number {
    if (!this.#isRegular(cluster)) return 0
    const periodMs = this.#periodMs[cluster]!
    const beat = Math.max(1, Math.ceil((nowMs - this.#spread(cluster) - this.#startMs[cluster]!) / periodMs))
    return beat > patience + 1 ? 0 : beat
  }

  #earliest(cluster: number): number {
    return this.#isRegular(cluster) ? this.#startMs[cluster]! + this.#periodMs[cluster]! - this.#spread(cluster) : Number.POSITIVE_INFINITY
  }

  /** Adds a cluster: to the run before if it goes on where and when that ends. Returns where such a run ends, -1 if it has holes. */
  #add(found: Array<Draft>, cluster: number, runEnd: number, when: Pick<Prediction, "atMs" | "spreadMs" | "confidence">): number {
    const first = this.#clusters.firstChunk(cluster)
    const end = this.#clusters.endChunk(cluster)
    let isWhole = true
    for (let chunk = first; chunk < end; chunk++) isWhole &&= this.#clusters.isRecent(chunk)
    const run = found.at(-1)
    if (isWhole && run !== undefined && runEnd === first) {
      const lastMs = run.atMs + (run.count - 1) * run.stepMs
      const sinceMs = when.atMs - lastMs
      if (sinceMs >= 0 && sinceMs <= this.#region.coldMs / 8 && Math.abs(when.confidence - run.confidence) < 0.1) {
        run.count = end - run.chunk
        // The cluster's own start is exact; what is before it was evened out.
        run.stepMs = (when.atMs - run.atMs) / (first - run.chunk)
        run.spreadMs = Math.max(run.spreadMs, when.spreadMs)
        run.confidence = Math.min(run.confidence, when.confidence)
        return end
      }
    }
    this.#clusters.addRuns(found, cluster, when, 0)
    return isWhole ? end : -1
  }
}

export const periodic: PredictorKind = {
  name: "periodic",
  summary: "Bursts: what comes round regularly, a moment before it does.",
  make: (region) => new Periodic(region)
}
