/** What monitoring by DAMON costs: CPU time of the kernel threads named kdamond.N. */
import { cpuMsOf, decodeSmall, type Milliseconds, processStat } from "@wmo/core"
import { readdirSync } from "node:fs"

/** Undefined where the process is gone. */
export const processCpuMs = (pid: number | string): Milliseconds | undefined => {
  const stat = decodeSmall(`/proc/${pid}/stat`, processStat)
  return stat === undefined ? undefined : cpuMsOf(stat)
}

const isKdamond = (pid: string): boolean => decodeSmall(`/proc/${pid}/stat`, processStat)?.comm.startsWith("kdamond") ?? false

/** CPU time of kdamonds so far, with that of those that have ended between two calls. One may start at any time. */
export const makeKdamondCpu = (): (() => Milliseconds) => {
  const used = new Map<string, Milliseconds>()
  let pids: ReadonlyMap<string, boolean> = new Map()
  return () => {
    const living = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
    pids = new Map(living.map((pid) => [pid, pids.get(pid) ?? isKdamond(pid)]))
    for (const pid of living.filter((one) => pids.get(one))) used.set(pid, processCpuMs(pid) ?? used.get(pid) ?? 0)
    return [...used.values()].reduce((sum, ms) => sum + ms, 0)
  }
}
