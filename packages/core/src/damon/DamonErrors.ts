/** Why DAMON cannot be used as asked, beside what single files answer (KernFsError). Each says what to do. */
import { Data } from "effect"
import type { KernFsError } from "../KernFsError.ts"
import type { Since } from "./DamonLayout.ts"

/** Modules that run a kdamond of their own, by their name below `/sys/module`. */
export const damonModuleNames = ["damon_reclaim", "damon_lru_sort", "damon_stat"] as const
export type DamonModuleName = (typeof damonModuleNames)[number]

/** Somebody who uses DAMON: a kdamond in sysfs (whether it runs or is only set up), or a module. */
export type DamonUser =
  | { readonly kind: "kdamond"; readonly index: number; readonly state: "on" | "off"; readonly pid?: number | undefined }
  | { readonly kind: "module"; readonly name: DamonModuleName; readonly pid?: number | undefined }

const describe = (user: DamonUser): string => {
  const pid = user.pid === undefined ? "" : `, pid ${user.pid}`
  return user.kind === "module" ? `module ${user.name} (on${pid})` : `kdamond ${user.index} (${user.state}${pid})`
}

/** DAMON is somebody else's: its set-up is left alone. */
export class DamonInUse extends Data.TaggedError("DamonInUse")<{ readonly users: ReadonlyArray<DamonUser> }> {
  override get message(): string {
    return `DAMON is in use by somebody: ${this.users.map(describe).join(", ")}; stop its owner first, or use --take-over: what was set up is then put back at the end`
  }
}

/** This kernel lacks a file or command that the value needs. */
export class DamonUnsupported extends Data.TaggedError("DamonUnsupported")<{
  /** The file, or the command that was written to `state`. */
  readonly what: string
  readonly since: Since
  readonly value?: unknown
}> {
  override get message(): string {
    const value = this.value === undefined ? "" : ` (asked for ${typeof this.value === "object" ? "entries" : String(this.value)})`
    return `this kernel's DAMON has no ${this.what}${value}: it is there since Linux ${this.since.join(".")}; leave it out, or use a newer kernel`
  }
}

/** A command that needs a kdamond that runs. It may have ended by itself, as it does when its last process has. */
export class DamonNotRunning extends Data.TaggedError("DamonNotRunning")<{ readonly index: number; readonly command: string }> {
  override get message(): string {
    return `cannot ${this.command.replaceAll("_", " ")}: kdamond ${this.index} is off; start it, or see whether its processes have ended`
  }
}

/** The kernel refuses what was set up. `problems`: what is known to be wrong with it; the kernel itself gives no reason. */
export class DamonRejected extends Data.TaggedError("DamonRejected")<{
  readonly index: number
  readonly command: string
  readonly problems: ReadonlyArray<string>
  readonly cause: KernFsError | undefined
}> {
  override get message(): string {
    const why = this.problems.length > 0 ? this.problems.join("; ") : "of something in its set-up, such as a process or cgroup that is gone"
    return `the kernel refuses to ${this.command} kdamond ${this.index}, because ${why}; correct it and try again`
  }
}
