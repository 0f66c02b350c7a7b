/**
 * Memory of real content whose every page can be verified: what the memory workloads touch. Filled with pieces of a file, each page with its
 * own number in its second word; the first word is a counter that touches may change. It holds no plan of accesses.
 */
import { fileBytes } from "@wmo/arena"
import type { Bytes } from "@wmo/core"
import { statSync } from "node:fs"

export const page = 4096
const wordsInPage = page / 4

/**
 * Pieces spread over the corpus, so that they differ, up to 16 MiB: enough variety without filling the page cache. A smaller file is repeated, up
 * to a piece and up to `leastBytes`.
 */
export const readCorpus = (file: string, leastBytes: Bytes = 0): Buffer => {
  const piece = 64 * 1024
  const { size } = statSync(file)
  const pieces = Math.max(1, Math.min(256, Math.floor(size / piece)))
  const bytes = fileBytes(file, size > 0 && size < piece ? size : pieces * piece)
  return bytes.length >= leastBytes && bytes.length >= piece ? Buffer.from(bytes.buffer) : Buffer.alloc(Math.max(piece, leastBytes), bytes)
}

const checksum = (words: Uint32Array, index: number): number => {
  let sum = 0
  const end = (index + 1) * wordsInPage
  for (let i = index * wordsInPage; i < end; i++) sum = (Math.imul(sum, 31) + words[i]!) | 0
  return sum
}

/** Spreads seeds over all 32 bits, no two to the same (the end of splitmix32). */
const mixed = (seed: number): number => {
  let bits = (seed + 0x9e37_79b9) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0_aaad)
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a_2d97)
  return bits ^ (bits >>> 15)
}

/** A small seeded generator (xorshift32, which has no way out of 0): which page is touched must not depend on the machine. */
export const random = (seed: number): (() => number) => {
  let state = mixed(seed) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

export interface VerifiedMemory {
  /** 1024 words a page. The first word of a page may be changed, no other. */
  readonly words: Uint32Array
  readonly pages: number
  /** Reads everything; gives the bytes of pages that are not what they were filled with. */
  readonly wrongBytes: () => number
}

/** Allocates and fills `pages` pages. */
export const fillMemory = (pages: number, corpusFile: string): VerifiedMemory => {
  const memory = Buffer.allocUnsafeSlow(pages * page)
  const words = new Uint32Array(memory.buffer, memory.byteOffset, pages * wordsInPage)
  const sums = new Int32Array(pages)
  const corpus = readCorpus(corpusFile)
  for (let i = 0; i < pages; i++) {
    corpus.copy(memory, i * page, (i * page) % corpus.length, ((i * page) % corpus.length) + page)
    words[i * wordsInPage] = 0
    words[i * wordsInPage + 1] = i
    sums[i] = checksum(words, i)
  }
  return {
    words,
    pages,
    wrongBytes: () => {
      let wrong = 0
      for (let i = 0; i < pages; i++) {
        words[i * wordsInPage] = 0
        if (checksum(words, i) !== sums[i]) wrong++
      }
      return wrong * page
    }
  }
}
