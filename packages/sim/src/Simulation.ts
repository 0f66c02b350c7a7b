/**
 * A kernel that fits in a process: core's fake kernel, animated by a page-level machine in virtual time. Same seed, same run.
 * Time passes only in `advance` (or under `SimClock`); files read in between say what is so at that moment.
 * Simplified: see the headers of Generations, Reclaim, Swap, Fault, Task and Psi. Work asked for by a file (memory.reclaim, lru_gen, limits)
 * takes virtual time by its costs, in which the workloads run on: the write returns later than it was made. It has a CPU of its own, unless `cpus` says how many there are.
 */
import { type Microseconds, type Milliseconds, pageSize } from "@wmo/core"
import { Errno, FakeKernel, type MemcgLimits, type MemcgModel } from "@wmo/core/testing"
import { constants, existsSync } from "node:fs"
import { AccessObserver, type AccessObserverOptions } from "./AccessObserver.ts"
import { costSamplers, defaultCosts } from "./Costs.ts"
import { SimDamon } from "./damon/SimDamon.ts"
import type { Frames } from "./Frames.ts"
import { groupFiles } from "./groupFiles.ts"
import { LatencyHistogram } from "./LatencyHistogram.ts"
import { MachineState, type ZswapSettings } from "./MachineState.ts"
import { MemoryCounters } from "./MemoryCounters.ts"
import { MemoryGroup } from "./MemoryGroup.ts"
import { type OffloadTotals, offloadTotals } from "./Offload.ts"
import { addProcessFiles, removeProcessFiles } from "./processFiles.ts"
import { Random } from "./Random.ts"
import { RunningWorkload } from "./RunningWorkload.ts"
import { runBeside, runTo } from "./runTasks.ts"
import type { Outcome, SimulationOptions } from "./SimulationOptions.ts"
import type { Workload } from "./Workload.ts"
import { ZramDevice } from "./ZramDevice.ts"

const gib = 2 ** 30
const firstPid = 10_001
const lastPid = 4_000_000
const zswapDirectory = "/sys/module/zswap/parameters"

export class Simulation {
  /** The files. Groups are made in it as in any kernel: through core's services or `kernel.fs.mkdirSync`. */
  readonly kernel: FakeKernel
  /** What is behind the DAMON files: its CPU time and its regions, for tests and reports. */
  readonly damon: SimDamon
  private readonly machine: MachineState
  private readonly running = new Set<RunningWorkload>()
  /** What was added from outside; the others are their children. */
  private readonly roots: Array<RunningWorkload> = []
  private nextPid = firstPid
  private started = 0
  /** Groups with 0 in memory.zswap.writeback. */
  private readonly keptFromDisk = new WeakSet<MemoryGroup>()
  private readonly seed: number
  private readonly adopt: SimulationOptions["adopt"]

