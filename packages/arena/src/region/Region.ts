/**
 * A range of bytes in chunks, each raw or compressed, and nobody has to know which: what is read or written is restored first. Offsets, views
 * and checks are here, what becomes of a chunk in `Chunks`. Synchronous; throws `ArenaError`. When to compress is not decided here.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { CompressOutcome, Store } from "../Store.ts"
import { Chunks, type TouchListener } from "./Chunks.ts"
import { chunkStateNames, type ChunkStateName, type ChunkTable } from "./ChunkTable.ts"
import { ChunkView } from "./ChunkView.ts"
import { type CompressJob, Jobs } from "./Jobs.ts"

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
  onActiveSoon: ((atMs: Milliseconds) => void) | undefined
  readonly #store: Store
  readonly #chunks: Chunks
  readonly #jobs: Jobs
  readonly #onFreed: () => void
  #pinned = 0
  #isFreed = false

  constructor(store: Store, name: string, bytes: Bytes, onFreed: () => void) {
    this.name = name
    this.bytes = bytes
    this.chunkBytes = store.chunkBytes
    this.chunks = Math.ceil(bytes / store.chunkBytes)
    this.#store = store
    this.#chunks = new Chunks(store, this.chunks, name)
    this.#jobs = new Jobs(store, this.#chunks)
    this.table = this.#chunks.table
    this.#onFreed = onFreed
  }

  /** Is told of touches at least a millisecond after the last one of their chunk. */
  set onTouch(listener: TouchListener | undefined) {
    this.#chunks.onTouch = listener
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
    const { chunkBytes } = this
    for (let done = 0; done < source.length;) {
      const chunk = Math.floor((offset + done) / chunkBytes)
      const start = offset + done - chunk * chunkBytes
      const length = Math.min(source.length - done, chunkBytes - start)
      if (length === chunkBytes) this.#chunks.overwrite(chunk)
      this.#chunks.touch(chunk, true)
      this.#chunks.write(chunk, start, length === source.length ? source : source.subarray(done, done + length))
      done += length
    }
  }

  /** The bytes in place, pinned until the view is released (`using`, or `withView`). They have to lie within a chunk. */
  view(offset: Bytes, length: Bytes): ChunkView {
    this.#check(offset, length)
    const chunk = Math.min(Math.floor(offset / this.chunkBytes), this.chunks - 1)
    const start = offset - chunk * this.chunkBytes
    if (start + length > this.chunkBytes) throw this.#chunks.error({ _tag: "CrossesChunk", offset, length, chunkBytes: this.chunkBytes })
    const { pins } = this.table
    if (pins[chunk] === 0xffff) throw this.#chunks.error({ _tag: "InView" }, chunk)
    this.#chunks.touch(chunk, true)
    const frame = this.table.frame[chunk]!
    const buffer = this.#store.frames.lend(frame)
    pins[chunk]!++
    this.#pinned++
    return new ChunkView(buffer, start, length, () => {
      this.#pinned--
      if (--pins[chunk]! === 0) this.#store.frames.takeBack(frame)
      this.#chunks.touch(chunk, true)
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
    const first = Math.ceil(offset / this.chunkBytes)
    const { pins } = this.table
    for (let chunk = first; chunk < end; chunk++) if (pins[chunk]! > 0) throw this.#chunks.error({ _tag: "InView" }, chunk)
    for (let chunk = first; chunk < end; chunk++) this.#chunks.discard(chunk)
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
    return !this.#isFreed && this.#chunks.isCandidate(chunk)
  }

  /** Compresses a chunk now. Never throws for lack of memory: the chunk stays raw then (`full`). Its memory is given back by `settle` at the latest. */
  compress(chunk: number): CompressOutcome {
    return this.isCandidate(chunk) ? this.#chunks.compress(chunk) : "left"
  }

  /** Starts on a chunk that a compressor elsewhere does; `finish` or `abandon` ends it. What needs no compressor is done at once. */
  begin(chunk: number): CompressJob | CompressOutcome {
    return this.isCandidate(chunk) ? this.#jobs.begin(this, chunk) : "left"
  }

  /** A copy of the bytes that a job is about, for compressors that cannot see them. */
  snapshot({ chunk }: CompressJob): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#chunks.bytes(chunk))
  }

  /** Takes what came of a job; undefined for "saves too little". Dropped when the chunk was touched meanwhile. */
  finish(job: CompressJob, compressed: Uint8Array | undefined): CompressOutcome {
    return this.#jobs.finish(job, compressed)
  }

  /** Ends a job that nobody could do. */
  abandon(job: CompressJob): void {
    this.#jobs.abandon(job)
  }

  /** Gives back the raw memory of what has been compressed, all but a little that is kept for what comes next. */
  settle(): void {
    this.#store.settle()
  }

  /** Decompresses a chunk before it is touched. False where there is nothing to do. */
  restoreEarly(chunk: number): boolean {
    return !this.#isFreed && this.#chunks.restoreEarly(chunk)
  }

  /** Moves a compressed chunk to the coldest tier. Gives the bytes that saved. */
  demote(chunk: number): Bytes {
    return this.#isFreed ? 0 : this.#chunks.demote(chunk)
  }

  /** Its chunk in the pool, as it is, for tests of what happens to damaged ones; undefined while it is raw or has no bytes there. */
  payloadForTest(chunk: number): Uint8Array | undefined {
    const number = this.table.payload[chunk]!
    return number < 0 || this.#store.isFill(number) ? undefined : this.#store.payloads.unverified(number)
  }

  stats(): RegionStats {
    const { compressed, incompressible, raw } = this.#chunks
    return { name: this.name, chunks: this.chunks, raw, compressed, incompressible }
  }

  /** Chunks that have memory of their own now. */
  get rawChunks(): number {
    return this.#chunks.raw
  }

  /** Raw chunks that have not been tried in vain. */
  get candidates(): number {
    return this.#chunks.raw - this.#chunks.incompressible
  }

  get compressedChunks(): number {
    return this.#chunks.compressed
  }

  get isFreed(): boolean {
    return this.#isFreed
  }

  /** Gives all of it back. Fails while it is in view. */
  free(): void {
    if (this.#isFreed) return
    if (this.#pinned > 0) throw this.#chunks.error({ _tag: "InView" })
    this.#isFreed = true
    this.#chunks.free()
    this.#onFreed()
  }

  #copyOut(offset: Bytes, target: Uint8Array): void {
    const { chunkBytes } = this
    for (let done = 0; done < target.length;) {
      const chunk = Math.floor((offset + done) / chunkBytes)
      const start = offset + done - chunk * chunkBytes
      const length = Math.min(target.length - done, chunkBytes - start)
      this.#chunks.touch(chunk, false)
      this.#chunks.read(chunk, start, length === target.length ? target : target.subarray(done, done + length))
      done += length
    }
  }

  #check(offset: Bytes, length: Bytes): void {
    if (this.#isFreed) throw this.#chunks.error({ _tag: "Closed" })
    if (!(Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0 && offset + length <= this.bytes)) {
      throw this.#chunks.error({ _tag: "OutOfRange", offset, length, regionBytes: this.bytes })
    }
  }
}
