/**
 * A random user of an arena beside a plain copy of what it should hold: reads, writes, views, compressing here and elsewhere, restoring,
 * tiers, compaction, regions that come and go, a pool that is full, memory that runs out, and damage. Every byte read is compared.
 */
import { Arena, ArenaError, type ArenaOptions, type CompressJob, type OffHeapMemory, type Region } from "../../src/index.ts"
import { isIncompressible } from "../../src/region/ChunkTable.ts"
import { kinds, makeBytes, type Random, random } from "./data.ts"

interface Pair {
  region: Region
  copy: Uint8Array
}

/** Memory that can be made to run out. */
export const scarce = (memory: OffHeapMemory): OffHeapMemory & { isShort: boolean; refusals: number } => {
  const refuse = (bytes: number): void => {
    if (!made.isShort) return
    made.refusals++
    throw new ArenaError({ reason: { _tag: "NoMemory", bytes } })
  }
  const made: OffHeapMemory & { isShort: boolean; refusals: number } = {
    kind: memory.kind,
    isShort: false,
    refusals: 0,
    reserve: (unitBytes, units) => {
      refuse(unitBytes * units)
      const reserved = memory.reserve(unitBytes, units)
      // Faulting a unit in is where memory runs out while a chunk is restored.
      return { ...reserved, populate: (unit, start, end) => (refuse(unitBytes), reserved.populate(unit, start, end)) }
    }
  }
  return made
}

const corpusBytes = 2 ** 20

export class Shadow {
  readonly arena: Arena
  /** Counts of what was done, by name. */
  readonly done: Record<string, number> = {}
  operations = 0
  comparedBytes = 0
  wrongBytes = 0
  readonly #memory: ReturnType<typeof scarce>
  readonly #random: Random
  readonly #corpus: ReadonlyArray<Uint8Array>
  readonly #pairs: Array<Pair> = []
  readonly #jobs: Array<{ job: CompressJob; snapshot: Uint8Array }> = []
  readonly #scratch: Uint8Array
  readonly #regions: number
  readonly #chunks: number
  #made = 0

  private constructor(arena: Arena, memory: ReturnType<typeof scarce>, seed: number, regions: number, chunks: number) {
    this.arena = arena
    this.#memory = memory
    this.#random = random(seed)
    this.#corpus = kinds.map((kind) => makeBytes(kind, corpusBytes, this.#random))
    this.#scratch = new Uint8Array(arena.chunkBytes)
    this.#regions = regions
    this.#chunks = chunks
    for (let i = 0; i < regions; i++) this.#pairs.push(this.#newPair())
  }

  static async open(
    options: Omit<ArenaOptions, "memory"> & {
      readonly memory: OffHeapMemory
      readonly seed: number
      readonly regions: number
      readonly chunks: number
    }
  ): Promise<Shadow> {
    const memory = scarce(options.memory)
    const arena = await Arena.open({ ...options, memory })
    return new Shadow(arena, memory, options.seed, options.regions, options.chunks)
  }

  /** One operation; most are reads and writes. */
  step(): void {
    this.operations++
    const dice = this.#random.below(1000)
    if (dice < 300) this.#read()
    else if (dice < 550) this.#write()
    else if (dice < 600) this.#writeChunk()
    else if (dice < 650) this.#view()
    else if (dice < 850) this.#count("compress", () => this.#any((region, chunk) => region.compress(chunk)))
    else if (dice < 890) this.#begin()
    else if (dice < 930) this.#finish()
    else if (dice < 970) this.#count("restoreEarly", () => this.#any((region, chunk) => region.restoreEarly(chunk)))
    else if (dice < 980) this.#count("demote", () => this.#any((region, chunk) => region.demote(chunk)))
    else if (dice < 985) this.#count("compact", () => this.arena.compact(this.#random.below(2 ** 20)))
    else if (dice < 990) this.#damage()
    else if (dice < 996) this.#shortage()
    else if (dice < 998) this.#discard()
    else if (dice === 998) this.#count("cap", () => (this.arena.poolBytes = this.#random.below(4) === 0 ? 2 ** 16 : 2 ** 40))
    else if (dice === 999) this.#renew()
  }

