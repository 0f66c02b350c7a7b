/**
 * The managed arena: regions whose cold chunks may be held compressed, one pool for all of them, and what all of it costs. Synchronous, and
 * decides nothing by itself: `ArenaController` says what to compress and what to restore.
 */
import { type Bytes, formatBytes, type Milliseconds } from "@wmo/core"
import { ArenaError } from "./ArenaError.ts"
import { loadCodec } from "./codecs/loadCodec.ts"
import type { Codec } from "./Codec.ts"
import { hasZstd } from "./codecs/zstd.ts"
import type { Counters } from "./Counters.ts"
import { loadMemory, type OffHeapMemory } from "./memory/OffHeap.ts"
import { loadChecksum } from "./pool/checksum.ts"
import type { PoolStats } from "./pool/SlabPool.ts"
import { bytesPerChunk } from "./region/ChunkTable.ts"
import { Region, type RegionStats } from "./region/Region.ts"
import { Store } from "./Store.ts"

export interface ArenaOptions {
  /** Power of two between 4 KiB and 1 MiB; 64 KiB by default. */
  readonly chunkBytes?: Bytes
  /** By name, see `loadCodec`. `lz4` by default. */
  readonly codec?: string | Codec
  /** Of the coldest tier; `none` for no such tier. `zstd` by default, where Node has it. */
  readonly coldCodec?: string | Codec
  /** What the pool may hold; unlimited by default. */
  readonly poolBytes?: Bytes
  /** A chunk is kept raw unless compressing it saves this share of it: 5 by default; far memory asks for 27. */
  readonly minSavingsPercent?: number
  /** The same threshold in bytes, in place of the share: a chunk that compresses to more is kept raw. Far memory's is 2,990 of 4,096. */
  readonly keepRawAboveBytes?: Bytes
  readonly memory?: OffHeapMemory
  /** By default the time since the program started. */
  readonly now?: () => Milliseconds
  /** What work costs is measured with it: the time since the program started, unless a test wants to set it. */
  readonly meter?: () => Milliseconds
}

export interface ArenaStats {
  /** What the arena's users have in it: chunks that have ever been used. */
  readonly logicalBytes: Bytes
  /** The part of it that is raw. */
  readonly rawBytes: Bytes
  readonly compressedChunks: number
  /** Chunks that share their payload with another. */
  readonly duplicateChunks: number
  readonly pool: PoolStats
  /** All bookkeeping: chunks, payloads, slabs, scratch. */
  readonly metadataBytes: Bytes
  /** What it all costs: raw, pool and metadata. */
  readonly heldBytes: Bytes
  /** `logicalBytes / heldBytes`. */
  readonly ratio: number
  readonly counters: Readonly<Counters>
  readonly regions: ReadonlyArray<RegionStats>
}

export const leastChunkBytes: Bytes = 4096
export const mostChunkBytes: Bytes = 2 ** 20

const bad = (option: string, why: string): ArenaError => new ArenaError({ reason: { _tag: "BadOption", option, why } })

const keepRawProblem = (bytes: Bytes, chunkBytes: Bytes): ArenaError | undefined =>
  Number.isInteger(bytes) && bytes >= 1 && bytes <= chunkBytes
    ? undefined
    : bad("keepRawAboveBytes", `${bytes} is not between 1 and the chunk's ${chunkBytes} bytes`)

const codecOf = async (codec: string | Codec): Promise<Codec> => (typeof codec === "string" ? loadCodec(codec) : codec)

export class Arena {
  readonly #store: Store
  readonly #regions = new Set<Region>()
  #made = 0
  #isClosed = false

  private constructor(store: Store) {
    this.#store = store
  }

  /** Rejects with `ArenaError` for options that make no sense and codecs that are not there. */
  static async open(options: ArenaOptions = {}): Promise<Arena> {
    const { chunkBytes = 65_536, minSavingsPercent = 5, poolBytes = Number.MAX_SAFE_INTEGER } = options
    if (!(chunkBytes >= leastChunkBytes && chunkBytes <= mostChunkBytes && Number.isInteger(Math.log2(chunkBytes)))) {
      throw bad("chunkBytes", `${chunkBytes} is not a power of two from ${formatBytes(leastChunkBytes)} to ${formatBytes(mostChunkBytes)}`)
    }
    if (!(minSavingsPercent >= 0 && minSavingsPercent <= 95)) throw bad("minSavingsPercent", `${minSavingsPercent} is not between 0 and 95`)
    if (options.keepRawAboveBytes !== undefined && options.minSavingsPercent !== undefined) {
      throw bad("keepRawAboveBytes", "minSavingsPercent says the same as a share, give one of them")
    }
    const keepRawAboveBytes = options.keepRawAboveBytes ?? Math.floor(chunkBytes * (1 - minSavingsPercent / 100))
    const problem = keepRawProblem(keepRawAboveBytes, chunkBytes)
    if (problem !== undefined) throw problem
    if (!(poolBytes >= 0)) throw bad("poolBytes", `${poolBytes} is not an amount of memory`)
    const coldCodec = await codecOf(options.coldCodec ?? (hasZstd ? "zstd" : "none"))
    return new Arena(
      new Store({
        memory: options.memory ?? (await loadMemory()),
        chunkBytes,
        codec: await codecOf(options.codec ?? "lz4"),
        coldCodec: coldCodec.name === "none" ? undefined : coldCodec,
        checksum: await loadChecksum(),
        capBytes: poolBytes,
        keepRawAboveBytes,
        now: options.now ?? (() => performance.now()),
        meter: options.meter ?? (() => performance.now())
      })
    )
  }

