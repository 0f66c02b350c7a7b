/**
 * A kernel's memory files on memfs, in one process and without root: cgroup v2, MGLRU, zswap, working-set reporting, /proc.
 * It answers as the kernel does, refusals included; what it says of a group comes from a `MemcgModel`.
 * Deterministic: the only clock is the one that is passed in.
 */
import { Layer, Result } from "effect"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import { type LruGenCommand, lruGen, lruGenCommand } from "../LruGen.ts"
import { lruGenFull } from "../LruGenFull.ts"
import { Machine } from "../Machine.ts"
import { Mglru } from "../Mglru.ts"
import { memInfo, mountInfo, type SwapArea, swaps } from "../Proc.ts"
import { Pressure } from "../pressure/Pressure.ts"
import type { Bytes } from "../Units.ts"
import { WorkingSet } from "../WorkingSet.ts"
import { memcgPageAge, pageAgeIntervals, refreshIntervals } from "../WorkingSetReport.ts"
import { Zram } from "../zram/Zram.ts"
import { Zswap } from "../Zswap.ts"
import { Damon } from "../damon/Damon.ts"
import { DamonModules } from "../damon/DamonModules.ts"
import { DamonTrace } from "../damon/DamonTrace.ts"
import { SystemCalls } from "../native/SystemCalls.ts"
import { IdlePages } from "../pages/IdlePages.ts"
import { KernelPages } from "../pages/KernelPages.ts"
import { PageMap } from "../pages/PageMap.ts"
import { Processes } from "../processes/Processes.ts"
import { ProcessMemory } from "../processes/ProcessMemory.ts"
import { FakeCgroups } from "./FakeCgroups.ts"
import { FakeDamon, type FakeDamonOptions } from "./FakeDamon.ts"
import { Errno, FakeFs } from "./FakeFs.ts"
import { fakeReclaim, type ReclaimSwappiness } from "./FakeMemoryFiles.ts"
import { FakePages } from "./FakePages.ts"
import { FakeProcesses } from "./FakeProcesses.ts"
import { FakeZram } from "./FakeZram.ts"
import { FakeZswap } from "./FakeZswap.ts"
import { makeSimpleMemcg, type MemcgLimits, type MemcgModel } from "./MemcgModel.ts"
import { binGenerations } from "./binGenerations.ts"

export interface FakeKernelOptions {
  /** What stands behind a group's files; by default a `SimpleMemcg`. Called for the root too (name ""). */
  readonly memcg?: (name: string, limits: MemcgLimits) => MemcgModel
  readonly release?: string
  readonly memTotalBytes?: Bytes
  readonly memAvailableBytes?: () => Bytes
  /** Swap areas; by default one of 1 GiB with nothing in it. Empty: a machine without swap. */
  readonly swaps?: () => ReadonlyArray<SwapArea>
  readonly zswap?: boolean
  /** The zram module, with one device that is swapped to; by default it is not loaded. */
  readonly zram?: boolean
  /** What `memory.reclaim` takes as `swappiness=`: nothing, as before 6.11; a number, as on 6.12 (the default); `max` too, as since 6.17. */
  readonly reclaimSwappiness?: ReclaimSwappiness
  /** `reclaim` in node0's directory, as on 6.18. */
  readonly nodeReclaim?: boolean
  /** Milliseconds, for the windows of pressure triggers. */
  readonly now?: () => number
  readonly mglru?: boolean
  /** Working-set reporting, as on kernels with the out-of-tree series. */
  readonly workingSet?: boolean
  /** Idle page tracking, as with CONFIG_IDLE_PAGE_TRACKING. */
  readonly idlePages?: boolean
  /** DAMON with the files of 6.12 by default; false: a kernel without it, as Debian's 6.1 is. */
  readonly damon?: FakeDamonOptions | false
}

const processServices = Layer.mergeAll(Processes.layer, ProcessMemory.layer, KernelPages.layer, IdlePages.layer).pipe(
  Layer.provideMerge(PageMap.layer)
)
const damonServices = Layer.mergeAll(Damon.layer, DamonModules.layer, DamonTrace.layer)
const encoder = new TextEncoder()
const gib = 2 ** 30

const oneSwap: ReadonlyArray<SwapArea> = [{ path: "/dev/zram0", type: "partition", sizeBytes: gib, usedBytes: 0, priority: 100 }]

export class FakeKernel {
  readonly fs = new FakeFs()
  readonly cgroups: FakeCgroups
  readonly zswap: FakeZswap | undefined
  readonly zram: FakeZram | undefined
  readonly pages: FakePages
  /** This process (without memory), the first process and a kernel thread; tests add others. */
  readonly processes: FakeProcesses
  /** Undefined on a kernel without DAMON. */
  readonly damon: FakeDamon | undefined
  private intervals: ReadonlyArray<number> = []

