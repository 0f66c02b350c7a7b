/**
 * What of a kernel wmod could change: every writable file of limits, zswap, MGLRU, DAMON and working-set reporting, the groups that there are, and
 * kdamonds that run. Reads only, the real kernel unless told otherwise. Leaves out files that say what happened rather than what is set.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"

export type Settings = ReadonlyMap<string, string>

const cgroupRoot = "/sys/fs/cgroup"
const ofGroups = [
  "memory.min",
  "memory.low",
  "memory.high",
  "memory.max",
  "memory.swap.high",
  "memory.swap.max",
  "memory.zswap.max",
  "memory.zswap.writeback",
  "memory.workingset.refresh_interval",
  "cgroup.subtree_control"
]
const trees = [
  "/sys/module/zswap/parameters",
  "/sys/kernel/mm/lru_gen",
  "/sys/kernel/mm/damon/admin",
  "/sys/kernel/mm/transparent_hugepage",
  "/sys/module/damon_reclaim/parameters",
  "/sys/module/damon_lru_sort/parameters",
  "/sys/devices/system/node/node0/workingset_report"
]
const single = ["/proc/sys/vm/swappiness"]

/** A kernel's files; all may throw. */
export interface KernelFiles {
  readonly text: (path: string) => string
  readonly names: (directory: string) => ReadonlyArray<string>
  readonly mode: (path: string) => number
}

const realFiles: KernelFiles = {
  text: (path) => readFileSync(path, "utf8"),
  names: (directory) => readdirSync(directory),
  mode: (path) => statSync(path).mode
}

const textOf = (files: KernelFiles, path: string): string => {
  try {
    return files.text(path).trim()
  } catch (error) {
    return `(${(error as NodeJS.ErrnoException).code})`
  }
}

/** 0 where there is nothing. */
const modeOf = (files: KernelFiles, path: string): number => {
  try {
    return files.mode(path)
  } catch {
    return 0
  }
}

const isDirectory = (files: KernelFiles, path: string): boolean => (modeOf(files, path) & 0o170000) === 0o040000

const filesBelow = (files: KernelFiles, directory: string): ReadonlyArray<string> =>
  isDirectory(files, directory)
    ? files.names(directory).flatMap((name) => {
        const path = join(directory, name)
        if (isDirectory(files, path)) return filesBelow(files, path)
        return (modeOf(files, path) & 0o222) === 0 ? [] : [path]
      })
    : []

/** Groups by their path below the root, the root itself left out. */
const groupsBelow = (files: KernelFiles, group = ""): ReadonlyArray<string> =>
  files
    .names(join(cgroupRoot, group))
    .map((name) => join(group, name))
    .flatMap((path) => (isDirectory(files, join(cgroupRoot, path)) ? [path, ...groupsBelow(files, path)] : []))

/** kdamonds that run, by pid and name. */
export const kdamonds = (): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => `${pid} ${textOf(realFiles, `/proc/${pid}/comm`)}`)
    .filter((line) => / kdamond/.test(line))

/** The files of one group that say what is set for it. */
const settingsOfGroup = (files: KernelFiles, group: string): ReadonlyArray<string> =>
  ofGroups.map((file) => join(cgroupRoot, group, file)).filter((file) => modeOf(files, file) !== 0)

/** Groups for which `isOurs` holds are left out: they come and go with those who look. */
export const settingsNow = (isOurs: (group: string) => boolean = () => false, files: KernelFiles = realFiles): Settings => {
  const groups = groupsBelow(files).filter((group) => !isOurs(group))
  const paths = [
    ...["", ...groups].flatMap((group) => settingsOfGroup(files, group)),
    ...trees.flatMap((tree) => filesBelow(files, tree)),
    ...single.filter((path) => modeOf(files, path) !== 0)
  ]
  return new Map([
    ...paths.map((path) => [path, textOf(files, path)] as const),
    ["groups", groups.toSorted().join(" ")],
    ...(files === realFiles ? [["kdamonds", String(kdamonds().length)] as const] : [])
  ])
}

/** One line for each thing that is not as it was. */
export const differences = (before: Settings, after: Settings): ReadonlyArray<string> =>
  [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => `${key}: was ${before.get(key) ?? "not there"}, is ${after.get(key) ?? "not there"}`)
