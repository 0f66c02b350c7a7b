/**
 * The checksum of payloads: 32 bits of XXH64, which Node carries as part of its zstd, through koffi; twice as fast as the CRC-32 of `node:zlib`,
 * which is used where it cannot be had. Kept in memory only, so that the two need not agree.
 */
import { crc32 } from "node:zlib"

export type Checksum = (bytes: Uint8Array) => number

/** XXH64 of nothing with seed 0, its lower half: that it is the function it should be. */
const ofNothing = 0x51d8_e999

export const loadChecksum = async (): Promise<Checksum> => {
  try {
    const { default: koffi } = await import("koffi")
    // Declared as 32 bits: the caller then reads the lower half of the register, and no number becomes a bigint.
    const xxh64 = koffi.load(null).func("uint32_t ZSTD_XXH64(const void *bytes, size_t length, uint64_t seed)")
    return xxh64(new Uint8Array(0), 0, 0) === ofNothing ? (bytes) => xxh64(bytes, bytes.length, 0) : crc32
  } catch {
    return crc32
  }
}
