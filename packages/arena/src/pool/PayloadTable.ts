/**
 * Payloads by number: where a payload is, how long, its checksum, its codec, and how many chunks share it. Equal payloads are found by their
 * checksum and compared byte by byte. A chunk that repeats eight bytes is a payload without any bytes in the pool.
 */
import type { Bytes } from "@wmo/core"
import { crc32 } from "node:zlib"
import type { Checksum } from "./checksum.ts"
import type { SlabPool } from "./SlabPool.ts"

/** In place of a codec: the payload is eight bytes, repeated. */
export const fillCodec = 255
/** The pool is full: nothing has been stored. */
export const noRoom = -1

const firstCapacity = 256

export class PayloadTable {
  readonly #pool: SlabPool
  readonly #sum: Checksum
  #capacity = 0
  #used = 0
  /** First of the numbers that are free again, linked through `#next`; −1 for none. */
  #free = -1
  #live = 0
  #shared = 0
  #handle = new Int32Array(0)
  /** Of a fill, the first four of its bytes. */
  #length = new Uint32Array(0)
  /** Of a fill, the last four of its bytes. */
  #checksum = new Uint32Array(0)
  #references = new Uint32Array(0)
  #codec = new Uint8Array(0)
  #next = new Int32Array(0)
  /** Chains of equal hashes: the first number of each, or −1. As many as there are numbers. */
  #heads = new Int32Array(0)

  constructor(pool: SlabPool, checksum: Checksum = crc32) {
    this.#pool = pool
    this.#sum = checksum
    this.#grow()
  }

  /** Stores a copy of the bytes (which may be a draft of the pool's), or finds the payload that has them already. Gives its number, or `noRoom`. */
  add(bytes: Uint8Array, codec: number): number {
    const checksum = this.#sum(bytes)
    const known = this.#find(checksum, bytes.length, codec, bytes)
    if (known >= 0) return this.#share(known)
    const number = this.#number()
    let handle: number
    try {
      handle = this.#pool.allocate(bytes.length, number)
    } catch (problem) {
      this.#giveNumber(number)
      throw problem
    }
    if (handle < 0) {
      this.#giveNumber(number)
      return noRoom
    }
    const place = this.#pool.bytes(handle, bytes.length)
    // A draft may be in its place already.
    if (place.byteOffset !== bytes.byteOffset || place.buffer !== bytes.buffer) place.set(bytes)
    return this.#enter(number, handle, bytes.length, checksum, codec)
  }

  /** A chunk full of the eight bytes that `first` and `last` are. */
  addFill(first: number, last: number): number {
    const known = this.#find(last, first, fillCodec)
    return known >= 0 ? this.#share(known) : this.#enter(this.#number(), -1, first, last, fillCodec)
  }

  codec(number: number): number {
    return this.#codec[number]!
  }

  /** The bytes that the payload takes in the pool. */
  length(number: number): Bytes {
    return this.#codec[number] === fillCodec ? 0 : this.#length[number]!
  }

  /** The two words that a fill repeats. */
  fill(number: number): readonly [first: number, last: number] {
    return [this.#length[number]!, this.#checksum[number]!]
  }

  /** The bytes as they are in the pool, good until something is released or compacted; undefined where the checksum is not theirs. */
  verified(number: number): Uint8Array | undefined {
    const bytes = this.#pool.bytes(this.#handle[number]!, this.#length[number]!)
    return this.#sum(bytes) === this.#checksum[number] ? bytes : undefined
  }

  /** As `verified`, without looking: to damage it in tests. */
  unverified(number: number): Uint8Array {
    return this.#pool.bytes(this.#handle[number]!, this.#length[number]!)
  }

  /** One chunk less has it; the last one gives its bytes back. */
  release(number: number): void {
    const references = --this.#references[number]!
    if (references > 0) {
      this.#shared--
      return
    }
    this.#unlink(number)
    if (this.#codec[number] !== fillCodec) this.#pool.release(this.#handle[number]!, this.#length[number]!)
    this.#live--
    this.#giveNumber(number)
  }

  /**
   * Puts other bytes (of another codec, for the same content) in its place, for all chunks that share it. Stays as it is where the pool has no
   * room for both at a time (`noRoom`).
   */
  replace(number: number, bytes: Uint8Array, codec: number): number {
    const handle = this.#pool.allocate(bytes.length, number)
    if (handle < 0) return noRoom
    this.#pool.bytes(handle, bytes.length).set(bytes)
    this.#unlink(number)
    this.#pool.release(this.#handle[number]!, this.#length[number]!)
    this.#fillIn(number, handle, bytes.length, this.#sum(bytes), codec)
    return number
  }

  /** Empties sparse slabs; see `SlabPool.compact`. */
  compact(budgetBytes: Bytes): Bytes {
    return this.#pool.compact(budgetBytes, (owner, handle) => {
      this.#handle[owner] = handle
    })
  }

