/** The memory files of every group of a tree, held open and read anew each time: groups come and go between two reads. */
import { Cgroups, type Codec, type Held, type KernelError, type KernFsError, Memcg, type MemoryStat } from "@wmo/core"
import { topGroup, type TopGroup } from "@wmo/report"
import { Effect, Exit, Result, Scope, Stream } from "effect"

interface HeldGroup {
  readonly scope: Scope.Closeable
  readonly stat: Held<MemoryStat>
  readonly current: Held<number> | undefined
  readonly swap: Held<number> | undefined
  readonly zswap: Held<number> | undefined
  readonly pressure: Held<{ readonly some?: { readonly totalUs: bigint } }> | undefined
}

const valueOf = <A>(held: Held<A> | undefined): A | undefined => {
  if (held === undefined) return undefined
  const read = held.readResult()
  return Result.isSuccess(read) ? read.success : undefined
}

/** Metric names as recordings have them. */
const metricOf = (stat: MemoryStat, metric: string): number | bigint | undefined => {
  const key = metric.slice("memory_stat_".length)
  const values = stat as Readonly<Record<string, number | bigint | undefined>>
  return values[key] ?? (key.endsWith("_bytes") ? values[key.slice(0, -"_bytes".length)] : stat.unknown?.[key])
}

const read = (group: string, held: HeldGroup): TopGroup | undefined => {
  const stat = held.stat.readResult()
  // The group went away since the tree was listed.
  if (Result.isFailure(stat)) return undefined
  const amounts: Readonly<Record<string, number | bigint | undefined>> = {
    memory_current_bytes: valueOf(held.current),
    memory_swap_current_bytes: valueOf(held.swap),
    memory_zswap_current_bytes: valueOf(held.zswap),
    memory_pressure_some_us: valueOf(held.pressure)?.some?.totalUs
  }
  return topGroup(group, (metric) => (metric.startsWith("memory_stat_") ? metricOf(stat.success, metric) : amounts[metric]))
}

/** Reads all groups of the tree; fails where its root is not there. Files are closed with the scope. */
export const makeGroupReader: (
  root: string
) => Effect.Effect<Effect.Effect<ReadonlyArray<TopGroup>, KernelError>, never, Cgroups | Scope.Scope> = Effect.fnUntraced(function* (root) {
  const cgroups = yield* Cgroups
  const parent = yield* Effect.scope
  const held = new Map<string, HeldGroup | undefined>()

  const optional = <A>(group: string, codec: Codec<A>) => cgroups.hold(group, codec).pipe(Effect.catch(() => Effect.succeed(undefined)))

  const open = Effect.fnUntraced(function* (group: string) {
    const scope = yield* Scope.fork(parent)
    const files = Effect.gen(function* () {
      return {
        scope,
        stat: yield* cgroups.hold(group, Memcg.memoryStat),
        current: yield* optional(group, Memcg.memoryCurrent),
        swap: yield* optional(group, Memcg.memorySwapCurrent),
        zswap: yield* optional(group, Memcg.memoryZswapCurrent),
        pressure: yield* optional(group, Memcg.memoryPressure)
      } satisfies HeldGroup
    }).pipe(Scope.provide(scope))
    // No memory.stat: the memory controller is not on for this group, or it is gone again.
    return yield* Effect.catch(files, (_: KernFsError) => Effect.as(Scope.close(scope, Exit.void), undefined))
  })

  const forget = Effect.fnUntraced(function* (group: string) {
    const known = held.get(group)
    held.delete(group)
    if (known !== undefined) yield* Scope.close(known.scope, Exit.void)
  })

  return Effect.gen(function* () {
    const names = new Set(yield* Stream.runCollect(cgroups.walk(root)))
    for (const group of [...held.keys()]) if (!names.has(group)) yield* forget(group)
    const groups: Array<TopGroup> = []
    for (const group of names) {
      // Tried again each time: the controller may be switched on.
      if (held.get(group) === undefined) held.set(group, yield* open(group))
      const files = held.get(group)
      let now = files === undefined ? undefined : read(group, files)
      if (files !== undefined && now === undefined) {
        // Removed and made again under its name: the files that are held are those of the old one.
        yield* forget(group)
        const again = yield* open(group)
        held.set(group, again)
        now = again === undefined ? undefined : read(group, again)
      }
      if (now !== undefined) groups.push(now)
    }
    return groups
  })
})
