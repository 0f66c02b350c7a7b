/**
 * How much of a group's memory is in use: `node workingSet.ts GROUP [SECONDS]` (root, MGLRU, debugfs). Ages the group's generations, waits,
 * ages them again, and prints how long what it holds has not been used. Aging walks page tables: do not do it many times a second.
 */
import { Cgroups, findCgroupMount, formatBytes, formatDuration, KernelRoots, KernFs, Mglru } from "@wmo/core"
import { Effect, Layer } from "effect"

const [group = "", seconds = "10"] = process.argv.slice(2)
const pageSize = 4096

const program = Effect.gen(function* () {
  const mglru = yield* Mglru
  yield* mglru.age(group, { forceScan: true })
  yield* Effect.sleep(`${Number(seconds)} seconds`)
  yield* mglru.age(group, { forceScan: true })
  const memcg = yield* mglru.group(group)
  for (const { generations, node } of memcg?.nodes ?? []) {
    console.log(`node ${node}`)
    for (const [i, { ageMs, anonPages, filePages }] of generations.entries()) {
      // A page of this generation was last seen in use after the generation began, and before the next one did.
      const since = formatDuration(generations[i + 1]?.ageMs ?? 0)
      const bytes = (pages: number) => formatBytes(pages * pageSize).padStart(9)
      console.log(`  used ${since} to ${formatDuration(ageMs)} ago: anon ${bytes(anonPages)}  file ${bytes(filePages)}`)
    }
  }
})

const mount = await Effect.runPromise(Effect.provide(findCgroupMount, KernFs.layer))
await program.pipe(
  Effect.provide(Layer.mergeAll(Mglru.layer, Cgroups.layer).pipe(Layer.provideMerge(KernFs.layer))),
  Effect.updateService(KernelRoots, (roots) => ({ ...roots, cgroup: mount?.path ?? roots.cgroup })),
  Effect.runPromise
)
