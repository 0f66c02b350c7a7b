/**
 * What a codec of the arena is: a named pair of synchronous functions over memory that the caller owns. Codecs are plug-ins: the built-in
 * ones are loaded by name, others by module specifier (the module's default export). Knows nothing of chunks, pools or checksums.
 */
import type { Bytes } from "@wmo/core"

export interface Codec {
  /** The same name always writes the same format, and the same bytes for the same input. */
  readonly name: string
  /** Compresses into `target`. Gives the bytes written, or 0 when the result does not fit: `target` may be smaller than the worst case. */
  readonly compress: (source: Uint8Array, target: Uint8Array) => Bytes
  /** Fills `target`, whose length is that of the original. Throws where `source` is not what `compress` wrote or has another length. */
  readonly decompress: (source: Uint8Array, target: Uint8Array) => void
}

/** For codecs whose output has another length than expected: the caller turns it into the error that names the chunk. */
export const wrongLength = (codec: string, got: Bytes, expected: Bytes): Error =>
  new Error(`${codec} gave ${got} bytes where ${expected} were compressed`)
