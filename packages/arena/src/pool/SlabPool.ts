/**
 * Where compressed chunks live: slabs of equal slots outside of the heap, allocation and release in constant time. `compact` empties slabs
 * that are sparsely used into others of their class and gives their memory back. Knows its owners by number only, not what the bytes are.
 */
import type { Bytes } from "@wmo/core"
import type { BlockSpace } from "../memory/BlockSpace.ts"
import { mostSlots, type SizeClasses, sizeClasses } from "./sizeClasses.ts"

interface Slab {
  /** Its memory. */
  readonly block: number
  readonly group: number
  readonly size: Bytes
  readonly slots: number
  /** Of a slot in use its owner; of a free one −1 − the free slot after it, or −1 − `slots` for none. */
  readonly owners: Int32Array
  live: number
  /** How much of the block is resident, from its start: what was before, and what has been written to. */
  residentBytes: Bytes
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
  /** What the pool has of resident memory: what it costs. The difference is lost between slots, or warm. */
  readonly heldBytes: Bytes
  /** Of it, what nobody uses and is kept for the next payloads and the next chunks that are restored: new memory costs a page fault. */
  readonly warmBytes: Bytes
  readonly slabs: number
  /** Its own bookkeeping. */
  readonly metadataBytes: Bytes
  /** Slabs emptied by compaction, and the bytes moved for it, so far. */
  readonly slabsCompacted: number
  readonly movedBytes: Bytes
}

const slabObjectBytes = 136

export class SlabPool {
  readonly #blocks: BlockSpace
  readonly #classes: SizeClasses
  readonly #slabs: Array<Slab | undefined> = []
  /** Numbers of slabs that are no more. */
  readonly #freeNumbers: Array<number> = []
  /** By class: numbers of the slabs with room. */
  readonly #partial: ReadonlyArray<Array<number>>
  /** Class of the last allocation. */
  #lastGroup = 0
  #payloadBytes = 0
  #slotBytes = 0
  /** Of the slabs. */
  #residentBytes = 0
  #slabCount = 0
  #ownerBytes = 0
  #slabsCompacted = 0
  #movedBytes = 0
  /** The slabs may hold this much; may be changed at any time. */
  capBytes: Bytes

  /** `largest`: the longest payload, a power of two; a block holds whole slabs of it (`sizeClasses`). */
  constructor(blocks: BlockSpace, largest: Bytes, capBytes: Bytes) {
    this.#blocks = blocks
    this.#classes = sizeClasses(largest)
    this.#partial = this.#classes.sizes.map(() => [])
    this.capBytes = capBytes
  }

