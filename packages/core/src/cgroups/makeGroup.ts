/**
 * Making a group with the controllers that it needs, through the journal: a controller is switched on in every group above that does not
 * have it yet, groups above that are missing are made, and what was made is removed with the scope (and by the journal, after a crash).
 * Does not move processes. Rules: kernel Documentation/admin-guide/cgroup-v2.rst, "Enabling and Disabling", "No Internal Process Constraint".
 */
import { Effect, Schedule, type Scope } from "effect"
import { Journal, type JournalFailure } from "../Journal.ts"
import type { KernelError, KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { wordList } from "../Proc.ts"

const subtreeControl = wordList("cgroup.subtree_control")
/** Processes that were killed a moment ago still hold their group: five seconds of patience. */
const patience = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(100)])

/** See `Cgroups.make`. */
export const makeGroup = Effect.fn("Cgroups.make")(function* (
  fs: KernFs["Service"],
  path: (group: string, file?: string) => string,
  group: string,
  controllers: ReadonlyArray<string>
): Effect.fn.Return<void, KernelError | JournalFailure, Journal | Scope.Scope> {
  const journal = yield* Journal
  const parts = group.split("/").filter(Boolean)
  for (let depth = 0; depth < parts.length; depth++) {
    const above = parts.slice(0, depth).join("/")
    const enabled = yield* fs.decode(path(above, subtreeControl.file), subtreeControl)
    const missing = controllers.filter((name) => !enabled.includes(name))
    if (missing.length > 0) yield* journal.set(path(above, subtreeControl.file), missing.map((name) => `+${name}`).join(" "))
    const directory = path(parts.slice(0, depth + 1).join("/"))
    const isLast = depth === parts.length - 1
    if (!isLast && (yield* fs.exists(directory))) continue
    yield* Effect.acquireRelease(journal.mkdir(directory), () =>
      fs.rmdir(directory).pipe(
        Effect.retry({ while: (error: KernFsError) => error.isRetryable, schedule: patience }),
        // What is still in use stays on the journal's record.
        Effect.ignore
      )
    )
  }
})
