/**
 * The known-pattern workload: anonymous memory in three equal parts, used in three ways, so that a heatmap can be checked against the truth.
 * `hot`: every page in every pass; `strided`: every n-th page in every pass; `idle`: written once, then never again.
 * Says where its parts are as it starts. One thread, no FFI; on machines with huge pages for all memory a stride within one does not show.
 */
import { randomBytes } from "node:crypto"
import { closeSync, openSync, readFileSync, readSync } from "node:fs"
import { makeForgetful } from "./forgetful.ts"

const page = 4096

export interface PatternOptions {
  /** Of all three parts together; rounded down to whole pages a part. */
  readonly bytes: number
  /** Of the strided part, one page in so many is used. */
  readonly strideIn: number
  /** Time between passes; a pass of 40 MiB takes a millisecond or two. */
  readonly everyMs: number
  readonly durationMs: number
}

/** Addresses as hexadecimal text, `end` exclusive. */
export interface PatternPart {
  readonly start: string
  readonly end: string
}

export interface PatternPlaces {
  readonly pid: number
  readonly page_bytes: number
  readonly stride_pages: number
  readonly hot: PatternPart
  readonly strided: PatternPart
  readonly idle: PatternPart
}

export interface PatternResult {
  readonly passes: number
  readonly operations: number
  readonly seconds: number
}

const chunkBytes = 2 ** 20

/** What can be read of this process's memory at `address`, at most as much as `into` holds; nothing where nothing is mapped (any more). */
const readMemory = (fd: number, address: bigint, into: Buffer): Buffer => {
  try {
    return into.subarray(0, readSync(fd, into, 0, into.length, address))
  } catch {
    return into.subarray(0, 0)
  }
}

/** Where `marker` is in `text`, every time. */
const occurrences = (text: Buffer, marker: Buffer): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = text.indexOf(marker); at >= 0; at = text.indexOf(marker, at + 1)) found.push(at)
  return found
}

/** This process's anonymous mappings that could hold so much, as [start, end). */
const anonymousMappings = (leastBytes: number): ReadonlyArray<readonly [bigint, bigint]> =>
  readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ 00:00 0\s*(?:\[heap\])?$/.exec(line))
    .filter((match) => match !== null)
    .map(([, from, to]) => [BigInt(`0x${from}`), BigInt(`0x${to}`)] as const)
    .filter(([from, to]) => to - from >= BigInt(leastBytes))

/**
 * Where a buffer lies: what is written into its first bytes is looked for in this process's memory, first at the beginnings of pages, where
 * what malloc maps begins. The marker itself and copies of it lie in memory too, often close by; they are told by that they do not follow a
 * second marker. Other threads map and unmap meanwhile: what is gone is passed over, and what was not found is looked for again.
 */
export const addressOf = (memory: Buffer): bigint => {
  const marker = randomBytes(32)
  marker.copy(memory)
  const fd = openSync("/proc/self/mem", "r")
  const there = Buffer.alloc(marker.length)
  const isIt = (address: bigint): boolean => {
    const second = randomBytes(marker.length)
    second.copy(memory)
    const isSame = readMemory(fd, address, there).equals(second)
    marker.copy(memory)
    return isSame
  }
  const chunk = Buffer.alloc(chunkBytes)
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      const mappings = anonymousMappings(memory.length)
      for (const [step, length] of [
        [page, 128],
        [chunkBytes - marker.length, chunkBytes]
      ] as const) {
        for (const [from, to] of mappings) {
          for (let at = from; at < to; at += BigInt(step)) {
            const text = readMemory(fd, at, chunk.subarray(0, Math.min(length, Number(to - at))))
            for (const offset of occurrences(text, marker)) {
              if (isIt(at + BigInt(offset))) return at + BigInt(offset)
            }
          }
        }
      }
    }
  } finally {
    closeSync(fd)
  }
  throw new Error("its own memory is not where it was looked for")
}

/** Runs for `durationMs` after it has told its places. Blocks the thread: it is a process of its own. */
export const runPattern = (options: PatternOptions, onReady: (places: PatternPlaces) => void): PatternResult => {
  const partBytes = Math.floor(options.bytes / 3 / page) * page
  const memory = Buffer.allocUnsafeSlow(3 * partBytes + page)
  const start = addressOf(memory)
  const first = Number(-start & BigInt(page - 1))
  // Of random content: pages of zeros may be shared.
  const noise = randomBytes(page)
  for (let at = first; at < first + 3 * partBytes; at += page) noise.copy(memory, at)
  const part = (index: number): PatternPart => {
    const from = start + BigInt(first + index * partBytes)
    return { start: `0x${from.toString(16)}`, end: `0x${(from + BigInt(partBytes)).toString(16)}` }
  }
  onReady({
    pid: process.pid,
    page_bytes: page,
    stride_pages: options.strideIn,
    hot: part(0),
    strided: part(1),
    idle: part(2)
  })
  const forget = makeForgetful()
  const pause = new Int32Array(new SharedArrayBuffer(4))
  const stride = options.strideIn * page
  const begin = performance.now()
  let passes = 0
  let operations = 0
  for (let now = begin; now < begin + options.durationMs; now = performance.now()) {
    for (let at = first; at < first + partBytes; at += page) memory[at] = passes & 255
    for (let at = first + partBytes; at < first + 2 * partBytes; at += stride) memory[at] = passes & 255
    passes++
    forget()
    operations += partBytes / page + Math.ceil(partBytes / stride)
    if (options.everyMs > 0) Atomics.wait(pause, 0, 0, options.everyMs)
  }
  return { passes, operations, seconds: (performance.now() - begin) / 1000 }
}
