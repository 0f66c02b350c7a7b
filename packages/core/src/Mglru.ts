/**
 * Multi-generational LRU: the table of generations and the two commands on it, by cgroup.
 * Needs CONFIG_LRU_GEN (6.1) and debugfs. Creating a generation walks page tables: cost grows with the mapped memory.
 */
import { Context, Effect, Layer } from "effect"
import { KernFs, type KernelError } from "./KernFs.ts"
import { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { type LruGenCommand, lruGen, lruGenCommand, lruGenEnabled, type LruGenMemcg } from "./LruGen.ts"
import type { Pages } from "./Units.ts"

const generationsNeeded = 2

export class Mglru extends Context.Service<
  Mglru,
  {
    /** Whether MGLRU is on (bit 0 of `lru_gen/enabled`); false where the kernel lacks it. */
    readonly enabled: Effect.Effect<boolean, KernelError>
    /** All memcgs with their generations, oldest first; removed groups that linger are left out. */
    readonly table: Effect.Effect<ReadonlyArray<LruGenMemcg>, KernelError>
    /** The generations of one group (its path below the cgroup mount); `undefined` if the kernel lists none. */
    readonly group: (group: string) => Effect.Effect<LruGenMemcg | undefined, KernelError>
    /**
     * Creates a generation on every node of the group: what was used since the last one moves into the youngest.
     * Loses a race with the kernel's own aging gracefully: somebody aged, which is what was wanted.
     */
    readonly age: (group: string, options?: { readonly forceScan?: boolean }) => Effect.Effect<void, KernelError>
    /**
     * Evicts up to `pages` (on all nodes together, in batches) from the generations up to and including `seq`. The two youngest generations stay whatever `seq`
     * says. Blocks a pool thread as long as that takes.
     */
    readonly evict: (
      group: string,
      options: { readonly seq: number; readonly pages?: Pages; readonly swappiness?: number | "max" }
    ) => Effect.Effect<void, KernelError>
  }
>()("@wmo/core/Mglru") {
  static readonly layer: Layer.Layer<Mglru, never, KernFs> = Layer.effect(
    Mglru,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { debug, sys } = yield* KernelRoots
      const tablePath = `${debug}/lru_gen`
      // A removed group whose pages are not all gone yet is listed with id 0, and may have the path of a living one.
      const table = Effect.map(fs.decode(tablePath, lruGen), (memcgs) => memcgs.filter(({ id, path }) => id !== 0 || path === "/"))
      const group = (name: string) =>
        Effect.map(table, (memcgs) => memcgs.find((memcg) => memcg.path === `/${name.split("/").filter(Boolean).join("/")}`))
      const mustFind = Effect.fnUntraced(function* (name: string) {
        const memcg = yield* group(name)
        if (memcg !== undefined) return memcg
        return yield* new KernFsError({ operation: "read", path: `${tablePath} (group ${name})`, reason: { _tag: "NotFound" } })
      })
      const command = (value: LruGenCommand) => fs.writeBlocking(tablePath, lruGenCommand.encode(value))

      return Mglru.of({
        enabled: fs.decode(`${sys}/kernel/mm/lru_gen/enabled`, lruGenEnabled).pipe(
          Effect.map((bits) => (bits & 1) === 1),
          Effect.catchIf(
            (error) => error._tag === "KernFsError" && error.isGone,
            () => Effect.succeed(false)
          )
        ),
        table,
        group,
        age: Effect.fn("Mglru.age")(function* (name, options) {
          const memcg = yield* mustFind(name)
          for (const { generations, node } of memcg.nodes) {
            const youngest = generations.at(-1)
            if (youngest === undefined) continue
            yield* command({
              _tag: "Age",
              memcg: memcg.id,
              node,
              maxSeq: youngest.seq,
              ...(options?.forceScan === undefined ? {} : { forceScan: options.forceScan })
            }).pipe(
              Effect.catchIf(
                (error) => error.reason._tag === "Exists" || error.reason._tag === "OutOfRange",
                () => Effect.void
              )
            )
          }
        }),
        evict: Effect.fn("Mglru.evict")(function* (name, { pages, seq, swappiness }) {
          const memcg = yield* mustFind(name)
          let left = pages
          for (const { generations, node } of memcg.nodes) {
            const youngest = generations.at(-1)
            if (youngest === undefined || left === 0) continue
            const target = Math.min(seq, youngest.seq - generationsNeeded)
            if (target < generations[0]!.seq) continue
            const old = generations.filter((g) => g.seq <= target).reduce((sum, g) => sum + g.anonPages + g.filePages, 0)
            // The kernel takes a budget per node and does not say what it used: no node is given more than it holds.
            const budget = left === undefined ? undefined : Math.min(left, Math.max(old, 1))
            if (left !== undefined) left -= budget!
            yield* command({
              _tag: "Evict",
              memcg: memcg.id,
              node,
              seq: target,
              ...(swappiness === undefined ? {} : { swappiness }),
              ...(budget === undefined ? {} : { pages: budget })
            })
          }
        })
      })
    })
  )
}
