/**
 * Where compressed chunks live: slabs of equal slots outside of the heap, allocation and release in constant time. `compact` empties slabs
 * that are sparsely used into others of their class and gives their memory back. Knows its owners by number only, not what the bytes are.
 */
import type { Bytes } from "@wmo/core"
import type { OffHeapMemory, Reservation } from "../memory/OffHeap.ts"
import { mostSlots, type SizeClasses, sizeClasses } from "./sizeClasses.ts"

interface Slab {
  readonly group: number
  readonly size: Bytes
  readonly slots: number
  /** Of a slot in use its owner; of a free one −1 − the free slot after it, or −1 − `slots` for none. */
  readonly owners: Int32Array
  live: number
  /** First free slot among those used before; `slots` for none. */
  free: number
  /** Slots from here on have never been used: their memory is not there yet. */
  fresh: number
  /** Place in its class's list of slabs with room; −1 while it is full. */
  place: number
}

export interface PoolStats {
  /** What the payloads themselves have. */
  readonly payloadBytes: Bytes
  /** The slots they sit in. The difference is lost within slots. */
  readonly slotBytes: Bytes
  /** What the pool has written to and not given back: what it costs. The difference is lost between slots, or warm. */
  readonly heldBytes: Bytes
  /** Of it, empty slabs that are kept for the next payloads: memory that is there already costs a third of new memory. */
  readonly warmBytes: Bytes
  readonly slabs: number
  /** Its own bookkeeping. */
  readonly metadataBytes: Bytes
  /** Slabs emptied by compaction, and the bytes moved for it, so far. */
  readonly slabsCompacted: number
  readonly movedBytes: Bytes
}

/** Slabs reserved at a time. */
export const extentSlabs = 64
const slabObjectBytes = 120
const defaultWarmBytes = 2 ** 23

export class SlabPool {
  readonly #memory: OffHeapMemory
  readonly #classes: SizeClasses
  readonly #mostWarmBytes: Bytes
  readonly #extents: Array<Reservation> = []
  readonly #slabs: Array<Slab | undefined> = []
  readonly #freeSlabs: Array<number> = []
  /** Empty slabs whose memory has not been given back. */
  readonly #warm: Array<number> = []
  /** How far each slab has been written to since its memory was last given back. */
  readonly #touched: Array<Bytes> = []
  /** By class: numbers of the slabs with room. */
  readonly #partial: ReadonlyArray<Array<number>>
  #payloadBytes = 0
  #slotBytes = 0
  #heldBytes = 0
  #warmBytes = 0
  #slabCount = 0
  #ownerBytes = 0
  #slabsCompacted = 0
  #movedBytes = 0
  /** The pool may hold this much; may be changed at any time. */
  capBytes: Bytes

  /** `largest`: the longest payload, a power of two. `mostWarmBytes`: what may be kept of empty slabs. */
  constructor(memory: OffHeapMemory, largest: Bytes, capBytes: Bytes, mostWarmBytes = defaultWarmBytes) {
    this.#memory = memory
    this.#mostWarmBytes = mostWarmBytes
    this.#classes = sizeClasses(largest)
    this.#partial = this.#classes.sizes.map(() => [])
    this.capBytes = capBytes
  }

  get slabBytes(): Bytes {
    return this.#classes.slabBytes
  }

