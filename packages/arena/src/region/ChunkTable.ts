/**
 * What is known of a region's chunks, in flat arrays: 25 bytes a chunk (the prototype's were 72). The states are those of a cycle:
 * raw → compressing → compressed → restoring → raw. Holds data only; the transitions are in `Chunks`.
 */
import type { Bytes, Milliseconds } from "@wmo/core"

export const ChunkState = { raw: 0, compressing: 1, compressed: 2, restoring: 3 } as const
export type ChunkStateName = keyof typeof ChunkState
export const chunkStateNames: ReadonlyArray<ChunkStateName> = ["raw", "compressing", "compressed", "restoring"]

/** Compressing it saved too little; not to be tried until it is written. */
export const isIncompressible = 1
/** Restored on a prediction, not touched since. */
export const isPrefetched = 2
/** Read or written since the region was made: raw memory is there for it, unless it is compressed. */
export const isTouched = 4

export const bytesPerChunk: Bytes = 1 + 1 + 4 + 4 + 4 + 1 + 2 + 8

export class ChunkTable {
  readonly state: Uint8Array
  readonly flags: Uint8Array
  /** Grows with every write: a result for another version is dropped. */
  readonly version: Uint32Array
  /** Where its raw bytes are, or −1: while it is compressed, and before it is used. */
  readonly frame: Int32Array
  /** Number in the payload table, while compressed. */
  readonly payload: Int32Array
  /** How often the coldest tier has been tried in vain, or 255 when it is in it. */
  readonly tier: Uint8Array
  readonly pins: Uint16Array
  readonly touchedAtMs: Float64Array

  constructor(chunks: number, nowMs: Milliseconds) {
    this.state = new Uint8Array(chunks)
    this.flags = new Uint8Array(chunks)
    this.version = new Uint32Array(chunks)
    this.frame = new Int32Array(chunks).fill(-1)
    this.payload = new Int32Array(chunks).fill(-1)
    this.tier = new Uint8Array(chunks)
    this.pins = new Uint16Array(chunks)
    this.touchedAtMs = new Float64Array(chunks).fill(nowMs)
  }
}
