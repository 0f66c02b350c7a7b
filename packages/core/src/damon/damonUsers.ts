/**
 * Who uses DAMON: kdamonds in sysfs and the modules that run one of their own. Only reads. Source: kernel mm/damon/{sysfs,reclaim,
 * lru_sort,stat}.c.
 */
import { Effect } from "effect"
import type { KernelError, KernFs } from "../KernFs.ts"
import type { KernelRootsShape } from "../KernelRoots.ts"
import { booleanFile } from "../Scalars.ts"
import { damonModuleNames, type DamonModuleName, type DamonUser } from "./DamonErrors.ts"
import { kdamondPid, kdamondState, signedFile } from "./DamonFiles.ts"
import type { TreeFiles } from "./treeFiles.ts"

const nrKdamonds = signedFile("nr_kdamonds")
const pid = kdamondPid("pid")
const enabled = booleanFile("enabled")

export interface DamonPaths {
  readonly admin: string
  readonly kdamonds: string
  readonly count: string
  readonly module: (name: DamonModuleName) => string
}

export const damonPaths = ({ sys }: KernelRootsShape): DamonPaths => {
  const admin = `${sys}/kernel/mm/damon/admin`
  return {
    admin,
    kdamonds: `${admin}/kdamonds`,
    count: `${admin}/kdamonds/nr_kdamonds`,
    module: (name) => `${sys}/module/${name}/parameters`
  }
}

export const findDamonUsers: (
  fs: KernFs["Service"],
  tree: TreeFiles,
  paths: DamonPaths
) => Effect.Effect<ReadonlyArray<DamonUser>, KernelError> = Effect.fnUntraced(function* (fs, tree, paths) {
  const found: Array<DamonUser> = []
  const count = (yield* fs.exists(paths.count)) ? yield* tree.decode(paths.count, nrKdamonds) : 0
  for (let index = 0; index < count; index++) {
    const directory = `${paths.kdamonds}/${index}`
    const state = yield* tree.decode(`${directory}/state`, kdamondState)
    found.push({ kind: "kdamond", index, state, pid: yield* tree.decode(`${directory}/pid`, pid) })
  }
  for (const name of damonModuleNames) {
    const path = paths.module(name)
    if (!(yield* fs.exists(`${path}/enabled`)) || !(yield* tree.decode(`${path}/enabled`, enabled))) continue
    const hasPid = yield* fs.exists(`${path}/kdamond_pid`)
    found.push({ kind: "module", name, pid: hasPid ? yield* tree.decode(`${path}/kdamond_pid`, pid) : undefined })
  }
  return found
})
