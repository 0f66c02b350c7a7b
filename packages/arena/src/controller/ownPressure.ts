/**
 * Memory pressure (PSI `some`, the last ten seconds) of this process's own cgroup where cgroup v2 shows it, else of the machine. Plain reads of
 * two small files, without root; undefined where the kernel counts none.
 */
import { decodeSmall, pressureStall, readSmall } from "@wmo/core"

/** Where the machine keeps the files; another one in tests. */
export interface PressureRoots {
  readonly proc: string
  readonly cgroups: string
}

const kernelRoots: PressureRoots = { proc: "/proc", cgroups: "/sys/fs/cgroup" }

const readPercent = (path: string): number | undefined => decodeSmall(path, pressureStall)?.some?.avg10

const ownGroup = (proc: string): string | undefined => {
  try {
    return /^0::(\/.*)$/m.exec(readSmall(`${proc}/self/cgroup`))?.[1]
  } catch {
    return undefined
  }
}

/** In percent of time. */
export const ownPressurePercent = ({ cgroups, proc }: PressureRoots = kernelRoots): number | undefined => {
  const group = ownGroup(proc)
  const own = group === undefined ? undefined : readPercent(`${cgroups}${group === "/" ? "" : group}/memory.pressure`)
  return own ?? readPercent(`${proc}/pressure/memory`)
}
