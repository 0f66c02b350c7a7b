/**
 * Where the kernel's file systems are mounted. Injected everywhere: nothing in the library hard-codes a path.
 */
import { Context } from "effect"

export interface KernelRootsShape {
  /** The cgroup v2 mount; on a hybrid machine often `/sys/fs/cgroup/unified`. */
  readonly cgroup: string
  readonly proc: string
  readonly sys: string
  /** debugfs. */
  readonly debug: string
  /** tracefs. */
  readonly tracing: string
}

export const KernelRoots: Context.Reference<KernelRootsShape> = Context.Reference("@wmo/core/KernelRoots", {
  defaultValue: (): KernelRootsShape => ({
    cgroup: "/sys/fs/cgroup",
    proc: "/proc",
    sys: "/sys",
    debug: "/sys/kernel/debug",
    tracing: "/sys/kernel/tracing"
  })
})
