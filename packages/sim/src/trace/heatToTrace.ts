/**
 * Makes a page trace of what DAMON saw of one address space: regions with how many of an aggregation's samples found them in use. Under DAMON's
 * own assumption, that a region's pages are used alike, a page whose region was found used in k of n samples was used at least once in that aggregation with
 * probability 1 − (1 − k/n)^n; a seed draws which. What DAMON does not see is not in the trace: frees, writes, and what pages compress to.
 * Simplified: whole huge pages are many small ones; a page is file or anon by the mapping that it lies in last.
 */
import { type Milliseconds, pageSize } from "@wmo/core"
import { type Compressibility, defaultCompressibility, drawCompressedSize } from "../Compressibility.ts"
import { Random } from "../Random.ts"
import { type PageTrace, TraceWriter } from "./PageTrace.ts"

/** A range of addresses, `end` exclusive. */
export interface AddressRange {
  readonly start: bigint
  readonly end: bigint
}

/** What DAMON saw in one aggregation. `samples`: how often it looked at each region. */
export interface HeatOfMoment {
  readonly atMs: Milliseconds
  readonly samples: number
  readonly regions: ReadonlyArray<AddressRange & { readonly accesses: number }>
}

export interface HeatToTraceOptions {
  readonly source: string
  /** Addresses that are mapped from files; everything else is anonymous. */
  readonly fileRanges?: ReadonlyArray<AddressRange>
  /** Default 1 s: all frames of one tick together. */
  readonly tickMs?: Milliseconds
  /** Default: `defaultCompressibility`. */
  readonly compressibility?: Compressibility
  readonly seed?: number
  /** Only addresses in it: a machine's whole memory is more than a group holds. */
  readonly within?: AddressRange
}

const bytesOfPage = BigInt(pageSize)

/** Numbers pages in order of their first access. */
class Pages {
  readonly anon = new Map<bigint, number>()
  readonly file = new Map<bigint, number>()
  private readonly fileRanges: ReadonlyArray<AddressRange>

  constructor(fileRanges: ReadonlyArray<AddressRange>) {
    this.fileRanges = fileRanges.toSorted((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  }

  isFile(address: bigint): boolean {
    let low = 0
    let high = this.fileRanges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.fileRanges[middle]!.end <= address) low = middle + 1
      else high = middle
    }
    const range = this.fileRanges[low]
    return range !== undefined && range.start <= address
  }

  number(numbers: Map<bigint, number>, page: bigint): number {
    let number = numbers.get(page)
    if (number === undefined) numbers.set(page, (number = numbers.size))
    return number
  }
}

const inside = (region: AddressRange, within: AddressRange | undefined): AddressRange => ({
  start: within !== undefined && region.start < within.start ? within.start : region.start,
  end: within !== undefined && region.end > within.end ? within.end : region.end
})

/** Frames of one subject, in order of time. Throws a `RangeError` without any. */
export const heatToTrace = (frames: Iterable<HeatOfMoment>, options: HeatToTraceOptions): PageTrace => {
  const tickMs = options.tickMs ?? 1000
  const random = Random.stream(options.seed ?? 1, "heat to trace")
  const pages = new Pages(options.fileRanges ?? [])
  const writer = new TraceWriter(options.source, tickMs)
  const nothing = new Uint32Array(0)
  let startMs: number | undefined
  let tick = 0
  let anon = new Set<number>()
  let file = new Set<number>()
  const close = (): void => {
    writer.tick({
      freedAnon: nothing,
      freedFile: nothing,
      anon: Uint32Array.from(anon).toSorted(),
      file: Uint32Array.from(file).toSorted(),
      writtenFile: nothing
    })
    tick++
    anon = new Set()
    file = new Set()
  }
  for (const { atMs, regions, samples } of frames) {
    startMs ??= atMs
    while (Math.floor((atMs - startMs) / tickMs) > tick) close()
    for (const region of regions) {
      if (region.accesses <= 0) continue
      const { end, start } = inside(region, options.within)
      const share = Math.min(1, region.accesses / Math.max(1, samples))
      const probability = 1 - (1 - share) ** Math.max(1, samples)
      for (let page = start / bytesOfPage; page * bytesOfPage < end; page++) {
        if (probability < 1 && random.nextFraction() >= probability) continue
        if (pages.isFile(page * bytesOfPage)) file.add(pages.number(pages.file, page))
        else anon.add(pages.number(pages.anon, page))
      }
    }
  }
  if (startMs === undefined) throw new RangeError("there are no heat frames")
  close()
  const sizes = Random.stream(options.seed ?? 1, "heat to trace: sizes")
  const distribution = options.compressibility ?? defaultCompressibility
  return writer.finish(() => drawCompressedSize(distribution, sizes))
}
