/**
 * The files under `/proc` that tell of a simulated process: `stat` and `comm`, enough to find the largest processes of a group.
 * Simplified: no mappings, no times; resident are its own pages, those that it shares with the first process are counted there.
 */
import { pageSize, processStat } from "@wmo/core"
import type { FakeFs } from "@wmo/core/testing"
import { RESIDENT } from "./PageTable.ts"
import type { RunningWorkload } from "./RunningWorkload.ts"

const directory = (pid: number): string => `/proc/${pid}`

const residentPages = ({ base, group, pages }: RunningWorkload): number => {
  let resident = 0
  for (let page = base; page < base + pages; page++) if ((group.pages.flags[page]! & RESIDENT) !== 0) resident++
  return resident
}

/** A name as the kernel keeps it: at most 15 bytes. */
const commOf = ({ workload }: RunningWorkload): string => workload.name.replaceAll(/[^ -~]/g, "?").slice(0, 15)

export const addProcessFiles = (fs: FakeFs, process: RunningWorkload): void => {
  const { parent, pages, pid, startUs, tasks } = process
  const stat = () =>
    processStat.encode({
      pid,
      comm: commOf(process),
      state: "S",
      ppid: parent?.pid ?? 1,
      processGroup: pid,
      session: pid,
      terminal: 0,
      terminalGroup: -1,
      flags: 0,
      minorFaults: 0n,
      childMinorFaults: 0n,
      majorFaults: 0n,
      childMajorFaults: 0n,
      userTicks: 0n,
      systemTicks: 0n,
      childUserTicks: 0n,
      childSystemTicks: 0n,
      priority: 20,
      nice: 0,
      threads: tasks.length,
      // Clock ticks of 10 ms.
      startTime: BigInt(Math.floor(startUs / 10_000)),
      virtualBytes: pages * pageSize,
      rssPages: residentPages(process),
      rest: []
    })
  fs.file(`${directory(pid)}/stat`, { read: stat }, 0o444)
  fs.file(`${directory(pid)}/comm`, { read: () => `${commOf(process)}\n` }, 0o444)
}

export const removeProcessFiles = (fs: FakeFs, pid: number): void => fs.remove(directory(pid))
