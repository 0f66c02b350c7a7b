/**
 * What streams of touches are put together from: random fractions from a seed, touches in order of time, orders of chunks. Knows no stream.
 */
import type { TouchStream } from "./evaluate.ts"
import type { PredictedRegion } from "./Predictor.ts"

/** xorshift32 (Marsaglia 2003), in [0, 1). */
export const randomFractions = (seed: number): (() => number) => {
  let x = Math.imul(seed, 0x9e3779b1) || 1
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) / 2 ** 32
  }
}

/** Collects touches in any order of time and puts them in order. */
export class Touches {
  readonly #chunks: Array<number> = []
  readonly #timesMs: Array<number> = []
  #isSorted = true

  add(chunk: number, atMs: number): void {
    this.#isSorted &&= this.#timesMs.length === 0 || this.#timesMs.at(-1)! <= atMs
    this.#chunks.push(chunk)
    this.#timesMs.push(atMs)
  }

  /** One touch of each chunk, evenly over `lengthMs`. */
  pass(chunks: ReadonlyArray<number>, atMs: number, lengthMs: number): void {
    for (let i = 0; i < chunks.length; i++) this.add(chunks[i]!, atMs + (i * lengthMs) / chunks.length)
  }

  end(): Pick<TouchStream, "chunks" | "timesMs"> {
    if (this.#isSorted) return { chunks: Int32Array.from(this.#chunks), timesMs: Float64Array.from(this.#timesMs) }
    const order = Uint32Array.from(this.#chunks.keys()).toSorted((a, b) => this.#timesMs[a]! - this.#timesMs[b]! || a - b)
    return { chunks: Int32Array.from(order, (i) => this.#chunks[i]!), timesMs: Float64Array.from(order, (i) => this.#timesMs[i]!) }
  }
}

export const range = (first: number, count: number, stride = 1): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, i) => first + i * stride)

export const shuffled = (chunks: ReadonlyArray<number>, random: () => number): ReadonlyArray<number> => {
  const order = [...chunks]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swapped = order[i]!
    order[i] = order[j]!
    order[j] = swapped
  }
  return order
}

/** `restoreMs`: LZ4 decompresses about 1.6 GB/s on one core. */
export const region = (chunks: number, coldMs: number): PredictedRegion => ({ chunks, coldMs, restoreMs: 0.04 })
