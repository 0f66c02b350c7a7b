/**
 * What this process has used so far: CPU of all threads but those that wait for the kernel (libuv's), and resident memory. Reads `/proc/self`.
 */
import { type Milliseconds, readSmall } from "@wmo/core"
import { Context } from "effect"
import { readdirSync } from "node:fs"
import type { OwnReading } from "./ownBudget.ts"

interface ProcessWithThreads {
  readonly threadCpuUsage?: () => { readonly user: number; readonly system: number }
}

/** Of `stat`'s times: USER_HZ, which is 100 on all that Node runs on. */
const tickMs = 10

/**
 * What the threads have used that do what may block, which is mostly the kernel's reclaim; undefined where threads have no names of their own, by which
 * they are told (Node 22). Source: proc_pid_stat(5), utime and stime.
 */
const blockingMs = (): Milliseconds | undefined => {
  let areNamed = false
  let ms = 0
  for (const id of readdirSync("/proc/self/task")) {
    try {
      const stat = readSmall(`/proc/self/task/${id}/stat`)
      const isBlocking = stat.includes("(libuv-worker)")
      areNamed ||= isBlocking || stat.includes("(V8Worker)")
      if (!isBlocking) continue
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      ms += (Number(fields[11]) + Number(fields[12])) * tickMs
    } catch {
      // A thread that has ended meanwhile is none of those.
    }
  }
  return areNamed ? ms : undefined
}

const cpuMsOf = ({ system, user }: { readonly user: number; readonly system: number }): Milliseconds => (system + user) / 1000

/** Another one in tests. */
export const OwnCost: Context.Reference<() => Omit<OwnReading, "atMs">> = Context.Reference("@wmo/daemon/OwnCost", {
  defaultValue: () => () => {
    const blocking = blockingMs()
    const cpuMs =
      blocking === undefined
        ? cpuMsOf((process as ProcessWithThreads).threadCpuUsage?.() ?? process.cpuUsage())
        : Math.max(0, cpuMsOf(process.cpuUsage()) - blocking)
    return { cpuMs, rssBytes: process.memoryUsage.rss() }
  }
})
