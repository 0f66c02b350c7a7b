/**
 * Multi-generational LRU: the table of generations and the two commands on it, by cgroup.
 * Needs CONFIG_LRU_GEN (6.1) and debugfs. Creating a generation walks page tables: cost grows with the mapped memory.
 * Whoever looks after many groups shares a table that was read a moment ago (`layerShared`): the kernel prints all groups at every read.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { KernFs, type KernelError } from "./KernFs.ts"
import { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { type LruGenCommand, lruGenCommand, lruGenEnabled, type LruGenMemcg, type LruGenNode } from "./LruGen.ts"
import { lruGenFull, type LruGenFullMemcg } from "./LruGenFull.ts"
import { type LruGenView, lruGenView } from "./LruGenView.ts"
import { bytesFile } from "./Scalars.ts"
import type { Milliseconds, Pages } from "./Units.ts"

const generationsNeeded = 2
/** How often a command is made anew from what the table says, after the kernel had gone on meanwhile. */
const attempts = 4
const minTtl = bytesFile("min_ttl_ms")

export class Mglru extends Context.Service<
  Mglru,
  {
    /** Whether MGLRU is on (bit 0 of `lru_gen/enabled`); false where the kernel lacks it. */
    readonly enabled: Effect.Effect<boolean, KernelError>
    /** `lru_gen/enabled` as it is: 1 the main switch, 2 leaf page-table walks, 4 non-leaf accessed bits; undefined where the kernel lacks it. */
    readonly enabledBits: Effect.Effect<number | undefined, KernelError>
    /** What `lru_gen/min_ttl_ms` protects: nothing that was used in the last so many milliseconds is evicted (0: off). Undefined as above. */
    readonly minTtlMs: Effect.Effect<Milliseconds | undefined, KernelError>
    /** Absolute path of a switch, for `Journal.set`: `enabled` takes `y`, `n` or a mask, `min_ttl_ms` milliseconds. */
    readonly settingPath: (name: "enabled" | "min_ttl_ms") => string
    /** All memcgs with their generations, oldest first, ages in milliseconds, by node; removed groups that linger are left out. */
    readonly table: Effect.Effect<ReadonlyArray<LruGenMemcg>, KernelError>
    /** Whether there is a table that lists any group. */
    readonly isListing: Effect.Effect<boolean, KernelError>
    /** As `table`, with what became of the pages of each tier and what the page-table walks saw (`lru_gen_full`): for looking, not sampling. */
    readonly full: Effect.Effect<ReadonlyArray<LruGenFullMemcg>, KernelError>
    /** The generations of one group (its path below the cgroup mount); `undefined` if the kernel lists none. */
    readonly group: (group: string) => Effect.Effect<LruGenMemcg | undefined, KernelError>
    /** The generations of a group and of all groups below it; the root's are those of every group. */
    readonly groups: (group: string) => Effect.Effect<ReadonlyArray<LruGenMemcg>, KernelError>
    /**
     * Creates a generation on every node of the group: what was used since the last one moves into the youngest. Where the kernel aged
     * between the read and the command (nothing happens on older kernels, EEXIST on newer ones) that is what was wanted. A group that was
     * removed and made again under its name is looked up again, a few times. With `forceScan: false` the kernel refuses a fifth generation
     * (ERANGE): nothing is aged then.
     */
    readonly age: (group: string, options?: { readonly forceScan?: boolean }) => Effect.Effect<void, KernelError>
    /**
     * Evicts up to `pages` (on all nodes together, in batches) from the generations up to and including `seq`: of one `node`, since each numbers its
     * own, or of all. The two youngest generations stay whatever `seq` says. Takes no heed of `memory.min` and `memory.low`, unlike
     * `memory.reclaim`. Blocks a pool thread as long as that takes.
     */
    readonly evict: (
      group: string,
      options: { readonly seq: number; readonly node?: number; readonly pages?: Pages; readonly swappiness?: number | "max" }
    ) => Effect.Effect<void, KernelError>
  }
>()("@wmo/core/Mglru") {
  static readonly layer: Layer.Layer<Mglru, never, KernFs> = Mglru.layerShared(() => 0)

  /**
   * A table serves all who look for `sharedForMs(groups)` after it was read, and their commands; it is read anew by whoever has aged or evicted the
   * group (or one below it) since, or whom the kernel refused.
   */
  static layerShared(sharedForMs: (groups: number) => Milliseconds): Layer.Layer<Mglru, never, KernFs> {
    return Layer.effect(
      Mglru,
      Effect.suspend(() => make(sharedForMs))
    )
  }
}

const pathOf = (name: string): string => `/${name.split("/").filter(Boolean).join("/")}`

