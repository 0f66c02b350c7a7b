/**
 * cgroup v2 groups: read, write, hold and wait for their files; walk and watch the tree; make, freeze, kill them; reclaim from them.
 * Groups are named by their path below the mount (`wmo/run-1`); a leading slash or the full path under the mount is accepted.
 * Does not decide anything, and does not journal, `make` excepted: whoever sets a limit goes through `Journal`.
 */
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { posix } from "node:path"
import { cgroupEvents, cgroupFreeze, cgroupStat, type CountersOf } from "./cgroups/groupFiles.ts"
import { makeGroup } from "./cgroups/makeGroup.ts"
import { decodeOpen, watchGroupFile } from "./cgroups/watchGroupFile.ts"
import { walkGroups } from "./cgroups/walkGroups.ts"
import { type GroupChange, watchGroups } from "./cgroups/watchGroups.ts"
import type { Codec } from "./Codec.ts"
import type { Journal, JournalFailure } from "./Journal.ts"
import { type Held, KernFs, type KernelError } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { cgroupProcs, memoryPeak, memorySwapPeak } from "./Memcg.ts"
import { wordList } from "./Proc.ts"
import { type ReclaimRequest, reclaimRequest } from "./Scalars.ts"
import type { Bytes, Milliseconds } from "./Units.ts"

/** `partial`: the kernel gave up before it had reclaimed all that was asked (EAGAIN); some of it was reclaimed. */
export type ReclaimResult = "met" | "partial"

const controllers = wordList("cgroup.controllers")
const subtreeControl = wordList("cgroup.subtree_control")

/** The highest use since this descriptor was opened or reset. */
export interface HeldPeak {
  readonly read: Effect.Effect<Bytes, KernelError>
  /** Starts anew from what is in use now, for this descriptor alone (since 6.12; `Invalid` before). */
  readonly reset: Effect.Effect<void, KernFsError>
}

