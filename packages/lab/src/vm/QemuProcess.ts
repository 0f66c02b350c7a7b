/**
 * A QEMU process that never outlives its scope: killed on success, failure and interruption, on the exit of this process, and, where
 * `setpriv` is there, by the kernel when this process is killed the hard way. The same for its temporary directory.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { Effect, type Scope } from "effect"
import { findProgram, toolPath } from "./Tools.ts"
import { vmError, type VmError } from "./VmError.ts"

/** How temporary directories of this module begin. */
const temporaryPrefix = "wmo-vm-"

/** A directory that goes away with the scope, or with this process. */
export const temporaryDirectory: Effect.Effect<string, VmError, Scope.Scope> = Effect.acquireRelease(
  Effect.try({
    try: () => {
      const path = mkdtempSync(join(tmpdir(), temporaryPrefix))
      const remove = () => rmSync(path, { recursive: true, force: true })
      process.on("exit", remove)
      return { path, remove }
    },
    catch: (cause) => vmError("Boot", `cannot make a temporary directory in ${tmpdir()}: ${String(cause)}`)
  }),
  ({ remove }) =>
    Effect.sync(() => {
      process.off("exit", remove)
      remove()
    })
).pipe(Effect.map(({ path }) => path))

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined

/** util-linux's setpriv: busybox has one of that name that cannot do it. */
const guardProgram = (): string | undefined => {
  const path = findProgram("setpriv", toolPath())
  return path !== undefined && basename(realpathSync(path)) === "setpriv" ? path : undefined
}

/**
 * The same command, killed by the kernel when the process `parent` ends, which must start it. Where that has ended before the kernel was told, nobody would tell of
 * it: then the command is not started. As it is where there is no setpriv.
 */
export const guarded = (command: ReadonlyArray<string>, parent: number): ReadonlyArray<string> => {
  const guard = guardProgram()
  return guard === undefined
    ? command
    : [guard, "--pdeathsig", "KILL", "/bin/sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', String(parent), ...command]
}

/** Starts QEMU in a session of its own: a Ctrl+C at the terminal reaches us, and we end it. */
export const startQemu = (program: string, args: ReadonlyArray<string>): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [file, ...words] = guarded([program, ...args], process.pid)
      const child = spawn(file!, words, { detached: true, stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe", "pipe", "pipe"] })
      const kill = () => void child.kill("SIGKILL")
      child.on("error", () => {})
      process.on("exit", kill)
      return { child, kill }
    }),
    ({ child, kill }) =>
      Effect.callback<void>((resume) => {
        process.off("exit", kill)
        if (ended(child)) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        kill()
      })
  ).pipe(Effect.map(({ child }) => child))