  /** A slot for `length` bytes of `owner`; −1 where the cap is reached. Throws `ArenaError` (`NoMemory`). */
  allocate(length: Bytes, owner: number): number {
    const group = this.#classes.classOf(length)
    this.#lastGroup = group
    const partial = this.#partial[group]!
    const size = this.#classes.sizes[group]!
    const known = partial.at(-1)
    if (this.#grows(known, size) && this.#residentBytes + size > this.capBytes) return -1
    const number = known ?? this.#addSlab(group)
    const slab = this.#slabs[number]!
    const slot = this.#takeSlot(slab, owner)
    if (slab.live === slab.slots) this.#dropPartial(slab)
    this.#payloadBytes += length
    this.#slotBytes += size
    return number * mostSlots + slot
  }

  /**
   * A place for a payload of up to `mostBytes` whose length is not known yet, where a slot for one as long as the last would be: if it turns out to
   * be as long, `allocate` gives that very place, and nothing has to be copied. Nobody's until then. Undefined where no memory is there for it.
   */
  draft(mostBytes: Bytes): Uint8Array | undefined {
    const number = this.#partial[this.#lastGroup]!.at(-1)
    if (number === undefined) return undefined
    const { block, free, fresh, residentBytes, size, slots } = this.#slabs[number]!
    const start = fresh * size
    if (free < slots || start + mostBytes > residentBytes) return undefined
    return this.#blocks.bytes(block, start, start + mostBytes)
  }

  /** Which block a slot is in, and where in it. */
  locate(handle: number): readonly [block: number, start: Bytes] {
    const slab = this.#slabs[Math.floor(handle / mostSlots)]!
    return [slab.block, (handle % mostSlots) * slab.size]
  }

  /** The payload's bytes, where they are now: good until the next `release` or `compact`. */
  bytes(handle: number, length: Bytes): Uint8Array {
    const slab = this.#slabs[Math.floor(handle / mostSlots)]!
    const start = (handle % mostSlots) * slab.size
    return this.#blocks.bytes(slab.block, start, start + length)
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
   * Empties slabs whose payloads fit into others of their class, sparsest first, until `budgetBytes` have been moved; gives those that are
   * empty to the blocks, which keep some of them warm. `moved` is told of each payload that has a new handle. Gives what the slabs have less.
   */
  compact(budgetBytes: Bytes, moved: (owner: number, handle: number) => void): Bytes {
    const before = this.#residentBytes
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
    return before - this.#residentBytes
  }

  /** `warmBytes`: what is warm beside the blocks. */
  stats(warmBytes: Bytes = this.#blocks.warmBytes): PoolStats {
    return {
      payloadBytes: this.#payloadBytes,
      slotBytes: this.#slotBytes,
      heldBytes: this.#residentBytes + warmBytes,
      warmBytes,
      slabs: this.#slabCount,
      metadataBytes: this.#ownerBytes + this.#slabCount * slabObjectBytes,
      slabsCompacted: this.#slabsCompacted,
      movedBytes: this.#movedBytes
    }
  }

  /** Free slots that have been used before: to fill them costs no new memory. */
  #usedRoom(slab: Slab): number {
    return slab.fresh - slab.live
  }

  /** Whether a slot in that slab, or in a new one, is memory that is not there yet. */
  #grows(known: number | undefined, size: Bytes): boolean {
    if (known === undefined) return true
    const { free, fresh, residentBytes, slots } = this.#slabs[known]!
    return free === slots && (fresh + 1) * size > residentBytes
  }

  #addSlab(group: number): number {
    const block = this.#blocks.take(this.capBytes - this.#residentBytes)
    const number = this.#freeNumbers.pop() ?? this.#slabs.length
    const residentBytes = this.#blocks.residentBytes(block)
    this.#residentBytes += residentBytes
    const slots = this.#classes.slots[group]!
    const slab: Slab = {
      block,
      residentBytes,
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

  #takeSlot(slab: Slab, owner: number): number {
    let slot = slab.free
    if (slot < slab.slots) slab.free = -1 - slab.owners[slot]!
    else {
      slot = slab.fresh++
      const grown = slab.fresh * slab.size - slab.residentBytes
      if (grown > 0) {
        this.#residentBytes += grown
        slab.residentBytes += grown
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
    this.#freeNumbers.push(number)
    this.#residentBytes -= slab.residentBytes
    this.#blocks.give(slab.block, slab.residentBytes)
  }

  #empty(number: number, slab: Slab, moved: (owner: number, handle: number) => void): void {
    for (let slot = 0; slot < slab.fresh; slot++) {
      const owner = slab.owners[slot]!
      if (owner < 0) continue
      const target = this.#partial[slab.group]!.find((other) => other !== number && this.#usedRoom(this.#slabs[other]!) > 0)!
      const to = this.#slabs[target]!
      const place = this.#takeSlot(to, owner)
      this.#slot(to, place).set(this.#slot(slab, slot))
      if (to.live === to.slots) this.#dropPartial(to)
      moved(owner, target * mostSlots + place)
      this.#movedBytes += slab.size
    }
    slab.live = 0
  }

  #slot({ block, size }: Slab, slot: number): Uint8Array {
    return this.#blocks.bytes(block, slot * size, (slot + 1) * size)
  }
}
