/**
 * What this process has used so far: CPU of all threads but those that wait for the kernel (libuv's), and resident memory. Reads `/proc/self`.
 */
import { cpuMsOf, decodeSmall, type Milliseconds, processStat } from "@wmo/core"
import { Context } from "effect"
import { readdirSync } from "node:fs"
import type { OwnReading } from "./ownBudget.ts"

interface ProcessWithThreads {
  readonly threadCpuUsage?: () => { readonly user: number; readonly system: number }
}

/**
 * What the threads have used that do what may block, which is mostly the kernel's reclaim; undefined where threads have no names of their own, by which
 * they are told (Node 22).
 */
const blockingMs = (): Milliseconds | undefined => {
  let areNamed = false
  let ms = 0
  for (const id of readdirSync("/proc/self/task")) {
    // A thread that has ended meanwhile is none of those.
    const stat = decodeSmall(`/proc/self/task/${id}/stat`, processStat)
    if (stat === undefined) continue
    const isBlocking = stat.comm === "libuv-worker"
    areNamed ||= isBlocking || stat.comm === "V8Worker"
    if (isBlocking) ms += cpuMsOf(stat)
  }
  return areNamed ? ms : undefined
}

const sumMs = ({ system, user }: { readonly user: number; readonly system: number }): Milliseconds => (system + user) / 1000

/** Another one in tests. */
export const OwnCost: Context.Reference<() => Omit<OwnReading, "atMs">> = Context.Reference("@wmo/daemon/OwnCost", {
  defaultValue: () => () => {
    const blocking = blockingMs()
    const cpuMs =
      blocking === undefined
        ? sumMs((process as ProcessWithThreads).threadCpuUsage?.() ?? process.cpuUsage())
        : Math.max(0, sumMs(process.cpuUsage()) - blocking)
    return { cpuMs, rssBytes: process.memoryUsage.rss() }
  }
})