  constructor(options: FakeKernelOptions = {}) {
    this.cgroups = new FakeCgroups(this.fs, "/sys/fs/cgroup", options.memcg ?? ((_, limits) => makeSimpleMemcg({}, limits)), {
      now: options.now,
      reclaimSwappiness: options.reclaimSwappiness
    })
    this.pages = new FakePages(this.fs, { memTotalBytes: options.memTotalBytes ?? 4 * gib, idleTracking: options.idlePages ?? false })
    this.processes = this.makeProcesses(options)
    this.addProc(options)
    this.damon =
      options.damon === false ? undefined : new FakeDamon(this.fs, { sys: "/sys", tracing: "/sys/kernel/tracing" }, options.damon)
    this.zswap = (options.zswap ?? true) ? new FakeZswap(this.fs) : undefined
    this.zram = (options.zram ?? false) ? new FakeZram(this.fs, gib) : undefined
    if (options.mglru ?? true) this.addMglru()
    if (options.workingSet ?? false) this.addWorkingSet()
  }

  /** The kernel as the services of this library see it. */
  get layer(): Layer.Layer<
    | KernFs
    | Cgroups
    | Machine
    | Mglru
    | WorkingSet
    | Zram
    | Zswap
    | Pressure
    | Processes
    | ProcessMemory
    | PageMap
    | KernelPages
    | IdlePages
    | Damon
    | DamonModules
    | DamonTrace
  > {
    return Layer.mergeAll(
      Machine.layer,
      Mglru.layer,
      WorkingSet.layer,
      Zram.layer,
      Zswap.layer,
      Pressure.layer,
      processServices,
      damonServices
    ).pipe(
      Layer.provideMerge(Cgroups.layer),
      Layer.provideMerge(KernFs.layerOver(this.fs)),
      Layer.provide(Layer.succeed(SystemCalls, () => Promise.resolve(this.processes.systemCalls)))
    )
  }

  private makeProcesses(options: FakeKernelOptions): FakeProcesses {
    const processes = new FakeProcesses(this.fs, this.pages, {
      groupOf: (pid) => [...this.cgroups.groups.values()].find((group) => group.processes.has(pid))?.name ?? "",
      onEnd: (pid) => {
        for (const group of this.cgroups.groups.values()) group.processes.delete(pid)
      },
      hasSwap: () => options.swaps?.().length !== 0,
      hasPagemapScan: !/^(?:[1-5]\.|6\.[0-6]\D)/.test(options.release ?? "")
    })
    processes.add({ pid: 1, comm: "init", ppid: 0, startTime: 1n })
    processes.add({ pid: 2, comm: "kthreadd", ppid: 0, startTime: 1n, isKernelThread: true })
    processes.add({ pid: process.pid, comm: "node", startTime: 4242n })
    return processes
  }

  private addProc(options: FakeKernelOptions): void {
    const total = options.memTotalBytes ?? 4 * gib
    const areas = options.swaps ?? (() => oneSwap)
    const info = () => {
      const available = options.memAvailableBytes?.() ?? total / 2
      const sum = (key: "sizeBytes" | "usedBytes") => areas().reduce((bytes, area) => bytes + area[key], 0)
      return {
        MemTotal: total,
        MemFree: available,
        MemAvailable: available,
        SwapTotal: sum("sizeBytes"),
        SwapFree: sum("sizeBytes") - sum("usedBytes")
      }
    }
    this.fs.file("/proc/meminfo", { read: () => memInfo.encode(info()) }, 0o444)
    this.fs.file("/proc/swaps", { read: () => swaps.encode(areas()) }, 0o444)
    this.fs.file("/proc/vmstat", "pswpin 0\npswpout 0\nzswpin 0\nzswpout 0\n", 0o444)
    this.fs.file("/proc/sys/vm/swappiness", "60\n", 0o644)
    this.fs.file("/proc/sys/kernel/osrelease", `${options.release ?? "6.12.0-fake"}\n`, 0o444)
    this.fs.file("/proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000000\n", 0o444)
    for (const resource of ["cpu", "io", "memory"] as const) {
      this.fs.file(`/proc/pressure/${resource}`, this.cgroups.pressure("", resource).file)
    }
    this.fs.file("/sys/devices/system/node/node0/vmstat", "nr_free_pages 0\n", 0o444)
    if (options.nodeReclaim === true) {
      const { model } = this.cgroups.group("")
      this.fs.file("/sys/devices/system/node/node0/reclaim", { write: (text) => fakeReclaim(model, text, "max") }, 0o200)
    }
    this.fs.file(
      "/proc/self/mountinfo",
      mountInfo.encode([{ mountPoint: "/sys/fs/cgroup", fsType: "cgroup2", options: ["rw"], superOptions: ["rw"] }]),
      0o444
    )
    this.fs.file("/proc/self/cgroup", "0::/\n", 0o444)
  }