  private constructor(options: SimulationOptions) {
    this.seed = options.seed
    this.adopt = options.adopt
    const memTotalBytes = options.memTotalBytes ?? 4 * gib
    const swapBytes = options.swapBytes ?? 2 * gib
    const hasZswap = options.zswap !== false
    const zram = options.swapDevice === "zram" && swapBytes > 0 ? new ZramDevice() : undefined
    const area = {
      type: "partition",
      sizeBytes: swapBytes,
      ...(zram ? { path: "/dev/zram0", priority: 100 } : { path: "/dev/vda2", priority: -2 })
    }
    this.machine = new MachineState({
      memTotalBytes,
      swapBytes,
      zram,
      cpus: options.cpus,
      swappiness: () => Number(this.kernel.fs.text("/proc/sys/vm/swappiness")),
      costs: costSamplers({ ...defaultCosts, ...options.costs }, (name) => Random.stream(this.seed, name)),
      zswapSettings: () => this.zswapSettings(hasZswap),
      mayWriteToDisk: (group) => this.mayWriteToDisk(group),
      runFor: (us) => {
        if (options.writesTakeTime !== false) runBeside(this.machine, this.running, us)
      },
      waitFor: (us) => runTo(this.machine, this.running, this.machine.nowUs + us),
      drainStocks: (group) => {
        const members = new Set(group.subtree())
        for (const process of this.running) if (members.has(process.group)) for (const task of process.tasks) task.stock = 0
      },
      kill: (group) => this.kill(group),
      start: (parent, workload, atUs) => void this.start(parent.group, workload, atUs, parent),
      onExit: ({ group, pid }) => {
        this.kernel.cgroups.groups.get(group.name)?.processes.delete(pid)
        removeProcessFiles(this.kernel.fs, pid)
      }
    })
    const { machine } = this
    const isForeign = (pid: number) => existsSync(`/proc/${pid}`)
    const processOf = (pid: number) => [...this.running].find((process) => process.pid === pid && !process.isFreed)
    this.damon = new SimDamon({ machine, seed: this.seed, processOf, isForeign })
    this.kernel = new FakeKernel({
      memcg: (name, limits) => this.addGroup(name, limits),
      memTotalBytes,
      memAvailableBytes: () => machine.availableBytes(),
      swaps: () => (swapBytes === 0 ? [] : [{ ...area, usedBytes: machine.usedSwapPages * pageSize }]),
      zram: zram !== undefined,
      zswap: hasZswap,
      reclaimSwappiness: "max",
      damon: { engine: this.damon, isProcess: (pid) => processOf(pid) !== undefined || isForeign(pid) },
      workingSet: options.workingSet ?? true
    })
    zram?.animate(this.kernel.zram!.devices.get(0)!, swapBytes)
    this.addFiles(options.zswap)
  }

  static make(options: SimulationOptions): Simulation {
    return new Simulation(options)
  }

  /** The core services over this kernel. */
  get layer(): FakeKernel["layer"] {
    return this.kernel.layer
  }

  /** Virtual time since boot. */
  get nowMs(): Milliseconds {
    return this.machine.nowUs / 1000
  }

  /** The model behind a group, for tests and experiments that need to look at pages. */
  group(name: string): MemoryGroup {
    return this.machine.groups.get(name) ?? missingGroup(name)
  }

  /** Starts a workload in a group that exists; it runs from now on. Returns the process id that cgroup.procs shows. */
  addWorkload(groupName: string, workload: Workload): number {
    const group = this.group(groupName)
    const started = this.start(group, workload, this.machine.nowUs, undefined)
    this.roots.push(started)
    return started.pid
  }

  /** Lets virtual time pass. */
  advance(ms: Milliseconds): void {
    if (!(ms >= 0) || ms === Infinity) throw new RangeError(`cannot advance by ${ms} ms`)
    this.advanceTo(this.nowMs + ms)
  }

  /** As `advance`, to a moment that has not passed yet. */
  advanceTo(ms: Milliseconds): void {
    this.noticeGone()
    this.noticeNew()
    const targetUs = ms * 1000
    if (targetUs > this.machine.nowUs) runTo(this.machine, this.running, targetUs)
  }

  /** What has come of the workloads that were added to the group (not below it), with all processes that they have started. */
  outcome(groupName: string): Outcome {
    const workloads = this.roots.filter(({ group }) => group.name === groupName)
    if (workloads.length === 0) throw new Error(`no workload was started in group ${groupName}`)
    const accounts = workloads.map(({ account }) => account)
    const latencies = new LatencyHistogram()
    let seconds = 0
    for (const account of accounts) {
      latencies.merge(account.latencies)
      const endUs = Number.isNaN(account.endUs) ? this.machine.nowUs : account.endUs
      if (account.isLoaded) seconds = Math.max(seconds, (endUs - account.loadedUs) / 1e6)
    }
    const sum = (key: "thinkUs" | "overheadUs" | "stallUs" | "cpuWaitUs" | "touches" | "processes") =>
      accounts.reduce((total, account) => total + account[key], 0)
    return {
      operations: latencies.count,
      operationsPerSecond: seconds > 0 ? latencies.count / seconds : 0,
      slowdown: sum("thinkUs") > 0 ? sum("overheadUs") / sum("thinkUs") : 0,
      thinkUs: sum("thinkUs"),
      overheadUs: sum("overheadUs"),
      touches: sum("touches"),
      stallUs: sum("stallUs"),
      cpuWaitUs: sum("cpuWaitUs"),
      latency: latencies.percentiles(),
      reclaimCpuUs: workloads[0]!.group.reclaimCpuUs,
      processes: sum("processes"),
      oomKilled: accounts.some(({ isOomKilled }) => isOomKilled),
      finished: accounts.every(({ living }) => living === 0)
    }
  }

