/**
 * What was evicted when, and how old it was then: tells how old pages are that are faulted in again, which the kernel counts without their age.
 * Takes it that what was evicted last comes back first: of a set that is used again and again that is so; of others the age is a lower bound.
 */
import type { Milliseconds, Pages } from "@wmo/core"

interface Batch {
  readonly atMs: Milliseconds
  readonly ageMs: Milliseconds
  pages: Pages
}

/** Older ones are joined beyond. */
const batchesAtMost = 512

export class EvictionHistory {
  private batches: Array<Batch> = []

  push(atMs: Milliseconds, ageMs: Milliseconds, pages: Pages): void {
    if (!(pages > 0)) return
    const last = this.batches.at(-1)
    if (last !== undefined && last.atMs === atMs && last.ageMs === ageMs) last.pages += pages
    else this.batches.push({ atMs, ageMs, pages })
    if (this.batches.length <= batchesAtMost) return
    // Neighbours in the older half become one, with the younger one's time.
    const half = this.batches.splice(0, batchesAtMost / 2)
    const joined = half.flatMap((batch, i) => (i % 2 === 0 ? [] : [{ ...batch, pages: batch.pages + half[i - 1]!.pages }]))
    this.batches.unshift(...joined)
  }

  /** Takes back `pages` that came in again at `atMs`, with the ages that they had. What was evicted before anybody looked has age `elseMs`. */
  pop(atMs: Milliseconds, pages: Pages, elseMs: Milliseconds, each: (ageMs: Milliseconds, pages: Pages) => void): void {
    let left = pages
    while (left > 0) {
      const last = this.batches.at(-1)
      if (last === undefined) return each(elseMs, left)
      const taken = Math.min(left, last.pages)
      each(last.ageMs + Math.max(0, atMs - last.atMs), taken)
      left -= taken
      last.pages -= taken
      if (last.pages <= 0) this.batches.pop()
    }
  }
}