  private addMglru(): void {
    let enabled = 7
    this.fs.file("/sys/kernel/mm/lru_gen/enabled", {
      read: () => `0x${enabled.toString(16).padStart(4, "0")}\n`,
      write: (text) => {
        const word = text.trim()
        if (/^[yY]$/.test(word)) enabled = 7
        else if (/^[nN]$/.test(word)) enabled = 0
        else if (/^(0x[0-9a-f]+|\d+)$/i.test(word)) enabled = Number(word) & 7
        else throw new Errno("EINVAL")
      }
    })
    let minTtlMs = 0
    this.fs.file("/sys/kernel/mm/lru_gen/min_ttl_ms", {
      read: () => `${minTtlMs}\n`,
      write: (text) => {
        if (!/^\d+\n?$/.test(text)) throw new Errno("EINVAL")
        // Kept in jiffies, of 4 ms.
        minTtlMs = Math.ceil(Number(text) / 4) * 4
      }
    })
    const tiers = [0, 1, 2, 3].map((tier) => ({ tier, counts: Array.from({ length: 6 }, () => ({ mark: "x", count: 0n })) }))
    const walks = Array.from({ length: 4 }, () => ({ mark: "x", count: 0n }))
    this.fs.file(
      "/sys/kernel/debug/lru_gen_full",
      {
        read: () =>
          lruGenFull.encode(
            [...this.cgroups.groups.values()].map(({ id, model, name }) => ({
              id,
              path: `/${name}`,
              nodes: model.generations().map(({ generations, node }) => ({
                node,
                generations: generations.map((generation) => ({ ...generation, tiers, walks }))
              }))
            }))
          )
      },
      0o444
    )
    this.fs.file("/sys/kernel/debug/lru_gen", {
      read: () =>
        lruGen.encode(
          [...this.cgroups.groups.values()].map(({ id, model, name }) => ({ id, path: `/${name}`, nodes: model.generations() }))
        ),
      write: (text) => {
        for (const command of text.split(/[,;\n]/).filter((part) => part.trim() !== "")) this.runLruGen(command)
      }
    })
  }

  private runLruGen(text: string): void {
    const decoded = lruGenCommand.decode(encoder.encode(text))
    if (Result.isFailure(decoded)) throw new Errno("EINVAL")
    const command: LruGenCommand = decoded.success
    const group = [...this.cgroups.groups.values()].find(({ id }) => id === command.memcg)
    const node = group?.model.generations().find(({ node }) => node === command.node)
    const youngest = node?.generations.at(-1)
    if (group === undefined || node === undefined || youngest === undefined) throw new Errno("EINVAL")
    if (command._tag === "Age") {
      if (command.maxSeq > youngest.seq) throw new Errno("EINVAL")
      if (command.maxSeq === youngest.seq) group.model.age(node.node)
    } else {
      if (command.seq + 2 > youngest.seq) throw new Errno("EINVAL")
      group.model.evict(node.node, command.seq, command.pages, command.swappiness)
    }
  }

  private addWorkingSet(): void {
    const directory = "/sys/devices/system/node/node0/workingset_report"
    this.fs.file(`${directory}/page_age_intervals`, {
      read: () => pageAgeIntervals.encode(this.intervals),
      write: (text) => {
        const labels = pageAgeIntervals.decode(encoder.encode(text))
        if (Result.isFailure(labels)) throw new Errno("EINVAL")
        if (labels.success.length > 31) throw new Errno("ERANGE")
        this.intervals = labels.success
      }
    })
    const addFiles = (name: string) => {
      const refresh: Record<number, number> = { 0: 0 }
      this.fs.file(`/sys/fs/cgroup/${name}/memory.workingset.refresh_interval`, {
        read: () => refreshIntervals.encode(refresh),
        write: (text) => {
          const match = /^N0=(\d+)$/.exec(text.trim())
          if (match === null) throw new Errno("EINVAL")
          refresh[0] = Number(match[1])
        }
      })
      this.fs.file(
        `/sys/fs/cgroup/${name}/memory.workingset.page_age`,
        { read: () => (refresh[0] === 0 || this.intervals.length === 0 ? "" : memcgPageAge.encode([this.report(name, refresh[0]!)])) },
        0o444
      )
    }
    this.fs.watch("/sys/fs/cgroup", { onMkdir: (path) => addFiles(path.slice("/sys/fs/cgroup/".length)) })
  }

  /** As the kernel does: a report older than its refresh interval ages the group before it is made. */
  private report(name: string, refreshMs: number) {
    const { model } = this.cgroups.group(name)
    const youngest = model.generations()[0]?.generations.at(-1)
    if (youngest !== undefined && youngest.ageMs >= refreshMs) model.age(0)
    return { node: 0, bins: binGenerations(model.generations()[0]?.generations ?? [], this.intervals) }
  }
}
