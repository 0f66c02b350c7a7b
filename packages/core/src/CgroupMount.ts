/**
 * Where cgroup v2 is mounted, and which hierarchy has the memory controller. Reads `/proc/self/mountinfo` and `cgroup.controllers`.
 * Source: kernel Documentation/admin-guide/cgroup-v2.rst, "Mounting": a controller is on one hierarchy at a time, v1 or v2.
 */
import { Effect } from "effect"
import { KernFs } from "./KernFs.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { type Mount, mountInfo, wordList } from "./Proc.ts"

export interface CgroupMount {
  /** Mount point, for `KernelRoots.cgroup`. */
  readonly path: string
  /** Whether the memory controller can be used below it. */
  readonly memory: boolean
  /** Mounted read-only, as in most containers. */
  readonly readOnly: boolean
  /** Controllers of this mount. */
  readonly controllers: ReadonlyArray<string>
}

/** All that concerns cgroups in the mount table. `v1Memory`: mount point of the v1 hierarchy with the memory controller. */
export interface CgroupMounts {
  readonly v2: CgroupMount | undefined
  readonly v1: ReadonlyArray<string>
  readonly v1Memory: string | undefined
}

const controllersFile = wordList("cgroup.controllers")

/** Reads the mount table. Of several v2 mounts: the one with the memory controller, then the one that `KernelRoots` names, then the first. */
export const findCgroupMounts: Effect.Effect<CgroupMounts, never, KernFs> = Effect.gen(function* () {
  const fs = yield* KernFs
  const roots = yield* KernelRoots
  const mounts = yield* Effect.orElseSucceed(fs.decode(`${roots.proc}/self/mountinfo`, mountInfo), (): ReadonlyArray<Mount> => [])
  const found: Array<CgroupMount> = []
  for (const { mountPoint, options, superOptions } of mounts.filter(({ fsType }) => fsType === "cgroup2")) {
    const controllers = yield* Effect.orElseSucceed(
      fs.decode(`${mountPoint}/cgroup.controllers`, controllersFile),
      (): ReadonlyArray<string> => []
    )
    const readOnly = options.includes("ro") || superOptions.includes("ro")
    found.push({ path: mountPoint, controllers, memory: controllers.includes("memory"), readOnly })
  }
  const v1 = mounts.filter(({ fsType }) => fsType === "cgroup")
  return {
    v2:
      found.find(({ memory, readOnly }) => memory && !readOnly) ??
      found.find(({ memory }) => memory) ??
      found.find(({ path }) => path === roots.cgroup) ??
      found[0],
    v1: v1.map(({ mountPoint }) => mountPoint),
    v1Memory: v1.find(({ superOptions }) => superOptions.includes("memory"))?.mountPoint
  }
})

/** The cgroup v2 mount of this machine; undefined where none is mounted. */
export const findCgroupMount: Effect.Effect<CgroupMount | undefined, never, KernFs> = Effect.map(findCgroupMounts, ({ v2 }) => v2)
