/**
 * zswap: its module parameters and debugfs counters. Both differ by kernel: what a kernel lacks is undefined. Does not write: settings go
 * through `Journal.set(parameterPath(…))`. An unknown compressor or zpool is refused with `NotFound` (it would be loaded as a module first).
 * Source: Documentation/admin-guide/mm/zswap.rst; counters from zswap_debugfs_init in mm/zswap.c.
 */
import { Context, Effect, Layer } from "effect"
import type { Codec } from "./Codec.ts"
import { KernFs, type KernelError } from "./KernFs.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { booleanFile, bytesFile, wordFile } from "./Scalars.ts"
import { type Bytes, type Pages, pageSize } from "./Units.ts"

export interface ZswapParameters {
  /** Off stops new stores; what is stored stays until it is used, or swapped off. */
  readonly enabled?: boolean | undefined
  readonly compressor?: string | undefined
  /** Allocator of the pool (until 6.17; zsmalloc since). */
  readonly zpool?: string | undefined
  /** Share of memory that the pool may take, in percent. */
  readonly maxPoolPercent?: number | undefined
  /** After the pool was full, stores resume below this share of its limit, in percent (since 5.6). */
  readonly acceptThresholdPercent?: number | undefined
  /** Whether cold entries are written back under memory pressure (since 6.8). */
  readonly shrinkerEnabled?: boolean | undefined
  /** Whether pages of one repeated word are kept as that word (4.16 to 6.8). */
  readonly sameFilledPagesEnabled?: boolean | undefined
  /** Whether all other pages are stored (5.17 to 6.8). */
  readonly nonSameFilledPagesEnabled?: boolean | undefined
  /** Whether an entry goes when it is loaded (6.5 to 6.8; always since). */
  readonly exclusiveLoads?: boolean | undefined
}

const files = {
  enabled: booleanFile("enabled"),
  compressor: wordFile("compressor"),
  zpool: wordFile("zpool"),
  maxPoolPercent: bytesFile("max_pool_percent"),
  acceptThresholdPercent: bytesFile("accept_threshold_percent"),
  shrinkerEnabled: booleanFile("shrinker_enabled"),
  sameFilledPagesEnabled: booleanFile("same_filled_pages_enabled"),
  nonSameFilledPagesEnabled: booleanFile("non_same_filled_pages_enabled"),
  exclusiveLoads: booleanFile("exclusive_loads")
} satisfies { readonly [K in keyof ZswapParameters]: Codec<any> }

/** What zswap has done since boot, and holds now, on the whole machine. Counts of pages unless a name says otherwise. */
export interface ZswapStats {
  readonly poolTotalBytes?: Bytes | undefined
  readonly storedPages?: Pages | undefined
  /** Stored pages of one repeated word (until 6.11). */
  readonly sameFilledPages?: Pages | undefined
  /** Stored pages that did not compress and are kept as they are (newest). */
  readonly storedIncompressiblePages?: Pages | undefined
  readonly writtenBackPages?: Pages | undefined
  /** Times that the pool was full. */
  readonly poolLimitHit?: number | undefined
  readonly rejectReclaimFail?: number | undefined
  readonly rejectAllocFail?: number | undefined
  readonly rejectKmemcacheFail?: number | undefined
  /** The compressor failed (since 6.8). */
  readonly rejectCompressFail?: number | undefined
  /** The page would not have become smaller. */
  readonly rejectCompressPoor?: number | undefined
  /** Pages that could not be decompressed again: data is lost (newest). */
  readonly decompressFail?: number | undefined
  /** Until 6.8. */
  readonly duplicateEntry?: number | undefined
}

const counters = {
  poolTotalBytes: bytesFile("pool_total_size"),
  storedPages: bytesFile("stored_pages"),
  sameFilledPages: bytesFile("same_filled_pages"),
  storedIncompressiblePages: bytesFile("stored_incompressible_pages"),
  writtenBackPages: bytesFile("written_back_pages"),
  poolLimitHit: bytesFile("pool_limit_hit"),
  rejectReclaimFail: bytesFile("reject_reclaim_fail"),
  rejectAllocFail: bytesFile("reject_alloc_fail"),
  rejectKmemcacheFail: bytesFile("reject_kmemcache_fail"),
  rejectCompressFail: bytesFile("reject_compress_fail"),
  rejectCompressPoor: bytesFile("reject_compress_poor"),
  decompressFail: bytesFile("decompress_fail"),
  duplicateEntry: bytesFile("duplicate_entry")
} satisfies { readonly [K in keyof ZswapStats]: Codec<number> }

/** How much smaller the stored pages are than they were, 2.5 for 2.5:1; `undefined` where nothing is stored or nothing is known. */
export const zswapRatio = ({ poolTotalBytes, storedPages }: ZswapStats): number | undefined =>
  poolTotalBytes === undefined || storedPages === undefined || poolTotalBytes === 0 ? undefined : (storedPages * pageSize) / poolTotalBytes

export class Zswap extends Context.Service<
  Zswap,
  {
    /** All parameters; all undefined where the kernel has no zswap. */
    readonly parameters: Effect.Effect<ZswapParameters, KernelError>
    /** Absolute path of a parameter's file, for `Journal.set`. */
    readonly parameterPath: (name: keyof ZswapParameters) => string
    /** Size of the pool and number of stored pages, whole machine (debugfs, root only). `NotFound` where the kernel has no zswap or debugfs. */
    readonly pool: Effect.Effect<{ readonly totalBytes: Bytes; readonly storedPages: Pages }, KernelError>
    /** All counters of debugfs (root only); all undefined where there are none. */
    readonly stats: Effect.Effect<ZswapStats, KernelError>
  }
>()("@wmo/core/Zswap") {
  static readonly layer: Layer.Layer<Zswap, never, KernFs> = Layer.effect(
    Zswap,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { debug, sys } = yield* KernelRoots
      const parameterPath = (name: keyof ZswapParameters) => `${sys}/module/zswap/parameters/${files[name].file}`
      const read = (path: string, codec: Codec<any>) =>
        fs.decode(path, codec).pipe(
          Effect.catchIf(
            (error) => error._tag === "KernFsError" && error.isGone,
            () => Effect.succeed(undefined)
          )
        )
      const readAll = (table: Readonly<Record<string, Codec<any>>>, directory: string) =>
        Effect.all(Object.fromEntries(Object.entries(table).map(([name, codec]) => [name, read(`${directory}/${codec.file}`, codec)])))
      return Zswap.of({
        parameterPath,
        parameters: readAll(files, `${sys}/module/zswap/parameters`),
        stats: readAll(counters, `${debug}/zswap`),
        pool: Effect.all({
          totalBytes: fs.decode(`${debug}/zswap/pool_total_size`, counters.poolTotalBytes),
          storedPages: fs.decode(`${debug}/zswap/stored_pages`, counters.storedPages)
        })
      })
    })
  )
}
