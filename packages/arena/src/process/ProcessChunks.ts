/**
 * The chunks of a process: aligned ranges of one size that hold fit memory, numbered for predictors. A chunk keeps its number while it is
 * there; new ones get free numbers. Its life begins anew when what is mapped in it changes, so that what comes and goes never gets old.
 * Does no I/O: it is told of mappings and pages.
 */
import { type Bytes, type Milliseconds, type Pages, type PageRun, pageSize } from "@wmo/core"
import type { Span } from "./eligible.ts"

export const ChunkPlace = {
  /** No such chunk. */
  none: 0,
  /** In memory, as far as it is populated. */
  raw: 1,
  /** Paged out, by us. */
  out: 2,
  /** Read in early, and not touched yet. */
  restored: 3
} as const

interface Part {
  readonly start: number
  readonly bytes: Bytes
}

export interface Change {
  readonly appeared: number
  readonly vanished: number
  /** Chunks that are there still, with other mappings in them. */
  readonly remapped: number
  /** There was no number left: all numbers are new, and whoever knew chunks by number must forget. */
  readonly isRenumbered: boolean
}

const leastCapacity = 64

export class ProcessChunks {
  readonly chunkBytes: Bytes
  #capacity = 0
  readonly #slots = new Map<number, number>()
  #free: Array<number> = []
  /** Of the numbering: another one, other numbers. */
  generation = 0
  base = new Float64Array()
  parts: Array<ReadonlyArray<Part>> = []
  names: Array<string> = []
  sinceMs = new Float64Array()
  touchedAtMs = new Float64Array()
  place = new Uint8Array()
  /** As the page tables said last. */
  present = new Uint32Array()
  swapped = new Uint32Array()
  /** Number of the look at the page tables that is known, or of the advice after which it was: what began to look before is out of date. */
  lookedAt = new Float64Array()
  /** Whether swapped pages that come back were read in early. */
  wasReadIn = new Uint8Array()
  /** Not paged out before this: the kernel took nothing of it. */
  restUntilMs = new Float64Array()
  refusals = new Uint8Array()
  isSeen = new Uint8Array()

  constructor(chunkBytes: Bytes) {
    this.chunkBytes = chunkBytes
  }

  /** Numbers that there are: 0 to `capacity - 1`, not all in use. A power of two. */
  get capacity(): number {
    return this.#capacity
  }

  get count(): number {
    return this.#slots.size
  }

  /** Numbers in use, by address. */
  sorted(): ReadonlyArray<number> {
    return [...this.#slots.entries()].toSorted(([a], [b]) => a - b).map(([, slot]) => slot)
  }

  slotAt(address: number): number {
    return this.#slots.get(this.#baseOf(address)) ?? -1
  }

  bytesOf(slot: number): Bytes {
    return this.parts[slot]!.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Takes over what is mapped and populated now. Times never decrease. `onGone`: a number means nothing any more, or something else. */
  follow(spans: ReadonlyArray<Span>, runs: ReadonlyArray<PageRun>, nowMs: Milliseconds, onGone: (slot: number) => void): Change {
    const found = this.#partsOf(spans, runs)
    let vanished = 0
    for (const [base, slot] of this.#slots) {
      if (found.has(base)) continue
      this.#slots.delete(base)
      onGone(slot)
      this.place[slot] = ChunkPlace.none
      this.parts[slot] = []
      this.present[slot] = 0
      this.swapped[slot] = 0
      this.#free.push(slot)
      vanished++
    }
    let remapped = 0
    const appeared: Array<number> = []
    for (const [base, { name, parts }] of found) {
      const slot = this.#slots.get(base)
      if (slot === undefined) appeared.push(base)
      else {
        this.names[slot] = name
        if (!isSame(this.parts[slot]!, parts)) {
          this.parts[slot] = parts
          this.sinceMs[slot] = nowMs
          this.touchedAtMs[slot] = nowMs
          this.place[slot] = ChunkPlace.raw
          onGone(slot)
          remapped++
        }
      }
    }
    const isRenumbered = appeared.length > this.#free.length
    if (isRenumbered) this.#renumber(this.#slots.size + appeared.length)
    appeared.sort((a, b) => a - b)
    for (const base of appeared) {
      const slot = this.#free.shift()!
      this.#slots.set(base, slot)
      this.base[slot] = base
      this.parts[slot] = found.get(base)!.parts
      this.names[slot] = found.get(base)!.name
      this.sinceMs[slot] = nowMs
      this.touchedAtMs[slot] = nowMs
      this.place[slot] = ChunkPlace.raw
      this.restUntilMs[slot] = 0
      this.refusals[slot] = 0
      this.isSeen[slot] = 0
      this.wasReadIn[slot] = 0
    }
    if (isRenumbered) this.#order()
    return { appeared: appeared.length, vanished, remapped, isRenumbered }
  }

  /** Pages of each chunk of a scan: present and swapped ones. */
  countPages(runs: ReadonlyArray<PageRun>): ReadonlyMap<number, { present: Pages; swapped: Pages }> {
    const counts = new Map<number, { present: Pages; swapped: Pages }>()
    for (const { bytes, place, start } of runs) {
      const end = Number(start) + bytes
      for (let at = Number(start); at < end;) {
        const next = Math.min(end, this.#baseOf(at) + this.chunkBytes)
        const slot = this.slotAt(at)
        if (slot >= 0) {
          let count = counts.get(slot)
          if (count === undefined) counts.set(slot, (count = { present: 0, swapped: 0 }))
          count[place] += (next - at) / pageSize
        }
        at = next
      }
    }
    return counts
  }

  get metadataBytes(): Bytes {
    return this.#capacity * (8 * 5 + 4 * 2 + 4) + this.#slots.size * 200
  }

  #baseOf(address: number): number {
    return address - (address % this.chunkBytes)
  }

  /** Fit parts of every chunk that has pages, by base. */
  #partsOf(spans: ReadonlyArray<Span>, runs: ReadonlyArray<PageRun>) {
    const populated = new Set<number>()
    for (const { bytes, start } of runs) {
      const from = this.#baseOf(Number(start))
      for (let base = from; base < Number(start) + bytes; base += this.chunkBytes) populated.add(base)
    }
    const found = new Map<number, { readonly parts: Array<{ start: number; bytes: Bytes }>; name: string }>()
    for (const base of [...populated].toSorted((a, b) => a - b)) found.set(base, { parts: [], name: "" })
    for (const { end, name, start } of spans) {
      for (const base of basesIn(found, start - (start % this.chunkBytes), end, this.chunkBytes)) {
        const chunk = found.get(base)!
        const from = Math.max(start, base)
        const to = Math.min(end, base + this.chunkBytes)
        const last = chunk.parts.at(-1)
        if (last !== undefined && last.start + last.bytes === from) last.bytes += to - from
        else chunk.parts.push({ start: from, bytes: to - from })
        if (chunk.name === "") chunk.name = name
      }
    }
    for (const [base, { parts }] of found) if (parts.length === 0) found.delete(base)
    return found
  }

  /** Room for twice as many; who is there keeps what is known of it under a new number, in the order of addresses. */
  #renumber(needed: number): void {
    const capacity = Math.max(leastCapacity, 2 ** Math.ceil(Math.log2(2 * needed)))
    this.#move(
      capacity,
      [...this.#slots.entries()].toSorted(([a], [b]) => a - b)
    )
  }

