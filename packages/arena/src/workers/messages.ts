/** What the arena's thread and a codec thread say to each other. */
import type { Bytes } from "@wmo/core"

/** The thread's first message: whether it has its codec. */
export interface WorkerReady {
  readonly problem: string | undefined
}

export interface CompressRequest {
  readonly id: number
  readonly chunkBytes: Bytes
  /** Longer results are not wanted. */
  readonly mostBytes: Bytes
  readonly chunks: number
  /** Where the chunks are, if the thread can see them; else their bytes, one after the other. */
  readonly addresses: BigUint64Array | undefined
  readonly bytes: Uint8Array | undefined
  /** Where the results go, from an earlier reply; a new place where there is none, which costs as much as the copying. */
  readonly into: ArrayBuffer | undefined
}

export interface CompressReply {
  readonly id: number
  /** Of each result, 0 for one that is too long; the results themselves lie one after the other. */
  readonly lengths: Uint32Array
  readonly bytes: Uint8Array
  /** What it cost. */
  readonly cpuMs: number
  readonly problem: string | undefined
}
