/** Bytes of kinds that memory has, from a seed: zeros, one value, text, records with pointers, and noise. */

export interface Random {
  /** A whole number from 0 to before `bound`. */
  readonly below: (bound: number) => number
}

export const random = (seed: number): Random => {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return {
    below: (bound) => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      state >>>= 0
      return state % bound
    }
  }
}

export const kinds = ["zeros", "filled", "text", "records", "noise", "mixed"] as const
export type Kind = (typeof kinds)[number]

const words = "the cold page of a region is compressed before anybody asks and restored before it is touched again".split(" ")

export const makeBytes = (kind: Kind, length: number, source: Random): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  switch (kind) {
    case "zeros":
      break
    case "filled": {
      const word = Array.from({ length: 8 }, () => source.below(256))
      for (let at = 0; at < length; at++) bytes[at] = word[at % 8]!
      break
    }
    case "text":
      for (let at = 0; at < length;) {
        const word = `${words[source.below(words.length)]} `
        for (let i = 0; i < word.length && at < length; i++) bytes[at++] = word.charCodeAt(i)
      }
      break
    case "records":
      for (let at = 0; at < length; at++) bytes[at] = at % 8 < 3 ? source.below(256) : at % 8 < 5 ? 0x7f : 0
      break
    case "noise":
      for (let at = 0; at < length; at++) bytes[at] = source.below(256)
      break
    case "mixed":
      for (let at = 0; at < length; at += 512) {
        bytes.set(makeBytes(kinds[source.below(5)]!, Math.min(512, length - at), source), at)
      }
  }
  return bytes
}
