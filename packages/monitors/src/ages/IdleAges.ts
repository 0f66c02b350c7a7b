/**
 * Page ages from the idle bitmap, page by page: every page of the groups' processes is marked idle, and looked at one period later. Keeps the
 * time of the last use of each page itself. Needs CONFIG_IDLE_PAGE_TRACKING and root; on Debian's kernels, which lack it, it cannot be made.
 */
import {
  Cgroups,
  IdlePages,
  type IdleMark,
  type KernelError,
  KernFsError,
  KernelRoots,
  type Milliseconds,
  PageMap,
  pageSize,
  Processes
} from "@wmo/core"
import { Clock, Effect } from "effect"
import type { AgeTracker } from "./AgeTracker.ts"
import { groupProcesses, type GroupProcess, isWithin, unlessGone } from "./groupProcesses.ts"
import { AgeBins, type AgeLadder, PromotionCounter } from "./Histogram.ts"

export interface IdleAgesOptions {
  readonly ladder: AgeLadder
  /** How often pages are looked at, and marked again (default 30 s). */
  readonly everyMs?: Milliseconds | undefined
  /** The largest processes of all groups (default 64). */
  readonly processesAtMost?: number | undefined
}

interface Page {
  readonly isAnon: boolean
  /** The last time at which it may have been used. */
  readonly usedMs: Milliseconds
}

interface Scanned extends GroupProcess {
  readonly pages: ReadonlyMap<number, Page>
  readonly mark: IdleMark
  readonly sinceMs: Milliseconds
}

/** Fails with `NotFound` where the kernel has no idle page tracking. */
export const makeIdleAges: (options: IdleAgesOptions) => Effect.Effect<AgeTracker, KernelError, Cgroups | IdlePages | PageMap | Processes> =
  Effect.fnUntraced(function* ({ everyMs = 30_000, ladder, processesAtMost = 64 }) {
    const idlePages = yield* IdlePages
    const pageMap = yield* PageMap
    const processes = yield* Processes
    const context = yield* Effect.context<Cgroups | Processes>()
    const { sys } = yield* KernelRoots
    if (!(yield* idlePages.available)) {
      return yield* new KernFsError({ operation: "open", path: `${sys}/kernel/mm/page_idle/bitmap`, reason: { _tag: "NotFound" } })
    }
    let scanned = new Map<string, Scanned>()
    const counters = new Map<string, PromotionCounter>()
    let leftOut = 0
    let lookedMs = 0

    const scan = Effect.fnUntraced(function* (process: GroupProcess, before: Scanned | undefined, now: Milliseconds) {
      const mappings = ((yield* processes.smaps(process.pid)) ?? []).filter(({ amounts }) => (amounts.Rss ?? 0) + (amounts.Swap ?? 0) > 0)
      const { runs } = yield* pageMap.scan(process.pid, mappings)
      const idle = new Set<number>()
      if (before !== undefined) {
        for (const { bytes, start } of (yield* before.mark.check).idleRanges) {
          for (let page = Number(start) / pageSize, i = 0; i < bytes / pageSize; i++) idle.add(page + i)
        }
      }
      const pages = new Map<number, Page>()
      let m = 0
      for (const { bytes, place, start } of runs.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
        while (m + 1 < mappings.length && mappings[m]!.end <= start) m++
        const { Anonymous = 0, Rss = 0, Swap = 0 } = mappings[m]?.amounts ?? {}
        const isAnon = 2 * (Anonymous + Swap) >= Rss + Swap
        const first = Number(start) / pageSize
        for (let page = first; page < first + bytes / pageSize; page++) {
          const was = before?.pages.get(page)
          if (was !== undefined && (place === "swapped" || idle.has(page))) pages.set(page, was)
          else {
            pages.set(page, { isAnon, usedMs: now })
            if (was === undefined || was.usedMs >= lookedMs) continue
            for (const [group, counter] of counters)
              if (isWithin(process.group, group)) counter.add(now - was.usedMs, was.isAnon ? 1 : 0, was.isAnon ? 0 : 1)
          }
        }
      }
      const mark = yield* idlePages.mark(process.pid, mappings)
      return { ...process, pages, mark, sinceMs: before?.sinceMs ?? now } satisfies Scanned
    })

    return {
      source: "idle-pages",
      everyMs,
      look: Effect.fnUntraced(function* (groups) {
        const now = yield* Clock.currentTimeMillis
        for (const group of groups) if (!counters.has(group)) counters.set(group, new PromotionCounter(ladder, now))
        for (const group of counters.keys()) if (!groups.includes(group)) counters.delete(group)
        const found = yield* Effect.provideContext(groupProcesses(groups, processesAtMost), context)
        leftOut = found.leftOut
        const next = new Map<string, Scanned>()
        for (const process of found.processes) {
          const key = `${process.pid}@${process.startTime}`
          const seen = yield* unlessGone(scan(process, scanned.get(key), now))
          if (seen !== undefined) next.set(key, seen)
        }
        scanned = next
        lookedMs = now
      }),
      ages: (group) => {
        const own = [...scanned.values()].filter((process) => isWithin(process.group, group))
        if (own.length === 0) return undefined
        const bins = new AgeBins(ladder)
        for (const { pages } of own) {
          for (const { isAnon, usedMs } of pages.values()) bins.add(lookedMs - usedMs, isAnon ? pageSize : 0, isAnon ? 0 : pageSize)
        }
        return { pageAge: { source: "idle-pages", bins: bins.bins }, knownMs: lookedMs - Math.min(...own.map(({ sinceMs }) => sinceMs)) }
      },
      takePromotions: (group, nowMs) => {
        const counter = counters.get(group)
        return counter === undefined ? undefined : { ...counter.take(nowMs), isEstimate: false, source: "idle-pages" }
      },
      notes: () => (leftOut === 0 ? [] : [`${leftOut} processes are left out: only the ${processesAtMost} largest are looked at`])
    } satisfies AgeTracker
  })
