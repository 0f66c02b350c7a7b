/**
 * Touches of a region on their way to its predictor: written in nanoseconds where they happen, read when there is time. When it is full, the
 * newest are left out and counted: predictors live with gaps, readers should not wait.
 */
import type { Milliseconds } from "@wmo/core"

const capacity = 16_384

export class TouchLog {
  readonly #chunks = new Uint32Array(capacity)
  readonly #timesMs = new Float64Array(capacity)
  readonly #writes = new Uint8Array(capacity)
  #length = 0
  #missed = 0

  add(chunk: number, atMs: Milliseconds, isWrite: boolean): void {
    if (this.#length === capacity) {
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
    return this.#length >= capacity / 2
  }

  get missed(): number {
    return this.#missed
  }

  get metadataBytes(): number {
    return capacity * (4 + 8 + 1)
  }
}
