/**
 * A process of the fake kernel: mappings, and of each page whether it is in memory, in swap, in the swap cache, used, written. What its
 * files under `/proc/PID` say is made from that. Does not run anything: tests touch pages for it.
 */
import { putPagemapEntry } from "../pages/PagemapEntry.ts"
import type { Mapping } from "../processes/Mapping.ts"
import type { ProcessStat } from "../processes/ProcessStat.ts"
import type { ClearRefs, ProcessStatus } from "../processes/ProcessStatus.ts"
import type { SmapsAmounts, SmapsMapping } from "../processes/Smaps.ts"
import { type Bytes, pageSize } from "../Units.ts"
import type { FakePages } from "./FakePages.ts"

/** Bits of a page. A page is in memory, or in swap, or neither. */
const resident = 1
const swapped = 2
const used = 4
const written = 8
/** In swap, and its content in memory already: mapping it is a minor fault. */
const cached = 16
const huge = 32

const page = BigInt(pageSize)
const pagesOfHuge = 512
const userEnd = 2n ** 47n

export interface FakeMapping extends Mapping {
  readonly pages: Uint8Array
  readonly frames: Float64Array
  readonly isAnonymous: boolean
}

export interface FakeProcessOptions {
  readonly pid: number
  readonly comm: string
  readonly ppid: number
  readonly startTime: bigint
  /** A thread of the kernel: no memory of its own. */
  readonly isKernelThread: boolean
}

export class FakeProcess implements FakeProcessOptions {
  readonly pid: number
  readonly comm: string
  readonly ppid: number
  readonly startTime: bigint
  readonly isKernelThread: boolean
  state = "S"
  minorFaults = 0n
  majorFaults = 0n
  mappings: Array<FakeMapping> = []
  private readonly memory: FakePages
  private rss: Bytes = 0
  private peakRss: Bytes = 0
  private nextAddress = 0x7f00_0000_0000n

  constructor(memory: FakePages, { comm, isKernelThread, pid, ppid, startTime }: FakeProcessOptions) {
    this.memory = memory
    this.pid = pid
    this.comm = comm
    this.ppid = ppid
    this.startTime = startTime
    this.isKernelThread = isKernelThread
    if (isKernelThread) this.state = "I"
  }

  /** Maps memory, none of it in use yet: anonymous, or of the file at `path`. */
  map(bytes: Bytes, path = ""): FakeMapping {
    const count = Math.ceil(bytes / pageSize)
    const start = this.nextAddress
    // Whole huge pages apart, so that mappings stay mappings of their own.
    this.nextAddress = start + BigInt((Math.ceil(count / pagesOfHuge) + 1) * pagesOfHuge) * page
    const mapping: FakeMapping = {
      start,
      end: start + BigInt(count) * page,
      permissions: path === "" ? "rw-p" : "r--p",
      offset: 0n,
      device: path === "" ? "00:00" : "fe:00",
      inode: path === "" ? 0n : 4711n,
      path,
      pages: new Uint8Array(count),
      frames: new Float64Array(count),
      isAnonymous: path === ""
    }
    this.mappings.push(mapping)
    return mapping
  }

  /** Unmaps a mapping and gives its frames back. */
  unmap(mapping: FakeMapping): void {
    mapping.pages.forEach((_, i) => this.drop(mapping, i))
    this.mappings = this.mappings.filter((other) => other !== mapping)
  }

  /** Writes to every page of a range, as the process would: faults and all. */
  touch(start: bigint, bytes: Bytes): void {
    this.eachPage(start, bytes, (mapping, i) => {
      const state = mapping.pages[i]!
      if ((state & resident) === 0) {
        if ((state & swapped) !== 0 && (state & cached) === 0) this.majorFaults++
        else this.minorFaults++
        this.bring(mapping, i)
      }
      mapping.pages[i] = (state & ~(swapped | cached)) | resident | used | written
      this.memory.use(mapping.frames[i]!)
    })
  }

  /** Whether all of a range is mapped. */
  isMapped(start: bigint, bytes: Bytes): boolean {
    let found = 0
    this.eachPage(start, bytes, () => found++)
    return found === Math.ceil(bytes / pageSize)
  }

  cool(start: bigint, bytes: Bytes): void {
    this.eachPage(start, bytes, (mapping, i) => (mapping.pages[i]! &= ~used))
  }

  pageOut(start: bigint, bytes: Bytes, hasSwap: boolean): void {
    this.eachPage(start, bytes, (mapping, i) => {
      if ((mapping.pages[i]! & resident) === 0 || (mapping.isAnonymous && !hasSwap)) return
      const isWritten = mapping.pages[i]! & written
      this.drop(mapping, i)
      if (mapping.isAnonymous) mapping.pages[i] = swapped | isWritten
    })
  }

