/**
 * The hot/warm/cold workload: memory of three temperatures, filled with real file content, used at full speed by one thread.
 * Hot pages are touched at random all the time, warm ones are scanned once a period, cold ones are never touched after loading.
 * At the end every page is verified against the checksum that it was loaded with: reclaim must not lose a byte.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { createHistogram } from "node:perf_hooks"

const page = 4096

export interface HotColdOptions {
  readonly hotBytes: number
  readonly warmBytes: number
  readonly coldBytes: number
  readonly warmEveryMs: number
  readonly durationMs: number
  /** A file whose content fills the memory: something real, neither zeros nor noise. */
  readonly corpus: string
  readonly seed: number
}

/** What the workload says of itself; written as JSON to `WMO_RESULT`. An operation touches 16 hot pages, reading and writing. */
export interface HotColdResult {
  readonly operations: number
  readonly operations_per_second: number
  readonly seconds: number
  /** Operations in each second since `measured_from_ms`, milliseconds since 1970. */
  readonly operations_by_second: ReadonlyArray<number>
  readonly measured_from_ms: number
  readonly p50_us: number
  readonly p99_us: number
  readonly p999_us: number
  readonly warm_scans: number
  readonly warm_scan_ms: number
  readonly wrong_bytes: number
}

/** Reads pieces spread over the corpus, so that they differ, up to 16 MiB: enough variety without filling the page cache. */
const readCorpus = (file: string): Buffer => {
  const fd = openSync(file, "r")
  try {
    const { size } = fstatSync(fd)
    const piece = 64 * 1024
    const pieces = Math.max(1, Math.min(256, Math.floor(size / piece)))
    const corpus = Buffer.alloc(pieces * piece)
    for (let i = 0; i < pieces; i++) {
      const position = Math.floor((i * (size - piece)) / pieces)
      readSync(fd, corpus, i * piece, piece, Math.max(0, position))
    }
    return corpus
  } finally {
    closeSync(fd)
  }
}

const checksum = (words: Uint32Array, index: number): number => {
  let sum = 0
  const end = (index + 1) * 1024
  for (let i = index * 1024; i < end; i++) sum = (Math.imul(sum, 31) + words[i]!) | 0
  return sum
}

/** A small seeded generator (xorshift32): which page is touched must not depend on the machine. */
const random = (seed: number): (() => number) => {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Runs for `durationMs` after loading, then verifies. Blocks the thread: it is a process of its own. */
export const runHotCold = (options: HotColdOptions, onLoaded: () => void, onMeasured: (result: HotColdResult) => void): HotColdResult => {
  const pages = {
    hot: Math.ceil(options.hotBytes / page),
    warm: Math.ceil(options.warmBytes / page),
    cold: Math.ceil(options.coldBytes / page)
  }
  const total = pages.hot + pages.warm + pages.cold
  const memory = Buffer.allocUnsafeSlow(total * page)
  const words = new Uint32Array(memory.buffer, memory.byteOffset, total * 1024)
  const sums = new Int32Array(total)
  const corpus = readCorpus(options.corpus)
  for (let i = 0; i < total; i++) {
    corpus.copy(memory, i * page, (i * page) % corpus.length, ((i * page) % corpus.length) + page)
    // The first words of a page are its counter and its number: no two pages are the same.
    words[i * 1024] = 0
    words[i * 1024 + 1] = i
    sums[i] = checksum(words, i)
  }
  onLoaded()

  const next = random(options.seed)
  const latency = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
  let operations = 0
  let touched = 0
  let scans = 0
  let scanMs = 0
  const bySecond: Array<number> = []
  const measuredFromMs = Date.now()
  const start = performance.now()
  let second = start + 1000
  let operationsBefore = 0
  const end = start + options.durationMs
  let nextScan = start + options.warmEveryMs
  let now = start
  while (now < end) {
    for (let i = 0; i < 16; i++) {
      const index = (next() % pages.hot) * 1024
      touched = (touched + words[index + 2 + (touched & 511)]!) | 0
      words[index] = touched
    }
    operations++
    const after = performance.now()
    latency.record(Math.max(1, Math.round((after - now) * 1e6)))
    now = after
    for (; now >= second; second += 1000) {
      bySecond.push(operations - operationsBefore)
      operationsBefore = operations
    }
    if (now >= nextScan) {
      for (let i = pages.hot; i < pages.hot + pages.warm; i++) words[i * 1024] = touched++
      scans++
      now = performance.now()
      scanMs += now - after
      nextScan += options.warmEveryMs
    }
  }
  const seconds = (now - start) / 1000
  const measured: HotColdResult = {
    operations,
    operations_per_second: operations / seconds,
    seconds,
    operations_by_second: bySecond,
    measured_from_ms: measuredFromMs,
    p50_us: latency.percentile(50) / 1000,
    p99_us: latency.percentile(99) / 1000,
    p999_us: latency.percentile(99.9) / 1000,
    warm_scans: scans,
    warm_scan_ms: scanMs,
    wrong_bytes: 0
  }
  onMeasured(measured)

  let wrongPages = 0
  for (let i = 0; i < total; i++) {
    words[i * 1024] = 0
    if (checksum(words, i) !== sums[i]) wrongPages++
  }
  return { ...measured, wrong_bytes: wrongPages * page }
}
