/** The tree of groups as it is now, for `wmo top`: memory files, page ages from the best source there is, and which policy works where. */
import { Cgroups, type KernFs, type KernelError, Mglru, WorkingSet } from "@wmo/core"
import { fromGenerations, fromWorkingSet } from "@wmo/monitors"
import { agesOfTrees, type TopAges, type TopGroup } from "@wmo/report"
import { Clock, Effect, type Scope } from "effect"
import { makeGroupReader } from "./groupReader.ts"
import { makeHolders } from "./holders.ts"
import type { TopSource } from "./TopSource.ts"

type Ages = ReadonlyMap<string, TopAges>
type AgeReader = (groups: ReadonlyArray<TopGroup>) => Effect.Effect<Ages>

const noAges: AgeReader = () => Effect.succeed(new Map())

/** Ages with those of all groups below. Working-set reports where the kernel has them, else the table of MGLRU (one read for all groups), else nothing. */
const makeAges = Effect.fnUntraced(function* (root: string) {
  const mglru = yield* Mglru
  const workingSet = yield* WorkingSet
  if (yield* workingSet.supports(root)) {
    return ((groups) =>
      Effect.forEach(groups, ({ group }) =>
        workingSet.group(group).pipe(
          Effect.map((nodes): readonly [string, TopAges] | undefined => (nodes.length === 0 ? undefined : [group, fromWorkingSet(nodes)])),
          Effect.orElseSucceed(() => undefined)
        )
      ).pipe(Effect.map((found) => new Map(found.filter((entry) => entry !== undefined))))) satisfies AgeReader
  }
  if (!(yield* Effect.orElseSucceed(mglru.enabled, () => false))) return noAges
  return (() =>
    mglru.table.pipe(
      Effect.map((memcgs) => agesOfTrees(new Map(memcgs.map((memcg) => [memcg.path.slice(1), fromGenerations(memcg)])))),
      Effect.orElseSucceed(() => new Map())
    )) satisfies AgeReader
})

export const makeLiveSource: (
  root: string,
  stateDirectory: string
) => Effect.Effect<TopSource, KernelError, Cgroups | KernFs | Mglru | WorkingSet | Scope.Scope> = Effect.fnUntraced(
  function* (root, stateDirectory) {
    const fs = yield* Effect.context<KernFs>()
    const readGroups = yield* makeGroupReader(root)
    const readAges: AgeReader = yield* makeAges(root)
    const holders = yield* makeHolders(stateDirectory)
    return {
      frame: Effect.gen(function* () {
        const atMs = yield* Clock.currentTimeMillis
        const groups = yield* readGroups
        return { atMs, groups, ages: yield* readAges(groups), decisions: yield* holders }
      }).pipe(Effect.provideContext(fs))
    }
  }
)
