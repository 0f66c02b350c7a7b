/** What the controller did and why, in a sentence for people; the last few hundred are kept. */
import type { Milliseconds } from "@wmo/core"

export interface Decision {
  readonly atMs: Milliseconds
  /** Of the loops, or a change from outside. */
  readonly loop: "hotness" | "compression" | "prefetch" | "process" | "settings"
  readonly region?: string
  readonly reason: string
}

const capacity = 256

export class DecisionLog {
  readonly #kept: Array<Decision> = []
  readonly #onAdd: (decision: Decision) => void
  #total = 0

  /** `onAdd` sees each of them. */
  constructor(onAdd: (decision: Decision) => void = () => {}) {
    this.#onAdd = onAdd
  }

  add(decision: Decision): void {
    this.#kept[this.#total++ % capacity] = decision
    this.#onAdd(decision)
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
