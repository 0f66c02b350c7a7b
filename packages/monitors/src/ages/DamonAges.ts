/**
 * Page ages from DAMON, on the virtual memory of the groups' processes (`fvaddr`, within what they have in memory: runtimes map terabytes).
 * Follows processes and mappings as they come and go. Regions come from the tracepoint damon_aggregated, or where tracefs is not to be had
 * from `tried_regions`. DAMON is given back when the scope closes. See damonGrid for why it is set up as it is.
 */
import {
  Cgroups,
  Damon,
  type DamonInUse,
  type DamonTarget,
  DamonTrace,
  DamonUnsupported,
  type Journal,
  type JournalFailure,
  type KernelError,
  type Kdamond,
  makeKdamond,
  type Milliseconds,
  PageMap,
  type ProcessIdentity,
  Processes
} from "@wmo/core"
import { Clock, Effect, type Scope, Stream } from "effect"
import { RegionAssembler } from "../heat/RegionAssembler.ts"
import type { AgeError, AgeTracker } from "./AgeTracker.ts"
import { bytesOfRanges, chunkFor, gridOf, hasMoved, largest, populatedRanges } from "./damonGrid.ts"
import { type GroupProcess, groupProcesses, isWithin, unlessGone } from "./groupProcesses.ts"
import { AgeBins, type AgeLadder, PromotionCounter } from "./Histogram.ts"
import { type AgedRegion, RegionAges, type WeightedRange } from "./RegionAges.ts"

export interface DamonAgesOptions {
  readonly ladder: AgeLadder
  /** Aggregation interval, which is the finest age (default 1 s). */
  readonly everyMs?: Milliseconds | undefined
  /** How often mappings and processes are looked at anew (default: ten intervals, 5 s at least). */
  readonly followMs?: Milliseconds | undefined
  /** Regions of all processes together (default 2048). */
  readonly regionsAtMost?: number | undefined
  /** The largest processes of all groups (default 64). */
  readonly processesAtMost?: number | undefined
  /** Stops whoever uses DAMON, and starts it again at the end. */
  readonly takeOver?: boolean | undefined
}

/** A process that is monitored: a target of the kdamond. */
interface Watched extends GroupProcess {
  readonly ages: RegionAges
  readonly sinceMs: Milliseconds
  ranges: ReadonlyArray<WeightedRange>
}

/** Above this a region is so large that the kernel had better divide it where it is used in parts. */
const largestFixedChunk = 4 * 2 ** 20
/** Stands where a process has ended, so that the targets after it keep their number and the kernel their regions. */
const placeholder = [{ start: 0x1000n, end: 0x2000n }]

const isSame = (a: ProcessIdentity | undefined, b: ProcessIdentity): boolean =>
  a !== undefined && a.pid === b.pid && a.startTime === b.startTime

/** Acquires DAMON; fails with `DamonInUse` where somebody has it. */
export const makeDamonAges: (
  options: DamonAgesOptions
) => Effect.Effect<
  AgeTracker,
  KernelError | JournalFailure | DamonInUse | DamonUnsupported,
  Cgroups | Damon | DamonTrace | Journal | PageMap | Processes | Scope.Scope
