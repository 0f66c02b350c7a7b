/**
 * cgroup v2 groups: read, write and hold their files; list and kill them; reclaim from them.
 * Groups are named by their path below the mount (`wmo/run-1`); a leading slash or the full path under the mount is accepted.
 * Does not decide anything, and does not journal: whoever changes a machine (creates a group, sets a limit) goes through `Journal`.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { posix } from "node:path"
import type { Codec } from "./Codec.ts"
import { type Held, KernFs, type KernelError } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { cgroupProcs } from "./Memcg.ts"
import { wordList } from "./Proc.ts"
import { type ReclaimRequest, reclaimRequest } from "./Scalars.ts"

/** `partial`: the kernel gave up before it had reclaimed all that was asked (EAGAIN); some of it was reclaimed. */
export type ReclaimResult = "met" | "partial"

const controllers = wordList("cgroup.controllers")
const subtreeControl = wordList("cgroup.subtree_control")

export class Cgroups extends Context.Service<
  Cgroups,
  {
    /** The group's name below the mount, without slashes at its ends; the root is the empty string. `..` does not leave the mount. */
    readonly normalize: (group: string) => string
    /** Absolute path of a group, or of one of its files. */
    readonly path: (group: string, file?: string) => string
    readonly exists: (group: string) => Effect.Effect<boolean>
    /** Reads the file that the codec is for. */
    readonly read: <A>(group: string, codec: Codec<A>) => Effect.Effect<A, KernelError>
    /** As `read`, but `undefined` where this kernel or this group has no such file. */
    readonly readOptional: <A>(group: string, codec: Codec<A>) => Effect.Effect<A | undefined, KernelError>
    /** Keeps the file open until the scope closes. */
    readonly hold: <A>(group: string, codec: Codec<A>) => Effect.Effect<Held<A>, KernFsError, Scope.Scope>
    /** Writes on a pool thread, since limits reclaim inside the write. */
    readonly write: <A>(group: string, codec: Codec<A>, value: A) => Effect.Effect<void, KernFsError>
    /**
     * Asks the kernel to reclaim now (`memory.reclaim`, since 5.19; `swappiness` since 6.11). Blocks a pool thread as long as that takes.
     * Over-reclaim up to twice the request is normal. `met` is the kernel's word: measure `memory.current` before you believe it
     * (6.17 kernels without NUMA said so having done nothing).
     */
    readonly reclaim: (group: string, request: ReclaimRequest) => Effect.Effect<ReclaimResult, KernFsError>
    /** Controllers that may be enabled for children of the group. */
    readonly controllers: (group: string) => Effect.Effect<ReadonlyArray<string>, KernelError>
    /** Controllers that are enabled for children of the group. */
    readonly enabledControllers: (group: string) => Effect.Effect<ReadonlyArray<string>, KernelError>
    /** Names of the child groups. */
    readonly children: (group: string) => Effect.Effect<ReadonlyArray<string>, KernFsError>
    readonly processes: (group: string) => Effect.Effect<ReadonlyArray<number>, KernelError>
    /** Kills every process in the group and below (`cgroup.kill`, since 5.14). */
    readonly kill: (group: string) => Effect.Effect<void, KernFsError>
  }
>()("@wmo/core/Cgroups") {
  static readonly layer: Layer.Layer<Cgroups, never, KernFs> = Layer.effect(
    Cgroups,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { cgroup: root } = yield* KernelRoots
      const normalize = (group: string): string => {
        const below = group === root || group.startsWith(`${root}/`) ? group.slice(root.length) : group
        return posix.normalize(`/${below}`).split("/").filter(Boolean).join("/")
      }
      const path = (group: string, file?: string): string => [root, normalize(group), file].filter(Boolean).join("/")
      const read = <A>(group: string, codec: Codec<A>) => fs.decode(path(group, codec.file), codec)
      return Cgroups.of({
        normalize,
        path,
        read,
        readOptional: (group, codec) =>
          read(group, codec).pipe(
            Effect.catchIf(
              (error) => error._tag === "KernFsError" && (error.reason._tag === "NotFound" || error.reason._tag === "NotSupported"),
              () => Effect.succeed(undefined)
            )
          ),
        exists: (group) => fs.exists(path(group, "cgroup.procs")),
        hold: (group, codec) => fs.hold(path(group, codec.file), codec),
        write: (group, codec, value) => fs.writeBlocking(path(group, codec.file), codec.encode(value).trimEnd()),
        reclaim: (group, request) =>
          fs.writeBlocking(path(group, reclaimRequest.file), reclaimRequest.encode(request)).pipe(
            Effect.as("met" as const),
            Effect.catchIf(
              (error) => error.reason._tag === "Again",
              () => Effect.succeed("partial" as const)
            )
          ),
        controllers: (group) => read(group, controllers),
        enabledControllers: (group) => read(group, subtreeControl),
        children: Effect.fnUntraced(function* (group) {
          const names = yield* fs.list(path(group))
          const groups: Array<string> = []
          for (const name of names) if (yield* fs.exists(path(group, `${name}/cgroup.procs`))) groups.push(name)
          return groups
        }),
        processes: (group) => read(group, cgroupProcs),
        kill: (group) => fs.write(path(group, "cgroup.kill"), "1")
      })
    })
  )
}
