/**
 * Bytes of kinds that memory has, from a seed, to measure and to test with: zeros, one value, text, records with pointers, noise, JSON rows;
 * and pieces of a program's file. Deterministic, but for what the file holds. How well each compresses is said by `wmo arena codecs`.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"

export interface Random {
  /** A whole number from 0 to before `bound`. */
  readonly below: (bound: number) => number
}

/** Marsaglia's xorshift32. */
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

/** Rows as a program keeps them as text. */
const jsonBytes = (length: number, source: Random): Uint8Array<ArrayBuffer> => {
  const rows: Array<string> = []
  for (let made = 0; made < length; made += rows.at(-1)!.length) {
    const id = source.below(1e6)
    const name = `user-${id.toString(36)}`
    const tags = ["a", "b", "c"].slice(source.below(3))
    rows.push(JSON.stringify({ id, name, at: 1.7e12 + source.below(1e9), tags, score: source.below(1e4) / 100 }))
  }
  const bytes = new Uint8Array(length)
  bytes.set(Buffer.from(rows.join("\n")).subarray(0, length))
  return bytes
}

/** `length` bytes of a file, in pieces of 64 KiB spread over all of it, again from the start where it is too short. */
export const fileBytes = (file: string, length: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  const fd = openSync(file, "r")
  try {
    const { size } = fstatSync(fd)
    const pieceBytes = 65_536
    const pieces = Math.max(1, Math.floor(size / pieceBytes))
    const wanted = Math.ceil(length / pieceBytes)
    for (let at = 0; at < wanted; at++) {
      const piece = wanted <= pieces ? Math.floor((at * pieces) / wanted) : at % pieces
      readSync(fd, bytes, at * pieceBytes, Math.min(pieceBytes, length - at * pieceBytes), piece * pieceBytes)
    }
    return bytes
  } finally {
    closeSync(fd)
  }
}

export const sampleKinds = ["json", "text", "binary", "records", "noise", "zeros"] as const
export type SampleKind = (typeof sampleKinds)[number]

/** What each kind is, in a few words. */
export const sampleSummaries: Readonly<Record<SampleKind, string>> = {
  json: "rows of JSON",
  text: "words of one language",
  binary: "pieces of the running program's file",
  records: "structures of eight bytes with pointers in them",
  noise: "what cannot be compressed",
  zeros: "what was never written"
}

export const sampleData = (kind: SampleKind, length: number, seed: number, file = process.execPath): Uint8Array<ArrayBuffer> =>
  kind === "json" ? jsonBytes(length, random(seed)) : kind === "binary" ? fileBytes(file, length) : makeBytes(kind, length, random(seed))
