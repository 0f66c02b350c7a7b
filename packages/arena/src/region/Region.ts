/**
 * A range of bytes in chunks, each raw or compressed, and nobody has to know which: what is read or written is restored first. The only
 * place where a chunk changes its state. Synchronous; throws `ArenaError`. When to compress is not decided here.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { ArenaError, type ArenaReason } from "../ArenaError.ts"
import type { Reservation } from "../memory/OffHeap.ts"
import type { CompressOutcome, Store } from "../Store.ts"
import { ChunkState, chunkStateNames, type ChunkStateName, ChunkTable, isIncompressible, isPrefetched, isTouched } from "./ChunkTable.ts"
import { ChunkView } from "./ChunkView.ts"

/** A chunk on its way through a compressor that does not run here. */
export interface CompressJob {
  readonly region: Region
  readonly chunk: number
  readonly version: number
  /** Where its bytes are, for threads that can see them. */
  readonly address: bigint | undefined
  readonly startedMs: Milliseconds
}

/** `idleMs`: how long before that its last touch was. */
export type TouchListener = (chunk: number, atMs: Milliseconds, isWrite: boolean, wasCompressed: boolean, idleMs: Milliseconds) => void

/** Raw memory of neighbours that have been compressed is given back together, up to this much: one by one it costs up to eight times as much. */
const mostLeftBytes: Bytes = 2 ** 20

export interface RegionStats {
  readonly name: string
  readonly chunks: number
  /** Chunks that have ever been used, by where they are now. */
  readonly raw: number
  readonly compressed: number
  readonly incompressible: number
}

export class Region {
  readonly name: string
  readonly bytes: Bytes
  readonly chunkBytes: Bytes
  readonly chunks: number
  /** For those that decide what to compress: not to be changed by them. */
  readonly table: ChunkTable
  /** Is told of touches at least a millisecond after the last one of their chunk. */
  onTouch: TouchListener | undefined
  onActiveSoon: ((atMs: Milliseconds) => void) | undefined
  readonly #store: Store
  readonly #memory: Reservation
  readonly #onFreed: () => void
  #raw = 0
  #compressed = 0
  #incompressible = 0
  #jobs = 0
  #pinned = 0
  #isFreed = false
  /** Chunks in a row that are compressed, and whose raw memory has yet to be given back. */
  #leftFirst = 0
  #leftCount = 0

  constructor(store: Store, name: string, bytes: Bytes, onFreed: () => void) {
    this.name = name
    this.bytes = bytes
    this.chunkBytes = store.chunkBytes
    this.chunks = Math.ceil(bytes / store.chunkBytes)
    this.#store = store
    this.#memory = store.memory.reserve(store.chunkBytes, this.chunks)
    this.table = new ChunkTable(this.chunks, store.now())
    this.#onFreed = onFreed
  }

  /** A copy of `length` bytes from `offset` on. */
  read(offset: Bytes, length: Bytes): Uint8Array<ArrayBuffer> {
    this.#check(offset, length)
    const target = new Uint8Array(length)
    this.#copyOut(offset, target)
    return target
  }

  /** Copies as many bytes as `target` has. */
  readInto(offset: Bytes, target: Uint8Array): void {
    this.#check(offset, target.length)
    this.#copyOut(offset, target)
  }

  write(offset: Bytes, source: Uint8Array): void {
    this.#check(offset, source.length)
    for (let done = 0; done < source.length;) {
      const chunk = Math.floor((offset + done) / this.chunkBytes)
      const start = (offset + done) % this.chunkBytes
      const length = Math.min(source.length - done, this.chunkBytes - start)
      if (length === this.chunkBytes) this.#discard(chunk)
      this.#touch(chunk, true)
      this.#memory.bytes(chunk, start, start + length).set(length === source.length ? source : source.subarray(done, done + length))
      done += length
    }
  }

  /** The bytes in place, pinned until the view is released (`using`, or `withView`). They have to lie within a chunk. */
  view(offset: Bytes, length: Bytes): ChunkView {
    this.#check(offset, length)
    const chunk = Math.min(Math.floor(offset / this.chunkBytes), this.chunks - 1)
    const start = offset - chunk * this.chunkBytes
    if (start + length > this.chunkBytes) throw this.#error({ _tag: "CrossesChunk", offset, length, chunkBytes: this.chunkBytes })
    const { pins } = this.table
    if (pins[chunk] === 0xffff) throw this.#error({ _tag: "InView" }, chunk)
    this.#touch(chunk, true)
    const buffer = this.#memory.lend(chunk)
    pins[chunk]!++
    this.#pinned++
    return new ChunkView(buffer, start, length, () => {
      this.#pinned--
      if (--pins[chunk]! === 0) this.#memory.takeBack(chunk)
      this.#touch(chunk, true)
    })
  }

