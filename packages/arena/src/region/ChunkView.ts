/**
 * The bytes of part of a chunk in place, pinned: the chunk stays raw while there is a view of it. When the last one is released the bytes are
 * detached: whoever kept them has an array of length 0, never memory that is something else by now.
 */
import type { Bytes } from "@wmo/core"

export class ChunkView implements Disposable {
  readonly #release: () => void
  #isReleased = false
  readonly #buffer: ArrayBuffer
  readonly #start: Bytes
  readonly #length: Bytes

  constructor(buffer: ArrayBuffer, start: Bytes, length: Bytes, release: () => void) {
    this.#buffer = buffer
    this.#start = start
    this.#length = length
    this.#release = release
  }

  /** To read and to write, until the view is released; of length 0 after that. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#isReleased ? new Uint8Array(0) : new Uint8Array(this.#buffer, this.#start, this.#length)
  }

  /** Again does nothing. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
