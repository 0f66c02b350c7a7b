/**
 * The processes of the fake kernel: their files under `/proc`, and the system calls on them (pidfd_open, process_madvise, PAGEMAP_SCAN) with
 * the kernel's refusals. What a process is, is FakeProcess. Knows nothing of real processes, whatever pids the fake's groups hold.
 */
import { Result } from "effect"
import type { CallResult, PagemapScan } from "../native/libc.ts"
import type { SystemCallsShape } from "../native/SystemCalls.ts"
import { maps } from "../processes/Mapping.ts"
import { processChildren, processSize, processStat } from "../processes/ProcessStat.ts"
import { clearRefs, processStatus } from "../processes/ProcessStatus.ts"
import { smaps, smapsRollup } from "../processes/Smaps.ts"
import { processCgroups } from "../Proc.ts"
import { Errno, type FakeFile, type FakeFs } from "./FakeFs.ts"
import type { FakePages } from "./FakePages.ts"
import { FakeProcess, type FakeProcessOptions } from "./FakeProcess.ts"

export interface FakeProcessesOptions {
  /** The group of a process, "" for the root; by default all are in the root. */
  readonly groupOf?: (pid: number) => string
  /** Without swap, anonymous pages cannot be paged out. */
  readonly hasSwap?: () => boolean
  /** As since 6.7. */
  readonly hasPagemapScan?: boolean
  /** Called when a process has ended: its group does not list it any more. */
  readonly onEnd?: (pid: number) => void
}

const encoder = new TextEncoder()
const firstPid = 1000
const firstPidfd = 1_000_000
/** Pidfds beyond are EBADF; advice beyond is EINVAL. */
const knownAdvice: ReadonlySet<number> = new Set([3, 20, 21, 25])
const rangesAtMost = 1024
const hugePage = 2n ** 21n
const presentCategory = 8n
const swappedCategory = 16n

export class FakeProcesses {
  readonly processes = new Map<number, FakeProcess>()
  private readonly fs: FakeFs
  private readonly memory: FakePages
  private readonly options: FakeProcessesOptions
  private readonly pidfds = new Map<number, FakeProcess>()
  private nextPid = firstPid
  private nextPidfd = firstPidfd
  private nextStartTime = 5000n
  /** Most bytes that a call of process_madvise takes, for tests of short counts. */
  bytesAtMost = Infinity

  constructor(fs: FakeFs, memory: FakePages, options: FakeProcessesOptions = {}) {
    this.fs = fs
    this.memory = memory
    this.options = options
  }

  /** Starts a process; a pid that is taken is an error, as nothing in the kernel would do that. */
  add(options: Partial<FakeProcessOptions> = {}): FakeProcess {
    while (this.processes.has(this.nextPid)) this.nextPid++
    const process = new FakeProcess(this.memory, {
      pid: options.pid ?? this.nextPid,
      comm: options.comm ?? "fake",
      ppid: options.ppid ?? 1,
      startTime: options.startTime ?? this.nextStartTime++,
      isKernelThread: options.isKernelThread ?? false
    })
    if (this.processes.has(process.pid)) throw new Error(`the fake kernel has a process ${process.pid} already`)
    this.processes.set(process.pid, process)
    this.addFiles(process)
    return process
  }

  /** Ends a process. Until it is reaped it stays a zombie. */
  end(process: FakeProcess, options: { readonly reap: boolean } = { reap: true }): void {
    process.die()
    this.options.onEnd?.(process.pid)
    if (!options.reap) return
    this.processes.delete(process.pid)
    this.fs.remove(`/proc/${process.pid}`)
  }

