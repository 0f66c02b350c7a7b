/**
 * Which pages of a process are in memory and which in swap, through `/proc/PID/pagemap`: by the PAGEMAP_SCAN ioctl where the kernel has it
 * (6.7), which passes over holes, else by reading eight bytes a page. Says which way it went.
 * Does not say when pages were used: see IdlePages, `smaps` (Referenced), Mglru. Needs ptrace rights (root).
 * Source: kernel Documentation/admin-guide/mm/pagemap.rst.
 */
import { Context, Effect, Layer, Result } from "effect"
import { KernFs, type OpenFile } from "../KernFs.ts"
import { fromThrown, KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import type { AddressRange, PagemapScan } from "../native/libc.ts"
import { SystemCalls, systemCalls } from "../native/SystemCalls.ts"
import { type Pages, pageSize } from "../Units.ts"
import { countPages, frameOf, isSoftDirty, noPages, type PagemapCounts, placeOf } from "./PagemapEntry.ts"

/** Neighbouring pages that are all in memory, or all in swap. Can be passed to `ProcessMemory` as it is. */
export interface PageRun extends AddressRange {
  readonly place: "present" | "swapped"
}

/** What a scan found, and by which way. */
export interface PageScan {
  readonly via: "ioctl" | "read"
  /** All pages of the ranges. */
  readonly pages: Pages
  readonly present: Pages
  readonly swapped: Pages
  /** Ascending within each range. */
  readonly runs: ReadonlyArray<PageRun>
}

/** Present pages and where they are in physical memory: `frames[i]` is the page frame number of the page at `pages[i] * pageSize`. */
export interface PageFrames {
  readonly pages: Float64Array
  readonly frames: Float64Array
}

/** Any range with a start and an end (a `Mapping`), or with a length. */
export type PageRange = { readonly start: bigint; readonly end: bigint } | AddressRange

export class PageMap extends Context.Service<
  PageMap,
  {
    /**
     * Finds present and swapped pages in ranges of a process. `via` asks for one way; `ioctl` is `NotSupported` before 6.7. Yields to other
     * fibers every 64 MiB where it reads; costs 8 bytes a page then.
     */
    readonly scan: (
      pid: number,
      ranges: ReadonlyArray<PageRange>,
      options?: { readonly via?: "ioctl" | "read" }
    ) => Effect.Effect<PageScan, KernFsError>
    /** Counts pages by all that `pagemap` says of them, reading it: soft-dirty, exclusive, guard regions and so on. */
    readonly count: (pid: number, ranges: ReadonlyArray<PageRange>) => Effect.Effect<PagemapCounts, KernFsError>
    /** Ranges of pages that were written since soft-dirty bits were cleared (`Processes.clearRefs`), in memory or in swap by now. Reads. */
    readonly softDirty: (pid: number, ranges: ReadonlyArray<PageRange>) => Effect.Effect<ReadonlyArray<AddressRange>, KernFsError>
    /** Page frame numbers of the present pages; `PermissionDenied` without CAP_SYS_ADMIN, where the kernel shows zeros. */
    readonly frames: (pid: number, ranges: ReadonlyArray<PageRange>) => Effect.Effect<PageFrames, KernFsError>
  }
>()("@wmo/core/PageMap") {
  static readonly layer: Layer.Layer<PageMap, never, KernFs> = Layer.effect(
    PageMap,
    Effect.suspend(() => make)
  )
}

// PAGE_IS_* of include/uapi/linux/fs.h.
const present = 8n
const swapped = 16n

/** 64 MiB of address space, 128 KiB of entries: well below a millisecond. */
const pagesAtOnce = 16 * 1024
const regionsAtOnce = 1024
/** How much address space one ioctl walks at most. */
const bytesAtOnce = 2n ** 34n
/** The vsyscall page of x86-64 is listed among the mappings, but lies outside what belongs to the process. */
const userEnd = 2n ** 56n
const page = BigInt(pageSize)

const endOf = (range: PageRange): bigint => ("end" in range ? range.end : range.start + BigInt(range.bytes))

/** Joins neighbours. Addresses as page numbers. */
class Runs {
  readonly runs: Array<PageRun> = []
  readonly pages = { present: 0, swapped: 0 }
  private from = 0
  private to = 0
  private place: 0 | 1 | 2 = 0

  /** Pages `from` to `to` (exclusive) are at one place. */
  add(from: number, to: number, place: 0 | 1 | 2): void {
    if (place === this.place && from === this.to) this.to = to
    else {
      this.flush()
      this.from = from
      this.to = to
      this.place = place
    }
  }

  flush(): void {
    if (this.place === 0) return
    const place = this.place === 2 ? "present" : "swapped"
    this.pages[place] += this.to - this.from
    this.runs.push({ start: BigInt(this.from) * page, bytes: (this.to - this.from) * pageSize, place })
    this.place = 0
  }
}

const make = Effect.gen(function* () {
  const fs = yield* KernFs
  const { proc } = yield* KernelRoots
  const load = yield* SystemCalls
  const bytes = new Uint8Array(pagesAtOnce * 8)
  const words = new Uint32Array(bytes.buffer)
  const regions = regionsAtOnce * 3
  let hasScan: boolean | undefined

  const open = (pid: number) => fs.open(`${proc}/${pid}/pagemap`, "read")
  /** A kernel thread has no ranges, and since 6.9 or so no pagemap that could be opened. */
  const nothing: PageScan = { via: "read", pages: 0, present: 0, swapped: 0, runs: [] }
  const pagesOf = (ranges: ReadonlyArray<PageRange>): Pages =>
    ranges.reduce((sum, range) => sum + Number((endOf(range) - range.start) / page), 0)

  /** Reads ranges in chunks into `words`; `use` gets the number of the first page and how many there are, at once. */
  const readChunks = Effect.fnUntraced(function* (
    file: OpenFile,
    ranges: ReadonlyArray<PageRange>,
    use: (firstPage: number, count: number) => void
  ) {
    for (const range of ranges) {
      if (range.start >= userEnd) continue
      const last = Number(endOf(range) / page)
      for (let at = Number(range.start / page); at < last;) {
        const wanted = Math.min(pagesAtOnce, last - at)
        const got = yield* Effect.fromResult(file.readInto(bytes.subarray(0, wanted * 8), at * 8))
        // The file ends where the process's addresses end, and at once when the process has none (any more).
        if (got === 0) return yield* new KernFsError({ operation: "read", path: file.path, reason: { _tag: "NoProcess" } })
        use(at, got / 8)
        at += got / 8
        yield* Effect.yieldNow
      }
    }
  })

  const byReading = Effect.fnUntraced(function* (
    file: OpenFile,
    ranges: ReadonlyArray<PageRange>,
    placeOf: (words: Uint32Array, index: number) => 0 | 1 | 2
  ) {
    const runs = new Runs()
    for (const range of ranges) {
      yield* readChunks(file, [range], (first, count) => {
        let from = 0
        for (let i = 1; i <= count; i++) {
          if (i < count && placeOf(words, i) === placeOf(words, from)) continue
          runs.add(first + from, first + i, placeOf(words, from))
          from = i
        }
      })
      runs.flush()
    }
    return runs
  })

  const byScanning = Effect.fnUntraced(function* (file: OpenFile, ranges: ReadonlyArray<PageRange>) {
    const calls = yield* systemCalls(load, "scan", file.path)
    const runs = new Runs()
    const found = new BigUint64Array(regions)
    for (const range of ranges) {
      const end = endOf(range)
      if (range.start >= userEnd) continue
      for (let at = range.start; at < end;) {
        const pieceEnd = at + bytesAtOnce < end ? at + bytesAtOnce : end
        const request: PagemapScan = {
          start: at,
          end: pieceEnd,
          anyOf: present | swapped,
          returned: present | swapped,
          regions: found,
          walkEnd: at
        }
        const { errno, value } = yield* Effect.promise(() => calls.pagemapScan(file, request))
        if (errno !== undefined)
          return yield* Effect.fail(fromThrown("scan", file.path, { code: errno === "ENOTTY" ? "EOPNOTSUPP" : errno }))
        for (let i = 0; i < value; i++) {
          const place = (found[3 * i + 2]! & present) === present ? 2 : 1
          runs.add(Number(found[3 * i]! / page), Number(found[3 * i + 1]! / page), place)
        }
        // It goes no further than it has room for what it finds. Where it stopped may lie before the end of what it has told of already
        // (6.12, seen with more regions than one answer holds).
        const told = value === 0 ? at : found[3 * value - 2]!
        at = value < regionsAtOnce ? pieceEnd : request.walkEnd > told ? request.walkEnd : told
      }
      runs.flush()
    }
    return runs
  })

  const scan = Effect.fn("PageMap.scan")(function* (
    pid: number,
    ranges: ReadonlyArray<PageRange>,
    options?: { readonly via?: "ioctl" | "read" }
  ) {
    if (ranges.length === 0) return nothing
    const file = yield* open(pid)
    const answer = (via: "ioctl" | "read", { pages, runs }: Runs): PageScan => ({ via, pages: pagesOf(ranges), ...pages, runs })
    if (options?.via === "ioctl") return answer("ioctl", yield* byScanning(file, ranges))
    if (options?.via === undefined && hasScan !== false) {
      const scanned = yield* Effect.result(byScanning(file, ranges))
      if (Result.isSuccess(scanned)) {
        hasScan = true
        return answer("ioctl", scanned.success)
      }
      if (scanned.failure.reason._tag !== "NotSupported") return yield* Effect.fail(scanned.failure)
      hasScan = false
    }
    return answer("read", yield* byReading(file, ranges, placeOf))
  }, Effect.scoped)

  return PageMap.of({
    scan,
    count: Effect.fn("PageMap.count")(function* (pid, ranges) {
      const counts = noPages()
      const file = yield* open(pid)
      yield* readChunks(file, ranges, (_, count) => countPages(words, 0, count, counts))
      return counts
    }, Effect.scoped),
    softDirty: Effect.fn("PageMap.softDirty")(function* (pid, ranges) {
      const { runs } = yield* byReading(yield* open(pid), ranges, (entries, i) => (isSoftDirty(entries, i) ? 2 : 0))
      return runs.map(({ bytes: length, start }) => ({ start, bytes: length }))
    }, Effect.scoped),
    frames: Effect.fn("PageMap.frames")(function* (pid, ranges) {
      const file = yield* open(pid)
      const pages: Array<number> = []
      const frames: Array<number> = []
      yield* readChunks(file, ranges, (first, count) => {
        for (let i = 0; i < count; i++) {
          if (placeOf(words, i) !== 2) continue
          pages.push(first + i)
          frames.push(frameOf(words, i))
        }
      })
      // Frame 0 belongs to the firmware: nothing of a process is there.
      if (frames.includes(0)) return yield* Effect.fail(fromThrown("read", file.path, { code: "EPERM" }))
      return { pages: Float64Array.from(pages), frames: Float64Array.from(frames) }
    }, Effect.scoped)
  })
})
