/**
 * Switches on working-set reports for a group (out-of-tree kernels, see core's WorkingSetReport), with bins at the ages that the policy asks
 * about. Goes through the journal. Intervals that somebody has set for a node are shared by all its groups: they are left as they are.
 */
import {
  Cgroups,
  Journal,
  type JournalFailure,
  type KernelError,
  memcgPageAge,
  type Milliseconds,
  refreshIntervals,
  WorkingSet
} from "@wmo/core"
import { Effect } from "effect"

/** Edges beside the policy's own, so that recordings show the shape of the histogram. */
const ladder: ReadonlyArray<Milliseconds> = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].map((seconds) => seconds * 1000)
/** The kernel takes 31 edges at most. */
const edgesAtMost = 31

/** Edges in increasing order: the asked ones, and the ladder as far as there is room. */
const pageAgeEdges = (ages: ReadonlyArray<Milliseconds>): ReadonlyArray<Milliseconds> => {
  const asked = [...new Set(ages.map((age) => Math.max(1, Math.round(age))))].slice(0, edgesAtMost)
  const others = ladder.filter((edge) => !asked.includes(edge)).slice(0, edgesAtMost - asked.length)
  return [...asked, ...others].toSorted((a, b) => a - b)
}

/**
 * Prepares the reports that a policy needs to tell `ages` apart. A report is refreshed three times per youngest age: with four
 * generations, ages finer than the refresh interval are interpolation; `refreshEveryMs` sets the interval instead.
 */
export const prepareWorkingSet: (
  group: string,
  ages: ReadonlyArray<Milliseconds>,
  refreshEveryMs?: Milliseconds
) => Effect.Effect<void, KernelError | JournalFailure, Cgroups | Journal | WorkingSet> = Effect.fnUntraced(
  function* (group, ages, refreshEveryMs) {
    const cgroups = yield* Cgroups
    const journal = yield* Journal
    const workingSet = yield* WorkingSet
    const refreshMs = Math.max(1, Math.round(refreshEveryMs ?? Math.min(...ages) / 3))
    for (const [node, current] of Object.entries(yield* workingSet.refreshIntervals(group))) {
      const intervals = yield* workingSet.intervals(Number(node))
      if (intervals.length === 0) yield* journal.set(workingSet.intervalsPath(Number(node)), pageAgeEdges(ages).join(","))
      if (current === 0) yield* journal.set(cgroups.path(group, refreshIntervals.file), `N${node}=${refreshMs}`)
    }
    yield* cgroups.read(group, memcgPageAge)
  }
)
