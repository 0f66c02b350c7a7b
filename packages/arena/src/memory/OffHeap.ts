/**
 * Memory outside of the JavaScript heap, in reservations of equal units, each of which can be given back to the system by itself. Two kinds:
 * `mmap` (koffi; the units of a reservation lie side by side) and `buffers` (an ArrayBuffer each, dropped when given back).
 */
import type { Bytes } from "@wmo/core"
import { Context, Effect, Layer } from "effect"
import { buffers } from "./buffers.ts"
import { loadMmap } from "./mmap.ts"

export interface Reservation {
  readonly unitBytes: Bytes
  readonly units: number
  /** Where unit 0 starts, for other threads of this process; undefined where they cannot see it. */
  readonly address: bigint | undefined
  /**
   * Bytes of the unit from `start` to before `end`, by default all of them; zeros where it was never written or has been released. Good until
   * it is released, taken back or the reservation closed. Throws `ArenaError` (`NoMemory`).
   */
  readonly bytes: (unit: number, start?: Bytes, end?: Bytes) => Uint8Array
  /** Copies bytes to a place in the unit, and from it. The same as through `bytes`, without an array for it: for short pieces that is most of the cost. */
  readonly write: (unit: number, start: Bytes, source: Uint8Array) => void
  readonly read: (unit: number, start: Bytes, target: Uint8Array) => void
  /** The unit's memory, or part of it, as a buffer of its own, to give away. The same one until it is taken back. `buffers` lends whole units only. */
  readonly lend: (unit: number, start?: Bytes, end?: Bytes) => ArrayBuffer
  /** Detaches what was lent from `start` on: whoever still has it holds a buffer of length 0. The unit keeps its bytes. */
  readonly takeBack: (unit: number, start?: Bytes) => void
  /** Says that all of a unit, or of part of it, will be written now: faults it in at once. Throws `ArenaError` (`NoMemory`). */
  readonly populate: (unit: number, start?: Bytes, end?: Bytes) => void
  /**
   * Gives the memory of a unit, of several in a row, or (with a count of 1) of part of one back to the system; the bytes are lost. One call
   * for many is far cheaper. `buffers` gives back whole units only.
   */
  readonly release: (unit: number, count?: number, start?: Bytes, end?: Bytes) => void
  /** Gives all of it back. Nothing of it may be used after that. */
  readonly close: () => void
}

export interface OffHeapMemory {
  readonly kind: "mmap" | "buffers"
  /** Costs address space only, until units are written. Throws `ArenaError` (`NoMemory`). */
  readonly reserve: (unitBytes: Bytes, units: number) => Reservation
}

/** `mmap` where koffi has a binary for this machine, `buffers` elsewhere. */
export const loadMemory = (): Promise<OffHeapMemory> => loadMmap().catch(() => buffers)

/** The memory that arenas of this program take theirs from. */
export class OffHeap extends Context.Service<OffHeap, OffHeapMemory>()("@wmo/arena/OffHeap") {
  static readonly layer = Layer.effect(OffHeap, Effect.promise(loadMemory))
  static readonly layerBuffers = Layer.succeed(OffHeap, buffers)
}
