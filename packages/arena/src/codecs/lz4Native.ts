/**
 * LZ4 block format through the system's `liblz4.so.1` and koffi, straight into the caller's memory. Not every machine has the library
 * (it comes with systemd): loading fails where it is missing, and `lz4` then is the WebAssembly codec.
 */
import type { Codec } from "../Codec.ts"

export const loadLz4Native = async (): Promise<Codec> => {
  const { default: koffi } = await import("koffi")
  const library = koffi.load("liblz4.so.1")
  const compressFast = library.func(
    "int LZ4_compress_fast(const void *source, void *target, int sourceBytes, int targetBytes, int acceleration)"
  )
  const decompressSafe = library.func("int LZ4_decompress_safe(const void *source, void *target, int sourceBytes, int targetBytes)")
  return {
    name: "lz4-native",
    compress: (source, target) => compressFast(source, target, source.length, target.length, 1),
    decompress: (source, target) => {
      const bytes: number = decompressSafe(source, target, source.length, target.length)
      if (bytes !== target.length) throw new Error(bytes < 0 ? "lz4 found bad data" : `lz4 gave ${bytes} of ${target.length} bytes`)
    }
  }
}
