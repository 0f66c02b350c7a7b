/**
 * Groups a region's chunks into at most so many clusters of neighbours, all of one size (a power of two), so that tables stay bounded whatever
 * the region. Remembers which chunks of a cluster its last two visits touched, so that a cluster stands for those and not for all it could hold.
 * A visit is whatever the owner says it is. Costs one byte a chunk and one a cluster.
 */
import type { Prediction } from "./Predictor.ts"

export class Clusters {
  readonly count: number
  /** A chunk's cluster is `chunk >> shift`. */
  readonly shift: number
  readonly #chunks: number
  readonly #visits: Uint8Array
  readonly #seen: Uint8Array

  constructor(chunks: number, most: number) {
    let shift = 0
    while (Math.ceil(chunks / 2 ** shift) > most) shift++
    this.shift = shift
    this.count = Math.ceil(chunks / 2 ** shift)
    this.#chunks = chunks
    // Two visits are "recent": counters begin at 2, marks at 0, so that nothing is recent before it was touched.
    this.#visits = new Uint8Array(this.count).fill(2)
    this.#seen = new Uint8Array(chunks)
  }

  get byteLength(): number {
    return this.#visits.byteLength + this.#seen.byteLength
  }

  visit(cluster: number): void {
    this.#visits[cluster]!++
    // A counter of 8 bits comes round: marks that have not moved for as long are forgotten in time.
    if (this.#visits[cluster]! % 64 === 0) this.#forget(cluster)
  }

  mark(chunk: number): void {
    this.#seen[chunk] = this.#visits[chunk >> this.shift]!
  }

  isRecent(chunk: number): boolean {
    return ((this.#visits[chunk >> this.shift]! - this.#seen[chunk]!) & 0xff) <= 1
  }

  firstChunk(cluster: number): number {
    return cluster << this.shift
  }

  endChunk(cluster: number): number {
    return Math.min(this.#chunks, (cluster + 1) << this.shift)
  }

  /** Adds runs of the cluster's recent chunks to `into`, spread evenly over `lengthMs` from `atMs` on. */
  addRuns(into: Array<Prediction>, cluster: number, when: Pick<Prediction, "atMs" | "spreadMs" | "confidence">, lengthMs: number): void {
    const end = this.endChunk(cluster)
    const first = this.firstChunk(cluster)
    const stepMs = lengthMs / (end - first)
    let chunk = first
    while (chunk < end) {
      if (!this.isRecent(chunk)) {
        chunk++
        continue
      }
      let count = 1
      while (chunk + count < end && this.isRecent(chunk + count)) count++
      into.push({ ...when, chunk, stride: 1, count, atMs: when.atMs + (chunk - first) * stepMs, stepMs })
      chunk += count
    }
  }

  #forget(cluster: number): void {
    const now = this.#visits[cluster]!
    for (let chunk = this.firstChunk(cluster); chunk < this.endChunk(cluster); chunk++) {
      if (((now - this.#seen[chunk]!) & 0xff) > 1) this.#seen[chunk] = now - 64
    }
  }
}
