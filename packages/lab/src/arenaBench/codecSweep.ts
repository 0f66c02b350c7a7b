/**
 * Codecs against each other on kinds of data and sizes of chunks: how much smaller, how fast both ways, and the prototype's `fair_score`, which it
 * defined and never computed: bytes saved per millisecond of compressing once and reading back so many times. As in the arena, a chunk that would
 * save less than 5 % stays raw: its attempt costs and saves nothing. One thread; the best of three rounds, so that what else the machine does counts least.
 */
import { type Codec, fileBytes, loadCodec, type SampleKind, sampleData, sampleKinds } from "@wmo/arena"
import type { Bytes } from "@wmo/core"
import { type Column, table } from "@wmo/report"

export interface CodecSweepOptions {
  readonly codecs: ReadonlyArray<string>
  /** Kinds of sample data, or names of files. */
  readonly data: ReadonlyArray<string>
  readonly chunkBytes: ReadonlyArray<Bytes>
  /** Of each kind; rounded up to whole chunks. */
  readonly bytes: Bytes
  readonly seed: number
  /** How often a chunk is read back for each time that it is compressed. */
  readonly readbackFactor: number
  readonly onRow: (row: CodecRow) => void
}

export interface CodecRow {
  readonly data: string
  readonly chunk_bytes: Bytes
  readonly codec: string
  /** Of all of it, chunks that stay raw included. */
  readonly ratio: number
  /** Chunks that stay raw. */
  readonly raw_share: number
  readonly compress_mb_per_s: number
  /** Of what was compressed; null where nothing was. */
  readonly decompress_mb_per_s: number | null
  /** Bytes saved per millisecond. */
  readonly fair_score: number
}

const rounds = 3
const leastSavings = 0.05

const isSampleKind = (name: string): name is SampleKind => (sampleKinds as ReadonlyArray<string>).includes(name)

export const fairScore = (savedBytes: Bytes, compressMs: number, decompressMs: number, readbackFactor: number): number =>
  savedBytes / (compressMs + readbackFactor * decompressMs)

export const measureCodec = (codec: Codec, name: string, data: Uint8Array, chunkBytes: Bytes, readbackFactor: number): CodecRow => {
  const target = new Uint8Array(Math.floor(chunkBytes * (1 - leastSavings)))
  const back = new Uint8Array(chunkBytes)
  const chunks = Math.floor(data.length / chunkBytes)
  let [inMs, outMs, held, raw] = [Infinity, Infinity, 0, 0]
  for (let round = 0; round < rounds; round++) {
    let [roundIn, roundOut] = [0, 0]
    held = 0
    raw = 0
    for (let at = 0; at < chunks * chunkBytes; at += chunkBytes) {
      const source = data.subarray(at, at + chunkBytes)
      const started = performance.now()
      const length = codec.compress(source, target)
      const compressed = performance.now()
      roundIn += compressed - started
      if (length <= 0) {
        raw++
        held += chunkBytes
        continue
      }
      codec.decompress(target.subarray(0, length), back)
      roundOut += performance.now() - compressed
      held += length
    }
    inMs = Math.min(inMs, roundIn)
    outMs = Math.min(outMs, roundOut)
  }
  const bytes = chunks * chunkBytes
  return {
    data: name,
    chunk_bytes: chunkBytes,
    codec: codec.name,
    ratio: bytes / held,
    raw_share: raw / chunks,
    compress_mb_per_s: bytes / inMs / 1000,
    decompress_mb_per_s: raw === chunks ? null : ((chunks - raw) * chunkBytes) / outMs / 1000,
    fair_score: fairScore(bytes - held, inMs, outMs, readbackFactor)
  }
}

/** Rejects with an `ArenaError` for a codec that is not there, and with the system's error for a file. */
export const sweepCodecs = async (options: CodecSweepOptions): Promise<ReadonlyArray<CodecRow>> => {
  const codecs = await Promise.all(options.codecs.map(loadCodec))
  const rows: Array<CodecRow> = []
  for (const name of options.data) {
    const length = Math.max(options.bytes, ...options.chunkBytes)
    const data = isSampleKind(name) ? sampleData(name, length, options.seed) : fileBytes(name, length)
    for (const chunkBytes of options.chunkBytes) {
      for (const codec of codecs) {
        const row = measureCodec(codec, name, data, chunkBytes, options.readbackFactor)
        rows.push(row)
        options.onRow(row)
        // Whoever wants to end it gets a turn.
        await new Promise(setImmediate)
      }
    }
  }
  return rows
}

const columns: ReadonlyArray<Column<CodecRow>> = [
  { head: "data", align: "left", cell: ({ data }) => data },
  { head: "chunk KiB", cell: ({ chunk_bytes }) => String(chunk_bytes / 1024) },
  { head: "codec", align: "left", cell: ({ codec }) => codec },
  { head: "ratio", cell: ({ ratio }) => ratio.toFixed(2) },
  { head: "raw %", cell: ({ raw_share }) => (100 * raw_share).toFixed(0) },
  { head: "MB/s in", cell: ({ compress_mb_per_s }) => compress_mb_per_s.toFixed(0) },
  { head: "MB/s out", cell: ({ decompress_mb_per_s }) => decompress_mb_per_s?.toFixed(0) ?? "–" },
  { head: "fair_score", cell: ({ fair_score }) => fair_score.toFixed(0) }
]

export const codecTable = (rows: ReadonlyArray<CodecRow>): string => table(columns, rows)

/** Which codec has the best score, by data and chunk size: the one that wins most often, and how often. */
export const fairestCodec = (
  rows: ReadonlyArray<CodecRow>
): { readonly codec: string; readonly wins: number; readonly of: number } | undefined => {
  const groups = Map.groupBy(rows, ({ chunk_bytes, data }) => `${data} ${chunk_bytes}`)
  const wins = new Map<string, number>()
  let played = 0
  for (const group of groups.values()) {
    const best = group.reduce((first, row) => (row.fair_score > first.fair_score ? row : first))
    if (best.fair_score <= 0) continue
    played++
    wins.set(best.codec, (wins.get(best.codec) ?? 0) + 1)
  }
  const [first] = [...wins].toSorted(([, a], [, b]) => b - a)
  return first === undefined ? undefined : { codec: first[0], wins: first[1], of: played }
}
