/** What the controller did and why, in a sentence for people; the last few hundred are kept. */
import type { Milliseconds } from "@wmo/core"

export interface Decision {
  readonly atMs: Milliseconds
  readonly loop: "hotness" | "compression" | "prefetch"
  readonly region?: string
  readonly reason: string
}

const capacity = 256

export class DecisionLog {
  readonly #kept: Array<Decision> = []
  #total = 0

  add(decision: Decision): void {
    this.#kept[this.#total++ % capacity] = decision
  }

  /** Oldest first. */
  recent(): ReadonlyArray<Decision> {
    const from = this.#total % capacity
    return this.#total <= capacity ? [...this.#kept] : [...this.#kept.slice(from), ...this.#kept.slice(0, from)]
  }

  get total(): number {
    return this.#total
  }
}
