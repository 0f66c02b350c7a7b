/**
 * The running kernel behind a command: finds the cgroup v2 mount, checks that the memory controller lives there, opens the journal,
 * and restores everything when the command ends, however it ends.
 */
import { Cgroups, findCgroupMount, Journal, KernelRoots, Machine, Mglru, WorkingSet, Zswap } from "@wmo/core"
import { Console, Effect, Layer } from "effect"
import { unsupported } from "./Exit.ts"
import { stateDirectory } from "./stateDirectory.ts"

/** Puts everything back, and says what could not be, so that the user can. What an earlier end passed on to this run goes with it. */
export const restoreAtEnd = Effect.gen(function* () {
  const journal = yield* Journal
  for (const change of yield* journal.restore) {
    if (change.result === "kept") yield* Console.error(`wmo: could not restore ${change.path}: ${change.why}`)
  }
  yield* Journal.recover(stateDirectory())
})

/** The cgroup v2 mount; fails in one line where there is none with a memory controller. */
const memoryMount = Effect.gen(function* () {
  const mount = yield* findCgroupMount
  if (mount === undefined) return yield* unsupported("no cgroup v2 is mounted here; see `wmo doctor`, or try `wmo demo` and `wmo vm run`")
  if (mount.memory) return mount
  return yield* unsupported(
    `the memory controller is not on cgroup v2 here (${mount.path} lacks it): boot with cgroup_no_v1=memory, or use \`wmo vm run\``
  )
})

/** Runs an effect that only reads this machine's kernel: without a journal, and on a read-only mount too. Fails where there is no memory controller. */
export const lookingAtThisMachine = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(memoryMount, ({ path }) =>
    Effect.scoped(effect).pipe(
      Effect.provide(Layer.mergeAll(Machine.layer, Mglru.layer, WorkingSet.layer, Zswap.layer).pipe(Layer.provideMerge(Cgroups.layer))),
      Effect.updateService(KernelRoots, (roots) => ({ ...roots, cgroup: path }))
    )
  )

/**
 * Runs an effect on this machine's kernel. Fails, in one line, where there is no cgroup v2 with a memory controller or it is read-only.
 */
export const onThisMachine = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const mount = yield* memoryMount
    if (mount.readOnly) return yield* unsupported(`${mount.path} is mounted read-only: remount it read-write, or run outside the container`)
    const services = Layer.mergeAll(Machine.layer, Mglru.layer, WorkingSet.layer, Zswap.layer).pipe(
      Layer.provideMerge(Cgroups.layer),
      Layer.provideMerge(Journal.layer({ directory: stateDirectory(), command: process.argv.slice(2).join(" ") }))
    )
    return yield* Effect.scoped(effect).pipe(
      Effect.ensuring(restoreAtEnd),
      Effect.provide(services),
      Effect.updateService(KernelRoots, (roots) => ({ ...roots, cgroup: mount.path }))
    )
  })
