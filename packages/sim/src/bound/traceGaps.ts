/** What a page trace offers to a clairvoyant: its gaps and its working set, as `GapCollector` has them of a live run. */
import type { PageTrace } from "../trace/PageTrace.ts"
import { GapCollector, netBytesOf, type Window, type WindowGaps } from "./GapCollector.ts"

/** The gaps in some windows of the trace. `onTick` is told the pages accessed in each tick and the working set then. */
export const traceGaps = (
  trace: PageTrace,
  windows: ReadonlyArray<Window>,
  onTick?: (accessedPages: number, workingSetPages: number) => void
): ReadonlyArray<WindowGaps> => {
  const { anonPages, compressedBytes, tickMs } = trace
  const gaps = new GapCollector({
    tickMs,
    windows,
    netBytes: (page) => (page < anonPages ? netBytesOf(false, compressedBytes[page]!) : netBytesOf(true, 0))
  })
  for (const { anon, file, freedAnon, freedFile } of trace.read()) {
    for (const page of freedAnon) gaps.free(page)
    for (const page of freedFile) gaps.free(anonPages + page)
    for (const page of anon) gaps.access(page)
    for (const page of file) gaps.access(anonPages + page)
    onTick?.(anon.length + file.length, gaps.workingSetPages)
    gaps.nextTick()
  }
  return gaps.end()
}
