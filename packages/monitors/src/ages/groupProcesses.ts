/** The processes of groups, the largest ones first: what sources look at that know processes, not groups. Reads only. */
import { Cgroups, isKernelThread, type KernelError, type Pages, Processes, type ProcessIdentity } from "@wmo/core"
import { Effect } from "effect"

export interface GroupProcess extends ProcessIdentity {
  /** Where it is: one of the groups that were asked about. */
  readonly group: string
  readonly residentPages: Pages
}

const unlessGone = <A>(effect: Effect.Effect<A, KernelError>): Effect.Effect<A | undefined, KernelError> =>
  Effect.catchIf(
    effect,
    (error) => error._tag === "KernFsError" && (error.isGone || error.reason._tag === "NotSupported"),
    () => Effect.succeed(undefined)
  )

/** Whether a process of `group` is counted for `whole` too: groups hold what is below them. */
export const isWithin = (group: string, whole: string): boolean => whole === "" || group === whole || group.startsWith(`${whole}/`)

/** Up to `atMost` of them, and how many there are beyond that. Kernel threads and zombies have no memory and are left out. */
export const groupProcesses: (
  groups: ReadonlyArray<string>,
  atMost: number
) => Effect.Effect<{ readonly processes: ReadonlyArray<GroupProcess>; readonly leftOut: number }, KernelError, Cgroups | Processes> =
  Effect.fnUntraced(function* (groups, atMost) {
    const cgroups = yield* Cgroups
    const service = yield* Processes
    const found: Array<GroupProcess> = []
    for (const group of groups) {
      for (const pid of (yield* unlessGone(cgroups.processes(group))) ?? []) {
        const stat = yield* unlessGone(service.stat(pid))
        if (stat === undefined || isKernelThread(stat) || stat.rssPages <= 0) continue
        found.push({ group, pid, startTime: stat.startTime, residentPages: stat.rssPages })
      }
    }
    const processes = found.toSorted((a, b) => b.residentPages - a.residentPages).slice(0, atMost)
    return { processes, leftOut: found.length - processes.length }
  })

export { unlessGone }
