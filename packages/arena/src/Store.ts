/**
 * What the regions of an arena share: memory, codecs, the pool with its payloads, scratch space, counters and the clock. Turns the bytes of a
 * chunk into a payload and back; knows nothing of the states of chunks.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Codec } from "./Codec.ts"
import { type Counters, noCounters } from "./Counters.ts"
import { BlockSpace } from "./memory/BlockSpace.ts"
import { FrameSpace } from "./memory/FrameSpace.ts"
import type { OffHeapMemory } from "./memory/OffHeap.ts"
import type { Checksum } from "./pool/checksum.ts"
import { sizeClasses } from "./pool/sizeClasses.ts"
import { fillCodec, noRoom, PayloadTable } from "./pool/PayloadTable.ts"
import { type PoolStats, SlabPool } from "./pool/SlabPool.ts"
import { refill, sameFilled } from "./region/sameFilled.ts"

/** What came of an attempt to compress a chunk. */
export type CompressOutcome =
  | "compressed"
  /** Stored as eight bytes that repeat. */
  | "filled"
  /** It would have saved less than the threshold: not to be tried again until it is written. */
  | "incompressible"
  /** The pool's cap is reached. */
  | "full"
  /** It was touched meanwhile, or is in view, or is not raw. */
  | "left"

export interface StoreOptions {
  readonly memory: OffHeapMemory
  readonly chunkBytes: Bytes
  readonly codec: Codec
  readonly coldCodec: Codec | undefined
  readonly checksum: Checksum
  readonly capBytes: Bytes
  /** A payload longer than this is not worth it. */
  readonly keepRawAboveBytes: Bytes
  readonly now: () => Milliseconds
  /** What work costs is measured with it. */
  readonly meter: () => Milliseconds
}

const warmCodec = 0
const coldCodec = 1

export class Store {
  readonly memoryKind: OffHeapMemory["kind"]
  readonly chunkBytes: Bytes
  readonly now: () => Milliseconds
  readonly meter: () => Milliseconds
  readonly counters: Counters = noCounters()
  /** Raw chunks. */
  readonly frames: FrameSpace
  readonly pool: SlabPool
  readonly payloads: PayloadTable
  readonly codec: Codec
  readonly coldCodec: Codec | undefined
  readonly #blocks: BlockSpace
  readonly #frameBlocks: BlockSpace
  /** What a codec may write: as much as a payload may have. */
  #scratch: Uint8Array
  readonly #original: Uint8Array
  #jobs = 0
  #isClosed = false

