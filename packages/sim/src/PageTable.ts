/**
 * The pages of one group as typed arrays, and the lists that they are on. An access costs one byte read; list moves are O(1).
 * A page is resident, in zswap, on the swap device, a zero page known to swap, dropped (file), or was never touched.
 * Simplified: 4 KiB pages only, each mapped once and charged to one group; no swap cache; no huge pages; no page is locked.
 */
import type { Pages } from "@wmo/core"
import type { AccessObserver } from "./AccessObserver.ts"

/** Bits of a page's flag byte. `queued`: the page is in `touched`, waiting for the next aging walk. */
export const RESIDENT = 1
export const ACCESSED = 2
export const QUEUED = 4
export const FILE = 8
export const DIRTY = 16
/** Of a resident page: no observer has yet to be told of an access. Shares its bit with the location, which resident pages do not have. */
export const SEEN = 32
const locationShift = 5

/** Where a page that is not resident is. */
export const ABSENT = 0
export const IN_ZSWAP = 1
export const ON_DISK = 2
export const ZERO = 3
export const DROPPED = 4

export const ANON_TYPE = 0
export const FILE_TYPE = 1
/** MAX_NR_GENS */
export const maxGenerations = 4
/** Lists 0..3: anon by generation slot; 4..7: file; 8: zswap, oldest last. */
export const zswapList = 8
const listCount = 9

export const locationOf = (flags: number): number => flags >>> locationShift
export const typeOf = (flags: number): number => (flags & FILE) >>> 3

const grown = <A extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(from: A, to: A): A => {
  to.set(from)
  return to
}

export class PageTable {
  flags = new Uint8Array(0)
  /** The same bytes, four at a time. */
  flagWords = new Uint32Array(0)
  /** The list that a resident or zswapped page is on. */
  list = new Uint8Array(0)
  /** Compressed length in bytes; 0 a zero page, 4096 incompressible. */
  compressed = new Uint16Array(0)
  /** The oldest generation of its type when the page was last evicted: a refault is recent while that is the same (the shadow entry). */
  evictedSeq = new Uint32Array(0)
  /** Pages whose accessed bit was set since the last walk: makes a walk linear in what was touched. */
  touched = new Int32Array(0)
  touchedCount = 0
  /** Who is told of accesses. Handled by `AccessObserver`. */
  readonly observers: Array<AccessObserver> = []
  isObserved = false
  /** Pages by list. */
  readonly counts = new Int32Array(listCount)
  /** Indices below it are somebody's, or in `holes`. */
  used = 0
  /** Ranges below `used` that nobody has, by index; no two of them touch. */
  private readonly holes: Array<{ readonly first: number; readonly pages: Pages }> = []
  private next = new Int32Array(listCount)
  private prev = new Int32Array(listCount)

  constructor() {
    for (let list = 0; list < listCount; list++) this.next[list] = this.prev[list] = list
  }

  /** Takes a range of pages, never touched: `anon` anonymous ones, then `file` file pages. Returns the index of the first. */
  take(anon: Pages, file: Pages = 0): number {
    const pages = anon + file
    const hole = this.holes.findIndex((candidate) => candidate.pages >= pages)
    let first = this.used
    if (hole !== -1) {
      const found = this.holes[hole]!
      first = found.first
      if (found.pages === pages) this.holes.splice(hole, 1)
      else this.holes[hole] = { first: first + pages, pages: found.pages - pages }
    } else {
      if (first + pages > this.flags.length) this.grow(Math.max(first + pages, this.flags.length * 2))
      this.used = first + pages
    }
    // Who had the page before may have left it in `touched`: it stays there once.
    for (let page = first; page < first + pages; page++) {
      this.flags[page] = (this.flags[page]! & QUEUED) | (page < first + anon ? 0 : FILE)
    }
    return first
  }

  /** Gives a range back to be taken again; none of its pages is resident or swapped. */
  release(first: number, pages: Pages): void {
    if (pages === 0) return
    const { holes } = this
    let at = holes.findIndex((hole) => hole.first > first)
    if (at === -1) at = holes.length
    const before = holes[at - 1]
    const after = holes[at]
    const joinsBefore = before !== undefined && before.first + before.pages === first
    const joinsAfter = after !== undefined && first + pages === after.first
    const from = joinsBefore ? before.first : first
    const to = joinsAfter ? after.first + after.pages : first + pages
    const start = joinsBefore ? at - 1 : at
    holes.splice(start, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), { first: from, pages: to - from })
    if (to === this.used) {
      holes.pop()
      this.used = from
    }
  }

  private grow(needed: number): void {
    const capacity = Math.ceil(needed / 4) * 4
    this.flags = grown(this.flags, new Uint8Array(capacity))
    this.flagWords = new Uint32Array(this.flags.buffer)
    this.list = grown(this.list, new Uint8Array(capacity))
    this.compressed = grown(this.compressed, new Uint16Array(capacity))
    this.evictedSeq = grown(this.evictedSeq, new Uint32Array(capacity))
    this.touched = grown(this.touched, new Int32Array(capacity))
    this.next = grown(this.next, new Int32Array(capacity + listCount))
    this.prev = grown(this.prev, new Int32Array(capacity + listCount))
  }

  /** Puts a page that is on no list at the head (youngest end) of one. */
  push(list: number, page: number): void {
    const node = page + listCount
    const head = this.next[list]!
    this.next[node] = head
    this.prev[node] = list
    this.prev[head] = node
    this.next[list] = node
    this.list[page] = list
    this.counts[list]!++
  }

  remove(page: number): void {
    const node = page + listCount
    const before = this.prev[node]!
    const after = this.next[node]!
    this.next[before] = after
    this.prev[after] = before
    this.counts[this.list[page]!]!--
  }

  /** The oldest page of a list, or -1. */
  oldest(list: number): number {
    return this.prev[list]! - listCount < 0 ? -1 : this.prev[list]! - listCount
  }

  /** Appends all pages of `from` to the old end of `to`, in order. */
  appendOld(from: number, to: number): void {
    if (this.counts[from] === 0) return
    for (let node = this.next[from]!; node !== from; node = this.next[node]!) this.list[node - listCount] = to
    const first = this.next[from]!
    const last = this.prev[from]!
    const oldest = this.prev[to]!
    this.next[oldest] = first
    this.prev[first] = oldest
    this.next[last] = to
    this.prev[to] = last
    this.next[from] = this.prev[from] = from
    this.counts[to]! += this.counts[from]!
    this.counts[from] = 0
  }

  /** Sets the accessed bit (and `bits`) of a resident page. */
  mark(page: number, bits: number): void {
    const flags = this.flags[page]!
    if ((flags & QUEUED) === 0) this.touched[this.touchedCount++] = page
    this.flags[page] = flags | ACCESSED | QUEUED | bits
    if (this.isObserved) this.tell(page)
  }

  private tell(page: number): void {
    const flags = this.flags[page]!
    if ((flags & SEEN) !== 0) return
    this.flags[page] = flags | SEEN
    const { observers } = this
    for (let i = 0; i < observers.length; i++) observers[i]!.note(page)
  }

  /** The page's content is gone; it is not on a list any more. */
  forget(page: number): void {
    this.setLocation(page, ABSENT)
    if (this.isObserved) for (const observer of this.observers) observer.noteFreed(page)
  }

  /** Sets where a page is that is not resident any more. It stays queued if it was, so that it is queued once. */
  setLocation(page: number, location: number): void {
    this.flags[page] = (this.flags[page]! & (FILE | QUEUED)) | (location << locationShift)
  }
}
