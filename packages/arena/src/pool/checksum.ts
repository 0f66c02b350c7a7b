/**
 * The checksum of payloads, the fastest that this machine has: 32 bits of XXH3 from the system's `libxxhash.so.0` (it comes with apt), or of
 * XXH64, which Node carries as part of its zstd; else the CRC-32 of `node:zlib`. Kept in memory only, so that they need not agree.
 */
import { crc32 } from "node:zlib"

export type Checksum = (bytes: Uint8Array) => number

/**
 * Where a hash may be, how it is called, and what it says of nothing: that it is the function it should be. Declared as 32 bits: the caller
 * then reads the lower half of the register, and no number becomes a bigint.
 */
const candidates = [
  {
    library: "libxxhash.so.0",
    signature: "uint32_t XXH3_64bits_withSeed(const void *bytes, size_t length, uint64_t seed)",
    ofNothing: 0x38d3_94c2
  },
  { library: null, signature: "uint32_t ZSTD_XXH64(const void *bytes, size_t length, uint64_t seed)", ofNothing: 0x51d8_e999 }
] as const

export const loadChecksum = async (): Promise<Checksum> => {
  const koffi = await import("koffi").then((module) => module.default).catch(() => undefined)
  for (const { library, ofNothing, signature } of koffi === undefined ? [] : candidates) {
    try {
      const hash = koffi!.load(library).func(signature)
      if (hash(new Uint8Array(0), 0, 0) === ofNothing) return (bytes) => hash(bytes, bytes.length, 0)
    } catch {
      // Not on this machine: the next one may be.
    }
  }
  return crc32
}
