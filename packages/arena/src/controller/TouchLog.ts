/**
 * Touches of a region on their way to its predictor: written in nanoseconds where they happen, read when there is time. When it is full, the
 * newest are left out and counted: predictors live with gaps, readers should not wait.
 */
import type { Milliseconds } from "@wmo/core"

const mostTouches = 16_384
const leastTouches = 64

export class TouchLog {
  readonly #capacity: number
  readonly #chunks: Uint32Array
  readonly #timesMs: Float64Array
  readonly #writes: Uint8Array
  #length = 0
  #missed = 0

  /** `chunks`: of the region. Small regions are many. */
  constructor(chunks: number) {
    this.#capacity = Math.min(mostTouches, Math.max(leastTouches, 2 * chunks))
    this.#chunks = new Uint32Array(this.#capacity)
    this.#timesMs = new Float64Array(this.#capacity)
    this.#writes = new Uint8Array(this.#capacity)
  }

  add(chunk: number, atMs: Milliseconds, isWrite: boolean): void {
    if (this.#length === this.#capacity) {
      this.#missed++
      return
    }
    this.#chunks[this.#length] = chunk
    this.#timesMs[this.#length] = atMs
    this.#writes[this.#length++] = isWrite ? 1 : 0
  }

  drain(observe: (chunk: number, atMs: Milliseconds, isWrite: boolean) => void): void {
    for (let at = 0; at < this.#length; at++) observe(this.#chunks[at]!, this.#timesMs[at]!, this.#writes[at] === 1)
    this.#length = 0
  }

  get isHalfFull(): boolean {
    return this.#length >= this.#capacity / 2
  }

  get missed(): number {
    return this.#missed
  }

  get metadataBytes(): number {
    return this.#capacity * (4 + 8 + 1)
  }
}