  /** After renumbering: new ones among the old, by address. */
  #order(): void {
    this.#move(
      this.#capacity,
      [...this.#slots.entries()].toSorted(([a], [b]) => a - b)
    )
  }

  #move(capacity: number, from: ReadonlyArray<readonly [number, number]>): void {
    const moved = <A extends Float64Array | Uint32Array | Uint8Array>(array: A, made: A): A => {
      from.forEach(([, slot], i) => (made[i] = array[slot]!))
      return made
    }
    this.base = moved(this.base, new Float64Array(capacity))
    this.sinceMs = moved(this.sinceMs, new Float64Array(capacity))
    this.touchedAtMs = moved(this.touchedAtMs, new Float64Array(capacity))
    this.restUntilMs = moved(this.restUntilMs, new Float64Array(capacity))
    this.lookedAt = moved(this.lookedAt, new Float64Array(capacity))
    this.place = moved(this.place, new Uint8Array(capacity))
    this.present = moved(this.present, new Uint32Array(capacity))
    this.swapped = moved(this.swapped, new Uint32Array(capacity))
    this.wasReadIn = moved(this.wasReadIn, new Uint8Array(capacity))
    this.refusals = moved(this.refusals, new Uint8Array(capacity))
    this.isSeen = moved(this.isSeen, new Uint8Array(capacity))
    this.parts = Array.from({ length: capacity }, (_, i) => (from[i] === undefined ? [] : this.parts[from[i][1]]!))
    this.names = Array.from({ length: capacity }, (_, i) => (from[i] === undefined ? "" : this.names[from[i][1]]!))
    this.#slots.clear()
    from.forEach(([base], i) => this.#slots.set(base, i))
    this.#free = Array.from({ length: capacity - from.length }, (_, i) => from.length + i)
    this.#capacity = capacity
    this.generation++
  }
}

const isSame = (a: ReadonlyArray<Part>, b: ReadonlyArray<Part>): boolean =>
  a.length === b.length && a.every(({ bytes, start }, i) => start === b[i]!.start && bytes === b[i]!.bytes)

/** Bases of populated chunks in a span: of a span of terabytes, without walking its holes. */
function* basesIn(found: ReadonlyMap<number, unknown>, first: number, end: number, step: number): Generator<number> {
  if ((end - first) / step <= found.size) {
    for (let base = first; base < end; base += step) if (found.has(base)) yield base
  } else for (const base of found.keys()) if (base >= first && base < end) yield base
}