  private addFiles(process: FakeProcess): void {
    const { pid } = process
    const file = (name: string, content: FakeFile, mode: number) => this.fs.file(`/proc/${pid}/${name}`, content, mode)
    const text = (name: string, read: () => string, mode = 0o444) => file(name, { read }, mode)
    text("stat", () => processStat.encode(process.stat))
    text("statm", () => processSize.encode(process.statm))
    text("status", () => processStatus.encode(process.status))
    text("comm", () => `${process.comm}\n`)
    text("cgroup", () => processCgroups.encode([{ hierarchy: 0, controllers: [], path: `/${this.options.groupOf?.(pid) ?? ""}` }]))
    text("maps", () => maps.encode(process.mappings))
    text("smaps", () => smaps.encode(process.smaps))
    text("smaps_rollup", () => {
      const { rollup } = process
      if (rollup === undefined) throw new Errno("ESRCH")
      return smapsRollup.encode(rollup)
    })
    text(`task/${pid}/children`, () => processChildren.encode([...this.processes.values()].filter((p) => p.ppid === pid).map((p) => p.pid)))
    file(
      "clear_refs",
      {
        write: (written) => {
          const what = clearRefs.decode(encoder.encode(written))
          if (Result.isFailure(what)) throw new Errno("EINVAL")
          process.clear(what.success)
        }
      },
      0o200
    )
    const readAt = (position: number, length: number): Uint8Array => {
      if (position % 8 !== 0 || length % 8 !== 0) throw new Errno("EINVAL")
      return process.isKernelThread || process.state === "Z" ? new Uint8Array() : process.pagemap(position / 8, length / 8)
    }
    file("pagemap", { readAt }, 0o400)
  }

  /** To be provided as `SystemCalls`. */
  readonly systemCalls: SystemCallsShape = {
    pidfdOpen: (pid) => {
      const process = this.processes.get(pid)
      if (pid <= 0) return { errno: "EINVAL" }
      if (process === undefined) return { errno: "ESRCH" }
      this.pidfds.set(this.nextPidfd, process)
      return { value: this.nextPidfd++ }
    },
    processMadvise: (pidfd, ranges, advice) => Promise.resolve(this.advise(pidfd, ranges, advice)),
    pagemapScan: ({ path }, scan) => Promise.resolve(this.scan(path, scan)),
    close: (fd) => void this.pidfds.delete(fd)
  }

  private advise(pidfd: number, ranges: Parameters<SystemCallsShape["processMadvise"]>[1], advice: number): CallResult {
    const process = this.pidfds.get(pidfd)
    if (ranges.length > rangesAtMost) return { errno: "EINVAL" }
    if (process === undefined) return { errno: "EBADF" }
    if (process.state === "Z" || process.isKernelThread) return { errno: "ESRCH" }
    if (!knownAdvice.has(advice)) return { errno: "EINVAL" }
    let done = 0
    for (const { bytes, start } of ranges) {
      if (done >= this.bytesAtMost) break
      const errno = this.adviseOnce(process, start, Math.min(bytes, this.bytesAtMost - done), advice)
      if (errno !== undefined) return done > 0 ? { value: done } : { errno }
      done += Math.min(bytes, this.bytesAtMost - done)
    }
    return { value: done }
  }

  private adviseOnce(process: FakeProcess, start: bigint, bytes: number, advice: number): string | undefined {
    if (start % 4096n !== 0n) return "EINVAL"
    if (advice === 20) process.cool(start, bytes)
    else if (advice === 21) process.pageOut(start, bytes, this.options.hasSwap?.() ?? true)
    else if (advice === 3) process.readIn(start, bytes)
    else if (!process.collapse(start, bytes)) return "EINVAL"
    // What is mapped of the range has been advised on by now.
    return process.isMapped(start, bytes) ? undefined : "ENOMEM"
  }

  private scan(path: string, scan: PagemapScan): CallResult {
    if (!(this.options.hasPagemapScan ?? true)) return { errno: "ENOTTY" }
    const process = this.processes.get(Number(/^\/proc\/(\d+)\/pagemap$/.exec(path)?.[1]))
    if (process === undefined || process.state === "Z" || process.isKernelThread) return { errno: "ESRCH" }
    if (scan.start % 4096n !== 0n) return { errno: "EINVAL" }
    const places = ((scan.anyOf & presentCategory) === 0n ? 0 : 1) | ((scan.anyOf & swappedCategory) === 0n ? 0 : 2)
    let count = 0
    scan.walkEnd = scan.end
    for (const { end, place, start } of process.runs(scan.start, scan.end, places)) {
      if (count === Math.floor(scan.regions.length / 3)) {
        // As 6.12 does now and then: back to before what it has told of.
        scan.walkEnd = (start / hugePage) * hugePage
        break
      }
      scan.regions.set([start, end, (place === 1 ? presentCategory : swappedCategory) & scan.returned], 3 * count++)
    }
    return { value: count }
  }
}
