/**
 * Where raw chunks are: frames of a chunk's size, up to sixteen to a block. A frame that is free again stays resident for the next chunk, so
 * that a restore need not wait for a page fault; a block of free frames goes back to the blocks, of which slabs are made too. After the page
 * blocks of the kernel's buddy allocator, in two sizes.
 */
import type { Bytes } from "@wmo/core"
import type { BlockSpace } from "./BlockSpace.ts"

/** Lists that a block can be in: of those with a free frame whose memory is there, and with free frames only whose memory is not. */
const none = 0
const withWarm = 1
const withCold = 2

/** Mask of used frames, mask of resident ones, list, place in the list. */
const bytesPerBlock: Bytes = 2 + 2 + 1 + 4

const bitCount = (mask: number): number => {
  let count = 0
  for (let left = mask; left !== 0; left &= left - 1) count++
  return count
}

export class FrameSpace {
  readonly frameBytes: Bytes
  readonly #blocks: BlockSpace
  /** Frames of a block: at most 16, for the masks. */
  readonly #frames: number
  readonly #all: number
  #used = new Uint16Array(0)
  #resident = new Uint16Array(0)
  #list = new Uint8Array(0)
  #place = new Uint32Array(0)
  readonly #lists: ReadonlyArray<Array<number>> = [[], [], []]
  /** Free frames that are resident, in blocks of which other frames are in use. */
  #looseBytes: Bytes = 0

  constructor(blocks: BlockSpace, frameBytes: Bytes) {
    this.#blocks = blocks
    this.frameBytes = frameBytes
    this.#frames = blocks.blockBytes / frameBytes
    this.#all = 2 ** this.#frames - 1
  }

  /**
   * A frame: of zeros, or, where all of it will be written now, of anything and faulted in. Throws `ArenaError` (`NoMemory`).
   */
  take(content: "zeros" | "anything"): number {
    const block = this.#lists[withWarm]!.at(-1) ?? (this.#blocks.hasWarm ? undefined : this.#lists[withCold]!.at(-1)) ?? this.#newBlock()
    const free = this.#all & ~this.#used[block]!
    const warm = free & this.#resident[block]!
    const bit = warm === 0 ? free & -free : warm & -warm
    const at = 31 - Math.clz32(bit)
    if (warm === 0 && content === "anything") this.#blocks.populate(block, at * this.frameBytes, (at + 1) * this.frameBytes)
    this.#used[block]! |= bit
    this.#resident[block]! |= bit
    this.#file(block)
    const frame = block * this.#frames + at
    if (warm !== 0) {
      this.#looseBytes -= this.frameBytes
      if (content === "zeros") this.bytes(frame).fill(0)
    }
    return frame
  }

