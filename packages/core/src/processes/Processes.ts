/**
 * Processes as `/proc` shows them: who there is, what memory they have, whether one is still the one it was.
 * Does not advise the kernel on their memory (ProcessMemory) nor look at single pages (PageMap).
 * Reading another user's `smaps` takes ptrace rights (root); `stat`, `status` and `statm` anybody may read.
 */
import { Context, Effect, Layer } from "effect"
import { KernFs, type KernelError } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { processCgroups } from "../Proc.ts"
import { type Mapping, maps } from "./Mapping.ts"
import {
  isDead,
  isKernelThread,
  processChildren,
  type ProcessIdentity,
  type ProcessSize,
  processSize,
  processStat,
  type ProcessStat
} from "./ProcessStat.ts"
import { type ClearRefs, clearRefs, type ProcessStatus, processStatus } from "./ProcessStatus.ts"
import { type SmapsMapping, type SmapsRollup, smaps, smapsRollup } from "./Smaps.ts"

/** Every method on a process that is not there fails with an error that `isGone`. */
export class Processes extends Context.Service<
  Processes,
  {
    /** All process ids, ascending; kernel threads and zombies included. */
    readonly list: Effect.Effect<ReadonlyArray<number>, KernFsError>
    /** `/proc/PID/stat`. */
    readonly stat: (pid: number) => Effect.Effect<ProcessStat, KernelError>
    /** `/proc/PID/status`. */
    readonly status: (pid: number) => Effect.Effect<ProcessStatus, KernelError>
    /** `/proc/PID/statm`: sizes in pages. The cheapest way to a process's size. */
    readonly size: (pid: number) => Effect.Effect<ProcessSize, KernelError>
    /** `/proc/PID/smaps_rollup` (4.14). Undefined for what has no memory of its own: kernel threads and zombies. Walks page tables. */
    readonly smapsRollup: (pid: number) => Effect.Effect<SmapsRollup | undefined, KernelError>
    /** `/proc/PID/smaps`; empty for kernel threads and zombies. Walks page tables, and prints 600 bytes a mapping. */
    readonly smaps: (pid: number) => Effect.Effect<ReadonlyArray<SmapsMapping>, KernelError>
    /** `/proc/PID/maps`; empty for kernel threads and zombies. */
    readonly maps: (pid: number) => Effect.Effect<ReadonlyArray<Mapping>, KernelError>
    /** The process's cgroup v2 group, below the mount and without the leading slash; undefined without cgroup v2. */
    readonly cgroup: (pid: number) => Effect.Effect<string | undefined, KernelError>
    /** What tells this process from a later one with its pid. */
    readonly identity: (pid: number) => Effect.Effect<ProcessIdentity, KernelError>
    /** Whether that very process still runs: false for a zombie, and for another process of the same pid. */
    readonly alive: (process: ProcessIdentity) => Effect.Effect<boolean, KernelError>
    /** Children of all threads of the process: from `task/TID/children` (4.2), else from the `stat` of all processes. */
    readonly children: (pid: number) => Effect.Effect<ReadonlyArray<number>, KernelError>
    /**
     * Writes `/proc/PID/clear_refs`, on a pool thread: it walks the page tables. Clearing accessed bits takes from the reclaimer what it
     * knew of the process's use of memory, and clearing soft-dirty bits takes them from whoever else counts by them (CRIU).
     */
    readonly clearRefs: (pid: number, what: ClearRefs) => Effect.Effect<void, KernFsError>
  }
>()("@wmo/core/Processes") {
  static readonly layer: Layer.Layer<Processes, never, KernFs> = Layer.effect(
    Processes,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { proc } = yield* KernelRoots
      const path = (pid: number, file: string): string => `${proc}/${pid}/${file}`
      const stat = (pid: number) => fs.decode(path(pid, "stat"), processStat)
      const list = Effect.map(fs.list(proc), (names) =>
        names
          .filter((name) => /^\d+$/.test(name))
          .map(Number)
          .toSorted((a, b) => a - b)
      )

      const childrenByParent = Effect.fnUntraced(function* (pid: number) {
        yield* stat(pid)
        const found: Array<number> = []
        for (const other of yield* list) {
          const parent = yield* stat(other).pipe(
            Effect.map(({ ppid }) => ppid),
            Effect.catchIf(isGone, () => Effect.succeed(undefined))
          )
          if (parent === pid) found.push(other)
        }
        return found
      })

      return Processes.of({
        list,
        stat,
        status: (pid) => fs.decode(path(pid, "status"), processStatus),
        size: (pid) => fs.decode(path(pid, "statm"), processSize),
        smapsRollup: Effect.fn("Processes.smapsRollup")(function* (pid) {
          return yield* fs.decode(path(pid, "smaps_rollup"), smapsRollup).pipe(
            // Both a process that has gone and one without memory answer ESRCH.
            Effect.catchIf(isGone, (error) =>
              Effect.flatMap(stat(pid), (found) =>
                isKernelThread(found) || isDead(found) ? Effect.succeed(undefined) : Effect.fail(error)
              )
            )
          )
        }),
        smaps: Effect.fn("Processes.smaps")((pid) => fs.decode(path(pid, "smaps"), smaps)),
        maps: Effect.fn("Processes.maps")((pid) => fs.decode(path(pid, "maps"), maps)),
        cgroup: (pid) =>
          Effect.map(fs.decode(path(pid, "cgroup"), processCgroups), (rows) =>
            rows.find(({ controllers, hierarchy }) => hierarchy === 0 && controllers.length === 0)?.path.slice(1)
          ),
        identity: (pid) => Effect.map(stat(pid), ({ pid, startTime }) => ({ pid, startTime })),
        alive: ({ pid, startTime }) =>
          stat(pid).pipe(
            Effect.map((found) => found.startTime === startTime && !isDead(found)),
            Effect.catchIf(isGone, () => Effect.succeed(false))
          ),
        children: Effect.fn("Processes.children")(function* (pid) {
          const threads = yield* fs.list(path(pid, "task"))
          const found: Array<number> = []
          for (const thread of threads) {
            const rows = yield* Effect.result(fs.decode(path(pid, `task/${thread}/children`), processChildren))
            if (rows._tag === "Success") found.push(...rows.success)
            // A thread may have ended since; and kernels without CONFIG_PROC_CHILDREN have the file of no thread.
            else if (!isGone(rows.failure)) return yield* Effect.fail(rows.failure)
            else if (thread === String(pid)) return yield* childrenByParent(pid)
          }
          return found.toSorted((a, b) => a - b)
        }),
        clearRefs: Effect.fn("Processes.clearRefs")((pid, what) => fs.writeBlocking(path(pid, "clear_refs"), clearRefs.encode(what)))
      })
    })
  )
}

const isGone = (error: KernelError): boolean => error._tag === "KernFsError" && error.isGone