  /** A slot for `length` bytes of `owner`; −1 where the cap is reached. Throws `ArenaError` (`NoMemory`). */
  allocate(length: Bytes, owner: number): number {
    const group = this.#classes.classOf(length)
    const partial = this.#partial[group]!
    const size = this.#classes.sizes[group]!
    const known = partial.at(-1)
    if (this.#grows(known, size) && this.#heldBytes + size > this.capBytes && !this.#makeRoom(size)) return -1
    const number = known ?? this.#addSlab(group)
    const slab = this.#slabs[number]!
    const slot = this.#takeSlot(number, slab, owner)
    if (slab.live === slab.slots) this.#dropPartial(slab)
    this.#payloadBytes += length
    this.#slotBytes += size
    return number * mostSlots + slot
  }

  /** Which slab a slot is in, and where in it. */
  locate(handle: number): readonly [slab: number, start: Bytes] {
    const number = Math.floor(handle / mostSlots)
    return [number, (handle % mostSlots) * this.#slabs[number]!.size]
  }

  /** The payload's bytes, where they are now: good until the next `release` or `compact`. */
  bytes(handle: number, length: Bytes): Uint8Array {
    const [number, start] = this.locate(handle)
    return this.#unit(number).subarray(start, start + length)
  }

  release(handle: number, length: Bytes): void {
    const number = Math.floor(handle / mostSlots)
    const slab = this.#slabs[number]!
    this.#payloadBytes -= length
    this.#slotBytes -= slab.size
    this.#giveSlot(number, slab, handle % mostSlots)
    if (slab.live === 0 && this.#partial[slab.group]!.length > 1) this.#dropSlab(number, slab)
  }

  /**
   * Empties slabs whose payloads fit into others of their class, sparsest first, until `budgetBytes` have been moved; gives back those that are
   * empty, but a few that are kept for what comes next (`trim` gives them back too). `moved` is told of each payload that has a new handle. Gives the bytes freed either way.
   */
  compact(budgetBytes: Bytes, moved: (owner: number, handle: number) => void): Bytes {
    const before = this.#heldBytes - this.#warmBytes
    let budget = budgetBytes
    for (const partial of this.#partial) {
      while (partial.length > 0) {
        const sparsest = partial.reduce((best, number) => (this.#slabs[number]!.live < this.#slabs[best]!.live ? number : best))
        const slab = this.#slabs[sparsest]!
        if (slab.live > 0) {
          const room = partial.reduce((sum, number) => (number === sparsest ? sum : sum + this.#usedRoom(this.#slabs[number]!)), 0)
          if (room < slab.live || budget < slab.live * slab.size) break
          budget -= slab.live * slab.size
          this.#empty(sparsest, slab, moved)
          this.#slabsCompacted++
        }
        this.#dropSlab(sparsest, slab)
      }
    }
    return before - (this.#heldBytes - this.#warmBytes)
  }

  /** Gives back the empty slabs that were kept. Gives how much that was. */
  trim(): Bytes {
    const given = this.#warmBytes
    for (const number of this.#warm) this.#giveBack(number)
    this.#warm.length = 0
    this.#warmBytes = 0
    return given
  }

  stats(): PoolStats {
    return {
      payloadBytes: this.#payloadBytes,
      slotBytes: this.#slotBytes,
      heldBytes: this.#heldBytes,
      warmBytes: this.#warmBytes,
      slabs: this.#slabCount,
      metadataBytes: this.#ownerBytes + this.#slabCount * slabObjectBytes,
      slabsCompacted: this.#slabsCompacted,
      movedBytes: this.#movedBytes
    }
  }

  close(): void {
    for (const extent of this.#extents) extent.close()
    this.#extents.length = 0
    this.#slabs.length = 0
  }

  #unit(number: number): Uint8Array {
    return this.#extents[Math.floor(number / extentSlabs)]!.bytes(number % extentSlabs)
  }

  /** Free slots that have been used before: to fill them costs no new memory. */
  #usedRoom(slab: Slab): number {
    return slab.fresh - slab.live
  }

  /** Whether a slot in that slab, or in a new one, is memory that is not there yet. */
  #grows(known: number | undefined, size: Bytes): boolean {
    if (known === undefined) return this.#warm.length === 0
    const { free, fresh, slots } = this.#slabs[known]!
    return free === slots && (fresh + 1) * size > this.#touched[known]!
  }

  /** At the cap, what is only kept goes first. */
  #makeRoom(bytes: Bytes): boolean {
    return this.trim() > 0 && this.#heldBytes + bytes <= this.capBytes
  }

  #addSlab(group: number): number {
    let number = this.#warm.pop()
    if (number === undefined) number = this.#freeSlabs.pop()
    else this.#warmBytes -= this.#touched[number]!
    if (number === undefined) {
      number = this.#extents.length * extentSlabs
      this.#extents.push(this.#memory.reserve(this.#classes.slabBytes, extentSlabs))
      for (let other = number + extentSlabs - 1; other > number; other--) this.#freeSlabs.push(other)
      for (let other = number; other < number + extentSlabs; other++) this.#touched[other] = 0
    }
    const slots = this.#classes.slots[group]!
    const slab: Slab = {
      group,
      size: this.#classes.sizes[group]!,
      slots,
      owners: new Int32Array(slots),
      live: 0,
      free: slots,
      fresh: 0,
      place: this.#partial[group]!.push(number) - 1
    }
    this.#slabs[number] = slab
    this.#slabCount++
    this.#ownerBytes += slab.owners.byteLength
    return number
  }

  #takeSlot(number: number, slab: Slab, owner: number): number {
    let slot = slab.free
    if (slot < slab.slots) slab.free = -1 - slab.owners[slot]!
    else {
      slot = slab.fresh++
      const grown = slab.fresh * slab.size - this.#touched[number]!
      if (grown > 0) {
        this.#heldBytes += grown
        this.#touched[number]! += grown
      }
    }
    slab.owners[slot] = owner
    slab.live++
    return slot
  }

  #giveSlot(number: number, slab: Slab, slot: number): void {
    slab.owners[slot] = -1 - slab.free
    slab.free = slot
    slab.live--
    if (slab.place < 0) slab.place = this.#partial[slab.group]!.push(number) - 1
  }

  #dropPartial(slab: Slab): void {
    const partial = this.#partial[slab.group]!
    const last = partial.pop()!
    if (slab.place < partial.length) {
      partial[slab.place] = last
      this.#slabs[last]!.place = slab.place
    }
    slab.place = -1
  }

  #dropSlab(number: number, slab: Slab): void {
    this.#dropPartial(slab)
    this.#slabs[number] = undefined
    this.#slabCount--
    this.#ownerBytes -= slab.owners.byteLength
    if (this.#warmBytes + this.#touched[number]! > this.#mostWarmBytes) return this.#giveBack(number)
    this.#warm.push(number)
    this.#warmBytes += this.#touched[number]!
  }

  #giveBack(number: number): void {
    this.#extents[Math.floor(number / extentSlabs)]!.release(number % extentSlabs)
    this.#freeSlabs.push(number)
    this.#heldBytes -= this.#touched[number]!
    this.#touched[number] = 0
  }

  #empty(number: number, slab: Slab, moved: (owner: number, handle: number) => void): void {
    const from = this.#unit(number)
    for (let slot = 0; slot < slab.fresh; slot++) {
      const owner = slab.owners[slot]!
      if (owner < 0) continue
      const target = this.#partial[slab.group]!.find((other) => other !== number && this.#usedRoom(this.#slabs[other]!) > 0)!
      const to = this.#slabs[target]!
      const place = this.#takeSlot(target, to, owner)
      this.#unit(target).set(from.subarray(slot * slab.size, (slot + 1) * slab.size), place * slab.size)
      if (to.live === to.slots) this.#dropPartial(to)
      moved(owner, target * mostSlots + place)
      this.#movedBytes += slab.size
    }
    slab.live = 0
  }
}