const make = Effect.fnUntraced(function* (sharedForMs: (groups: number) => Milliseconds) {
  const fs = yield* KernFs
  const { debug, sys } = yield* KernelRoots
  const tablePath = `${debug}/lru_gen`
  let last: { readonly view: LruGenView; readonly atMs: Milliseconds } | undefined
  /** Paths whose rows are not what they were, each with those above it. */
  const changed = new Set<string>()

  const readView = Effect.gen(function* () {
    const atMs = yield* Clock.currentTimeMillis
    // Before the read: what changes while it goes on is in the next table.
    changed.clear()
    const view = lruGenView(yield* fs.read(tablePath))
    last = sharedForMs(view.count) > 0 ? { view, atMs } : undefined
    return view
  })
  const viewFor = (path: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
      last === undefined || changed.has(path) || nowMs < last.atMs || nowMs - last.atMs >= sharedForMs(last.view.count)
        ? readView
        : Effect.succeed(last.view)
    )
  const table = Effect.flatMap(viewFor("/"), (view) => Effect.fromResult(view.all()))
  const group = (name: string) => {
    const path = pathOf(name)
    return Effect.flatMap(viewFor(path), (view) => Effect.fromResult(view.find(path)))
  }
  const mustFind = Effect.fnUntraced(function* (name: string) {
    const isShared = last !== undefined
    // It may be younger than a table that is shared.
    const memcg = (yield* group(name)) ?? (isShared ? yield* Effect.andThen(readView, group(name)) : undefined)
    if (memcg !== undefined) return memcg
    return yield* new KernFsError({ operation: "read", path: `${tablePath} (group ${name})`, reason: { _tag: "NotFound" } })
  })
  const hasChanged = (name: string): void => {
    if (last === undefined) return
    const path = pathOf(name)
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) changed.add(path.slice(0, end))
    changed.add("/")
  }
  const command = (name: string, value: LruGenCommand) =>
    Effect.ensuring(
      fs.writeBlocking(tablePath, lruGenCommand.encode(value)),
      Effect.sync(() => hasChanged(name))
    )
  const settingPath = (name: string) => `${sys}/kernel/mm/lru_gen/${name}`
  const optional = <A>(effect: Effect.Effect<A, KernelError>) =>
    Effect.catchIf(
      effect,
      (error) => error._tag === "KernFsError" && error.isGone,
      () => Effect.succeed(undefined)
    )
  const enabledBits = optional(fs.decode(settingPath("enabled"), lruGenEnabled))

  /**
   * Runs the command that `make` derives from a node of the group. Where the kernel says that it does not fit (any more), the table is read
   * again: a group of the same name with another id, or other generations, get a command of their own; the same ones are a refusal.
   */
  const onNode = Effect.fnUntraced(function* (
    name: string,
    first: LruGenMemcg,
    node: number,
    make: (memcg: LruGenMemcg, node: LruGenNode) => LruGenCommand | undefined
  ) {
    let memcg = first
    let value = make(
      memcg,
      memcg.nodes.find((entry) => entry.node === node)!
    )
    for (let attempt = 1; value !== undefined; attempt++) {
      const refused = yield* command(name, value).pipe(
        Effect.as(undefined),
        Effect.catchIf(
          ({ reason }) => reason._tag === "Invalid" || reason._tag === "Exists",
          (error) => Effect.succeed(error)
        )
      )
      if (refused === undefined) return
      hasChanged(name)
      memcg = yield* mustFind(name)
      const now = memcg.nodes.find((entry) => entry.node === node)
      const next = now === undefined ? undefined : make(memcg, now)
      if (next !== undefined && (attempt >= attempts || lruGenCommand.encode(next) === lruGenCommand.encode(value))) return yield* refused
      value = next
    }
  })

  return Mglru.of({
    enabled: Effect.map(enabledBits, (bits) => bits !== undefined && (bits & 1) === 1),
    enabledBits,
    minTtlMs: optional(fs.decode(settingPath(minTtl.file), minTtl)),
    settingPath,
    table,
    isListing: Effect.map(viewFor(""), ({ count }) => count > 0),
    full: fs.decode(`${debug}/lru_gen_full`, lruGenFull),
    group,
    groups: (name) => {
      const path = pathOf(name)
      return Effect.flatMap(viewFor(path), (view) => Effect.fromResult(view.within(path)))
    },
    age: Effect.fn("Mglru.age")(function* (name, options) {
      const memcg = yield* mustFind(name)
      for (const { generations, node } of memcg.nodes) {
        const before = generations.at(-1)?.seq
        if (before === undefined) continue
        yield* onNode(name, memcg, node, (current, { generations }) => {
          const maxSeq = generations.at(-1)?.seq
          // Somebody has aged it since the first look.
          if (maxSeq === undefined || (current.id === memcg.id && maxSeq > before)) return undefined
          const forceScan = options?.forceScan
          return { _tag: "Age", memcg: current.id, node, maxSeq, ...(forceScan === undefined ? {} : { forceScan }) }
        }).pipe(
          Effect.catchIf(
            (error) => error._tag === "KernFsError" && error.reason._tag === "OutOfRange",
            () => Effect.void
          )
        )
      }
    }),
    evict: Effect.fn("Mglru.evict")(function* (name, { node: only, pages, seq, swappiness }) {
      const memcg = yield* mustFind(name)
      let left = pages
      for (const { generations, node } of memcg.nodes) {
        const youngest = generations.at(-1)
        if (youngest === undefined || left === 0 || (only !== undefined && node !== only)) continue
        const target = Math.min(seq, youngest.seq - generationsNeeded)
        if (target < generations[0]!.seq) continue
        const old = generations.filter((g) => g.seq <= target).reduce((sum, g) => sum + g.anonPages + g.filePages, 0)
        // The kernel takes a budget per node and does not say what it used: no node is given more than it holds.
        const budget = left === undefined ? undefined : Math.min(left, Math.max(old, 1))
        if (left !== undefined) left -= budget!
        yield* onNode(name, memcg, node, (current, { generations }) => {
          // Generations of another group of the same name are not those that were asked for.
          const max = current.id === memcg.id ? generations.at(-1)?.seq : undefined
          if (max === undefined) return undefined
          const upTo = Math.min(seq, max - generationsNeeded)
          if (upTo < generations[0]!.seq) return undefined
          return {
            _tag: "Evict",
            memcg: current.id,
            node,
            seq: upTo,
            ...(swappiness === undefined ? {} : { swappiness }),
            ...(budget === undefined ? {} : { pages: budget })
          }
        })
      }
    })
  })
})
