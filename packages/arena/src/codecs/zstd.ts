/**
 * zstd from `node:zlib` at one of its levels, as `zstd` (level 3) or `zstd-LEVEL` (−7 to 19). Allocates its output: the calls cost 10 to
 * 20 µs each beyond the codec itself, so it is for cold memory in chunks of 16 KiB and more.
 */
import * as zlib from "node:zlib"
import { type Codec, wrongLength } from "../Codec.ts"

/** Node has it from 22.15 and 24 on. */
export const hasZstd = "zstdCompressSync" in zlib

export const zstd = (level: number): Codec => {
  const name = level === 3 ? "zstd" : `zstd-${level}`
  const options = { params: { [zlib.constants.ZSTD_c_compressionLevel]: level, [zlib.constants.ZSTD_c_contentSizeFlag]: 1 } }
  return {
    name,
    compress: (source, target) => {
      const compressed = zlib.zstdCompressSync(source, options)
      if (compressed.length > target.length) return 0
      target.set(compressed)
      return compressed.length
    },
    decompress: (source, target) => {
      const bytes = zlib.zstdDecompressSync(source, { maxOutputLength: target.length })
      if (bytes.length !== target.length) throw wrongLength(name, bytes.length, target.length)
      target.set(bytes)
    }
  }
}
