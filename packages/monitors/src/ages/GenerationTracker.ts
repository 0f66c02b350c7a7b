/**
 * Page ages of groups from MGLRU's generations, or from working-set reports, which are made of them. What came back into use is estimated:
 * evicted pages that were faulted in again are counted by the kernel, but not by age; pages in memory that were used again leave their
 * generation at the next aging. Ages groups itself only if it is told how often.
 */
import {
  Cgroups,
  type KernelError,
  type LruGenMemcg,
  type LruGenNode,
  Memcg,
  Mglru,
  type Milliseconds,
  type Pages,
  WorkingSet
} from "@wmo/core"
import { Clock, Effect } from "effect"
import { fromGenerations, fromWorkingSet, mergePageAges, type PageAge } from "../PageAge.ts"
import type { AgeTracker } from "./AgeTracker.ts"
import { isWithin, unlessGone } from "./groupProcesses.ts"
import { type AgeLadder, PromotionCounter } from "./Histogram.ts"

export interface GenerationTrackerOptions {
  readonly source: "mglru" | "working-set"
  readonly ladder: AgeLadder
  /** How often a new generation is made in every group; undefined: only when the kernel does. For `mglru`. */
  readonly ageEveryMs?: Milliseconds | undefined
}

interface Tracked {
  readonly counter: PromotionCounter
  pageAge: PageAge | undefined
  /** Refaults and evictions so far. */
  refaults: bigint | undefined
  stolen: bigint | undefined
  rows: ReadonlyArray<LruGenMemcg>
}

/** Ages from which a page that comes back came: younger edges of the generations that the kernel had. */
const oldestLowerMs = (age: PageAge | undefined): Milliseconds => Math.max(0, ...(age?.bins.map(({ lowerMs }) => lowerMs) ?? []))

const pagesIn = (node: LruGenNode, upTo: number): Pages =>
  node.generations.reduce((sum, { anonPages, filePages, seq }) => sum + (seq <= upTo ? anonPages + filePages : 0), 0)

/**
 * Pages that left older generations for younger ones between two looks, with the age they had: what the older ones lost, less what was
 * evicted, and no more than the younger ones gained. Memory that was freed while other memory was allocated looks the same.
 */
export const promotedBetween = (
  before: LruGenNode,
  now: LruGenNode,
  evicted: Pages
): ReadonlyArray<{ readonly ageMs: Milliseconds; readonly pages: Pages }> => {
  const old = before.generations.slice(0, -1)
  const youngest = before.generations.at(-1)
  const last = old.at(-1)
  if (youngest === undefined || last === undefined) return []
  let evictedLeft = evicted
  let lostBefore = 0
  const lost = old.map(({ seq }, i) => {
    const sum = Math.max(0, pagesIn(before, seq) - pagesIn(now, seq))
    const own = Math.max(0, sum - lostBefore)
    lostBefore = Math.max(lostBefore, sum)
    const gone = Math.min(own, evictedLeft)
    evictedLeft -= gone
    return { ageMs: before.generations[i + 1]!.ageMs, pages: own - gone }
  })
  const all = lost.reduce((sum, { pages }) => sum + pages, 0)
  const gained = pagesIn(now, Infinity) - pagesIn(now, last.seq) - (youngest.anonPages + youngest.filePages)
  const share = all === 0 ? 0 : Math.max(0, Math.min(all, gained)) / all
  return lost.map(({ ageMs, pages }) => ({ ageMs, pages: pages * share }))
}