  /** Chunks on their way through a real compressor: to be given to `finish` of their regions. */
  beginMany(most: number): ReadonlyArray<CompressJob> {
    const jobs: Array<CompressJob> = []
    for (let i = 0; i < most; i++) {
      const [{ region }, chunk] = this.#place()
      const begun = region.begin(chunk)
      if (typeof begun !== "string") jobs.push(begun)
    }
    return jobs
  }

  /** Compares everything, and the region's counts with its chunks. */
  check(): void {
    for (const { copy, region } of this.#pairs) {
      const chunks = Array.from({ length: region.chunks }, (_, chunk) => chunk)
      const incompressible = chunks.filter((chunk) => (region.table.flags[chunk]! & isIncompressible) !== 0).length
      const compressed = chunks.filter((chunk) => region.state(chunk) === "compressed").length
      const stats = region.stats()
      if (stats.incompressible !== incompressible || stats.compressed !== compressed) this.wrongBytes++
      for (let offset = 0; offset < region.bytes; offset += region.chunkBytes)
        this.#compare(region, copy, offset, Math.min(region.chunkBytes, region.bytes - offset))
    }
  }

  /** Frees everything, and says what the pool still holds: nothing, unless something was lost. */
  close(): number {
    for (const { job } of this.#jobs.splice(0)) job.region.abandon(job)
    for (const { region } of this.#pairs) region.free()
    this.arena.compact()
    const { heldBytes } = this.arena.poolStats()
    this.arena.close()
    return heldBytes
  }

  #newPair(): Pair {
    const bytes = this.#chunks * this.arena.chunkBytes - this.#random.below(this.arena.chunkBytes)
    return { region: this.arena.region(bytes, `r${this.#made++}`), copy: new Uint8Array(bytes) }
  }

  #place(): readonly [Pair, number] {
    const pair = this.#pairs[this.#random.below(this.#regions)]!
    return [pair, this.#random.below(pair.region.chunks)]
  }

  #any(use: (region: Region, chunk: number) => unknown): void {
    const [{ region }, chunk] = this.#place()
    use(region, chunk)
  }