  /** A view for as long as `use` runs. What `use` gives must not be the bytes. */
  withView<A>(offset: Bytes, length: Bytes, use: (bytes: Uint8Array<ArrayBuffer>) => A): A {
    const view = this.view(offset, length)
    try {
      return use(view.bytes)
    } finally {
      view.release()
    }
  }

  /** Gives back all chunks that lie wholly within the range, whatever they are: they are zeros again, and cost nothing. */
  discard(offset: Bytes, length: Bytes): void {
    this.#check(offset, length)
    const end = offset + length === this.bytes ? this.chunks : Math.floor((offset + length) / this.chunkBytes)
    this.settle()
    const { flags, pins, version } = this.table
    const first = Math.ceil(offset / this.chunkBytes)
    for (let chunk = first; chunk < end; chunk++) if (pins[chunk]! > 0) throw this.#error({ _tag: "InView" }, chunk)
    for (let chunk = first; chunk < end; chunk++) {
      if ((flags[chunk]! & isTouched) === 0) continue
      if (this.table.state[chunk] === ChunkState.compressed) this.#leave(chunk)
      this.table.state[chunk] = ChunkState.raw
      if ((flags[chunk]! & isIncompressible) !== 0) this.#incompressible--
      flags[chunk] = 0
      version[chunk]!++
      this.#raw--
      this.#memory.release(chunk)
    }
  }

