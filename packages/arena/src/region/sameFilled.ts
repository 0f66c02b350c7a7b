/**
 * Chunks that repeat the same eight bytes: found by comparing the chunk with itself eight bytes on, which ends at the first difference.
 * The kernel's zswap and zram look for the same (a repeated word).
 */
const wordBytes = 8

/** The eight bytes, as two words of this machine, that all of it repeats; or undefined. `bytes` is a whole number of eight. */
export const sameFilled = (bytes: Uint8Array): readonly [first: number, last: number] | undefined => {
  // Most chunks differ at once: no need to ask anybody.
  for (let at = 0; at < wordBytes; at++) if (bytes[at] !== bytes[at + wordBytes]) return undefined
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (all.compare(all, wordBytes, all.length, 0, all.length - wordBytes) !== 0) return undefined
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 2)
  return [words[0]!, words[1]!]
}

/** Writes the two words over all of it. */
export const refill = (bytes: Uint8Array, first: number, last: number): void => {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  if (first === last) words.fill(first)
  else {
    words.set([first, last])
    for (let filled = 2; filled < words.length; filled *= 2) words.copyWithin(filled, 0, filled)
  }
}
