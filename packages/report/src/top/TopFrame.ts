/**
 * What `wmo top` knows at one moment: raw amounts and counters of every group, page ages, and what policies do. From samplers or from a
 * recording alike: both name values as the kernel does. No rates: those need two frames (TopRow).
 */
import type { PageAgeBin } from "@wmo/core"

/** Raw numbers of one group, its descendants included. Undefined: this kernel does not say. */
export interface TopGroup {
  /** Path below the cgroup mount; the root is the empty string. */
  readonly group: string
  readonly currentBytes: number | undefined
  readonly anonBytes: number | undefined
  readonly fileBytes: number | undefined
  /** Swap space that the group occupies, what is in zswap included. */
  readonly swapBytes: number | undefined
  /** Memory that zswap takes for the group, compressed; part of `currentBytes`. */
  readonly zswapBytes: number | undefined
  /** What that was before it was compressed. */
  readonly zswappedBytes: number | undefined
  /** Pages that were evicted and came back soon enough to be missed, anon and file, since the group was made. */
  readonly refaults: number | undefined
  /** Pages that came back from swap or zswap since the group was made. */
  readonly promotions: number | undefined
  /** Microseconds in which some task waited for memory, since the group was made. */
  readonly psiSomeUs: number | undefined
}

/** Ages of the pages of a group and of all below it. Bins may overlap and come in any order. */
export interface TopAges {
  readonly source: string
  readonly bins: ReadonlyArray<PageAgeBin>
}

/** What a policy does with a group. */
export interface TopDecision {
  /** The policy's name, or what holds the group. */
  readonly policy: string
  readonly pid?: number | undefined
  /** What it said last, and when. Undefined: it keeps no recording that could be read. */
  readonly reason?: string | undefined
  readonly atMs?: number | undefined
}

export interface TopFrame {
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** Parents before their children. */
  readonly groups: ReadonlyArray<TopGroup>
  readonly ages: ReadonlyMap<string, TopAges>
  readonly decisions: ReadonlyMap<string, TopDecision>
}

/** Values by metric name (`memory_stat_anon_bytes`), as samplers and recordings have them. */
export type TopValues = (metric: string) => number | bigint | undefined

const sum = (...values: ReadonlyArray<number | undefined>): number | undefined =>
  values.every((value) => value === undefined) ? undefined : values.reduce<number>((total, value) => total + (value ?? 0), 0)

/**
 * A group's numbers out of its values. Promotions are `zswpin` + `pswpin` (+ `swpin_zero`) where the kernel counts `pswpin` by group (since
 * 6.12); before, refaults of anonymous pages, which are the same but for pages that were away too long to be remembered.
 */
export const topGroup = (group: string, values: TopValues): TopGroup => {
  const number = (metric: string): number | undefined => {
    const value = values(metric)
    return value === undefined ? undefined : Number(value)
  }
  const anonRefaults = number("memory_stat_workingset_refault_anon")
  const swapIns = number("memory_stat_pswpin")
  return {
    group,
    currentBytes: number("memory_current_bytes"),
    anonBytes: number("memory_stat_anon_bytes"),
    fileBytes: number("memory_stat_file_bytes"),
    swapBytes: number("memory_swap_current_bytes"),
    zswapBytes: number("memory_zswap_current_bytes") ?? number("memory_stat_zswap_bytes"),
    zswappedBytes: number("memory_stat_zswapped_bytes"),
    refaults: sum(anonRefaults, number("memory_stat_workingset_refault_file")),
    promotions: swapIns === undefined ? anonRefaults : sum(swapIns, number("memory_stat_zswpin"), number("memory_stat_swpin_zero")),
    psiSomeUs: number("memory_pressure_some_us")
  }
}

/** Ages of groups with all below them, from ages of each group's own pages. Nothing is rounded: bins stand side by side. */
export const agesOfTrees = (own: ReadonlyMap<string, TopAges>): ReadonlyMap<string, TopAges> => {
  const trees = new Map<string, { readonly source: string; readonly bins: Array<PageAgeBin> }>()
  for (const [group, { bins, source }] of own) {
    for (let above: string | undefined = group; above !== undefined; above = parentOf(above)) {
      const known = trees.get(above)
      if (known === undefined) trees.set(above, { source, bins: [...bins] })
      else known.bins.push(...bins)
    }
  }
  return trees
}

/** The group above; undefined above the root. */
export const parentOf = (group: string): string | undefined =>
  group === "" ? undefined : group.slice(0, Math.max(0, group.lastIndexOf("/")))
