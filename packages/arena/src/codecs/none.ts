/** Keeps bytes as they are: for tests, and as the floor that other codecs are measured against. Saves nothing. */
import { type Codec, wrongLength } from "../Codec.ts"

export const none: Codec = {
  name: "none",
  compress: (source, target) => {
    if (source.length > target.length) return 0
    target.set(source)
    return source.length
  },
  decompress: (source, target) => {
    if (source.length !== target.length) throw wrongLength("none", source.length, target.length)
    target.set(source)
  }
}
