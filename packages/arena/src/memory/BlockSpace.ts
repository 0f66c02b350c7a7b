/**
 * Memory in blocks of one size, by number. A block that is given back stays resident for a while (warm) for whoever takes the next one: a new
 * page costs five times what giving one back does. Does not know what blocks are for: frames of raw chunks, or slabs of payloads.
 */
import type { Bytes } from "@wmo/core"
import type { OffHeapMemory, Reservation } from "./OffHeap.ts"

/** Blocks reserved at a time. */
export const extentBlocks = 64
/** What may be kept warm at most, and as a share of the blocks in use; a block, where there are a few. */
const defaultMostWarmBytes: Bytes = 2 ** 23
const warmShare = 1 / 16
const few = 4
const mostSlackBytes: Bytes = 2 ** 20

export class BlockSpace {
  readonly blockBytes: Bytes
  /** What may be warm beyond the limit until it is given back, all at once: giving pages back one by one costs up to eight times as much. */
  readonly slackBytes: Bytes
  readonly #memory: OffHeapMemory
  readonly #mostWarmBytes: Bytes
  readonly #extents: Array<Reservation> = []
  /** Blocks without memory: the next one last. */
  readonly #cold: Array<number> = []
  /** Blocks that nobody has and whose memory is there, oldest first. */
  readonly #warm: Array<number> = []
  /** How much of a block is resident, from its start: of a warm one, and of one in use as it was when it was taken. */
  readonly #resident: Array<Bytes> = []
  #warmBytes: Bytes = 0
  #taken = 0

  constructor(memory: OffHeapMemory, blockBytes: Bytes, mostWarmBytes = defaultMostWarmBytes) {
    this.#memory = memory
    this.blockBytes = blockBytes
    this.#mostWarmBytes = mostWarmBytes
    this.slackBytes = Math.min(mostSlackBytes, mostWarmBytes)
  }

  /** A block, a warm one if there is one of at most `mostResidentBytes`. Throws `ArenaError` (`NoMemory`). */
  take(mostResidentBytes: Bytes = this.blockBytes): number {
    const warm = this.#warm.at(-1)
    if (warm === undefined || this.#resident[warm]! > mostResidentBytes) {
      if (this.#cold.length === 0) this.#grow()
      this.#taken++
      return this.#cold.pop()!
    }
    this.#taken++
    this.#warm.pop()
    this.#warmBytes -= this.#resident[warm]!
    return warm
  }

  /** How much of a block that has just been taken is there already, from its start: with whatever was in it. The rest is zeros. */
  residentBytes(block: number): Bytes {
    return this.#resident[block]!
  }

  /** A block back, of which this much is resident, from its start. */
  give(block: number, residentBytes: Bytes): void {
    this.#taken--
    this.#resident[block] = residentBytes
    if (residentBytes === 0) {
      this.#cold.push(block)
      return
    }
    this.#warm.push(block)
    this.#warmBytes += residentBytes
    if (this.#warmBytes > this.limitBytes + this.slackBytes) this.settle()
  }

  get hasWarm(): boolean {
    return this.#warm.length > 0
  }

  get warmBytes(): Bytes {
    return this.#warmBytes
  }

  /** What may stay warm now. */
  get limitBytes(): Bytes {
    const blocks = Math.max(this.#taken * warmShare, this.#taken >= few ? 1 : 0)
    return Math.min(this.#mostWarmBytes, blocks * this.blockBytes)
  }

  /** Faults blocks in until this much is warm, as far as may be. */
  prepare(warmBytes: Bytes): void {
    while (this.#warmBytes < warmBytes && this.#warmBytes + this.blockBytes <= this.limitBytes) {
      if (this.#cold.length === 0) this.#grow()
      const block = this.#cold.at(-1)!
      this.populate(block, 0, this.blockBytes)
      this.#cold.pop()
      this.#resident[block] = this.blockBytes
      this.#warm.push(block)
      this.#warmBytes += this.blockBytes
    }
  }

  /** Gives the memory of warm blocks back to the system, the oldest first, until no more than this is left. Gives how much that was. */
  settle(leftBytes: Bytes = this.limitBytes): Bytes {
    const before = this.#warmBytes
    let going = 0
    while (this.#warmBytes > leftBytes) this.#warmBytes -= this.#resident[this.#warm[going++]!]!
    if (going > 0) this.#giveBack(this.#warm.splice(0, going).toSorted((a, b) => a - b))
    return before - this.#warmBytes
  }

  /** Gives part of a block in use back: it is zeros again. */
  release(block: number, start: Bytes, end: Bytes): void {
    this.#extent(block).release(block % extentBlocks, 1, start, end)
  }

  /** Good until the block, or that part of it, is given back. */
  bytes(block: number, start: Bytes, end: Bytes): Uint8Array {
    return this.#extent(block).bytes(block % extentBlocks, start, end)
  }

  write(block: number, start: Bytes, source: Uint8Array): void {
    this.#extent(block).write(block % extentBlocks, start, source)
  }

  read(block: number, start: Bytes, target: Uint8Array): void {
    this.#extent(block).read(block % extentBlocks, start, target)
  }

  populate(block: number, start: Bytes, end: Bytes): void {
    this.#extent(block).populate(block % extentBlocks, start, end)
  }

  lend(block: number, start: Bytes, end: Bytes): ArrayBuffer {
    return this.#extent(block).lend(block % extentBlocks, start, end)
  }

  takeBack(block: number, start: Bytes): void {
    this.#extent(block).takeBack(block % extentBlocks, start)
  }

  address(block: number, start: Bytes): bigint | undefined {
    const { address } = this.#extent(block)
    return address === undefined ? undefined : address + BigInt((block % extentBlocks) * this.blockBytes + start)
  }

  close(): void {
    for (const extent of this.#extents) extent.close()
    for (const list of [this.#extents, this.#cold, this.#warm, this.#resident]) list.length = 0
    this.#warmBytes = 0
  }

  #extent(block: number): Reservation {
    return this.#extents[(block / extentBlocks) | 0]!
  }

  #grow(): void {
    const first = this.#extents.length * extentBlocks
    this.#extents.push(this.#memory.reserve(this.blockBytes, extentBlocks))
    for (let block = first + extentBlocks - 1; block >= first; block--) {
      this.#cold.push(block)
      this.#resident[block] = 0
    }
  }

  /** Neighbours together, of ascending blocks. */
  #giveBack(blocks: ReadonlyArray<number>): void {
    for (let at = 0; at < blocks.length;) {
      const first = blocks[at]!
      let count = 1
      while (blocks[at + count] === first + count && (first + count) % extentBlocks !== 0) count++
      this.#extent(first).release(first % extentBlocks, count)
      at += count
    }
    for (const block of blocks.toReversed()) {
      this.#resident[block] = 0
      this.#cold.push(block)
    }
  }
}