> = Effect.fnUntraced(function* ({
  everyMs: aggrMs = 1000,
  followMs = Math.max(5000, 10 * aggrMs),
  ladder,
  processesAtMost = 64,
  regionsAtMost = 2048,
  takeOver = false
}) {
  const damon = yield* Damon
  const tracing = yield* DamonTrace
  const pageMap = yield* PageMap
  const processes = yield* Processes
  const context = yield* Effect.context<Cgroups | Processes>()
  const owned = yield* damon.acquire({ takeOver })

  /** By target. */
  let slots: Array<Watched | undefined> = []
  let isRunning = false
  let leftOut = 0
  let refusal: string | undefined
  const counters = new Map<string, PromotionCounter>()
  const latest = { atMs: yield* Clock.currentTimeMillis }

  const observe = (target: number, regions: ReadonlyArray<AgedRegion>, atMs: Milliseconds): void => {
    const watched = slots[target]
    if (watched === undefined || regions.length === 0) return
    const own = [...counters].flatMap(([group, counter]) => (isWithin(watched.group, group) ? [counter] : []))
    watched.ages.observe(regions, atMs, {
      add: (ageMs, anonPages, filePages) => {
        for (const counter of own) counter.add(ageMs, anonPages, filePages)
      }
    })
    latest.atMs = atMs
  }

  const assembler = new RegionAssembler()
  const canTrace = (yield* tracing.tracepoints).includes("damon_aggregated")
  if (canTrace) {
    const events = yield* tracing.open({ pollMs: Math.max(50, aggrMs / 4), bufferKib: 1024 })
    const listen = Stream.runForEachArray(events, (chunk) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const event of chunk) {
          const whole = assembler.push(event)
          if (whole === undefined) continue
          observe(
            whole.target,
            whole.regions.map(({ accesses, age, end, start }) => ({ start: Number(start), end: Number(end), accesses, age })),
            now
          )
        }
      })
    )
    yield* Effect.forkScoped(Effect.ignore(listen))
  }

  /** Without tracefs: regions of all targets, in their order; each target's make up its ranges. */
  const readSnapshot = Effect.gen(function* () {
    const { regions } = yield* owned.snapshot()
    const now = yield* Clock.currentTimeMillis
    let r = 0
    slots.forEach((watched, target) => {
      let left = watched === undefined ? 4096 : bytesOfRanges(watched.ranges)
      const own: Array<AgedRegion> = []
      while (left > 0 && r < regions.length) {
        const { age, end, nrAccesses, start } = regions[r++]!
        own.push({ start: Number(start), end: Number(end), accesses: nrAccesses, age })
        left -= Number(end - start)
      }
      observe(target, own, now)
    })
  })

  const setUp = (): Kdamond => {
    const alive = slots.find((watched) => watched !== undefined)!
    const chunk = chunkFor(
      slots.reduce((sum, watched) => sum + (watched === undefined ? 0 : bytesOfRanges(watched.ranges)), 0),
      regionsAtMost / 2
    )
    const targets = slots.map((watched): DamonTarget =>
      watched === undefined ? { pid: alive.pid, regions: placeholder } : { pid: watched.pid, regions: gridOf(watched.ranges, chunk) }
    )
    const regions = Math.max(
      3,
      targets.reduce((sum, target) => sum + target.regions.length, 0)
    )
    const [made] = makeKdamond({
      operations: "fvaddr",
      pids: [],
      intervals: { sampleUs: aggrMs * 1000, aggrUs: aggrMs * 1000, updateUs: 60_000_000 },
      // As many at least as there are: two of them are more than one may be. Less than twice as many: none is divided.
      nrRegions: { min: regions, max: chunk > largestFixedChunk ? 4 * regions : regions + Math.floor(regions / 2) }
    }).contexts
    return { contexts: [{ ...made!, targets }] }
  }

  const rangesOf = Effect.fnUntraced(function* (pid: number) {
    const mappings = yield* unlessGone(processes.smaps(pid))
    if (mappings === undefined) return []
    const there = mappings.filter(({ amounts, path }) => (amounts.Rss ?? 0) + (amounts.Swap ?? 0) > 0 && path !== "[vsyscall]")
    // Where the ioctl is there but refuses, reading still tells.
    const scan = yield* unlessGone(Effect.catch(pageMap.scan(pid, there), () => pageMap.scan(pid, there, { via: "read" })))
    return scan === undefined ? [] : largest(populatedRanges(there, scan.runs), Math.floor(regionsAtMost / 2 / processesAtMost) + 64)
  })

  const apply: Effect.Effect<void, AgeError> = Effect.gen(function* () {
    if (slots.every((watched) => watched === undefined)) {
      isRunning = false
      slots = []
      return yield* owned.stop()
    }
    yield* owned.stage(setUp())
    if (isRunning) {
      isRunning = yield* owned.commit().pipe(
        Effect.as(true),
        Effect.catchTag("DamonNotRunning", () => Effect.succeed(false)),
        Effect.catchTag("DamonRejected", () => Effect.map(owned.read(), ({ state }) => state === "on"))
      )
    }
    if (!isRunning) {
      assembler.forget()
      yield* owned.start()
      isRunning = true
    }
    refusal = undefined
  }).pipe(
    // A process has ended between being found and being named: the next look finds out.
    Effect.catchTag("DamonRejected", (error) =>
      Effect.sync(() => {
        refusal = error.message
      })
    )
  )

  const follow = Effect.fnUntraced(function* (groups: ReadonlyArray<string>) {
    const found = yield* groupProcesses(groups, processesAtMost)
    leftOut = found.leftOut
    const now = yield* Clock.currentTimeMillis
    let isChanged = refusal !== undefined
    const next = slots.map((watched) => {
      if (watched === undefined) return undefined
      const still = found.processes.find((process) => isSame(watched, process))
      if (still === undefined) isChanged = true
      return still === undefined ? undefined : still.group === watched.group ? watched : { ...watched, group: still.group }
    })
    // A place that has just become free keeps its regions in the kernel until the placeholder has taken their place.
    const free = slots.flatMap((watched, i) => (watched === undefined ? [i] : []))
    for (const process of found.processes) {
      const ranges = yield* rangesOf(process.pid)
      const known = next.findIndex((watched) => isSame(watched, process))
      if (known >= 0) {
        const watched = next[known]!
        if (!hasMoved(watched.ranges, ranges)) continue
        isChanged = true
        watched.ranges = ranges
        watched.ages.ranges = ranges
      } else if (ranges.length > 0) {
        isChanged = true
        next[free.shift() ?? next.length] = { ...process, ranges, ages: new RegionAges(aggrMs, ranges), sinceMs: now }
      }
    }
    while (next.length > 0 && next.at(-1) === undefined) next.pop()
    slots = next
    if (isChanged) yield* apply
  })

  let followedMs = -Infinity
  let followed = ""
  return {
    source: "damon-vaddr",
    everyMs: canTrace ? followMs : Math.max(aggrMs, Math.min(followMs, 5 * aggrMs)),
    look: Effect.fnUntraced(function* (groups) {
      const now = yield* Clock.currentTimeMillis
      for (const group of groups) if (!counters.has(group)) counters.set(group, new PromotionCounter(ladder, now))
      for (const group of counters.keys()) if (!groups.includes(group)) counters.delete(group)
      // Nobody there yet: whoever comes first is not kept waiting.
      if (now - followedMs >= followMs || slots.length === 0 || groups.join("\n") !== followed) {
        followedMs = now
        followed = groups.join("\n")
        yield* Effect.provideContext(follow(groups), context)
      }
      if (!canTrace && isRunning) {
        yield* readSnapshot.pipe(
          Effect.catchTag("DamonNotRunning", () =>
            Effect.sync(() => {
              followedMs = -Infinity
            })
          )
        )
      }
    }),
    ages: (group) => {
      const own = slots.filter((watched) => watched !== undefined && isWithin(watched.group, group)) as ReadonlyArray<Watched>
      if (own.length === 0) return undefined
      const bins = new AgeBins(ladder)
      for (const { ages } of own) ages.addTo(bins)
      return {
        pageAge: { source: "damon-vaddr", bins: bins.bins },
        knownMs: latest.atMs - Math.min(...own.map(({ sinceMs }) => sinceMs))
      }
    },
    takePromotions: (group, nowMs) => {
      const counter = counters.get(group)
      return counter === undefined ? undefined : { ...counter.take(nowMs), isEstimate: false, source: "damon-vaddr" }
    },
    notes: () => [
      ...(leftOut === 0 ? [] : [`${leftOut} processes are left out: only the ${processesAtMost} largest are monitored`]),
      ...(assembler.incomplete === 0 ? [] : [`${assembler.incomplete} aggregations were lost`]),
      ...(refusal === undefined ? [] : [refusal])
    ]
  } satisfies AgeTracker
})
