/**
 * What was evicted and what of it came back since the last look, by kind: from the group's counters, with the ages that the monitor infers.
 * A counter that went back (the group was made anew) counts as nothing.
 */
import { type Pages, pageSize } from "@wmo/core"
import { growth, type Observation } from "@wmo/monitors"
import type { Kind } from "./KindState.ts"

type ByKind = Readonly<Record<Kind, Pages>>

export interface Refaults {
  readonly counters: {
    readonly anon: bigint | undefined
    readonly file: bigint | undefined
    readonly stolen: bigint | undefined
    readonly swapBytes: number | undefined
    /** Refaulted pages by bin of the promotions, both kinds together. */
    readonly bins: ReadonlyArray<Pages>
  }
  /** Pages that came back since the last look. */
  readonly since: ByKind
  readonly evicted: ByKind
  /** Share of the budget that each kind may use: what the other has not used lately, and a quarter at least. */
  readonly budgetShare: ByKind
  /** Since the last look, by bin: the monitor does not tell the kinds apart, they are taken to be of the same ages. */
  readonly byBin: Readonly<Record<Kind, ReadonlyArray<Pages>>>
}

const leastShare = 0.25
/** How much of what is known of the shares the next look leaves. */
const inertia = 0.999

const share = (part: Pages, all: Pages): number => (all > 0 ? part / all : 0)

export const refaultsSince = (before: Refaults | undefined, { promotions, stat, usage }: Observation): Refaults => {
  const counters = {
    anon: stat.workingset_refault_anon,
    file: stat.workingset_refault_file,
    stolen: stat.pgsteal,
    swapBytes: usage.swapCurrentBytes,
    bins: promotions?.bins.map(({ refaultedPages }) => refaultedPages) ?? []
  }
  const was = before?.counters
  const since = { anon: growth(counters.anon, was?.anon), file: growth(counters.file, was?.file) }
  const all = since.anon + since.file
  // What swap has more of now, and what has come out of it meanwhile; the rest of what was reclaimed was file.
  const stolen = growth(counters.stolen, was?.stolen)
  const swapped = ((counters.swapBytes ?? 0) - (was?.swapBytes ?? counters.swapBytes ?? 0)) / pageSize + since.anon
  const anon = Math.max(0, Math.min(stolen, swapped))
  const usedByFile = share(since.file, all)
  const aim = (used: number) => Math.max(leastShare, 1 - used)
  const last = before?.budgetShare ?? { anon: 1, file: 1 }
  const next = (kind: Kind, used: number) => (all > 0 ? last[kind] * inertia + aim(used) * (1 - inertia) : last[kind])
  const bins = counters.bins.map((pages, i) => Math.max(0, pages - (was?.bins[i] ?? pages)))
  const inBins = bins.reduce((sum, pages) => sum + pages, 0)
  // Of sources that know no refaults by age all are as old as can be told.
  const byBin = (kind: Kind) =>
    inBins === 0 ? bins.map((_, i) => (i === bins.length - 1 ? since[kind] : 0)) : bins.map((pages) => pages * share(since[kind], all))
  return {
    counters,
    since,
    evicted: { anon, file: stolen - anon },
    budgetShare: { anon: next("anon", usedByFile), file: next("file", 1 - usedByFile) },
    byBin: { anon: byBin("anon"), file: byBin("file") }
  }
}
