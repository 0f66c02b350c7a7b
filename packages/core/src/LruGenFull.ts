/**
 * `lru_gen_full`: the table of generations with what became of the pages of each tier, and what the page-table walks saw. The codec of
 * `lru_gen` reads this file too, and passes over these lines; reading them costs more. Does not interpret the numbers.
 * Source: lru_gen_seq_show_full in mm/vmscan.c (6.1 to 6.18). What a number is, is the letter behind it: kernels differ in how many there are.
 */
import { type Codec, counter, exactNumber, quote, reject, textCodec } from "./Codec.ts"
import type { Milliseconds, Pages } from "./Units.ts"

/** A number and its letter; a blank or `x` says that it means nothing in this generation. */
export interface LruGenMarked {
  readonly mark: string
  readonly count: bigint
}

/**
 * Pages by how often they were used through file descriptors: tier N at least 2^N times. Three numbers of anon, then of file memory:
 * `r` refaulted, `e` evicted, `p` protected in a past generation; `R` refaulted, `T` total, both averages, in the youngest.
 */
export interface LruGenTier {
  readonly tier: number
  readonly counts: ReadonlyArray<LruGenMarked>
}

export interface LruGenFullGeneration {
  readonly seq: number
  readonly ageMs: Milliseconds
  /** Undefined where anon memory has no such generation. */
  readonly anonPages?: Pages
  readonly filePages?: Pages
  readonly tiers: ReadonlyArray<LruGenTier>
  /** Of the page-table walks: `T` entries in all, `Y` young, `F` found by the Bloom filter, `A` added to it (small letters: in the past). */
  readonly walks: ReadonlyArray<LruGenMarked>
}

export interface LruGenFullMemcg {
  readonly id: number
  readonly path: string
  readonly nodes: ReadonlyArray<{ readonly node: number; readonly generations: ReadonlyArray<LruGenFullGeneration> }>
}

/** Where the first number of a line ends tells what the line is: generations 11, tiers 22, walks 33 characters in. */
const tierEnd = 22
const walksEnd = 28
const lineAtMost = 1000
const marked = / +(\d+)([ a-zA-Z]?)/g

const parseMarked = (text: string, line: number): ReadonlyArray<LruGenMarked> => {
  if (text.length > lineAtMost) return reject(line, `a line of ${text.length} characters is not one of this table`)
  const rest = text.replaceAll(marked, "")
  if (rest.trim() !== "") return reject(line, `${quote(rest)} is neither a number nor its letter`)
  return [...text.matchAll(marked)].map(([, digits, mark]) => ({ mark: mark || " ", count: counter(digits!, line) }))
}
const printMarked = (values: ReadonlyArray<LruGenMarked>): string =>
  values.map(({ count, mark }) => ` ${String(count).padStart(10)}${mark}`).join("")

interface Mutable {
  tiers: Array<LruGenTier>
  walks: ReadonlyArray<LruGenMarked>
}

export const lruGenFull: Codec<ReadonlyArray<LruGenFullMemcg>> = textCodec<ReadonlyArray<LruGenFullMemcg>>(
  "lru_gen_full",
  (lines) => {
    const memcgs: Array<{ id: number; path: string; nodes: Array<{ node: number; generations: Array<LruGenFullGeneration & Mutable> }> }> =
      []
    lines.forEach((text, index) => {
      const line = index + 1
      const [, id, path] = /^memcg +(\d+) (.*)$/.exec(text) ?? []
      if (id !== undefined) return void memcgs.push({ id: exactNumber(id, line), path: path || "/", nodes: [] })
      const memcg = memcgs.at(-1) ?? reject(line, `${quote(text)} comes before any memcg line`)
      const [, node] = /^ node +(\d+)$/.exec(text) ?? []
      if (node !== undefined) return void memcg.nodes.push({ node: exactNumber(node, line), generations: [] })
      const { generations } = memcg.nodes.at(-1) ?? reject(line, `${quote(text)} comes before any node line`)
      const start = /^ +\d+/.exec(text)?.[0].length ?? reject(line, `${quote(text)} is no line of the table`)
      if (start < tierEnd) {
        const [, seq, age, anon, noAnon, file, noFile] =
          /^ +(\d+) +(\d+) +(\d+)([ x]) +(\d+)([ x])$/.exec(text) ?? reject(line, `${quote(text)} is not a generation`)
        return void generations.push({
          seq: exactNumber(seq!, line),
          ageMs: exactNumber(age!, line),
          ...(noAnon === "x" ? {} : { anonPages: exactNumber(anon!, line) }),
          ...(noFile === "x" ? {} : { filePages: exactNumber(file!, line) }),
          tiers: [],
          walks: []
        })
      }
      const generation = generations.at(-1) ?? reject(line, `${quote(text)} comes before any generation`)
      if (start >= walksEnd) generation.walks = parseMarked(text, line)
      else generation.tiers.push({ tier: exactNumber(text.slice(0, start).trim(), line), counts: parseMarked(text.slice(start), line) })
    })
    return memcgs
  },
  (memcgs) => {
    const pages = (count: Pages | undefined) => ` ${String(count ?? 0).padStart(10)}${count === undefined ? "x" : " "}`
    const lines = memcgs.flatMap(({ id, nodes, path }) => [
      `memcg ${String(id).padStart(5)} ${path}`,
      ...nodes.flatMap(({ generations, node }) => [
        ` node ${String(node).padStart(5)}`,
        ...generations.flatMap(({ ageMs, anonPages, filePages, seq, tiers, walks }) => [
          ` ${String(seq).padStart(10)} ${String(ageMs).padStart(10)}${pages(anonPages)}${pages(filePages)}`,
          ...tiers.map(({ counts, tier }) => `${" ".repeat(12)}${String(tier).padStart(10)}${printMarked(counts)}`),
          ...(walks.length === 0 ? [] : [`${" ".repeat(22)}${printMarked(walks)}`])
        ])
      ])
    ])
    return lines.map((line) => `${line}\n`).join("")
  }
)
