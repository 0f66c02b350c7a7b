/**
 * Idle page tracking: which pages of a process were not used since they were marked, through `page_idle/bitmap` and page frame numbers.
 * Keeps what the reclaimer knows (`clear_refs` does not). Needs CONFIG_IDLE_PAGE_TRACKING (4.3), which Debian's kernels lack, and root.
 * Only pages on the LRU lists can be marked, of huge pages the head. Source: kernel Documentation/admin-guide/mm/idle_page_tracking.rst.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { KernFs, type OpenFile } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { type Pages, pageSize } from "../Units.ts"
import { PageMap, type PageRange } from "./PageMap.ts"

/** The bitmap: bit `frame % 64` of word `frame / 64`. The kernel takes and gives whole words. */
export interface IdleBitmap {
  /** Words from `firstWord` on; fewer at the end of memory, none past it. */
  readonly read: (firstWord: number, count: number) => Effect.Effect<BigUint64Array, KernFsError>
  /** Marks the pages whose bits are set idle; bits that are 0 change nothing. ENXIO past the end of memory. */
  readonly mark: (firstWord: number, words: BigUint64Array) => Effect.Effect<void, KernFsError>
}

/** What became of the pages that were marked. */
export interface IdleReport {
  /** Not used since. */
  readonly idle: Pages
  /** Used since, by whatever process. */
  readonly used: Pages
  /** Not at their frame any more: swapped out, freed, moved. */
  readonly gone: Pages
  /** The idle ones by address, joined; for `ProcessMemory.advise`. */
  readonly idleRanges: ReadonlyArray<{ readonly start: bigint; readonly bytes: number }>
}

export interface IdleMark {
  /** Pages that took the mark. */
  readonly marked: Pages
  /** Present pages that did not: not on the LRU lists, tails of huge pages. */
  readonly unmarked: Pages
  /** Looks now, and leaves the marks as they are: a later look finds the same pages or fewer idle. */
  readonly check: Effect.Effect<IdleReport, KernFsError>
}

export class IdlePages extends Context.Service<
  IdlePages,
  {
    /** Whether the kernel has idle page tracking. */
    readonly available: Effect.Effect<boolean>
    /** The bitmap itself; `NotFound` where the kernel lacks it. */
    readonly bitmap: Effect.Effect<IdleBitmap, KernFsError, Scope.Scope>
    /** Marks all present pages of ranges of a process idle, and none but them. */
    readonly mark: (pid: number, ranges: ReadonlyArray<PageRange>) => Effect.Effect<IdleMark, KernFsError>
  }
>()("@wmo/core/IdlePages") {
  static readonly layer: Layer.Layer<IdlePages, never, KernFs | PageMap> = Layer.effect(
    IdlePages,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const pageMap = yield* PageMap
      const { sys } = yield* KernelRoots
      const path = `${sys}/kernel/mm/page_idle/bitmap`

      const bitmap = Effect.map(fs.open(path, "readWrite"), bitmapOf)

      /** Whether the pages at these frames, ascending, are idle. */
      const areIdle = Effect.fnUntraced(function* (frames: Float64Array) {
        const { read } = yield* bitmap
        const idle = new Uint8Array(frames.length)
        for (const { count, firstWord, from, to } of chunksOf(frames)) {
          const words = yield* read(firstWord, count)
          for (let i = from; i < to; i++) {
            const word = words[Math.floor(frames[i]! / 64) - firstWord] ?? 0n
            idle[i] = Number((word >> BigInt(frames[i]! % 64)) & 1n)
          }
          yield* Effect.yieldNow
        }
        return idle
      }, Effect.scoped)

      const markFrames = Effect.fnUntraced(function* (frames: Float64Array) {
        const { mark } = yield* bitmap
        for (const { count, firstWord, from, to } of chunksOf(frames)) {
          const words = new BigUint64Array(count)
          for (let i = from; i < to; i++) words[Math.floor(frames[i]! / 64) - firstWord]! |= 1n << BigInt(frames[i]! % 64)
          yield* mark(firstWord, words)
          yield* Effect.yieldNow
        }
      }, Effect.scoped)

      return IdlePages.of({
        available: fs.exists(path),
        bitmap,
        mark: Effect.fn("IdlePages.mark")(function* (pid, ranges) {
          const found = byFrame(yield* pageMap.frames(pid, ranges))
          yield* markFrames(found.frames)
          const took = yield* areIdle(found.frames)
          const isMarked = (_: number, i: number): boolean => took[i] === 1
          const pages = found.pages.filter(isMarked)
          const frames = found.frames.filter(isMarked)
          const check = Effect.gen(function* () {
            const now = yield* pageMap.frames(pid, ranges)
            const frameNow = new Map<number, number>()
            now.pages.forEach((page, i) => frameNow.set(page, now.frames[i]!))
            const idle = yield* areIdle(frames)
            const idlePages: Array<number> = []
            let gone = 0
            pages.forEach((page, i) => {
              if (frameNow.get(page) !== frames[i]) gone++
              else if (idle[i] === 1) idlePages.push(page)
            })
            return { idle: idlePages.length, used: pages.length - gone - idlePages.length, gone, idleRanges: joined(idlePages) }
          })
          return { marked: pages.length, unmarked: found.pages.length - pages.length, check }
        })
      })
    })
  )
}

/** Words that one read or write of the file takes: sysfs gives and takes binary files a page at a time. */
const wordsOfCall = 512
/** Words of the bitmap that are looked at before other fibers get a turn: 1 GiB of memory. */
const wordsAtOnce = 4096

const bitmapOf = (file: OpenFile): IdleBitmap => ({
  read: Effect.fnUntraced(function* (firstWord, count) {
    const bytes = new Uint8Array(count * 8)
    let length = 0
    while (length < bytes.length) {
      const got = yield* Effect.fromResult(file.readInto(bytes.subarray(length, length + wordsOfCall * 8), firstWord * 8 + length))
      if (got === 0) break
      length += got
    }
    return new BigUint64Array(bytes.buffer, 0, Math.floor(length / 8))
  }),
  mark: Effect.fnUntraced(function* (firstWord, words) {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
    for (let at = 0; at < bytes.length;) {
      const taken = yield* Effect.fromResult(file.write(bytes.subarray(at, at + wordsOfCall * 8), firstWord * 8 + at))
      if (taken === 0) break
      at += taken
    }
  })
})

/** Parts of ascending frames that lie in a few words each. */
function* chunksOf(frames: Float64Array) {
  for (let from = 0; from < frames.length;) {
    const firstWord = Math.floor(frames[from]! / 64)
    let to = from
    while (to < frames.length && Math.floor(frames[to]! / 64) < firstWord + wordsAtOnce) to++
    yield { firstWord, count: Math.floor(frames[to - 1]! / 64) - firstWord + 1, from, to }
    from = to
  }
}

const byFrame = ({ frames, pages }: { readonly frames: Float64Array; readonly pages: Float64Array }) => {
  const order = [...frames.keys()].toSorted((a, b) => frames[a]! - frames[b]!)
  return { frames: Float64Array.from(order, (i) => frames[i]!), pages: Float64Array.from(order, (i) => pages[i]!) }
}

const joined = (pages: Array<number>): ReadonlyArray<{ readonly start: bigint; readonly bytes: number }> => {
  const runs: Array<{ readonly first: number; pages: number }> = []
  for (const page of pages.toSorted((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && page === last.first + last.pages) last.pages++
    else runs.push({ first: page, pages: 1 })
  }
  return runs.map(({ first, pages: count }) => ({ start: BigInt(first) * BigInt(pageSize), bytes: count * pageSize }))
}
