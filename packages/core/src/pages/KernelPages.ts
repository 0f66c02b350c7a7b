/**
 * What the kernel says of page frames: flags, how often they are mapped, which group they are charged to (`/proc/kpageflags`,
 * `kpagecount`, `kpagecgroup`), one 64-bit word a frame. As root only. Where frames of a process are: PageMap.
 * Source: kernel Documentation/admin-guide/mm/pagemap.rst; bits: include/uapi/linux/kernel-page-flags.h. Since 2.6.25, 2.6.32, 4.3.
 */
import { Context, Effect, Layer } from "effect"
import { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import type { Pages } from "../Units.ts"

/** Names of the bits of `/proc/kpageflags`, from bit 0 on. Huge pages are `compound_head` and `compound_tail` with `thp` or `huge`. */
export const pageFlags = [
  "locked",
  "error",
  "referenced",
  "uptodate",
  "dirty",
  "lru",
  "active",
  "slab",
  "writeback",
  "reclaim",
  "buddy",
  "mmap",
  "anon",
  "swapcache",
  "swapbacked",
  "compound_head",
  "compound_tail",
  "huge",
  "unevictable",
  "hwpoison",
  "nopage",
  "ksm",
  "thp",
  "offline",
  "zero_page",
  "idle",
  "pgtable"
] as const
export type PageFlag = (typeof pageFlags)[number]

/** The names of the flags of one word of `/proc/kpageflags`; bits without a name here are left out. */
export const pageFlagNames = (word: bigint): ReadonlyArray<PageFlag> => pageFlags.filter((_, bit) => ((word >> BigInt(bit)) & 1n) === 1n)

export class KernelPages extends Context.Service<
  KernelPages,
  {
    /** `/proc/kpageflags` of `count` frames from `frame` on: see {@link pageFlagNames}. Fewer words where memory ends before. */
    readonly flags: (frame: number, count: Pages) => Effect.Effect<BigUint64Array, KernFsError>
    /** `/proc/kpagecount`: how many times each frame is mapped. */
    readonly mapCounts: (frame: number, count: Pages) => Effect.Effect<BigUint64Array, KernFsError>
    /** `/proc/kpagecgroup`: the inode number of the group's directory that each frame is charged to; 0 for none. */
    readonly groups: (frame: number, count: Pages) => Effect.Effect<BigUint64Array, KernFsError>
  }
>()("@wmo/core/KernelPages") {
  static readonly layer: Layer.Layer<KernelPages, never, KernFs> = Layer.effect(
    KernelPages,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { proc } = yield* KernelRoots
      const reader = (name: string) =>
        Effect.fn(`KernelPages.${name}`)(function* (frame: number, count: Pages) {
          const file = yield* fs.open(`${proc}/${name}`, "read")
          const bytes = new Uint8Array(count * 8)
          let length = 0
          while (length < bytes.length) {
            const got = yield* Effect.fromResult(file.readInto(bytes.subarray(length), frame * 8 + length))
            if (got === 0) break
            length += got
          }
          return new BigUint64Array(bytes.buffer, 0, Math.floor(length / 8))
        }, Effect.scoped)
      return KernelPages.of({ flags: reader("kpageflags"), mapCounts: reader("kpagecount"), groups: reader("kpagecgroup") })
    })
  )
}
