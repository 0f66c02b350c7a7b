/**
 * Page ages of groups from MGLRU's generations, or from working-set reports, which are made of them. What came back into use is estimated:
 * evicted pages that were faulted in again are counted by the kernel, but not by age (see EvictionHistory); pages in memory that were used again
 * leave their generation at the next aging (see generationFlows). Ages groups itself only if it is told how often.
 */
import {
  Cgroups,
  type KernelError,
  type LruGenMemcg,
  type LruGenNode,
  Memcg,
  type MemoryStat,
  Mglru,
  type Milliseconds,
  type Pages,
  WorkingSet
} from "@wmo/core"
import { Clock, Effect } from "effect"
import { fromGenerations, fromWorkingSet, mergePageAges, type PageAge } from "../PageAge.ts"
import type { AgeTracker } from "./AgeTracker.ts"
import { EvictionHistory } from "./EvictionHistory.ts"
import { generationFlows } from "./generationFlows.ts"
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
  readonly evictions: { readonly anon: EvictionHistory; readonly file: EvictionHistory }
  pageAge: PageAge | undefined
  /** Refaults and evictions so far, in pages. */
  counters: Counters | undefined
  rows: ReadonlyArray<LruGenMemcg>
}

interface Counters {
  readonly anonRefaults: bigint
  readonly fileRefaults: bigint
  readonly stolen: bigint
}

const countersOf = (stat: MemoryStat): Counters => ({
  anonRefaults: stat.workingset_refault_anon ?? 0n,
  fileRefaults: stat.workingset_refault_file ?? 0n,
  stolen: stat.pgsteal ?? 0n
})

/** Ages from which a page that comes back came: younger edges of the generations that the kernel had. */
const oldestLowerMs = (age: PageAge | undefined): Milliseconds => Math.max(0, ...(age?.bins.map(({ lowerMs }) => lowerMs) ?? []))

const pagesIn = (node: LruGenNode): Pages => node.generations.reduce((sum, { anonPages, filePages }) => sum + anonPages + filePages, 0)

/** 0 where the counter started anew. */
const since = (now: bigint, before: bigint): number => (now < before ? 0 : Number(now - before))

/** A new generation in each of the groups, and in those below; gives how many could not be aged. */
const ageGroups = Effect.fnUntraced(function* (mglru: Mglru["Service"], groups: ReadonlyArray<string>) {
  let failures = 0
  for (const { nodes, path } of yield* mglru.table) {
    const name = path.slice(1)
    const hasPages = nodes.some((node) => pagesIn(node) > 0)
    if (!hasPages || !groups.some((group) => isWithin(name, group))) continue
    yield* mglru.age(name).pipe(
      Effect.catch((error) => {
        if (error._tag !== "KernFsError" || !error.isGone) failures++
        return Effect.void
      })
    )
  }
  return failures
})

/** A tracker that journals nothing and starts nothing: only reading can fail. */
export interface GenerationTracker extends AgeTracker {
  readonly look: (groups: ReadonlyArray<string>, stat?: MemoryStat) => Effect.Effect<void, KernelError>
}

export const makeGenerationTracker: (
  options: GenerationTrackerOptions
) => Effect.Effect<GenerationTracker, never, Cgroups | Mglru | WorkingSet> = Effect.fnUntraced(function* ({ ageEveryMs, ladder, source }) {
  const cgroups = yield* Cgroups
  const mglru = yield* Mglru
  const workingSet = yield* WorkingSet
  const known = new Map<string, Tracked>()
  let agedMs = -Infinity
  let failures = 0

  const age = (groups: ReadonlyArray<string>) =>
    Effect.map(ageGroups(mglru, groups), (failed) => {
      failures += failed
    })

  const statOf = (group: string, given: MemoryStat | undefined) =>
    given === undefined ? unlessGone(cgroups.read(group, Memcg.memoryStat)) : Effect.succeed(given)

  const observe = (group: string, rows: ReadonlyArray<LruGenMemcg>, now: Milliseconds, stat: MemoryStat | undefined): Tracked => {
    let tracked = known.get(group)
    if (tracked === undefined) {
      const evictions = { anon: new EvictionHistory(), file: new EvictionHistory() }
      tracked = { counter: new PromotionCounter(ladder, now), evictions, pageAge: undefined, counters: undefined, rows: [] }
      known.set(group, tracked)
    }
    const { counter, counters: was, evictions } = tracked
    const count = stat === undefined ? undefined : countersOf(stat)
    let evicted = 0
    if (was !== undefined && count !== undefined) {
      evicted = since(count.stolen, was.stolen)
      const elseMs = oldestLowerMs(tracked.pageAge)
      evictions.anon.pop(now, since(count.anonRefaults, was.anonRefaults), elseMs, (ageMs, pages) => counter.add(ageMs, pages, 0, pages))
      evictions.file.pop(now, since(count.fileRefaults, was.fileRefaults), elseMs, (ageMs, pages) => counter.add(ageMs, 0, pages, pages))
    }
    for (const row of rows) {
      const before = tracked.rows.find(({ id, path }) => id === row.id && path === row.path)
      for (const node of row.nodes) {
        const last = before?.nodes.find((other) => other.node === node.node)
        if (last === undefined) continue
        const flows = generationFlows(last, node, evicted)
        for (const { ageMs, anon, file } of flows.promoted) counter.add(ageMs, anon, file)
        for (const { ageMs, anon, file } of flows.evicted) {
          evictions.anon.push(now, ageMs, anon)
          evictions.file.push(now, ageMs, file)
          evicted -= anon + file
        }
      }
    }
    tracked.rows = rows
    tracked.counters = count
    return tracked
  }

  const look: GenerationTracker["look"] = Effect.fnUntraced(function* (groups, given) {
    const stat = groups.length === 1 ? given : undefined
    const now = yield* Clock.currentTimeMillis
    for (const group of known.keys()) if (!groups.includes(group)) known.delete(group)
    if (source === "working-set") {
      for (const group of groups) {
        const tracked = observe(group, [], now, yield* statOf(group, stat))
        const nodes = yield* unlessGone(workingSet.group(group))
        tracked.pageAge = nodes === undefined || nodes.length === 0 ? undefined : fromWorkingSet(nodes)
      }
      return
    }
    if (ageEveryMs !== undefined && now - agedMs >= ageEveryMs) {
      agedMs = now
      yield* age(groups)
    }
    const [only] = groups
    const table = groups.length === 1 ? yield* mglru.groups(only!) : yield* mglru.table
    for (const group of groups) {
      const rows = groups.length === 1 ? table : table.filter(({ path }) => isWithin(path.slice(1), group))
      const tracked = observe(group, rows, now, yield* statOf(group, stat))
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
  } satisfies GenerationTracker
})
