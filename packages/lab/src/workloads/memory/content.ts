/**
 * What the memory workloads' pages hold, so that every touch can be checked: pieces of sample data, each page with its own number, and with a
 * count of how often it was written, which must never fall behind. Holds up to 8 MiB beside the memory itself, and four bytes a page.
 */
import { fileBytes, type SampleKind, sampleData, sampleKinds } from "@wmo/arena"

export const pageBytes = 4096

/** `mixed`: an eighth of noise, a quarter each of JSON and of the file's pieces, the rest text and records. */
export const dataNames = ["mixed", "file", ...sampleKinds] as const
export type DataName = (typeof dataNames)[number]

export const mostCorpusBytes = 8 * 2 ** 20
/** Kinds change after this much: a few chunks of one kind in a row, as heaps have them. */
const runBytes = 256 * 1024
const mixture: ReadonlyArray<SampleKind> = ["json", "binary", "text", "records", "json", "binary", "noise", "records"]

export const makeCorpus = (data: DataName, seed: number, file: string, bytes = mostCorpusBytes): Buffer => {
  if (data === "file") return Buffer.from(fileBytes(file, bytes).buffer)
  if (data !== "mixed") return Buffer.from(sampleData(data, bytes, seed, file).buffer)
  const corpus = Buffer.allocUnsafeSlow(bytes)
  const each = Math.ceil(bytes / mixture.length)
  const parts = mixture.map((kind, at) => sampleData(kind, each, seed + at, file))
  for (let at = 0; at < bytes; at += runBytes) {
    const run = at / runBytes
    const from = Math.floor(run / mixture.length) * runBytes
    corpus.set(parts[run % mixture.length]!.subarray(from, from + Math.min(runBytes, bytes - at)), at)
  }
  return corpus
}

/** The first bytes of a page are its count of writes and its number; the rest is as in the corpus. */
const headBytes = 8

export class PageContent {
  readonly pages: number
  readonly #corpus: Buffer
  readonly #writes: Uint32Array
  readonly #wrong = new Set<number>()

  constructor(pages: number, corpus: Buffer) {
    this.pages = pages
    this.#corpus = corpus
    this.#writes = new Uint32Array(pages)
  }

  /** Writes what a page holds at first into `target`. */
  fill(page: number, target: Buffer, at: number): void {
    const from = (page * pageBytes) % this.#corpus.length
    this.#corpus.copy(target, at, from, from + pageBytes)
    target.writeUInt32LE(this.#writes[page]!, at)
    target.writeUInt32LE(page, at + 4)
  }

  /** Looks at all of a page that is at `at` of `bytes`, and remembers it if it is not what it should be. */
  check(page: number, bytes: Buffer, at: number): boolean {
    const from = (page * pageBytes) % this.#corpus.length
    const isRight =
      bytes.readUInt32LE(at) === this.#writes[page] &&
      bytes.readUInt32LE(at + 4) === page &&
      bytes.compare(this.#corpus, from + headBytes, from + pageBytes, at + headBytes, at + pageBytes) === 0
    if (!isRight) this.#wrong.add(page)
    return isRight
  }

  /** The page's next count: whoever asks writes it there. */
  written(page: number): number {
    return ++this.#writes[page]!
  }

  /** Of pages that were found wrong, at any time. */
  get wrongBytes(): number {
    return this.#wrong.size * pageBytes
  }
}
