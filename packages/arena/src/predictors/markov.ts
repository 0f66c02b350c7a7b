/**
 * A Markov chain over clusters of chunks: from the cluster in use, which ones come next, after how long. For each of at most 256 clusters its four
 * likeliest successors; old counts fade. Knows one step of history only; looks up to four steps ahead where the way is likely enough.
 * Source: Joseph and Grunwald, "Prefetching using Markov Predictors" (ISCA 1997).
 */
import { Clusters } from "./clusters.ts"
import { byteLength, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

const successors = 4
const mostClusters = 256
const steps = 4
const likely = 0.3
/** Transitions from a cluster after which their counts are halved. */
const fading = 32

class Markov implements Predictor {
  readonly name = "markov"
  readonly hint = () => {}
  readonly #region: PredictedRegion
  readonly #clusters: Clusters
  readonly #next: Int16Array
  readonly #counts: Float32Array
  /** Mean time from entering a cluster to entering that successor. */
  readonly #afterMs: Float32Array
  readonly #totals: Float32Array
  #current = -1
  #enteredMs = 0

  constructor(region: PredictedRegion) {
    this.#region = region
    this.#clusters = new Clusters(region.chunks, mostClusters)
    const entries = this.#clusters.count * successors
    this.#next = new Int16Array(entries).fill(-1)
    this.#counts = new Float32Array(entries)
    this.#afterMs = new Float32Array(entries)
    this.#totals = new Float32Array(this.#clusters.count)
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (!(chunk >= 0 && chunk < this.#region.chunks)) return
    const cluster = chunk >> this.#clusters.shift
    if (cluster !== this.#current) {
      if (this.#current >= 0) this.#learn(this.#current, cluster, atMs - this.#enteredMs)
      this.#clusters.visit(cluster)
      this.#current = cluster
      this.#enteredMs = atMs
    }
    this.#clusters.mark(chunk)
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    if (this.#current < 0) return nothing
    const found: Array<Prediction> = []
    this.#follow(found, this.#current, this.#enteredMs, 1, steps, nowMs, nowMs + horizonMs)
    return found.length === 0 ? nothing : found.toSorted((a, b) => a.atMs - b.atMs)
  }

  get bytes(): number {
    return byteLength(this.#clusters, this.#next, this.#counts, this.#afterMs, this.#totals)
  }

  readonly explain = (): string => {
    if (this.#current < 0) return "nothing touched yet"
    const total = this.#totals[this.#current]!
    const next = Array.from({ length: successors }, (_, i) => this.#current * successors + i)
      .filter((e) => this.#counts[e]! > 0)
      .toSorted((a, b) => this.#counts[b]! - this.#counts[a]!)
      .map((e) => `${this.#next[e]} (${Math.round((100 * this.#counts[e]!) / total)} %, ${this.#afterMs[e]!.toFixed(1)} ms)`)
    return `in cluster ${this.#current}, then ${next.join(", ") || "unknown"}`
  }

  #learn(from: number, to: number, tookMs: number): void {
    const first = from * successors
    let slot = first
    for (let e = first; e < first + successors; e++) {
      if (this.#next[e] === to) {
        slot = e
        break
      }
      if (this.#counts[e]! < this.#counts[slot]!) slot = e
    }
    if (this.#next[slot] !== to) {
      // What the rarest successor counted stays in the total: it went somewhere that is no longer known.
      this.#next[slot] = to
      this.#counts[slot] = 0
      this.#afterMs[slot] = tookMs
    }
    this.#counts[slot]! += 1
    this.#afterMs[slot]! += (tookMs - this.#afterMs[slot]!) / 4
    this.#totals[from]! += 1
    if (this.#totals[from]! < fading) return
    this.#totals[from]! /= 2
    for (let e = first; e < first + successors; e++) this.#counts[e]! /= 2
  }

  #follow(found: Array<Prediction>, from: number, fromMs: number, chance: number, left: number, nowMs: number, untilMs: number): void {
    const total = this.#totals[from]!
    if (left === 0 || total < 2) return
    for (let e = from * successors; e < (from + 1) * successors; e++) {
      const count = this.#counts[e]!
      // Laplace's rule: one more transition, to somewhere else.
      const confidence = (chance * count) / (total + 1)
      if (count === 0 || confidence < likely) continue
      const afterMs = this.#afterMs[e]!
      // Somebody who has stayed far longer than ever has gone to sleep.
      if (from === this.#current && nowMs - this.#enteredMs > 4 * afterMs + this.#region.coldMs) continue
      const atMs = Math.max(nowMs, fromMs + afterMs)
      if (atMs > untilMs) continue
      const to = this.#next[e]!
      this.#clusters.addRuns(found, to, { atMs, spreadMs: afterMs / 4, confidence }, 0)
      this.#follow(found, to, atMs, confidence, left - 1, nowMs, untilMs)
    }
  }
}

export const markov: PredictorKind = {
  name: "markov",
  summary: "Which cluster of chunks follows the one in use, and after how long.",
  make: (region) => new Markov(region)
}
