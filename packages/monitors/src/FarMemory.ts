/**
 * Far memory's view of groups, for a recording: cold-age histogram, promotion histogram, working set, page ages. Looks as often as the source of
 * page ages wants, gives what it has when asked. See ages/AgeSource.ts for what each source's numbers are worth.
 */
import {
  Cgroups,
  type Damon,
  type DamonTrace,
  type IdlePages,
  type Journal,
  type Mglru,
  type Milliseconds,
  type PageMap,
  type Processes,
  type WorkingSet
} from "@wmo/core"
import { Clock, Effect, type Scope } from "effect"
import { type AgeSourceDescription, describeAgeSource, type PageAgeSource } from "./ages/AgeSource.ts"
import type { AgeError, AgeTracker } from "./ages/AgeTracker.ts"
import { makeDamonAges } from "./ages/DamonAges.ts"
import { makeGenerationTracker } from "./ages/GenerationTracker.ts"
import { type AgeLadder, coldAgeBins, defaultAgeLadder, totalBytes } from "./ages/Histogram.ts"
import { makeIdleAges } from "./ages/IdleAges.ts"
import { coldBytes } from "./PageAge.ts"
import { type PageAgeMonitor, pageAgeMonitor, policyAgeLadder } from "./PageAgeMonitor.ts"
import { cgroupSubject, type ColdAgeEntry, type PageAgeEntry, type PromotionEntry, type WorkingSetEntry } from "./Sample.ts"

export interface FarMemoryOptions {
  readonly source: PageAgeSource
  /** Names of the groups to look at, asked anew every time. */
  readonly groups: () => ReadonlyArray<string>
  readonly ladder?: AgeLadder | undefined
  /** What was used within this time is the working set (default 120 s, as in the paper). */
  readonly workingSetMs?: Milliseconds | undefined
  /** How often ages advance: aggregation of DAMON, aging of MGLRU, scans of the idle bitmap. Default: the source's own. */
  readonly ageEveryMs?: Milliseconds | undefined
  readonly takeOver?: boolean | undefined
  /** Something went wrong with one look; the next one is taken all the same. */
  readonly onProblem?: ((error: AgeError) => Effect.Effect<void>) | undefined
}

/** Parts of a `Snapshot` of a recording. */
export interface FarMemoryEntries {
  readonly pageAges: ReadonlyArray<PageAgeEntry>
  readonly coldAges: ReadonlyArray<ColdAgeEntry>
  readonly promotions: ReadonlyArray<PromotionEntry>
  readonly workingSets: ReadonlyArray<WorkingSetEntry>
}

export interface FarMemory {
  readonly description: AgeSourceDescription
  /** Looks until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** One look now. */
  readonly look: Effect.Effect<void, AgeError>
  /** What is known now; promotions are those since this was taken last. */
  readonly take: Effect.Effect<FarMemoryEntries>
  readonly notes: () => ReadonlyArray<string>
}

/** What sources of page ages need, all of them together. */
export type AgeServices = Cgroups | Damon | DamonTrace | IdlePages | Journal | Mglru | PageMap | Processes | WorkingSet

/** Starts a source. Fails where it is not there, or somebody else has it. */
const makeAgeTracker = (
  source: PageAgeSource,
  options: { readonly ladder: AgeLadder; readonly ageEveryMs?: Milliseconds | undefined; readonly takeOver?: boolean | undefined }
): Effect.Effect<AgeTracker, AgeError, AgeServices | Scope.Scope> => {
  const { ageEveryMs, ladder, takeOver } = options
  switch (source) {
    case "damon-vaddr":
      return makeDamonAges({ ladder, everyMs: ageEveryMs, takeOver })
    case "idle-pages":
      return makeIdleAges({ ladder, everyMs: ageEveryMs })
    case "mglru":
    case "working-set":
      return makeGenerationTracker({ source, ladder, ageEveryMs })
  }
}

/** Generations bound ages, they do not measure them. */
const isEstimate = (source: PageAgeSource): boolean => source === "mglru" || source === "working-set"

export const makeFarMemory: (options: FarMemoryOptions) => Effect.Effect<FarMemory, AgeError, AgeServices | Scope.Scope> =
  Effect.fnUntraced(function* ({
    ageEveryMs,
    groups,
    ladder: given = defaultAgeLadder,
    onProblem,
    source,
    takeOver,
    workingSetMs = 120_000
  }) {
    const ladder = [...new Set([...given, workingSetMs])].toSorted((a, b) => a - b)
    const tracker = yield* makeAgeTracker(source, { ladder, ageEveryMs, takeOver })
    const look = Effect.suspend(() => tracker.look(groups()))

    const run = Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      for (;;) {
        yield* Effect.catch(look, (error) => onProblem?.(error) ?? Effect.void)
        const now = yield* Clock.currentTimeMillis
        yield* Effect.sleep(tracker.everyMs - ((now - start) % tracker.everyMs))
      }
    })

    const take = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const entries = { pageAges: [], coldAges: [], promotions: [], workingSets: [] } as {
        pageAges: Array<PageAgeEntry>
        coldAges: Array<ColdAgeEntry>
        promotions: Array<PromotionEntry>
        workingSets: Array<WorkingSetEntry>
      }
      for (const group of groups()) {
        const subject = cgroupSubject(group)
        const promotions = tracker.takePromotions(group, now)
        if (promotions !== undefined && promotions.windowMs > 0) {
          const bins = promotions.bins.map(({ lowerMs, pages, upperMs }) => ({ lowerMs, upperMs, pages }))
          entries.promotions.push({ subject, ...promotions, bins })
        }
        const tracked = tracker.ages(group)
        if (tracked === undefined) continue
        const { knownMs, pageAge } = tracked
        const provenance = { source, isEstimate: isEstimate(source) }
        entries.pageAges.push({ subject, pageAge })
        const bins = coldAgeBins(pageAge, ladder, knownMs)
        if (bins.length > 0) entries.coldAges.push({ subject, ...provenance, bins })
        if (knownMs < workingSetMs) continue
        const { anonBytes, fileBytes } = coldBytes(pageAge, workingSetMs)
        entries.workingSets.push({ subject, ...provenance, thresholdMs: workingSetMs, bytes: totalBytes(pageAge) - anonBytes - fileBytes })
      }
      return entries
    })

    return { description: describeAgeSource(source, ageEveryMs), run, look, take, notes: tracker.notes }
  })

/**
 * A source that is started, as the monitor of one group: for a loop that wants DAMON's or the bitmap's ages. A look at each read; one that
 * cannot be taken is a problem to tell of, not the end of the loop.
 */
export const makeTrackedPageAges: (
  group: string,
  source: PageAgeSource,
  options?: Pick<FarMemoryOptions, "ageEveryMs" | "takeOver" | "onProblem">
) => Effect.Effect<PageAgeMonitor, AgeError, AgeServices | Scope.Scope> = Effect.fnUntraced(function* (group, source, options) {
  const tracker = yield* makeAgeTracker(source, { ladder: policyAgeLadder, ...options })
  const name = (yield* Cgroups).normalize(group)
  let lookedMs = -Infinity
  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    // DAMON's are told as they come; who keeps pages to itself is asked as often as it wants.
    if (source !== "damon-vaddr" && now - lookedMs < tracker.everyMs) return
    lookedMs = now
    yield* Effect.catch(tracker.look([name]), (error) => options?.onProblem?.(error) ?? Effect.void)
  })
  return pageAgeMonitor(name, tracker, () => look)
})
