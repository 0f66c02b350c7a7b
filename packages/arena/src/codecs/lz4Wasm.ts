/**
 * LZ4 block format through WebAssembly (`lz4-wasm-nodejs`, lz4_flex): runs wherever Node does. Each block has its length in front of it.
 * Copies in and out of the module's memory: about half as fast as the system's library.
 */
import { type Codec, wrongLength } from "../Codec.ts"

export const loadLz4Wasm = async (): Promise<Codec> => {
  const { default: lz4 } = await import("lz4-wasm-nodejs")
  return {
    name: "lz4-wasm",
    compress: (source, target) => {
      const compressed = lz4.compress(source)
      if (compressed.length > target.length) return 0
      target.set(compressed)
      return compressed.length
    },
    decompress: (source, target) => {
      // The module believes the length in front and would allocate as much.
      const length = new DataView(source.buffer, source.byteOffset, source.byteLength).getUint32(0, true)
      if (length !== target.length) throw wrongLength("lz4-wasm", length, target.length)
      const bytes = lz4.decompress(source)
      if (bytes.length !== target.length) throw wrongLength("lz4-wasm", bytes.length, target.length)
      target.set(bytes)
    }
  }
}