  /** Says that all of it will be used soon: one more thing for predictors to go by. */
  activeSoon(): void {
    this.onActiveSoon?.(this.#store.now())
  }

  state(chunk: number): ChunkStateName {
    return chunkStateNames[this.table.state[chunk]!]!
  }

  /** Whether compressing it may be worth a try: it is raw, has been used, is not in view, and has not been tried in vain. */
  isCandidate(chunk: number): boolean {
    const { flags, pins, state } = this.table
    return state[chunk] === ChunkState.raw && pins[chunk] === 0 && (flags[chunk]! & (isTouched | isIncompressible)) === isTouched
  }

  /**
   * Compresses a chunk now. Never throws for lack of memory: the chunk stays raw then (`full`). Its raw memory is given back with that of its
   * neighbours, at the latest by `settle`.
   */
  compress(chunk: number): CompressOutcome {
    if (this.#isFreed || !this.isCandidate(chunk)) return "left"
    const started = this.#store.meter()
    const raw = this.#memory.bytes(chunk)
    const outcome = this.#enter(chunk, this.#fill(raw) ?? this.#orFull(() => this.#store.compress(raw)))
    this.#store.counters.compressMs += this.#store.meter() - started
    return outcome
  }

  /** Starts on a chunk that a compressor elsewhere does; `finish` ends it. What needs no compressor is done at once. */
  begin(chunk: number): CompressJob | CompressOutcome {
    if (this.#isFreed || !this.isCandidate(chunk)) return "left"
    const fill = this.#fill(this.#memory.bytes(chunk))
    if (fill !== undefined) return this.#enter(chunk, fill)
    const { state, version } = this.table
    state[chunk] = ChunkState.compressing
    version[chunk]!++
    this.#jobs++
    const address = this.#memory.address
    return {
      region: this,
      chunk,
      version: version[chunk]!,
      address: address === undefined ? undefined : address + BigInt(chunk) * BigInt(this.chunkBytes),
      startedMs: this.#store.now()
    }
  }

  /** A copy of the bytes that a job is about, for compressors that cannot see them. */
  snapshot({ chunk }: CompressJob): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.bytes(chunk))
  }

  /** Takes what came of a job; undefined for "saves too little". Dropped when the chunk was touched meanwhile. */
  finish({ chunk, version }: CompressJob, compressed: Uint8Array | undefined): CompressOutcome {
    this.#jobs--
    if (this.#isFreed) {
      if (this.#jobs === 0) this.#memory.close()
      return "left"
    }
    const { state } = this.table
    if (state[chunk] !== ChunkState.compressing || this.table.version[chunk] !== version) {
      this.#store.counters.dropped++
      return "left"
    }
    state[chunk] = ChunkState.raw
    return this.#enter(chunk, compressed === undefined ? "incompressible" : this.#orFull(() => this.#store.keep(compressed)))
  }

  /** Gives back the raw memory of what has been compressed. */
  settle(): void {
    if (this.#leftCount > 0 && !this.#isFreed) this.#memory.release(this.#leftFirst, this.#leftCount)
    this.#leftCount = 0
  }

  /** Ends a job that nobody could do. */
  abandon(job: CompressJob): void {
    const { state, version } = this.table
    if (!this.#isFreed && state[job.chunk] === ChunkState.compressing && version[job.chunk] === job.version) {
      state[job.chunk] = ChunkState.raw
    }
    if (--this.#jobs === 0 && this.#isFreed) this.#memory.close()
  }

  /** Decompresses a chunk before it is touched. False where there is nothing to do. */
  restoreEarly(chunk: number): boolean {
    if (this.#isFreed || this.table.state[chunk] !== ChunkState.compressed) return false
    this.#restore(chunk)
    this.table.flags[chunk]! |= isPrefetched
    this.#store.counters.earlyRestores++
    return true
  }

  /** Moves a compressed chunk to the coldest tier. Gives the bytes that saved. */
  demote(chunk: number): Bytes {
    const { payload, state, tier } = this.table
    if (this.#isFreed || state[chunk] !== ChunkState.compressed || tier[chunk] !== 0) return 0
    tier[chunk] = 1
    let saved: Bytes
    try {
      saved = this.#store.demote(payload[chunk]!)
    } catch {
      // No memory for a smaller copy: it stays in the tier where it is.
      saved = 0
    }
    if (saved > 0) this.#store.counters.demoted++
    return saved
  }

  /** Its chunk in the pool, as it is, for tests of what happens to damaged ones; undefined while it is raw or has no bytes there. */
  payloadForTest(chunk: number): Uint8Array | undefined {
    const number = this.table.payload[chunk]!
    return number < 0 || this.#store.isFill(number) ? undefined : this.#store.payloads.unverified(number)
  }

  stats(): RegionStats {
    return { name: this.name, chunks: this.chunks, raw: this.#raw, compressed: this.#compressed, incompressible: this.#incompressible }
  }

  /** Chunks that have memory of their own now. */
  get rawChunks(): number {
    return this.#raw
  }

  /** Raw chunks that have not been tried in vain. */
  get candidates(): number {
    return this.#raw - this.#incompressible
  }

  get compressedChunks(): number {
    return this.#compressed
  }

  get isFreed(): boolean {
    return this.#isFreed
  }

  /** Gives all of it back. Fails while it is in view. */
  free(): void {
    if (this.#isFreed) return
    if (this.#pinned > 0) throw this.#error({ _tag: "InView" })
    const { payload } = this.table
    for (let chunk = 0; chunk < this.chunks; chunk++) if (payload[chunk]! >= 0) this.#store.payloads.release(payload[chunk]!)
    this.#isFreed = true
    this.#raw = 0
    this.#compressed = 0
    this.#incompressible = 0
    this.#onFreed()
    // A compressor on another thread may be reading: the last of its jobs closes it.
    if (this.#jobs === 0) this.#memory.close()
  }

  #copyOut(offset: Bytes, target: Uint8Array): void {
    for (let done = 0; done < target.length;) {
      const chunk = Math.floor((offset + done) / this.chunkBytes)
      const start = (offset + done) % this.chunkBytes
      const length = Math.min(target.length - done, this.chunkBytes - start)
      this.#touch(chunk, false)
      target.set(this.#memory.bytes(chunk, start, start + length), done)
      done += length
    }
  }

  /** Makes it raw, whatever it was, and remembers the touch. */
  #touch(chunk: number, isWrite: boolean): void {
    const { flags, state, touchedAtMs, version } = this.table
    const nowMs = this.#store.now()
    const wasCompressed = state[chunk] === ChunkState.compressed
    if (wasCompressed) {
      const started = this.#store.meter()
      this.#restore(chunk)
      this.#store.counters.demandRestores++
      this.#store.counters.demandMs += this.#store.meter() - started
    } else if (state[chunk] === ChunkState.compressing) {
      state[chunk] = ChunkState.raw
      version[chunk]!++
    }
    const flag = flags[chunk]!
    if ((flag & isTouched) === 0) this.#raw++
    if ((flag & isPrefetched) !== 0) this.#store.counters.earlyUsed++
    if (isWrite && (flag & isIncompressible) !== 0) this.#incompressible--
    flags[chunk] = (isWrite ? 0 : flag & isIncompressible) | isTouched
    if (isWrite) version[chunk]!++
    const lastMs = touchedAtMs[chunk]!
    touchedAtMs[chunk] = nowMs
    if (this.onTouch !== undefined && (wasCompressed || nowMs - lastMs >= 1))
      this.onTouch(chunk, nowMs, isWrite, wasCompressed, nowMs - lastMs)
  }

  /** All of it will be written: what it held need not be restored. */
  #discard(chunk: number): void {
    if (this.table.state[chunk] !== ChunkState.compressed) return
    this.#settleIfLeft(chunk)
    this.#store.counters.overwritten++
    this.#leave(chunk)
  }

  #restore(chunk: number): void {
    const { payload, state } = this.table
    const started = this.#store.meter()
    this.#settleIfLeft(chunk)
    state[chunk] = ChunkState.restoring
    let problem: string | undefined
    try {
      this.#memory.populate(chunk)
      problem = this.#store.restore(payload[chunk]!, this.#memory.bytes(chunk))
    } catch (thrown) {
      state[chunk] = ChunkState.compressed
      throw this.#named(thrown, chunk)
    }
    if (problem !== undefined) {
      state[chunk] = ChunkState.compressed
      this.#memory.release(chunk)
      this.#store.counters.corrupted++
      throw this.#error({ _tag: "Corrupted", why: problem }, chunk)
    }
    this.#leave(chunk)
    this.#store.counters.restoreMs += this.#store.meter() - started
  }

  /** From compressed (or restoring) to raw. */
  #leave(chunk: number): void {
    const { payload, state, tier } = this.table
    this.#store.payloads.release(payload[chunk]!)
    payload[chunk] = -1
    tier[chunk] = 0
    state[chunk] = ChunkState.raw
    this.#raw++
    this.#compressed--
  }

  /** From raw to compressed, if there is a payload. */
  #enter(chunk: number, result: number | "incompressible" | "full"): CompressOutcome {
    const { flags, payload, state } = this.table
    const { counters } = this.#store
    if (result === "incompressible") {
      counters.incompressible++
      flags[chunk]! |= isIncompressible
      this.#incompressible++
      return result
    }
    if (result === "full") {
      counters.poolFull++
      return result
    }
    payload[chunk] = result
    state[chunk] = ChunkState.compressed
    this.#raw--
    this.#compressed++
    counters.compressed++
    if ((flags[chunk]! & isPrefetched) !== 0) {
      counters.earlyWasted++
      flags[chunk]! &= ~isPrefetched
    }
    this.#leaveMemory(chunk)
    if (!this.#store.isFill(result)) return "compressed"
    counters.filled++
    return "filled"
  }

  #leaveMemory(chunk: number): void {
    if (this.#leftCount > 0 && chunk === this.#leftFirst + this.#leftCount) this.#leftCount++
    else {
      this.settle()
      this.#leftFirst = chunk
      this.#leftCount = 1
    }
    if (this.#leftCount * this.chunkBytes >= mostLeftBytes) this.settle()
  }

  /** Before a chunk is raw again: what would be given back later is its new content then. */
  #settleIfLeft(chunk: number): void {
    if (chunk >= this.#leftFirst && chunk < this.#leftFirst + this.#leftCount) this.settle()
  }

  #fill(raw: Uint8Array): number | undefined {
    return this.#store.fillOf(raw)
  }

  #orFull<A>(store: () => A): A | "full" {
    try {
      return store()
    } catch (problem) {
      if (problem instanceof ArenaError && problem.reason._tag === "NoMemory") return "full"
      throw problem
    }
  }

  #check(offset: Bytes, length: Bytes): void {
    if (this.#isFreed) throw this.#error({ _tag: "Closed" })
    if (!(Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0 && offset + length <= this.bytes)) {
      throw this.#error({ _tag: "OutOfRange", offset, length, regionBytes: this.bytes })
    }
  }

  #named(thrown: unknown, chunk: number): unknown {
    return thrown instanceof ArenaError ? this.#error(thrown.reason, chunk) : thrown
  }

  #error(reason: ArenaReason, chunk?: number): ArenaError {
    return new ArenaError({ reason, region: this.name, chunk })
  }
}
