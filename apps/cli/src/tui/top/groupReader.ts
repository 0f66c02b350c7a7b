/** The numbers of `wmo top` for every group of a tree: monitors' tree sampler, with only the files whose columns there are. */
import { Cgroups, type KernelError, type KernFsError, Memcg } from "@wmo/core"
import { cgroupFiles, cgroupTreeSampler, GroupGone, type Sample } from "@wmo/monitors"
import { topGroup, type TopGroup } from "@wmo/report"
import { Effect, type Scope } from "effect"

const wanted: ReadonlySet<string> = new Set(
  [Memcg.memoryCurrent, Memcg.memoryStat, Memcg.memorySwapCurrent, Memcg.memoryZswapCurrent, Memcg.memoryPressure].map(({ file }) => file)
)

/** Where each metric is, by the list of them: groups of one shape share it. */
const places = new WeakMap<ReadonlyArray<string>, ReadonlyMap<string, number>>()

const groupOf = ({ metrics, subject, values }: Sample): TopGroup => {
  let known = places.get(metrics)
  if (known === undefined) places.set(metrics, (known = new Map(metrics.map((metric, i) => [metric, i]))))
  return topGroup(subject.name, (metric) => {
    const place = known.get(metric)
    return place === undefined ? undefined : values[place]
  })
}

/** Reads all groups of the tree; fails where its root is gone. Files are closed with the scope. */
export const makeGroupReader: (
  root: string
) => Effect.Effect<Effect.Effect<ReadonlyArray<TopGroup>, GroupGone | KernelError>, KernFsError, Cgroups | Scope.Scope> = Effect.fnUntraced(
  function* (root) {
    const cgroups = yield* Cgroups
    // Unit names may have what globs mean something by (`\x2d`): then all groups are read, and those of the tree kept.
    const isPlain = !/[\\*?[\]{}()!]/.test(root)
    const include = root === "" || !isPlain ? undefined : [root, `${root}/**`]
    const isWithin = (name: string) => isPlain || name === root || name.startsWith(`${root}/`)
    const files = cgroupFiles.filter(({ codec }) => wanted.has(codec.file))
    const { sample } = yield* cgroupTreeSampler({ include, files }).make
    return Effect.gen(function* () {
      if (!(yield* cgroups.exists(root))) return yield* new GroupGone({ group: root })
      return (yield* sample).filter(({ subject }) => isWithin(subject.name)).map(groupOf)
    })
  }
)
