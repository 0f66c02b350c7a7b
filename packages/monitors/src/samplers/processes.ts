/**
 * Samples processes: those of a list, and those of groups (and of the groups below). `/proc/PID/stat` for each; `smaps_rollup`, which walks page
 * tables (milliseconds a GiB), only if asked for. A process is told from a later one of its pid by its start time.
 */
import { Cgroups, isKernelThread, type KernelError, pageSize, Processes, type ProcessStat, type SmapsAmounts } from "@wmo/core"
import { Effect, Stream } from "effect"
import { unlessGone } from "../ages/groupProcesses.ts"
import type { Sample, SampleValue, Subject } from "../Sample.ts"
import type { Sampler } from "../Sampler.ts"

export interface ProcessesOptions {
  readonly pids?: ReadonlyArray<number> | undefined
  /** All processes in these groups and below, as they are when a sample is taken. */
  readonly groups?: ReadonlyArray<string> | undefined
  /** Reads `smaps_rollup`, too: Pss, Swap, Referenced. Costly. */
  readonly rollup?: boolean | undefined
}

const statMetrics = [
  "process_rss_bytes",
  "process_virtual_bytes",
  "process_minor_faults",
  "process_major_faults",
  "process_user_ticks",
  "process_system_ticks",
  "process_threads"
] as const

const statValues = (stat: ProcessStat): Array<SampleValue> => [
  stat.rssPages * pageSize,
  stat.virtualBytes,
  stat.minorFaults,
  stat.majorFaults,
  stat.userTicks,
  stat.systemTicks,
  stat.threads
]

/** `Pss_Dirty` is `process_pss_dirty_bytes`. */
const rollupName = (key: string): string => `process_${key.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase()}_bytes`

export const processSampler = ({ groups = [], pids = [], rollup = false }: ProcessesOptions): Sampler<never, Cgroups | Processes> => ({
  name: "processes",
  needs: rollup ? ["/proc", "root, or the same user, for smaps_rollup"] : ["/proc"],
  kinds: ["process"],
  make: Effect.gen(function* () {
    const cgroups = yield* Cgroups
    const processes = yield* Processes
    const subjects = new Map<string, Subject>()
    const shapes = new Map<string, ReadonlyArray<string>>([["", statMetrics]])

    const find = Effect.gen(function* () {
      const found = new Set(pids)
      for (const group of groups) {
        const below = yield* unlessGone(Stream.runCollect(cgroups.walk(group)))
        for (const name of below ?? []) for (const pid of (yield* unlessGone(cgroups.processes(name))) ?? []) found.add(pid)
      }
      return found
    })

    const metricsFor = (amounts: SmapsAmounts | undefined): ReadonlyArray<string> => {
      const keys = Object.keys(amounts ?? {}).filter((key) => key !== "Rss")
      let metrics = shapes.get(keys.join(" "))
      if (metrics === undefined) shapes.set(keys.join(" "), (metrics = [...statMetrics, ...keys.map(rollupName)]))
      return metrics
    }

    const sampleOne: (pid: number) => Effect.Effect<Sample | undefined, KernelError> = Effect.fnUntraced(function* (pid) {
      const stat = yield* unlessGone(processes.stat(pid))
      if (stat === undefined || isKernelThread(stat)) return undefined
      const name = `${pid}@${stat.startTime}`
      let subject = subjects.get(name)
      if (subject === undefined) {
        const cgroup = yield* unlessGone(processes.cgroup(pid))
        subjects.set(
          name,
          (subject = { kind: "process", name, detail: { pid, comm: stat.comm, ...(cgroup === undefined ? {} : { cgroup }) } })
        )
      }
      const amounts = rollup ? (yield* unlessGone(processes.smapsRollup(pid)))?.amounts : undefined
      const values = statValues(stat)
      for (const key in amounts) if (key !== "Rss") values.push(amounts[key])
      return { subject, metrics: metricsFor(amounts), values }
    })

    return {
      sample: Effect.gen(function* () {
        const samples: Array<Sample> = []
        for (const pid of yield* find) {
          const one = yield* sampleOne(pid)
          if (one !== undefined) samples.push(one)
        }
        const there = new Set(samples.map(({ subject }) => subject.name))
        for (const name of subjects.keys()) if (!there.has(name)) subjects.delete(name)
        return samples
      })
    }
  })
})