  /** Reads swapped pages into the swap cache; the page tables say "swapped" until the process touches them. */
  readIn(start: bigint, bytes: Bytes): void {
    this.eachPage(start, bytes, (mapping, i) => {
      if ((mapping.pages[i]! & swapped) !== 0) mapping.pages[i]! |= cached
    })
  }

  /** Makes huge pages of whole, aligned ones; false where there is none to make. */
  collapse(start: bigint, bytes: Bytes): boolean {
    const size = BigInt(pagesOfHuge) * page
    let made = 0
    for (let at = ((start + size - 1n) / size) * size; at + size <= start + BigInt(bytes); at += size) {
      this.eachPage(at, Number(size), (mapping, i) => {
        if ((mapping.pages[i]! & resident) === 0) this.bring(mapping, i)
        mapping.pages[i] = (mapping.pages[i]! & ~(swapped | cached)) | resident | huge
      })
      made++
    }
    return made > 0
  }

  clear(what: ClearRefs): void {
    if (what === "peakRss") this.peakRss = this.rss
    for (const mapping of this.mappings) {
      if ((what === "anon" && !mapping.isAnonymous) || (what === "file" && mapping.isAnonymous)) continue
      const cleared = what === "peakRss" ? 0 : what === "softDirty" ? written : used
      for (let i = 0; i < mapping.pages.length; i++) mapping.pages[i]! &= ~cleared
    }
  }

  /** Entries of `pagemap` from page number `first` on. */
  pagemap(first: number, count: number): Uint8Array {
    const words = new Uint32Array(2 * Math.max(0, Math.min(count, Number(userEnd / page) - first)))
    for (const mapping of this.mappings) {
      const offset = Number(mapping.start / page) - first
      const from = Math.max(0, -offset)
      const to = Math.min(mapping.pages.length, words.length / 2 - offset)
      for (let i = from; i < to; i++) {
        const state = mapping.pages[i]!
        const present = (state & resident) !== 0
        putPagemapEntry(words, offset + i, {
          present,
          swapped: (state & swapped) !== 0,
          softDirty: (state & written) !== 0,
          exclusive: present,
          uffdWriteProtected: false,
          guard: false,
          file: present && !mapping.isAnonymous,
          ...(present ? { pfn: mapping.frames[i]! } : {}),
          ...((state & swapped) !== 0 ? { swap: { type: 0, offset: i + 1 } } : {})
        })
      }
    }
    return new Uint8Array(words.buffer)
  }

  /** Runs of pages of any of the places asked for (bits 1 resident, 2 swapped) between two addresses. */
  *runs(start: bigint, end: bigint, places: number): Generator<{ readonly start: bigint; readonly end: bigint; readonly place: number }> {
    for (const mapping of this.mappings.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
      let from = 0
      for (let i = 1; i <= mapping.pages.length; i++) {
        const place = mapping.pages[from]! & places & (resident | swapped)
        if (i < mapping.pages.length && (mapping.pages[i]! & places & (resident | swapped)) === place) continue
        const a = mapping.start + BigInt(from) * page
        const b = mapping.start + BigInt(i) * page
        if (place !== 0 && a < end && b > start) yield { start: a < start ? start : a, end: b > end ? end : b, place }
        from = i
      }
    }
  }

  /** All its memory goes; what is left is a name to be waited for. */
  die(): void {
    for (const mapping of this.mappings) this.unmap(mapping)
    this.state = "Z"
  }

  get stat(): ProcessStat {
    return {
      pid: this.pid,
      comm: this.comm,
      state: this.state,
      ppid: this.ppid,
      processGroup: this.pid,
      session: this.pid,
      terminal: 0,
      terminalGroup: -1,
      flags: this.isKernelThread ? 0x0020_8040 : 0x0040_0000,
      minorFaults: this.minorFaults,
      childMinorFaults: 0n,
      majorFaults: this.majorFaults,
      childMajorFaults: 0n,
      userTicks: 0n,
      systemTicks: 0n,
      childUserTicks: 0n,
      childSystemTicks: 0n,
      priority: 20,
      nice: 0,
      threads: 1,
      startTime: this.startTime,
      virtualBytes: this.virtualPages * pageSize,
      rssPages: this.count(resident),
      rest: ["18446744073709551615"]
    }
  }

  get statm() {
    return {
      virtual: this.virtualPages,
      resident: this.count(resident),
      shared: this.count(resident, false),
      text: 0,
      data: this.virtualPages
    }
  }

