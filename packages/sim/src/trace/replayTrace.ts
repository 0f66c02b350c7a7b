/**
 * A workload that does what a page trace says, tick by tick: frees first, then every page that was accessed, once, then it waits for the next tick.
 * Simplified: one task; accesses of a tick come at its start, in order of page numbers. A tick that takes longer than it should, since its pages
 * had to come back, delays those after it only if there is no pause left: the trace's pace is kept where possible.
 */
import type { Bytes } from "@wmo/core"
import type { Step, Workload } from "../Workload.ts"
import { touchPages, until } from "../workloads/layout.ts"
import type { PageTrace } from "./PageTrace.ts"

/** Ranges of ascending numbers. */
function* ranges(pages: Uint32Array): Generator<readonly [first: number, count: number]> {
  for (let i = 0; i < pages.length;) {
    let count = 1
    while (i + count < pages.length && pages[i + count] === pages[i]! + count) count++
    yield [pages[i]!, count]
    i += count
  }
}

/** What is in `pages` and not in `but`, both ascending. */
const without = (pages: Uint32Array, but: Uint32Array): Uint32Array => {
  if (but.length === 0) return pages
  const excluded = new Set(but)
  return pages.filter((page) => !excluded.has(page))
}

export interface ReplayOptions {
  /** Think time per access. Default 20 µs, less where a tick would be too short for it. */
  readonly thinkUs?: number
  /** Begins anew after the last tick instead of ending. Default false. */
  readonly isRepeated?: boolean
}

/** See the module's header. */
export const replayTrace = (trace: PageTrace, options: ReplayOptions = {}): Workload => {
  const { anonPages, compressedBytes, filePages, tickMs } = trace
  const toFile = (pages: Uint32Array) => pages.map((page) => page + anonPages)
  const lengths: ReadonlyArray<Bytes> = Array.from(compressedBytes)
  return {
    name: `replay of ${trace.source}`,
    anonPages,
    filePages,
    compressedBytes: lengths,
    load: [],
    tasks: [
      function* (context): Generator<Step, void> {
        const startMs = context.nowMs()
        let tick = 0
        do {
          for (const { anon, file, freedAnon, freedFile, writtenFile } of trace.read()) {
            yield* until(context, startMs + tick++ * tickMs)
            for (const [first, pages] of ranges(freedAnon)) yield { _tag: "Free", first, pages }
            for (const [first, pages] of ranges(freedFile)) yield { _tag: "Free", first: first + anonPages, pages }
            const total = anon.length + file.length
            // At most half of a tick, so that there is room for what comes back.
            const thinkUs = Math.min(options.thinkUs ?? 20, (tickMs * 500) / Math.max(1, total))
            if (anon.length > 0) yield touchPages(anon, { isWrite: true, thinkUs, touchesPerOperation: 1 })
            if (writtenFile.length > 0) yield touchPages(toFile(writtenFile), { isWrite: true, thinkUs, touchesPerOperation: 1 })
            const read = without(file, writtenFile)
            if (read.length > 0) yield touchPages(toFile(read), { thinkUs, touchesPerOperation: 1 })
          }
        } while (options.isRepeated === true)
        yield* until(context, startMs + tick * tickMs)
      }
    ]
  }
}