  /** Payloads, how many chunks more than one have each, and the table's own bytes. */
  stats(): { readonly payloads: number; readonly duplicates: number; readonly metadataBytes: Bytes } {
    return { payloads: this.#live, duplicates: this.#shared, metadataBytes: this.#capacity * (5 * 4 + 1) + this.#heads.byteLength }
  }

  #share(number: number): number {
    this.#references[number]!++
    this.#shared++
    return number
  }

  #enter(number: number, handle: number, length: number, checksum: number, codec: number): number {
    this.#references[number] = 1
    this.#live++
    this.#fillIn(number, handle, length, checksum, codec)
    return number
  }

  #fillIn(number: number, handle: number, length: number, checksum: number, codec: number): void {
    this.#handle[number] = handle
    this.#length[number] = length
    this.#checksum[number] = checksum
    this.#codec[number] = codec
    this.#link(number)
  }

  #bucket(checksum: number, length: number): number {
    return (Math.imul(checksum ^ length, 0x9e37_79b1) >>> 0) & (this.#heads.length - 1)
  }

  #link(number: number): void {
    const bucket = this.#bucket(this.#checksum[number]!, this.#length[number]!)
    this.#next[number] = this.#heads[bucket]!
    this.#heads[bucket] = number
  }

  #unlink(number: number): void {
    const bucket = this.#bucket(this.#checksum[number]!, this.#length[number]!)
    let at = this.#heads[bucket]!
    if (at === number) this.#heads[bucket] = this.#next[number]!
    else {
      while (this.#next[at] !== number) at = this.#next[at]!
      this.#next[at] = this.#next[number]!
    }
  }

  /** `bytes` undefined: a fill, which its two words say all about. A damaged payload is equal to nothing: its bytes are not those compared. */
  #find(checksum: number, length: number, codec: number, bytes?: Uint8Array): number {
    for (let at = this.#heads[this.#bucket(checksum, length)]!; at >= 0; at = this.#next[at]!) {
      if (this.#checksum[at] !== checksum || this.#length[at] !== length || this.#codec[at] !== codec) continue
      if (bytes === undefined || Buffer.compare(this.#pool.bytes(this.#handle[at]!, length), bytes) === 0) return at
    }
    return -1
  }

  #number(): number {
    if (this.#free >= 0) {
      const number = this.#free
      this.#free = this.#next[number]!
      return number
    }
    if (this.#used === this.#capacity) this.#grow()
    return this.#used++
  }

  #giveNumber(number: number): void {
    this.#next[number] = this.#free
    this.#free = number
  }

  #grow(): void {
    const capacity = Math.max(firstCapacity, this.#capacity * 2)
    const wider = <A extends Int32Array | Uint32Array | Uint8Array>(old: A, made: A): A => (made.set(old), made)
    this.#handle = wider(this.#handle, new Int32Array(capacity))
    this.#length = wider(this.#length, new Uint32Array(capacity))
    this.#checksum = wider(this.#checksum, new Uint32Array(capacity))
    this.#references = wider(this.#references, new Uint32Array(capacity))
    this.#codec = wider(this.#codec, new Uint8Array(capacity))
    this.#next = wider(this.#next, new Int32Array(capacity))
    this.#heads = new Int32Array(capacity).fill(-1)
    this.#capacity = capacity
    // All numbers are in use when this is called: each goes into a chain anew.
    for (let number = 0; number < this.#used; number++) this.#link(number)
  }
}