  get status(): ProcessStatus {
    const fields = {
      Name: this.comm.replaceAll("\\", "\\\\").replaceAll("\n", "\\n"),
      State: this.state,
      Pid: String(this.pid),
      PPid: String(this.ppid),
      Threads: "1"
    }
    if (this.isKernelThread || this.state === "Z") return { fields, amounts: {} }
    const { rss } = this
    return {
      fields,
      amounts: {
        VmSize: this.virtualPages * pageSize,
        VmHWM: this.peakRss,
        VmRSS: rss,
        RssAnon: this.count(resident, true) * pageSize,
        RssFile: this.count(resident, false) * pageSize,
        RssShmem: 0,
        VmSwap: this.count(swapped) * pageSize
      }
    }
  }

  get smaps(): ReadonlyArray<SmapsMapping> {
    return this.mappings.map(({ device, end, inode, isAnonymous, offset, pages, path, permissions, start }) => ({
      start,
      end,
      permissions,
      offset,
      device,
      inode,
      path,
      amounts: { Size: pages.length * pageSize, KernelPageSize: pageSize, MMUPageSize: pageSize, ...amountsOf(pages, isAnonymous) },
      counts: { THPeligible: 0 },
      flags: path === "" ? ["rd", "wr", "mr", "mw", "me", "ac", "sd"] : ["rd", "mr", "mw", "me", "sd"]
    }))
  }

  /** The sums; undefined for what has no memory of its own. */
  get rollup(): { readonly start: bigint; readonly end: bigint; readonly amounts: SmapsAmounts } | undefined {
    if (this.isKernelThread || this.state === "Z") return undefined
    const sums: Record<string, Bytes> = amountsOf(new Uint8Array(), true)
    for (const { isAnonymous, pages } of this.mappings) {
      for (const [key, bytes] of Object.entries(amountsOf(pages, isAnonymous))) sums[key]! += bytes
    }
    return { start: this.mappings[0]?.start ?? 0n, end: this.mappings.at(-1)?.end ?? 0n, amounts: sums }
  }

  private get virtualPages(): number {
    return this.mappings.reduce((sum, { pages }) => sum + pages.length, 0)
  }

  private count(bits: number, isAnonymous?: boolean): number {
    let sum = 0
    for (const mapping of this.mappings) {
      if (isAnonymous === undefined || mapping.isAnonymous === isAnonymous) sum += countBits(mapping.pages, bits)
    }
    return sum
  }

  /** Gives a page a frame. */
  private bring(mapping: FakeMapping, i: number): void {
    mapping.frames[i] = this.memory.take(mapping.isAnonymous)
    this.rss += pageSize
    this.peakRss = Math.max(this.peakRss, this.rss)
  }

  private drop(mapping: FakeMapping, i: number): void {
    if ((mapping.pages[i]! & resident) !== 0) {
      this.memory.give(mapping.frames[i]!)
      this.rss -= pageSize
    }
    mapping.pages[i] = 0
  }

  private eachPage(start: bigint, bytes: Bytes, use: (mapping: FakeMapping, index: number) => void): void {
    for (const mapping of this.mappings) {
      const first = Number((start - mapping.start) / page)
      const to = Math.min(mapping.pages.length, first + Math.ceil(bytes / pageSize))
      for (let i = Math.max(0, first); i < to; i++) use(mapping, i)
    }
  }
}

const countBits = (pages: Uint8Array, bits: number): number => {
  let sum = 0
  for (let i = 0; i < pages.length; i++) if ((pages[i]! & bits) === bits) sum++
  return sum
}

const amountsOf = (pages: Uint8Array, isAnonymous: boolean): Record<string, Bytes> => {
  const rss = countBits(pages, resident) * pageSize
  const dirty = isAnonymous ? rss : 0
  const swap = countBits(pages, swapped) * pageSize
  return {
    Rss: rss,
    Pss: rss,
    Pss_Dirty: dirty,
    Shared_Clean: 0,
    Shared_Dirty: 0,
    Private_Clean: rss - dirty,
    Private_Dirty: dirty,
    Referenced: countBits(pages, resident | used) * pageSize,
    Anonymous: dirty,
    LazyFree: 0,
    AnonHugePages: countBits(pages, resident | huge) * pageSize,
    ShmemPmdMapped: 0,
    FilePmdMapped: 0,
    Shared_Hugetlb: 0,
    Private_Hugetlb: 0,
    Swap: swap,
    SwapPss: swap,
    Locked: 0
  }
}