  /** Memory that the group and those below it did not hold although its content was still wanted, since boot: what reclaim has come to. */
  offload(groupName: string): OffloadTotals {
    const groups = [...this.group(groupName).subtree()]
    return offloadTotals(
      groups.map(({ offload }) => offload),
      groups.reduce((sum, { counters }) => sum + counters.get("workingset_refault_anon") + counters.get("workingset_refault_file"), 0)
    )
  }

  /** Which page is in which frame; undefined until DAMON looks at physical memory. */
  get frames(): Frames | undefined {
    return this.machine.frames
  }

  /** Tells which pages of the group itself are accessed from now on, without disturbing its generations. Close it after use. */
  observe(groupName: string, options?: AccessObserverOptions): AccessObserver {
    return new AccessObserver(this.group(groupName).pages, options)
  }

  private newPid(): number {
    while ([...this.running].some(({ pid }) => pid === this.nextPid)) this.nextPid++
    const pid = this.nextPid
    this.nextPid = pid >= lastPid ? firstPid : pid + 1
    return pid
  }

  /** Processes that came into a group by its files, if somebody says what they do. */
  private noticeNew(): void {
    const { adopt } = this
    if (adopt === undefined) return
    const known = new Set([...this.running].map(({ pid }) => pid))
    for (const { name, processes } of this.kernel.cgroups.groups.values()) {
      if (name === "") continue
      for (const pid of processes)
        if (!known.has(pid)) this.roots.push(this.start(this.group(name), adopt(pid), this.machine.nowUs, undefined, pid))
    }
  }

  private start(
    group: MemoryGroup,
    workload: Workload,
    atUs: Microseconds,
    parent: RunningWorkload | undefined,
    pid: number = this.newPid()
  ): RunningWorkload {
    if (parent === undefined) this.write(`/sys/fs/cgroup/${group.name}/cgroup.procs`, String(pid))
    else this.kernel.cgroups.group(group.name).processes.add(pid)
    const index = this.started++
    const seed = Random.stream(this.seed, `${group.name} ${workload.name} ${index}`).nextBits()
    const process = new RunningWorkload(workload, this.machine, group, {
      pid,
      startUs: atUs,
      seed,
      ...(parent === undefined ? {} : { parent })
    })
    this.running.add(process)
    addProcessFiles(this.kernel.fs, process)
    return process
  }

  private addGroup(name: string, limits: MemcgLimits): MemcgModel {
    this.noticeGone(name)
    const parentName = name.slice(0, Math.max(0, name.lastIndexOf("/")))
    const parent = name === "" ? undefined : this.group(parentName)
    const group = new MemoryGroup(name, parent, limits, this.machine)
    this.machine.groups.set(name, group)
    return groupFiles(this.machine, group)
  }

  /** The fake kernel does not say that a group was removed or its processes killed: look. `renewed` is about to be made again. */
  private noticeGone(renewed?: string): void {
    for (const workload of this.running) {
      const processes = this.kernel.cgroups.groups.get(workload.group.name)?.processes
      if (processes?.has(workload.pid) !== true) workload.end()
    }
    for (const [name, group] of this.machine.groups) {
      if (name !== renewed && (name === "" || this.kernel.cgroups.groups.has(name))) continue
      group.parent?.children.delete(group)
      group.parent?.counters.addAll(group.counters)
      group.parent?.offload.inherit(group.offload)
      this.machine.groups.delete(name)
    }
  }

