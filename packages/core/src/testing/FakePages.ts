/**
 * The physical memory of the fake kernel, as far as `/proc/kpage*`, `page_idle/bitmap`, zoneinfo and iomem show it: frames that are given
 * to processes, mapped or not, idle or not. One node, one zone. Does not hold content, nor know what maps a frame.
 */
import { ioMem } from "../pages/IoMem.ts"
import { zoneInfo } from "../pages/ZoneInfo.ts"
import { type Bytes, pageSize } from "../Units.ts"
import { Errno, type FakeFs } from "./FakeFs.ts"

export interface FakePagesOptions {
  readonly memTotalBytes: Bytes
  /** As with CONFIG_IDLE_PAGE_TRACKING. */
  readonly idleTracking?: boolean
}

// Bits of /proc/kpageflags.
const anonymous = (1n << 3n) | (1n << 5n) | (1n << 11n) | (1n << 12n) | (1n << 14n)
const ofFile = (1n << 3n) | (1n << 5n) | (1n << 11n)
const idleBit = 1n << 25n
const nopage = 1n << 20n
const rootGroupInode = 1n
/** As on a PC: the first MiB is the firmware's. */
const firstFrame = 256

/** Binary files of sysfs give and take no more than a page at a time. */
const wordsOfCall = 512

interface Frame {
  readonly isAnonymous: boolean
  isIdle: boolean
}

export class FakePages {
  /** Frames from 0 to this one (exclusive) exist. */
  readonly end: number
  private readonly frames = new Map<number, Frame>()
  private next = firstFrame
  private readonly free: Array<number> = []

  constructor(fs: FakeFs, { idleTracking, memTotalBytes }: FakePagesOptions) {
    this.end = Math.ceil(memTotalBytes / pageSize)
    const file = (path: string, word: (frame: number) => bigint) =>
      fs.file(path, { readAt: (position, length) => this.words(position, length, word) }, 0o400)
    file("/proc/kpageflags", (frame) => {
      const found = this.frames.get(frame)
      if (found === undefined) return frame < firstFrame ? nopage : 0n
      return (found.isAnonymous ? anonymous : ofFile) | (found.isIdle ? idleBit : 0n)
    })
    file("/proc/kpagecount", (frame) => (this.frames.has(frame) ? 1n : 0n))
    file("/proc/kpagecgroup", (frame) => (this.frames.has(frame) ? rootGroupInode : 0n))
    if (idleTracking === true) this.addBitmap(fs)
    this.addTables(fs)
  }

  /** A frame for a page that somebody maps. */
  take(isAnonymous: boolean): number {
    const frame = this.free.pop() ?? this.next++
    this.frames.set(frame, { isAnonymous, isIdle: false })
    return frame
  }

  give(frame: number): void {
    if (this.frames.delete(frame)) this.free.push(frame)
  }

  /** Somebody has used the page at the frame. */
  use(frame: number): void {
    const found = this.frames.get(frame)
    if (found !== undefined) found.isIdle = false
  }

  /** Words of eight bytes at whole words only, none past the end. */
  private words(position: number, length: number, word: (frame: number) => bigint): Uint8Array {
    if (position % 8 !== 0 || length % 8 !== 0) throw new Errno("EINVAL")
    const first = position / 8
    const count = Math.max(0, Math.min(length / 8, this.end - first))
    const words = BigUint64Array.from({ length: count }, (_, i) => word(first + i))
    return new Uint8Array(words.buffer)
  }

  private addBitmap(fs: FakeFs): void {
    const end = Math.ceil(this.end / 64)
    const isAligned = (position: number, length: number): void => {
      if (position % 8 !== 0 || length % 8 !== 0) throw new Errno("EINVAL")
    }
    fs.file(
      "/sys/kernel/mm/page_idle/bitmap",
      {
        readAt: (position, length) => {
          isAligned(position, length)
          const count = Math.max(0, Math.min(length / 8, wordsOfCall, end - position / 8))
          const words = new BigUint64Array(count)
          for (const [frame, { isIdle }] of this.frames) {
            const at = Math.floor(frame / 64) - position / 8
            if (isIdle && at >= 0 && at < count) words[at]! |= 1n << BigInt(frame % 64)
          }
          return new Uint8Array(words.buffer)
        },
        writeAt: (position, bytes) => {
          isAligned(position, bytes.length)
          if (position / 8 >= end) throw new Errno("ENXIO")
          const words = new BigUint64Array(bytes.slice(0, wordsOfCall * 8).buffer)
          for (const [frame, state] of this.frames) {
            const word = words[Math.floor(frame / 64) - position / 8] ?? 0n
            if (((word >> BigInt(frame % 64)) & 1n) === 1n) state.isIdle = true
          }
        }
      },
      0o600
    )
  }

  private addTables(fs: FakeFs): void {
    const managed = this.end - firstFrame
    const low = Math.floor(managed / 200)
    fs.file(
      "/proc/zoneinfo",
      {
        read: () =>
          zoneInfo.encode([
            {
              node: 0,
              name: "Normal",
              nodeCounters: { nr_anon_pages: BigInt([...this.frames.values()].filter((frame) => frame.isAnonymous).length) },
              pages: {
                free: managed - this.frames.size,
                boost: 0,
                min: Math.floor(low * 0.8),
                low,
                high: Math.floor(low * 1.2),
                spanned: this.end,
                present: managed,
                managed,
                cma: 0
              },
              protection: [0, 0],
              counters: { nr_free_pages: BigInt(managed - this.frames.size) },
              cpus: [{ cpu: 0, values: { count: 0, high: 0, batch: 1 }, statThreshold: 12 }],
              rest: { node_unreclaimable: 0n, start_pfn: BigInt(firstFrame) }
            }
          ])
      },
      0o444
    )
    const at = (frame: number): bigint => BigInt(frame) * BigInt(pageSize)
    fs.file(
      "/proc/iomem",
      ioMem.encode([
        { start: 0n, end: at(firstFrame) - 1n, name: "Reserved", children: [] },
        {
          start: at(firstFrame),
          end: at(this.end) - 1n,
          name: "System RAM",
          children: [{ start: at(firstFrame), end: at(firstFrame) + 0xff_ffffn, name: "Kernel code", children: [] }]
        }
      ]),
      0o400
    )
  }
}
