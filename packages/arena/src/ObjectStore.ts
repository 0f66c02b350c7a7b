/**
 * Byte strings by key, in regions of an arena: what is not used is compressed with what was stored beside it. Objects up to a chunk share
 * slabs by size, larger ones have a region each. Does not expire, order or persist anything.
 */
import type { Bytes } from "@wmo/core"
import type { Arena } from "./Arena.ts"
import { ArenaError } from "./ArenaError.ts"
import { BlockSpace, extentBlocks } from "./memory/BlockSpace.ts"
import type { OffHeapMemory } from "./memory/OffHeap.ts"
import { sizeClasses } from "./pool/sizeClasses.ts"
import { SlabPool } from "./pool/SlabPool.ts"
import type { Region } from "./region/Region.ts"

export interface ObjectStoreStats {
  readonly objects: number
  /** What the values have. */
  readonly valueBytes: Bytes
  /** The slots and regions they are in, before any compression. */
  readonly slotBytes: Bytes
  /** Keys and places: about as much heap. */
  readonly indexBytes: Bytes
}

/** A place is a slot's handle times this, plus the object's length. */
const handleUnit = 2 ** 21
/** About what a Map takes for an entry beside the key's characters. */
const entryBytes = 72

export class ObjectStore {
  readonly #arena: Arena
  readonly #name: string
  /** Slots of objects up to a chunk, as if the regions were memory. */
  readonly #slots: SlabPool
  readonly #blocks: BlockSpace
  readonly #extents: Array<Region> = []
  /** A slot's handle and a length; or −1 − the number of a region. */
  readonly #index = new Map<string, number>()
  readonly #large = new Map<number, Region>()
  #largeMade = 0
  #keyBytes = 0
  #largeBytes = 0
  #largeSlotBytes = 0

  constructor(arena: Arena, name = "objects") {
    this.#arena = arena
    this.#name = name
    this.#blocks = new BlockSpace(this.#regions(), sizeClasses(arena.chunkBytes).slabBytes, 0)
    this.#slots = new SlabPool(this.#blocks, arena.chunkBytes, Number.MAX_SAFE_INTEGER)
  }

  /** Stores a copy. When that fails (`ArenaError`), what the key had before is still there. */
  set(key: string, value: Uint8Array): void {
    const place = value.length <= this.#arena.chunkBytes ? this.#writeSlot(value) : this.#writeRegion(key, value)
    this.delete(key)
    this.#index.set(key, place)
    this.#keyBytes += key.length
  }

  /** A copy of the value, or undefined. Throws `ArenaError` for a value whose chunk is damaged. */
  get(key: string): Buffer<ArrayBuffer> | undefined {
    const place = this.#index.get(key)
    if (place === undefined) return undefined
    const [region, offset, length] = this.#find(place)
    const value = region.read(offset, length)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }

  has(key: string): boolean {
    return this.#index.has(key)
  }

  /** Whether there was such a key. */
  delete(key: string): boolean {
    const place = this.#index.get(key)
    if (place === undefined) return false
    this.#index.delete(key)
    this.#keyBytes -= key.length
    if (place >= 0) {
      this.#slots.release(Math.floor(place / handleUnit), place % handleUnit)
      return true
    }
    const region = this.#large.get(-1 - place)!
    this.#largeBytes -= region.bytes
    this.#largeSlotBytes -= region.chunks * region.chunkBytes
    this.#large.delete(-1 - place)
    region.free()
    return true
  }

  get size(): number {
    return this.#index.size
  }

  keys(): IterableIterator<string> {
    return this.#index.keys()
  }

  /** Says that objects will be used soon: one more thing for predictors to go by. */
  activeSoon(): void {
    for (const region of [...this.#extents, ...this.#large.values()]) region.activeSoon()
  }

  stats(): ObjectStoreStats {
    const { metadataBytes, payloadBytes, slotBytes } = this.#slots.stats()
    return {
      objects: this.#index.size,
      valueBytes: payloadBytes + this.#largeBytes,
      slotBytes: slotBytes + this.#largeSlotBytes,
      indexBytes: this.#index.size * entryBytes + this.#keyBytes + metadataBytes
    }
  }

  /** Frees all of it. */
  close(): void {
    this.#index.clear()
    this.#blocks.close()
    for (const region of this.#large.values()) region.free()
    this.#large.clear()
  }

  #find(place: number): readonly [region: Region, offset: Bytes, length: Bytes] {
    if (place < 0) {
      const region = this.#large.get(-1 - place)!
      return [region, 0, region.bytes]
    }
    return [...this.#locate(Math.floor(place / handleUnit)), place % handleUnit]
  }

  #locate(handle: number): readonly [region: Region, offset: Bytes] {
    const [block, start] = this.#slots.locate(handle)
    return [this.#extents[Math.floor(block / extentBlocks)]!, (block % extentBlocks) * this.#blocks.blockBytes + start]
  }

  #writeSlot(value: Uint8Array): number {
    while (true) {
      const handle = this.#slots.allocate(value.length, 0)
      try {
        const [region, offset] = this.#locate(handle)
        region.write(offset, value)
        return handle * handleUnit + value.length
      } catch (problem) {
        // A slot in a damaged chunk is lost: were it free again, the next object would get it.
        if (problem instanceof ArenaError && problem.reason._tag === "Corrupted") continue
        this.#slots.release(handle, value.length)
        throw problem
      }
    }
  }

  #writeRegion(key: string, value: Uint8Array): number {
    const region = this.#arena.region(value.length, `${this.#name}/${key}`)
    try {
      region.write(0, value)
    } catch (problem) {
      region.free()
      throw problem
    }
    const number = this.#largeMade++
    this.#large.set(number, region)
    this.#largeBytes += region.bytes
    this.#largeSlotBytes += region.chunks * region.chunkBytes
    return -1 - number
  }

  /** Regions in the shape of memory, of which the slots only need to be reserved and released. */
  #regions(): OffHeapMemory {
    const unsupported = (): never => {
      throw new Error("objects are reached through their regions")
    }
    return {
      kind: "buffers",
      reserve: (unitBytes, units) => {
        const region = this.#arena.region(unitBytes * units, `${this.#name}-${this.#extents.length}`)
        this.#extents.push(region)
        return {
          unitBytes,
          units,
          address: undefined,
          bytes: unsupported,
          write: unsupported,
          read: unsupported,
          lend: unsupported,
          takeBack: unsupported,
          populate: unsupported,
          release: (unit, count = 1) => region.discard(unit * unitBytes, count * unitBytes),
          close: () => region.free()
        }
      }
    }
  }
}
