/**
 * How long a group's pages have been idle: one histogram type for every source of page ages.
 * Bins do not overlap, are ordered young to old, and cover (lowerMs, upperMs]; the last one ends at Infinity.
 */
import type { Bytes, LruGenMemcg, Milliseconds, NodePageAge, PageAgeBin } from "@wmo/core"
import { pageSize } from "@wmo/core"
import type { PageAgeSource } from "./ages/AgeSource.ts"

export interface PageAge {
  readonly source: PageAgeSource
  readonly bins: ReadonlyArray<PageAgeBin>
}

/** An amount of memory by kind. */
export interface ColdBytes {
  readonly anonBytes: Bytes
  readonly fileBytes: Bytes
}

/**
 * Bytes idle for at least `thresholdMs`: the bins whose *lower* edge is at or above it. The original WMO agent compared the upper edge
 * (the label) and so reclaimed pages up to one bin too young.
 */
export const coldBytes = (age: PageAge, thresholdMs: Milliseconds): ColdBytes => {
  let anonBytes = 0
  let fileBytes = 0
  for (const bin of age.bins) {
    if (bin.lowerMs < thresholdMs) continue
    anonBytes += bin.anonBytes
    fileBytes += bin.fileBytes
  }
  return { anonBytes, fileBytes }
}

/** From working-set reports: the sum over nodes, whose bins share their edges only if the nodes share their intervals. */
export const fromWorkingSet = (nodes: ReadonlyArray<NodePageAge>): PageAge => ({
  source: "working-set",
  bins: mergeBins(nodes.map(({ bins }) => bins))
})

/**
 * From MGLRU: a page in generation g was last in use between the birth of g and the birth of g + 1, so it has been idle for at least
 * the age of g + 1 and at most its own. The oldest generation has no upper edge: aging merges what was older still into it.
 */
export const fromGenerations = (memcg: LruGenMemcg): PageAge => ({
  source: "mglru",
  bins: mergeBins(
    memcg.nodes.map(({ generations }) =>
      generations
        .map((generation, i) => ({
          lowerMs: generations[i + 1]?.ageMs ?? 0,
          upperMs: i === 0 ? Infinity : generation.ageMs,
          anonBytes: generation.anonPages * pageSize,
          fileBytes: generation.filePages * pageSize
        }))
        .toReversed()
    )
  )
})

/** The ages of several groups together. */
export const mergePageAges = (source: PageAgeSource, ages: ReadonlyArray<PageAge>): PageAge => ({
  source,
  bins: mergeBins(ages.map(({ bins }) => bins))
})

/** Adds histograms that may have different edges: equal bins are summed, others stand side by side, ordered by age. */
const mergeBins = (histograms: ReadonlyArray<ReadonlyArray<PageAgeBin>>): ReadonlyArray<PageAgeBin> => {
  if (histograms.length === 1) return histograms[0]!
  const byEdges = new Map<string, PageAgeBin>()
  for (const bin of histograms.flat()) {
    const edges = `${bin.lowerMs}-${bin.upperMs}`
    const known = byEdges.get(edges)
    byEdges.set(
      edges,
      known === undefined ? bin : { ...known, anonBytes: known.anonBytes + bin.anonBytes, fileBytes: known.fileBytes + bin.fileBytes }
    )
  }
  return [...byEdges.values()].toSorted((a, b) => a.lowerMs - b.lowerMs || a.upperMs - b.upperMs)
}