export const makeGenerationTracker: (options: GenerationTrackerOptions) => Effect.Effect<AgeTracker, never, Cgroups | Mglru | WorkingSet> =
  Effect.fnUntraced(function* ({ ageEveryMs, ladder, source }) {
    const cgroups = yield* Cgroups
    const mglru = yield* Mglru
    const workingSet = yield* WorkingSet
    const known = new Map<string, Tracked>()
    let agedMs = -Infinity
    let failures = 0

    const age = Effect.fnUntraced(function* (groups: ReadonlyArray<string>) {
      for (const { nodes, path } of yield* mglru.table) {
        const name = path.slice(1)
        const hasPages = nodes.some((node) => pagesIn(node, Infinity) > 0)
        if (!hasPages || !groups.some((group) => isWithin(name, group))) continue
        yield* mglru.age(name).pipe(
          Effect.catch((error) => {
            if (error._tag !== "KernFsError" || !error.isGone) failures++
            return Effect.void
          })
        )
      }
    })

    const counters = Effect.fnUntraced(function* (group: string) {
      const stat = yield* unlessGone(cgroups.read(group, Memcg.memoryStat))
      if (stat === undefined) return undefined
      const sum = (...values: ReadonlyArray<bigint | undefined>) => values.reduce<bigint>((all, value) => all + (value ?? 0n), 0n)
      return {
        refaults: sum(stat.workingset_refault_anon, stat.workingset_refault_file),
        stolen: sum(stat.pgsteal)
      }
    })

    const observe = Effect.fnUntraced(function* (group: string, rows: ReadonlyArray<LruGenMemcg>, now: Milliseconds) {
      let tracked = known.get(group)
      if (tracked === undefined) {
        tracked = { counter: new PromotionCounter(ladder, now), pageAge: undefined, refaults: undefined, stolen: undefined, rows: [] }
        known.set(group, tracked)
      }
      const count = yield* counters(group)
      const isFirst = tracked.refaults === undefined || count === undefined
      let evicted = isFirst ? 0 : Number(count.stolen - (tracked.stolen ?? 0n))
      if (!isFirst) tracked.counter.add(oldestLowerMs(tracked.pageAge), Math.max(0, Number(count.refaults - tracked.refaults!)))
      for (const row of rows) {
        const before = tracked.rows.find(({ id, path }) => id === row.id && path === row.path)
        for (const node of row.nodes) {
          const was = before?.nodes.find((other) => other.node === node.node)
          if (was === undefined) continue
          for (const { ageMs, pages } of promotedBetween(was, node, Math.max(0, evicted))) if (pages > 0) tracked.counter.add(ageMs, pages)
          evicted -= Math.max(0, pagesIn(was, Infinity) - pagesIn(node, Infinity))
        }
      }
      tracked.rows = rows
      tracked.refaults = count?.refaults
      tracked.stolen = count?.stolen
      return tracked
    })

    const look: (groups: ReadonlyArray<string>) => Effect.Effect<void, KernelError> = Effect.fnUntraced(function* (groups) {
      const now = yield* Clock.currentTimeMillis
      for (const group of known.keys()) if (!groups.includes(group)) known.delete(group)
      if (source === "working-set") {
        for (const group of groups) {
          const tracked = yield* observe(group, [], now)
          const nodes = yield* unlessGone(workingSet.group(group))
          tracked.pageAge = nodes === undefined || nodes.length === 0 ? undefined : fromWorkingSet(nodes)
        }
        return
      }
      if (ageEveryMs !== undefined && now - agedMs >= ageEveryMs) {
        agedMs = now
        yield* age(groups)
      }
      const table = yield* mglru.table
      for (const group of groups) {
        const rows = table.filter(({ path }) => isWithin(path.slice(1), group))
        const tracked = yield* observe(group, rows, now)
        tracked.pageAge = rows.length === 0 ? undefined : mergePageAges(source, rows.map(fromGenerations))
      }
    })

    return {
      source,
      everyMs: ageEveryMs ?? 10_000,
      look,
      ages: (group) => {
        const pageAge = known.get(group)?.pageAge
        return pageAge === undefined ? undefined : { pageAge, knownMs: oldestLowerMs(pageAge) }
      },
      takePromotions: (group, nowMs) => {
        const tracked = known.get(group)
        return tracked === undefined
          ? undefined
          : { ...tracked.counter.take(nowMs), isEstimate: true, source: source === "mglru" ? "mglru+refaults" : "refaults" }
      },
      notes: () => (failures === 0 ? [] : [`${failures} groups could not be aged`])
    } satisfies AgeTracker
  })