  give(frame: number): void {
    const block = Math.floor(frame / this.#frames)
    this.#used[block]! &= ~(1 << (frame % this.#frames))
    this.#looseBytes += this.frameBytes
    if (this.#used[block] === 0) this.#giveBlock(block)
    else this.#file(block)
    if (this.warmBytes > this.#blocks.limitBytes + this.#blocks.slackBytes) this.settle()
  }

  /** Good until the frame is given back. */
  bytes(frame: number, start: Bytes = 0, end: Bytes = this.frameBytes): Uint8Array {
    const from = (frame % this.#frames) * this.frameBytes
    return this.#blocks.bytes(Math.floor(frame / this.#frames), from + start, from + end)
  }

  write(frame: number, start: Bytes, source: Uint8Array): void {
    this.#blocks.write((frame / this.#frames) | 0, (frame % this.#frames) * this.frameBytes + start, source)
  }

  read(frame: number, start: Bytes, target: Uint8Array): void {
    this.#blocks.read((frame / this.#frames) | 0, (frame % this.#frames) * this.frameBytes + start, target)
  }

  /** The frame as a buffer of its own, to give away; the same one until it is taken back. */
  lend(frame: number): ArrayBuffer {
    const start = (frame % this.#frames) * this.frameBytes
    return this.#blocks.lend(Math.floor(frame / this.#frames), start, start + this.frameBytes)
  }

  /** Detaches what was lent. */
  takeBack(frame: number): void {
    this.#blocks.takeBack(Math.floor(frame / this.#frames), (frame % this.#frames) * this.frameBytes)
  }

  /** Where it is, for other threads; undefined where they cannot see it. */
  address(frame: number): bigint | undefined {
    return this.#blocks.address(Math.floor(frame / this.#frames), (frame % this.#frames) * this.frameBytes)
  }

  /** What is resident and free: frames and blocks. */
  get warmBytes(): Bytes {
    return this.#looseBytes + this.#blocks.warmBytes
  }

  /** Has this much there for frames to come, as far as may be. */
  prepare(warmBytes: Bytes): void {
    this.#blocks.prepare(warmBytes - this.#looseBytes)
  }

  get metadataBytes(): Bytes {
    return this.#used.length * bytesPerBlock
  }

  /** Gives free memory back to the system, whole blocks first, until no more than this is left. Gives how much that was. */
  settle(leftBytes: Bytes = this.#blocks.limitBytes): Bytes {
    const before = this.warmBytes
    this.#blocks.settle(Math.max(0, leftBytes - this.#looseBytes))
    while (this.#looseBytes > leftBytes) this.#releaseFree(this.#lists[withWarm]![0]!)
    return before - this.warmBytes
  }

  #grow(block: number): void {
    const blocks = Math.max(64, 2 * block)
    const wider = <A extends Uint8Array | Uint16Array | Uint32Array>(old: A, made: A): A => (made.set(old), made)
    this.#used = wider(this.#used, new Uint16Array(blocks))
    this.#resident = wider(this.#resident, new Uint16Array(blocks))
    this.#list = wider(this.#list, new Uint8Array(blocks))
    this.#place = wider(this.#place, new Uint32Array(blocks))
  }

  #newBlock(): number {
    const block = this.#blocks.take()
    if (block >= this.#used.length) this.#grow(block)
    // What is there in part is not zeros either.
    const resident = Math.ceil(this.#blocks.residentBytes(block) / this.frameBytes)
    this.#used[block] = 0
    this.#resident[block] = 2 ** resident - 1
    this.#list[block] = none
    this.#looseBytes += resident * this.frameBytes
    this.#file(block)
    return block
  }

  #giveBlock(block: number): void {
    const resident = this.#resident[block]!
    this.#looseBytes -= bitCount(resident) * this.frameBytes
    this.#unfile(block)
    if (resident !== this.#all) this.#blocks.release(block, 0, this.#blocks.blockBytes)
    this.#blocks.give(block, resident === this.#all ? this.#blocks.blockBytes : 0)
  }

  /** The memory of a block's free frames, neighbours together. */
  #releaseFree(block: number): void {
    let left = this.#resident[block]! & ~this.#used[block]!
    this.#resident[block]! &= ~left
    while (left !== 0) {
      const first = 31 - Math.clz32(left & -left)
      const end = 31 - Math.clz32((left + (1 << first)) & ~left)
      this.#blocks.release(block, first * this.frameBytes, end * this.frameBytes)
      this.#looseBytes -= (end - first) * this.frameBytes
      left &= ~((1 << end) - 1)
    }
    this.#file(block)
  }

  /** Puts a block into the list it belongs to. */
  #file(block: number): void {
    const free = this.#all & ~this.#used[block]!
    const list = free === 0 ? none : (free & this.#resident[block]!) === 0 ? withCold : withWarm
    if (list === this.#list[block]) return
    this.#unfile(block)
    this.#list[block] = list
    if (list !== none) this.#place[block] = this.#lists[list]!.push(block) - 1
  }

  #unfile(block: number): void {
    const list = this.#list[block]!
    if (list === none) return
    const members = this.#lists[list]!
    const last = members.pop()!
    if (last !== block) {
      members[this.#place[block]!] = last
      this.#place[last] = this.#place[block]!
    }
    this.#list[block] = none
  }
}