/** How often the tree is listed, and a watched file read, though nothing was told. */
const rewalkMs = 60_000
const rereadMs = 10_000
const utf8 = new TextEncoder()

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
     * 6.1 goes on as long as it finds anything, so ask for no more than there is: processes that wake up fault their pages in again (seen: minutes).
     * Over-reclaim up to twice the request is normal. `met` is the kernel's word: measure `memory.current` before you believe it
     * (6.17 kernels without NUMA said so having done nothing).
     */
    readonly reclaim: (group: string, request: ReclaimRequest) => Effect.Effect<ReclaimResult, KernFsError>
    /** Whether `memory.reclaim` takes `swappiness` (since 6.11): asks for nothing to find out. True where it cannot be asked. */
    readonly reclaimTakesSwappiness: (group: string) => Effect.Effect<boolean>
    /** Controllers that may be enabled for children of the group. */
    readonly controllers: (group: string) => Effect.Effect<ReadonlyArray<string>, KernelError>
    /** Controllers that are enabled for children of the group. */
    readonly enabledControllers: (group: string) => Effect.Effect<ReadonlyArray<string>, KernelError>
    /** Names of the child groups. */
    readonly children: (group: string) => Effect.Effect<ReadonlyArray<string>, KernFsError>
    /** Names of the group and of all below it, depth first, parents before children; groups that vanish meanwhile are left out. */
    readonly walk: (group: string) => Stream.Stream<string, KernFsError>
    /**
     * Groups below the group: first those that are there (`Appeared`, parents first), then changes (`Gone`, children first). Ends after the
     * group itself is `Gone`. Changes are told by inotify where that works; every `every` (1 min) the tree is listed again in any case.
     */
    readonly watch: (group: string, options?: { readonly every?: Milliseconds }) => Stream.Stream<GroupChange, KernFsError>
    /**
     * What an events file says (`cgroupEvents`, `memoryEvents`, `memoryEventsLocal`, `memorySwapEvents`): now, and whenever the kernel says
     * that it changed. Bursts are one change. Fails with `NoDevice` when the group is gone (`NotFound` if it was not there to begin with).
     */
    readonly watchFile: <A>(group: string, codec: Codec<A>) => Stream.Stream<A, KernelError>
    /**
     * Makes a group (`Exists` if it is there), and switches `controllers` (`memory`) on in the groups above it, all of it through the
     * journal. Missing groups above are made too. Removed with the scope, unless it is still in use after five seconds. `Busy` where a group
     * above that lacks a controller has processes of its own.
     */
    readonly make: (
      group: string,
      options?: { readonly controllers?: ReadonlyArray<string> }
    ) => Effect.Effect<void, KernelError | JournalFailure, Journal | Scope.Scope>
    /** `cgroup.stat`: how many groups are below, living and dying. */
    readonly stat: (group: string) => Effect.Effect<CountersOf<"nr_descendants" | "nr_dying_descendants">, KernelError>
    /** Freezes the processes of the group and below (`cgroup.freeze`, since 5.2), and waits until they are. Not through the journal. */
    readonly freeze: (group: string) => Effect.Effect<void, KernelError>
    /** Ends `freeze`, and waits until the group runs. It stays frozen, and this waits, while a group above it is frozen. */
    readonly thaw: (group: string) => Effect.Effect<void, KernelError>
    /** Waits until no living process is in the group or below (`cgroup.events`); a group that is gone is empty. */
    readonly awaitEmpty: (group: string) => Effect.Effect<void, KernelError>
    /** Moves a process with all its threads (`cgroup.procs`); 0 is the caller. Memory stays charged to the group where it was first used. */
    readonly move: (pid: number, group: string) => Effect.Effect<void, KernFsError>
    /** Holds `memory.peak` (since 5.19) or `memory.swap.peak` (since 6.5) with a peak of its own. Closes with the scope. */
    readonly holdPeak: (group: string, of?: "memory" | "swap") => Effect.Effect<HeldPeak, KernFsError, Scope.Scope>
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
      const watchFile = <A>(group: string, codec: Codec<A>) => watchGroupFile(fs, path, normalize(group), codec, rereadMs)
      const awaitEvents = (group: string, isMet: (events: CountersOf<"populated" | "frozen">) => boolean) =>
        watchFile(group, cgroupEvents).pipe(Stream.takeUntil(isMet), Stream.runDrain)
      const setFrozen = Effect.fnUntraced(function* (group: string, isFrozen: boolean) {
        yield* fs.write(path(group, cgroupFreeze.file), isFrozen ? "1" : "0")
        yield* awaitEvents(group, ({ frozen }) => frozen === (isFrozen ? 1n : 0n))
      })
      return Cgroups.of({
        walk: (group) => walkGroups(fs, path, normalize(group)),
        watch: (group, options) => watchGroups(fs, path, normalize(group), options?.every ?? rewalkMs),
        watchFile,
        make: (group, options) => makeGroup(fs, path, normalize(group), options?.controllers ?? ["memory"]),
        stat: (group) => read(group, cgroupStat),
        freeze: (group) => setFrozen(group, true),
        thaw: (group) => setFrozen(group, false),
        awaitEmpty: (group) =>
          awaitEvents(group, ({ populated }) => populated === 0n).pipe(
            Effect.catchIf(
              (error) => error._tag === "KernFsError" && error.isGone,
              () => Effect.void
            )
          ),
        move: (pid, group) => fs.write(path(group, cgroupProcs.file), String(pid)),
        holdPeak: Effect.fn("Cgroups.holdPeak")(function* (group, of) {
          const codec = of === "swap" ? memorySwapPeak : memoryPeak
          const file = yield* fs.open(path(group, codec.file), "readWrite")
          return {
            read: decodeOpen(file, codec),
            reset: Effect.suspend(() => Effect.asVoid(Effect.fromResult(file.write(utf8.encode("reset\n")))))
          }
        }),
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
        reclaimTakesSwappiness: (group) =>
          fs.writeBlocking(path(group, reclaimRequest.file), reclaimRequest.encode({ bytes: 0, swappiness: 60 })).pipe(
            Effect.as(true),
            Effect.catch(({ reason }) => Effect.succeed(reason._tag !== "Invalid"))
          ),
        controllers: (group) => read(group, controllers),
        enabledControllers: (group) => read(group, subtreeControl),
        children: (group) => fs.directories(path(group)),
        processes: (group) => read(group, cgroupProcs),
        kill: (group) => fs.write(path(group, "cgroup.kill"), "1")
      })
    })
  )
}
