/**
 * Starts a command inside a cgroup: a shell joins the group, then becomes the command, so that nothing that the command allocates is
 * charged elsewhere. Standard streams are inherited. A reference, so that tests with a fake kernel bring a spawner that joins theirs.
 */
import { Context } from "effect"
import { type ChildProcess, spawn } from "node:child_process"

export interface SpawnRequest {
  /** Path of the group's `cgroup.procs`. */
  readonly procsFile: string
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
}

/** Starts it. What the fourth stream says, if there is one, is why the group could not be joined; the command was not run then. */
export type WorkloadSpawn = (request: SpawnRequest) => ChildProcess

const script = `{ echo 0 > "$0"; } 2>&3 || exit 1; exec 3>&-; exec "$@"`

const spawnInGroup: WorkloadSpawn = ({ args, env, file, procsFile }) =>
  spawn("/bin/sh", ["-c", script, procsFile, file, ...args], { stdio: ["inherit", "inherit", "inherit", "pipe"], env })

export const WorkloadSpawner: Context.Reference<WorkloadSpawn> = Context.Reference("@wmo/control/WorkloadSpawner", {
  defaultValue: () => spawnInGroup
})