  private kill(group: MemoryGroup): boolean {
    const members = new Set(group.subtree())
    const candidates = [...this.running].filter((workload) => members.has(workload.group) && !workload.isFreed)
    const [largest] = candidates.map((process) => ({ process, used: process.countUsed() })).toSorted((a, b) => b.used - a.used)
    if (largest === undefined) return false
    largest.process.account.isOomKilled = true
    largest.process.group.event("oom_kill")
    largest.process.end()
    return true
  }

  private zswapSettings(hasZswap: boolean): ZswapSettings {
    const text = (name: string) => this.kernel.fs.text(`${zswapDirectory}/${name}`).trim()
    return hasZswap
      ? {
          enabled: text("enabled") === "Y",
          maxPoolPercent: Number(text("max_pool_percent")),
          acceptThresholdPercent: Number(text("accept_threshold_percent"))
        }
      : { enabled: false, maxPoolPercent: 0, acceptThresholdPercent: 0 }
  }

  /** memory.zswap.writeback is hierarchical: a 0 above counts below. */
  private mayWriteToDisk(group: MemoryGroup): boolean {
    for (let g: MemoryGroup | undefined = group; g !== undefined; g = g.parent) if (this.keptFromDisk.has(g)) return false
    return true
  }

  /** core's fake has no memory.zswap.writeback. */
  private addWritebackFile(path: string): void {
    const group = this.group(path.slice("/sys/fs/cgroup/".length))
    this.kernel.fs.file(`${path}/memory.zswap.writeback`, {
      read: () => (this.keptFromDisk.has(group) ? "0\n" : "1\n"),
      write: (text) => {
        if (!/^[01]\n?$/.test(text)) throw new Errno("EINVAL")
        if (text.startsWith("0")) this.keptFromDisk.add(group)
        else this.keptFromDisk.delete(group)
      }
    })
  }

  private addFiles(zswap: SimulationOptions["zswap"]): void {
    const { fs } = this.kernel
    const { machine } = this
    const vmstat = () => {
      const total = new MemoryCounters()
      for (const group of machine.groups.values()) total.addAll(group.counters)
      return total.entries().map(([name, events]) => `${name} ${events}\n`)
    }
    fs.file("/proc/vmstat", { read: () => vmstat().join("") }, 0o444)
    fs.watch("/sys/fs/cgroup", { onMkdir: (path) => this.addWritebackFile(path) })
    if (zswap === false) return
    fs.file(
      "/sys/kernel/debug/zswap/pool_total_size",
      { read: () => `${Math.ceil(machine.poolBytes / 4096) * 4096}\n`, isNotSeekable: true },
      0o444
    )
    fs.file("/sys/kernel/debug/zswap/stored_pages", { read: () => `${machine.storedPages}\n`, isNotSeekable: true }, 0o444)
    if (zswap?.enabled !== undefined) this.write(`${zswapDirectory}/enabled`, zswap.enabled ? "Y" : "N")
    if (zswap?.maxPoolPercent !== undefined) this.write(`${zswapDirectory}/max_pool_percent`, String(zswap.maxPoolPercent))
    if (zswap?.acceptThresholdPercent !== undefined) {
      this.write(`${zswapDirectory}/accept_threshold_percent`, String(zswap.acceptThresholdPercent))
    }
  }

  private write(path: string, text: string): void {
    const fd = this.kernel.fs.openSync(path, constants.O_WRONLY)
    try {
      this.kernel.fs.writeSync(fd, new TextEncoder().encode(text))
    } finally {
      this.kernel.fs.closeSync(fd)
    }
  }
}

const missingGroup = (name: string): never => {
  throw new Error(`the simulated kernel has no cgroup "${name}": make it first (Cgroups/KernFs mkdir, or kernel.fs.mkdirSync)`)
}
