/**
 * A command in its own cgroup: made fresh, started inside it, ended with everything that it left behind.
 * The process joins the group before it runs the command, so that nothing it allocates is charged elsewhere.
 */
import { Cgroups, Journal, type JournalFailure, type KernelError, KernFsError } from "@wmo/core"
import type { WorkloadResult } from "@wmo/recording"
import { Data, Deferred, Effect, Schedule, type Scope } from "effect"
import { accessSync, constants, mkdtempSync, rmSync, statSync } from "node:fs"
import { constants as constantsOfOs, tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { WorkloadSpawner } from "./spawnInGroup.ts"
import { readWorkloadResult } from "./workloadResult.ts"

/** The command cannot be started. */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly command: string
  readonly problem: "not-found" | "failed"
  readonly detail?: string
}> {
  override get message(): string {
    return this.problem === "not-found"
      ? `cannot run "${this.command}": no such command; check its name and your PATH`
      : `cannot run "${this.command}": ${this.detail}`
  }
}

export interface WorkloadProcess {
  readonly group: string
  /** Resolves with the exit code: 128 + signal for a process that a signal ended. */
  readonly exitCode: Effect.Effect<number, CommandError>
  /** Passes a signal on to the command. */
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** What the command wrote as JSON to the file named by `WMO_RESULT`, once it has ended. */
  readonly result: Effect.Effect<WorkloadResult | undefined>
}

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Finds the command as the shell would, so that a wrong name is one clear line before anything is set up. */
export const findCommand = (command: string, path = process.env["PATH"] ?? ""): Effect.Effect<string, CommandError> => {
  const candidates = command.includes("/") ? [command] : path.split(delimiter).map((directory) => join(directory || ".", command))
  const found = candidates.find(isExecutable)
  return found === undefined ? Effect.fail(new CommandError({ command, problem: "not-found" })) : Effect.succeed(found)
}

/**
 * Makes a new group, and every group on the way to it, with the memory controller enabled for children. All of it is undone with the
 * journal; processes that still run in the group when the scope closes are killed first. Fails if the group exists.
 */
export const makeGroup: (group: string) => Effect.Effect<void, KernelError | JournalFailure, Cgroups | Journal | Scope.Scope> =
  Effect.fnUntraced(function* (group) {
    const cgroups = yield* Cgroups
    const journal = yield* Journal
    const names = cgroups.normalize(group).split("/")
    for (let depth = 0; depth < names.length; depth++) {
      const parent = names.slice(0, depth).join("/")
      const child = names.slice(0, depth + 1).join("/")
      if (!(yield* cgroups.enabledControllers(parent)).includes("memory")) {
        yield* journal.set(cgroups.path(parent, "cgroup.subtree_control"), "+memory")
      }
      if (yield* cgroups.exists(child)) {
        if (depth === names.length - 1) {
          return yield* new KernFsError({ operation: "mkdir", path: cgroups.path(child), reason: { _tag: "Exists" } })
        }
        continue
      }
      yield* journal.mkdir(cgroups.path(child))
    }
    yield* Effect.addFinalizer(() => Effect.ignore(emptyGroup(group)).pipe(Effect.provideService(Cgroups, cgroups)))
  })

/** Ends whatever still runs in the group, and waits until the kernel has let go of it. */
const emptyGroup = Effect.fnUntraced(function* (group: string) {
  const cgroups = yield* Cgroups
  const isEmpty = Effect.map(cgroups.processes(group), (pids) => pids.length === 0)
  if (yield* isEmpty) return
  yield* cgroups.kill(group)
  yield* isEmpty.pipe(
    Effect.repeat({ until: (empty) => empty, schedule: Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(100)]) })
  )
})

/**
 * Starts a command in a group that {@link makeGroup} made. Standard streams are inherited.
 */
export const startWorkload: (options: {
  readonly group: string
  readonly command: ReadonlyArray<string>
}) => Effect.Effect<WorkloadProcess, CommandError, Cgroups | Scope.Scope> = Effect.fnUntraced(function* ({ command, group }) {
  const cgroups = yield* Cgroups
  const [name = "", ...args] = command
  const file = yield* findCommand(name)
  const scratch = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const resultFile = join(scratch, "result.json")
  const exited = yield* Deferred.make<number, CommandError>()
  const failed = (detail: string) => new CommandError({ command: name, problem: "failed", detail })
  const spawn = yield* WorkloadSpawner
  const child = yield* Effect.try({
    try: () => spawn({ procsFile: cgroups.path(group, "cgroup.procs"), file, args, env: { ...process.env, WMO_RESULT: resultFile } }),
    catch: (cause) => failed(cause instanceof Error ? cause.message : String(cause))
  })
  let trouble = ""
  child.stdio[3]?.on("data", (chunk: Buffer) => {
    trouble += chunk.toString()
  })
  child.once("close", (code, signal) => {
    const end =
      trouble === ""
        ? Effect.succeed(code ?? 128 + (constantsOfOs.signals[signal ?? "SIGKILL"] ?? 0))
        : Effect.fail(failed(`it could not join the group: ${trouble.trim()}`))
    Deferred.doneUnsafe(exited, end)
  })
  // A signal that cannot be sent is an error event too: the command still runs then.
  child.on("error", (error) => {
    if (child.pid === undefined) Deferred.doneUnsafe(exited, Effect.fail(failed(error.message)))
  })
  return {
    group,
    exitCode: Deferred.await(exited),
    signal: (signal) => Effect.sync(() => void child.kill(signal)),
    result: Effect.sync(() => readWorkloadResult(resultFile))
  }
})
