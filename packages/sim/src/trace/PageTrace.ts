/**
 * Page traces: which pages of a group were accessed in each tick, as a value and as a file. The file is gzip over a line of JSON and varints;
 * docs/trace.md describes it byte by byte. Anonymous and file pages are numbered apart, each from 0.
 * Simplified: inside a tick there is no order and no count of accesses; a page keeps the compressed length that it had first.
 */
import { type Bytes, type Milliseconds, pageSize, type Pages } from "@wmo/core"
import { gunzipSync, gzipSync } from "node:zlib"
import { TraceBytes, TraceReader } from "./bytes.ts"

/** What happened in one tick. Page numbers ascend, each once. Frees come before accesses. */
export interface TraceTick {
  readonly freedAnon: Uint32Array
  readonly freedFile: Uint32Array
  readonly anon: Uint32Array
  readonly file: Uint32Array
  /** Of `file`: pages that were clean, or not there, and were written. Anonymous pages have no other copy: whether they are written does not matter. */
  readonly writtenFile: Uint32Array
}

export interface TraceHeader {
  /** Where it comes from, for people: `kv-zipf, seed 1`. */
  readonly source: string
  readonly tickMs: Milliseconds
  readonly ticks: number
  readonly anonPages: Pages
  readonly filePages: Pages
}

export interface PageTrace extends TraceHeader {
  /** By anonymous page: bytes after compression, 0 (zeros) to 4096 (cannot be compressed). */
  readonly compressedBytes: Uint16Array
  /** Decodes the ticks, one after the other, from the first. */
  readonly read: () => Generator<TraceTick, void>
}

/** What is wrong with a file that should be a trace: one line, without its name. */
export class TraceFormatError extends Error {}

const format = "wmo-page-trace"
const version = 1

/** Builds a trace tick by tick. */
export class TraceWriter {
  private readonly bytes = new TraceBytes()
  private readonly tickMs: Milliseconds
  private readonly source: string
  private ticks = 0
  private anonPages = 0
  private filePages = 0

  constructor(source: string, tickMs: Milliseconds) {
    if (!(tickMs > 0)) throw new RangeError(`a tick of ${tickMs} ms is no time`)
    this.source = source
    this.tickMs = tickMs
  }

  tick({ anon, file, freedAnon, freedFile, writtenFile }: TraceTick): void {
    for (const pages of [freedAnon, freedFile, anon, file, writtenFile]) this.bytes.pages(pages)
    this.anonPages = Math.max(this.anonPages, (anon.at(-1) ?? -1) + 1, (freedAnon.at(-1) ?? -1) + 1)
    this.filePages = Math.max(this.filePages, (file.at(-1) ?? -1) + 1, (freedFile.at(-1) ?? -1) + 1, (writtenFile.at(-1) ?? -1) + 1)
    this.ticks++
  }

  /** The trace; `compressedBytes` tells of each anonymous page. */
  finish(compressedBytes: (page: number) => Bytes): PageTrace {
    const { anonPages, filePages, source, tickMs, ticks } = this
    const lengths = Uint16Array.from({ length: anonPages }, (_, page) => compressedBytes(page))
    return traceOf({ source, tickMs, ticks, anonPages, filePages }, lengths, this.bytes.view().slice())
  }
}

const ticksOf = new WeakMap<PageTrace, Uint8Array>()

const traceOf = (header: TraceHeader, compressedBytes: Uint16Array, bytes: Uint8Array): PageTrace => {
  const trace: PageTrace = {
    ...header,
    compressedBytes,
    read: function* () {
      const reader = new TraceReader(bytes)
      const { anonPages, filePages } = header
      for (let tick = 0; tick < header.ticks; tick++) {
        try {
          const freedAnon = reader.pages(anonPages)
          const freedFile = reader.pages(filePages)
          const anon = reader.pages(anonPages)
          const file = reader.pages(filePages)
          yield { freedAnon, freedFile, anon, file, writtenFile: reader.pages(filePages) }
        } catch (cause) {
          throw cause instanceof RangeError ? new TraceFormatError(`tick ${tick} is damaged: ${cause.message}`) : cause
        }
      }
      if (!reader.isAtEnd) throw new TraceFormatError(`it goes on after its last tick, ${header.ticks - 1}`)
    }
  }
  ticksOf.set(trace, bytes)
  return trace
}

/** The bytes of a trace file. */
export const encodeTrace = (trace: PageTrace): Uint8Array => {
  const { anonPages, compressedBytes, filePages, source, tickMs, ticks } = trace
  const header = { format, version, source, tick_ms: tickMs, ticks, anon_pages: anonPages, file_pages: filePages }
  const lengths = new TraceBytes()
  for (let page = 0; page < anonPages;) {
    let run = 1
    while (page + run < anonPages && compressedBytes[page + run] === compressedBytes[page]) run++
    lengths.number(run)
    lengths.number(compressedBytes[page]!)
    page += run
  }
  return gzipSync(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), lengths.view(), ticksOf.get(trace)!]), { level: 6 })
}

/** A terabyte: whatever says more is damaged. */
const pagesAtMost: Pages = 2 ** 28

const count = (value: unknown, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw new TraceFormatError(`its header has no ${name} that can be`)
}

/** Reads a trace file. Throws `TraceFormatError`; ticks are checked as they are read. */
export const decodeTrace = (file: Uint8Array): PageTrace => {
  let bytes: Uint8Array
  try {
    bytes = gunzipSync(file)
  } catch {
    throw new TraceFormatError("it is not a page trace: not gzip, or cut off")
  }
  const end = bytes.indexOf(10)
  let header: Record<string, unknown>
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as Record<string, unknown>
  } catch {
    throw new TraceFormatError("it is not a page trace: its first line is not JSON")
  }
  if (end === -1 || header === null || header["format"] !== format) throw new TraceFormatError("it is not a page trace")
  if (header["version"] !== version) {
    throw new TraceFormatError(`it is a page trace of version ${String(header["version"])}; this program reads version ${version}`)
  }
  const anonPages = count(header["anon_pages"], "anon_pages", 0, pagesAtMost)
  const compressedBytes = new Uint16Array(anonPages)
  const reader = new TraceReader(bytes.subarray(end + 1))
  try {
    for (let page = 0; page < anonPages;) {
      const run = reader.number()
      const length = reader.number()
      if (run === 0 || page + run > anonPages || length > pageSize) throw new RangeError(`a run of ${run} pages of ${length} bytes`)
      compressedBytes.fill(length, page, page + run)
      page += run
    }
  } catch (cause) {
    throw cause instanceof RangeError ? new TraceFormatError(`its compressed lengths are damaged: ${cause.message}`) : cause
  }
  return traceOf(
    {
      source: typeof header["source"] === "string" ? header["source"] : "",
      tickMs: count(header["tick_ms"], "tick_ms", 1),
      ticks: count(header["ticks"], "ticks", 0),
      anonPages,
      filePages: count(header["file_pages"], "file_pages", 0, pagesAtMost)
    },
    compressedBytes,
    bytes.subarray(end + 1 + reader.at)
  )
}
