/**
 * How working-set reporting turns generations into bins: pages of a generation are spread evenly over the span of ages that it covers.
 * Source: collect_page_age_type in the working-set reporting series, v2 to v4.
 */
import type { Generation } from "../LruGen.ts"
import { type Milliseconds, pageSize } from "../Units.ts"
import type { PageAgeBin } from "../WorkingSetReport.ts"

/** `generations` oldest first; `labels` increasing upper edges in ms; the result has one more bin, for what is older. */
export const binGenerations = (generations: ReadonlyArray<Generation>, labels: ReadonlyArray<Milliseconds>): ReadonlyArray<PageAgeBin> => {
  const edges = [0, ...labels, Infinity]
  const bins = labels.concat(Infinity).map((upperMs, i) => ({ lowerMs: edges[i]!, upperMs, anonBytes: 0, fileBytes: 0 }))
  generations.forEach((generation, i) => {
    const youngest = generations[i + 1]?.ageMs ?? 0
    const oldest = generation.ageMs
    const span = oldest - youngest
    let anonLeft = generation.anonPages
    let fileLeft = generation.filePages
    const overlapping = bins.filter((bin) => bin.upperMs > youngest && bin.lowerMs < Math.max(oldest, youngest + 1))
    overlapping.forEach((bin, j) => {
      const isLast = j === overlapping.length - 1
      const share = span <= 0 ? 1 : (Math.min(bin.upperMs, oldest) - Math.max(bin.lowerMs, youngest)) / span
      const anon = isLast ? anonLeft : Math.floor(generation.anonPages * share)
      const file = isLast ? fileLeft : Math.floor(generation.filePages * share)
      bin.anonBytes += anon * pageSize
      bin.fileBytes += file * pageSize
      anonLeft -= anon
      fileLeft -= file
    })
  })
  return bins
}
