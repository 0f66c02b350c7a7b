/**
 * zswap: its module parameters and debugfs counters. Parameters differ by kernel (`zpool` is gone since 6.18): absent ones are undefined.
 * Source: Documentation/admin-guide/mm/zswap.rst.
 */
import { Context, Effect, Layer } from "effect"
import type { Codec } from "./Codec.ts"
import { KernFs, type KernelError } from "./KernFs.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { booleanFile, bytesFile, wordFile } from "./Scalars.ts"

export interface ZswapParameters {
  readonly enabled?: boolean | undefined
  readonly compressor?: string | undefined
  readonly zpool?: string | undefined
  /** Share of memory that the pool may take, in percent. */
  readonly maxPoolPercent?: number | undefined
  /** After the pool was full, stores resume below this share of its limit, in percent. */
  readonly acceptThresholdPercent?: number | undefined
  /** Whether cold entries are written back under memory pressure (since 6.8). */
  readonly shrinkerEnabled?: boolean | undefined
}

const files = {
  enabled: booleanFile("enabled"),
  compressor: wordFile("compressor"),
  zpool: wordFile("zpool"),
  maxPoolPercent: bytesFile("max_pool_percent"),
  acceptThresholdPercent: bytesFile("accept_threshold_percent"),
  shrinkerEnabled: booleanFile("shrinker_enabled")
} satisfies { readonly [K in keyof ZswapParameters]: Codec<any> }

const poolTotalSize = bytesFile("pool_total_size")
const storedPages = bytesFile("stored_pages")

export class Zswap extends Context.Service<
  Zswap,
  {
    /** All parameters; all undefined where the kernel has no zswap. */
    readonly parameters: Effect.Effect<ZswapParameters, KernelError>
    /** Absolute path of a parameter's file, for `Journal.set`. */
    readonly parameterPath: (name: keyof ZswapParameters) => string
    /** Size of the pool and number of stored pages, whole machine (debugfs, root only). */
    readonly pool: Effect.Effect<{ readonly totalBytes: number; readonly storedPages: number }, KernelError>
  }
>()("@wmo/core/Zswap") {
  static readonly layer: Layer.Layer<Zswap, never, KernFs> = Layer.effect(
    Zswap,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { debug, sys } = yield* KernelRoots
      const parameterPath = (name: keyof ZswapParameters) => `${sys}/module/zswap/parameters/${files[name].file}`
      const read = <A>(path: string, codec: Codec<A>) =>
        fs.decode(path, codec).pipe(
          Effect.catchIf(
            (error) => error._tag === "KernFsError" && error.isGone,
            () => Effect.succeed(undefined)
          )
        )
      return Zswap.of({
        parameterPath,
        parameters: Effect.all({
          enabled: read(parameterPath("enabled"), files.enabled),
          compressor: read(parameterPath("compressor"), files.compressor),
          zpool: read(parameterPath("zpool"), files.zpool),
          maxPoolPercent: read(parameterPath("maxPoolPercent"), files.maxPoolPercent),
          acceptThresholdPercent: read(parameterPath("acceptThresholdPercent"), files.acceptThresholdPercent),
          shrinkerEnabled: read(parameterPath("shrinkerEnabled"), files.shrinkerEnabled)
        }),
        pool: Effect.all({
          totalBytes: fs.decode(`${debug}/zswap/pool_total_size`, poolTotalSize),
          storedPages: fs.decode(`${debug}/zswap/stored_pages`, storedPages)
        })
      })
    })
  )
}
