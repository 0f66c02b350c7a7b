/**
 * Association: when this cluster wakes (is touched after a pause of the cold age), those wake within a second. For each of at most 512 clusters up to
 * six followers with their chance and delay; followers of followers are followed while the chance stays above one half. Finds sets that are used
 * together in any order and at any time; the first of a set is never predicted (`periodic`, `hinted`).
 * Source: the idea of block correlation, Li et al., "C-Miner" (FAST 2004), without its mining: counted online.
 */
import { Clusters } from "./clusters.ts"
import { byteLength, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"

const mostClusters = 512
const followers = 6
/** Wakings remembered, each of which the next ones may follow. */
const remembered = 6
const windowMs = 1000
const likely = 0.5
const mostAnswers = 64
const fading = 16

class Association implements Predictor {
  readonly name = "association"
  readonly hint = () => {}
  readonly #region: PredictedRegion
  readonly #clusters: Clusters
  readonly #lastMs: Float64Array
  readonly #wakings: Float32Array
  readonly #follower: Int16Array
  readonly #counts: Float32Array
  readonly #afterMs: Float32Array
  readonly #recent = new Int16Array(remembered).fill(-1)
  readonly #recentMs = new Float64Array(remembered)
  #newest = 0
  /** Which answer a cluster was last part of, so that none is named twice in one. */
  readonly #answered: Uint32Array
  #answer = 0

  constructor(region: PredictedRegion) {
    this.#region = region
    this.#clusters = new Clusters(region.chunks, mostClusters)
    const { count } = this.#clusters
    this.#lastMs = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
    this.#wakings = new Float32Array(count)
    this.#follower = new Int16Array(count * followers).fill(-1)
    this.#counts = new Float32Array(count * followers)
    this.#afterMs = new Float32Array(count * followers)
    this.#answered = new Uint32Array(count)
  }

  readonly observe = (chunk: number, atMs: number): void => {
    if (!(chunk >= 0 && chunk < this.#region.chunks)) return
    const cluster = chunk >> this.#clusters.shift
    if (atMs - this.#lastMs[cluster]! >= this.#region.coldMs) this.#wakes(cluster, atMs)
    this.#lastMs[cluster] = atMs
    this.#clusters.mark(chunk)
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    const newest = this.#recent[this.#newest]!
    if (newest < 0 || nowMs - this.#recentMs[this.#newest]! > windowMs) return nothing
    const found: Array<Prediction> = []
    const answer = ++this.#answer
    const queue = [{ cluster: newest, atMs: this.#recentMs[this.#newest]!, confidence: 1 }]
    this.#answered[newest] = answer
    for (let i = 0; i < queue.length && i < 2 * mostAnswers && found.length < mostAnswers; i++) {
      const from = queue[i]!
      const first = from.cluster * followers
      for (let e = first; e < first + followers; e++) {
        const to = this.#follower[e]!
        if (to < 0 || this.#answered[to] === answer) continue
        // Laplace's rule: one more waking, which it did not follow.
        const confidence = (from.confidence * this.#counts[e]!) / (this.#wakings[from.cluster]! + 0.25)
        if (this.#counts[e]! < 1 || confidence < likely) continue
        const atMs = Math.max(nowMs, from.atMs + this.#afterMs[e]!)
        if (atMs > nowMs + horizonMs) continue
        this.#answered[to] = answer
        queue.push({ cluster: to, atMs, confidence })
        const isAwake = nowMs - this.#lastMs[to]! < this.#region.coldMs
        if (!isAwake) this.#clusters.addRuns(found, to, { atMs, spreadMs: this.#afterMs[e]! / 2, confidence }, 0)
      }
    }
    return found.length === 0 ? nothing : found.toSorted((a, b) => a.atMs - b.atMs)
  }

  get bytes(): number {
    return byteLength(
      this.#clusters,
      this.#lastMs,
      this.#wakings,
      this.#follower,
      this.#counts,
      this.#afterMs,
      this.#recent,
      this.#recentMs,
      this.#answered
    )
  }

  readonly explain = (): string => {
    const newest = this.#recent[this.#newest]!
    if (newest < 0) return "nothing woke yet"
    const known = Array.from({ length: followers }, (_, i) => this.#follower[newest * followers + i]!).filter((to) => to >= 0)
    return `cluster ${newest} woke last; known to follow it: ${known.join(", ") || "none"}`
  }

  #wakes(cluster: number, atMs: number): void {
    for (let i = 0; i < remembered; i++) {
      const from = this.#recent[i]!
      const afterMs = atMs - this.#recentMs[i]!
      if (from >= 0 && from !== cluster && afterMs <= windowMs) this.#follows(from, cluster, afterMs)
    }
    this.#newest = (this.#newest + 1) % remembered
    this.#recent[this.#newest] = cluster
    this.#recentMs[this.#newest] = atMs
    this.#clusters.visit(cluster)
    this.#wakings[cluster]! += 1
    if (this.#wakings[cluster]! < fading) return
    this.#wakings[cluster]! /= 2
    for (let e = cluster * followers; e < (cluster + 1) * followers; e++) this.#counts[e]! /= 2
  }

  #follows(from: number, to: number, afterMs: number): void {
    const first = from * followers
    let slot = first
    for (let e = first; e < first + followers; e++) {
      if (this.#follower[e] === to) {
        slot = e
        break
      }
      if (this.#counts[e]! < this.#counts[slot]!) slot = e
    }
    if (this.#follower[slot] !== to) {
      // The weakest gives way once it has faded: otherwise it loses a little.
      if (this.#counts[slot]! > 1) {
        this.#counts[slot]! -= 0.5
        return
      }
      this.#follower[slot] = to
      this.#counts[slot] = 0
      this.#afterMs[slot] = afterMs
    }
    this.#counts[slot]! += 1
    this.#afterMs[slot]! += (afterMs - this.#afterMs[slot]!) / 4
  }
}

export const association: PredictorKind = {
  name: "association",
  summary: "What wakes within a second of what.",
  make: (region) => new Association(region)
}