  constructor(options: StoreOptions) {
    this.memoryKind = options.memory.kind
    this.chunkBytes = options.chunkBytes
    this.codec = options.codec
    this.coldCodec = options.coldCodec
    this.now = options.now
    this.meter = options.meter
    this.#blocks = new BlockSpace(options.memory, sizeClasses(options.chunkBytes).slabBytes)
    // Buffers can only be given away whole: there, a frame is a block of its own.
    this.#frameBlocks = options.memory.kind === "mmap" ? this.#blocks : new BlockSpace(options.memory, options.chunkBytes)
    this.frames = new FrameSpace(this.#frameBlocks, options.chunkBytes)
    this.pool = new SlabPool(this.#blocks, options.chunkBytes, options.capBytes)
    this.payloads = new PayloadTable(this.pool, options.checksum)
    this.#scratch = new Uint8Array(options.chunkBytes).subarray(0, options.keepRawAboveBytes)
    this.#original = new Uint8Array(options.chunkBytes)
  }

  get scratchBytes(): Bytes {
    return this.#scratch.buffer.byteLength + this.#original.byteLength
  }

  get keepRawAboveBytes(): Bytes {
    return this.#scratch.length
  }
  set keepRawAboveBytes(bytes: Bytes) {
    this.#scratch = new Uint8Array(this.#scratch.buffer, 0, bytes)
  }

  /** Memory that is resident and that nobody uses. */
  get warmBytes(): Bytes {
    return this.frames.warmBytes + (this.#frameBlocks === this.#blocks ? 0 : this.#blocks.warmBytes)
  }

  poolStats(): PoolStats {
    return this.pool.stats(this.warmBytes)
  }

  /** Gives back to the system what is free, all but a little that is kept for what comes next. */
  settle(): void {
    this.frames.settle()
    this.#blocks.settle()
  }

  /** Gives back that little too, but for what shall be left. Gives how much that was. */
  trim(leftBytes: Bytes): Bytes {
    const before = this.warmBytes
    // A buffer that is there saves no page fault.
    const left = this.memoryKind === "mmap" ? leftBytes : 0
    this.frames.settle(left)
    this.#blocks.settle(left)
    return before - this.warmBytes
  }

  /** Faults memory in for chunks that are restored next. */
  prepare(bytes: Bytes): void {
    if (this.memoryKind === "mmap") this.frames.prepare(bytes)
  }

  /** A compressor elsewhere looks at the memory until as many have ended. */
  jobBegins(): void {
    this.#jobs++
  }

  jobEnds(): void {
    if (--this.#jobs === 0 && this.#isClosed) this.#unmap()
  }

  /** Gives all memory back, when nobody looks at it any more. */
  close(): void {
    this.#isClosed = true
    if (this.#jobs === 0) this.#unmap()
  }

  /** Number of a payload that repeats eight bytes, if the chunk does. */
  fillOf(raw: Uint8Array): number | undefined {
    const words = sameFilled(raw)
    return words === undefined ? undefined : this.payloads.addFill(words[0], words[1])
  }

  /** Compresses and stores. Gives the payload's number, or why there is none. */
  compress(raw: Uint8Array): number | "incompressible" | "full" {
    const target = this.pool.draft(this.#scratch.length) ?? this.#scratch
    const length = this.codec.compress(raw, target)
    return length === 0 ? "incompressible" : this.keep(target.subarray(0, length))
  }

  /** Stores what the codec gave, wherever it ran. */
  keep(compressed: Uint8Array): number | "full" {
    const number = this.payloads.add(compressed, warmCodec)
    return number === noRoom ? "full" : number
  }

  /** Writes the payload's content over all of `raw`. Gives what is wrong with it, if anything is. */
  restore(number: number, raw: Uint8Array): string | undefined {
    const codec = this.payloads.codec(number)
    if (codec === fillCodec) {
      const [first, last] = this.payloads.fill(number)
      refill(raw, first, last)
      return undefined
    }
    const bytes = this.payloads.verified(number)
    if (bytes === undefined) return "the checksum is not theirs"
    try {
      ;(codec === warmCodec ? this.codec : this.coldCodec!).decompress(bytes, raw)
      return undefined
    } catch (problem) {
      return problem instanceof Error ? problem.message : String(problem)
    }
  }

  /**
   * Moves a payload to the coldest tier's codec, if that makes it smaller by a sixteenth at least. Gives the bytes saved, 0 when it is not
   * worth it or the pool has no room; a damaged payload is left for its reader to find.
   */
  demote(number: number): Bytes {
    if (this.coldCodec === undefined || this.payloads.codec(number) !== warmCodec) return 0
    if (this.restore(number, this.#original) !== undefined) return 0
    const before = this.payloads.length(number)
    const length = this.coldCodec.compress(this.#original, this.#scratch)
    if (length === 0 || length > before - before / 16) return 0
    return this.payloads.replace(number, this.#scratch.subarray(0, length), coldCodec) === noRoom ? 0 : before - length
  }

  #unmap(): void {
    this.#blocks.close()
    if (this.#frameBlocks !== this.#blocks) this.#frameBlocks.close()
  }

  isCold(number: number): boolean {
    return this.payloads.codec(number) === coldCodec
  }

  isFill(number: number): boolean {
    return this.payloads.codec(number) === fillCodec
  }
}
