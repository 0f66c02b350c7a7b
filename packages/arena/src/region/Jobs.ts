/**
 * Chunks of a region on their way through a compressor that does not run here. A touch meanwhile wins: the chunk then is another version, and
 * what the compressor gives is dropped.
 */
import type { Milliseconds } from "@wmo/core"
import type { CompressOutcome, Store } from "../Store.ts"
import type { Chunks } from "./Chunks.ts"
import { ChunkState } from "./ChunkTable.ts"
import type { Region } from "./Region.ts"

export interface CompressJob {
  readonly region: Region
  readonly chunk: number
  readonly version: number
  /** Where its bytes are, for threads that can see them. */
  readonly address: bigint | undefined
  readonly startedMs: Milliseconds
}

export class Jobs {
  readonly #store: Store
  readonly #chunks: Chunks

  constructor(store: Store, chunks: Chunks) {
    this.#store = store
    this.#chunks = chunks
  }

  /** Starts on a candidate; what needs no compressor is done at once. */
  begin(region: Region, chunk: number): CompressJob | CompressOutcome {
    const fill = this.#store.fillOf(this.#chunks.bytes(chunk))
    if (fill !== undefined) return this.#chunks.enter(chunk, fill)
    const { frame, state, version } = this.#chunks.table
    state[chunk] = ChunkState.compressing
    version[chunk]!++
    this.#store.jobBegins()
    const address = this.#store.frames.address(frame[chunk]!)
    return { region, chunk, version: version[chunk]!, address, startedMs: this.#store.now() }
  }

  /** Takes what came of a job; undefined for "saves too little". */
  finish(job: CompressJob, compressed: Uint8Array | undefined): CompressOutcome {
    this.#store.jobEnds()
    if (!this.#isStill(job)) {
      this.#store.counters.dropped++
      return "left"
    }
    this.#chunks.table.state[job.chunk] = ChunkState.raw
    const result = compressed === undefined ? "incompressible" : this.#chunks.orFull(() => this.#store.keep(compressed))
    return this.#chunks.enter(job.chunk, result)
  }

  /** Ends a job that nobody could do. */
  abandon(job: CompressJob): void {
    this.#store.jobEnds()
    if (this.#isStill(job)) this.#chunks.table.state[job.chunk] = ChunkState.raw
  }

  #isStill({ chunk, version }: CompressJob): boolean {
    const { table } = this.#chunks
    return table.state[chunk] === ChunkState.compressing && table.version[chunk] === version
  }
}