  /** A region of so many bytes, all zero. It costs address space only, until it is written. */
  region(bytes: Bytes, name = `region-${this.#made}`): Region {
    if (this.#isClosed) throw new ArenaError({ reason: { _tag: "Closed" } })
    if (!(Number.isSafeInteger(bytes) && bytes > 0)) throw bad("bytes", `a region of ${bytes} bytes cannot be`)
    this.#made++
    const region = new Region(this.#store, name, bytes, () => this.#regions.delete(region))
    this.#regions.add(region)
    return region
  }

  get regions(): ReadonlySet<Region> {
    return this.#regions
  }

  get chunkBytes(): Bytes {
    return this.#store.chunkBytes
  }

  get codec(): Codec {
    return this.#store.codec
  }

  /** Where its memory is: `mmap` can be seen by other threads. */
  get memoryKind(): OffHeapMemory["kind"] {
    return this.#store.memoryKind
  }

  /** A chunk that compresses to more than this is kept raw; may be changed at any time, for what is tried from then on. */
  get keepRawAboveBytes(): Bytes {
    return this.#store.keepRawAboveBytes
  }
  set keepRawAboveBytes(bytes: Bytes) {
    const problem = keepRawProblem(bytes, this.chunkBytes)
    if (problem !== undefined) throw problem
    this.#store.keepRawAboveBytes = bytes
  }

  get counters(): Counters {
    return this.#store.counters
  }

  now(): Milliseconds {
    return this.#store.now()
  }

  meter(): Milliseconds {
    return this.#store.meter()
  }

  /** The pool's cap, which may be changed at any time; lowering it gives nothing back by itself. */
  get poolBytes(): Bytes {
    return this.#store.pool.capBytes
  }
  set poolBytes(bytes: Bytes) {
    this.#store.pool.capBytes = bytes
  }

  /**
   * Empties sparsely used slabs of the pool, moving at most so many bytes, and gives their memory back, all but a little that is kept for what
   * is compressed next. Without a limit it keeps nothing. Gives how much was given back.
   */
  compact(budgetBytes?: Bytes): Bytes {
    const before = this.#store.poolStats().heldBytes
    this.#store.payloads.compact(budgetBytes ?? Number.MAX_SAFE_INTEGER)
    if (budgetBytes === undefined) this.#store.trim(0)
    else this.#store.settle()
    return before - this.#store.poolStats().heldBytes
  }

  /** Gives back the memory that is kept for what is compressed or restored next, all but this much. Gives how much that was. */
  trim(leftBytes: Bytes = 0): Bytes {
    return this.#store.trim(leftBytes)
  }

  /** Has so much memory there for chunks that are restored next, or a sixteenth of what the arena has, if that is less: they need no page fault. */
  prepare(bytes: Bytes): void {
    this.#store.prepare(bytes)
  }

  /** Gives back the raw memory of all that has been compressed, all but that little. */
  settle(): void {
    this.#store.settle()
  }

  poolStats(): PoolStats {
    return this.#store.poolStats()
  }

  stats(): ArenaStats {
    this.settle()
    const { chunkBytes, counters, frames, payloads, scratchBytes } = this.#store
    const regions = [...this.#regions].map((region) => region.stats())
    const sum = (count: (region: RegionStats) => number): number => regions.reduce((total, region) => total + count(region), 0)
    const raw = sum((region) => region.raw)
    const compressed = sum((region) => region.compressed)
    const table = payloads.stats()
    const inPool = this.#store.poolStats()
    const tables = sum(({ chunks }) => chunks) * bytesPerChunk + table.metadataBytes
    const metadataBytes = tables + inPool.metadataBytes + frames.metadataBytes + scratchBytes
    const logicalBytes = (raw + compressed) * chunkBytes
    const rawBytes = raw * chunkBytes
    const heldBytes = rawBytes + inPool.heldBytes + metadataBytes
    return {
      logicalBytes,
      rawBytes,
      compressedChunks: compressed,
      duplicateChunks: table.duplicates,
      pool: inPool,
      metadataBytes,
      heldBytes,
      ratio: heldBytes === 0 ? 1 : logicalBytes / heldBytes,
      counters: { ...counters },
      regions
    }
  }

  /** Frees all regions and the pool. Fails while anything is in view. */
  close(): void {
    for (const region of this.#regions) region.free()
    if (!this.#isClosed) this.#store.close()
    this.#isClosed = true
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