  #count(name: string, use: () => void): void {
    this.done[name] = (this.done[name] ?? 0) + 1
    use()
  }

  /** A range: mostly short, sometimes over several chunks. */
  #range({ region }: Pair, chunk: number, isWide = this.#random.below(50) === 0): readonly [offset: number, length: number] {
    const offset = Math.min(chunk * region.chunkBytes + this.#random.below(region.chunkBytes), region.bytes - 1)
    const most = isWide ? 3 * region.chunkBytes : 200
    return [offset, 1 + this.#random.below(Math.min(most, region.bytes - offset))]
  }

  #bytes(length: number): Uint8Array {
    const kind = this.#corpus[this.#random.below(this.#corpus.length)]!
    const from = this.#random.below(corpusBytes - length)
    return kind.subarray(from, from + length)
  }

  #compare(region: Region, copy: Uint8Array, offset: number, length: number): void {
    const target = length <= this.#scratch.length ? this.#scratch.subarray(0, length) : new Uint8Array(length)
    region.readInto(offset, target)
    this.comparedBytes += length
    if (Buffer.compare(target, copy.subarray(offset, offset + length)) === 0) return
    for (let at = 0; at < length; at++) if (target[at] !== copy[offset + at]) this.wrongBytes++
  }

  #read(): void {
    const [pair, chunk] = this.#place()
    const [offset, length] = this.#range(pair, chunk)
    this.#count("read", () => this.#compare(pair.region, pair.copy, offset, length))
  }

  #write(): void {
    const [pair, chunk] = this.#place()
    const [offset, length] = this.#range(pair, chunk)
    const bytes = this.#bytes(length)
    this.#count("write", () => pair.region.write(offset, bytes))
    pair.copy.set(bytes, offset)
  }

  #writeChunk(): void {
    const [{ copy, region }, chunk] = this.#place()
    const offset = chunk * region.chunkBytes
    const bytes = this.#bytes(Math.min(region.chunkBytes, region.bytes - offset))
    this.#count("writeChunk", () => region.write(offset, bytes))
    copy.set(bytes, offset)
  }

  #view(): void {
    const [{ copy, region }, chunk] = this.#place()
    const offset = chunk * region.chunkBytes
    const length = Math.min(region.chunkBytes, region.bytes - offset)
    const view = region.view(offset, length)
    const kept = view.bytes
    this.#count("view", () => {
      if (region.compress(chunk) !== "left") this.wrongBytes++
      const at = this.#random.below(length)
      kept[at] = copy[offset + at] = this.#random.below(256)
      if (Buffer.compare(kept, copy.subarray(offset, offset + length)) !== 0) this.wrongBytes++
    })
    view.release()
    // What can still be seen through a view that is over would be a pointer that went stale.
    if (kept.length > 0) this.wrongBytes++
  }

  /** A compressor elsewhere, as the worst of them would be: its copy may be torn by writes that come meanwhile. */
  #begin(): void {
    if (this.#jobs.length >= 50) return
    const [{ copy, region }, chunk] = this.#place()
    const begun = region.begin(chunk)
    if (typeof begun === "string") return
    const snapshot = region.snapshot(begun)
    const offset = chunk * region.chunkBytes
    if (this.#random.below(3) === 0) {
      const half = Math.min(region.chunkBytes >> 1, region.bytes - offset)
      const bytes = this.#bytes(half)
      region.write(offset, bytes)
      copy.set(bytes, offset)
      snapshot.set(bytes.subarray(0, half >> 1))
    }
    this.#count("begin", () => this.#jobs.push({ job: begun, snapshot }))
  }

  #finish(): void {
    const at = this.#random.below(50)
    const [taken] = this.#jobs.splice(at, 1)
    if (taken === undefined) return
    const { job, snapshot } = taken
    this.#count("finish", () => {
      if (this.#random.below(10) === 0) return job.region.abandon(job)
      const length = this.arena.codec.compress(snapshot, this.#scratch.subarray(0, this.arena.keepRawAboveBytes))
      job.region.finish(job, length === 0 ? undefined : this.#scratch.subarray(0, length))
    })
  }

  /** Flips a bit of a payload, sees that it is found and named, and mends it. */
  #damage(): void {
    const [{ region }, chunk] = this.#place()
    const payload = region.payloadForTest(chunk)
    if (payload === undefined) return
    const at = this.#random.below(payload.length)
    const bit = 1 << this.#random.below(8)
    payload[at]! ^= bit
    this.#count("damage", () => {
      const error = this.#failure(() => region.read(chunk * region.chunkBytes, 1))
      if (error?.reason._tag !== "Corrupted" || error.region !== region.name || error.chunk !== chunk) this.wrongBytes++
    })
    payload[at]! ^= bit
  }

  /** Memory runs out for one operation: an error that says so, or none; and nothing lost. */
  #shortage(): void {
    this.#memory.isShort = true
    this.#count("shortage", () => {
      for (let i = 0; i < 3; i++) this.#any((region, chunk) => region.compress(chunk))
      // What is kept for the next restore is not there then.
      this.arena.trim()
      const [{ region }, chunk] = this.#place()
      const wasCompressed = region.state(chunk) === "compressed"
      const error = this.#failure(() => region.read(chunk * region.chunkBytes, 1))
      if (wasCompressed !== (error?.reason._tag === "NoMemory")) this.wrongBytes++
    })
    this.#memory.isShort = false
  }

  #failure(use: () => unknown): ArenaError | undefined {
    try {
      use()
      return undefined
    } catch (problem) {
      if (problem instanceof ArenaError) return problem
      throw problem
    }
  }

  /** Whole chunks within a range become zeros, the others stay. */
  #discard(): void {
    const [pair, chunk] = this.#place()
    const { copy, region } = pair
    const [offset, length] = this.#range(pair, chunk, true)
    this.#count("discard", () => region.discard(offset, length))
    const first = Math.ceil(offset / region.chunkBytes) * region.chunkBytes
    const end = offset + length === region.bytes ? region.bytes : Math.floor((offset + length) / region.chunkBytes) * region.chunkBytes
    if (first < end) copy.fill(0, first, end)
  }

  #renew(): void {
    const at = this.#random.below(this.#regions)
    const { copy, region } = this.#pairs[at]!
    this.#count("renew", () => {
      this.#compare(region, copy, 0, region.bytes)
      region.free()
      this.#pairs[at] = this.#newPair()
    })
  }
}
