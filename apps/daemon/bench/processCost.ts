/**
 * What a process costs, from outside: CPU time of all its threads, resident and proportional memory. Reads /proc alone; Linux, USER_HZ 100.
 */
import { readFileSync } from "node:fs"

const ticksPerSecond = 100

export interface ProcessCost {
  readonly atMs: number
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly rssAnonBytes: number
  readonly pssBytes: number
}

const kibOf = (text: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024

/** Throws where the process is gone. */
export const processCost = (pid: number): ProcessCost => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return {
    atMs: performance.now(),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    rssBytes: kibOf(status, "VmRSS"),
    rssAnonBytes: kibOf(status, "RssAnon"),
    pssBytes: kibOf(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Pss")
  }
}

/** Of one core. */
export const cpuPercent = (from: ProcessCost, to: ProcessCost): number =>
  ((to.cpuSeconds - from.cpuSeconds) / ((to.atMs - from.atMs) / 1000)) * 100
