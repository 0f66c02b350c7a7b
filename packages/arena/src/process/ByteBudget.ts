/** So many bytes a second, saved up for at most a second: what is spent beyond it is paid back before anything else is done. */
import type { Bytes, Milliseconds } from "@wmo/core"

export class ByteBudget {
  #left = 0
  #atMs: Milliseconds

  constructor(nowMs: Milliseconds) {
    this.#atMs = nowMs
  }

  /** What may be spent now. */
  available(nowMs: Milliseconds, perSecond: Bytes): Bytes {
    this.#left = Math.min(this.#left + (Math.max(0, nowMs - this.#atMs) * perSecond) / 1000, perSecond)
    this.#atMs = nowMs
    return Math.max(0, this.#left)
  }

  spend(bytes: Bytes): void {
    this.#left -= bytes
  }
}
