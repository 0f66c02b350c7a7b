/**
 * The few calls of libc that Node has no function for, through koffi: loaded at the first use, so that whoever makes none needs no binary.
 * What blocks runs on a pool thread. Does not know what the calls are for: services do.
 */
import { getSystemErrorMap } from "node:util"

/** What a call gave: a number that is not negative; or the name of its errno. */
export type CallResult = { readonly value: number; readonly errno?: undefined } | { readonly value?: undefined; readonly errno: string }

/** A range of a process's address space. */
export interface AddressRange {
  readonly start: bigint
  readonly bytes: number
}

/** A request for pages by category (`PAGE_IS_*` bits). Of each region found: start, end, the categories asked for. */
export interface PagemapScan {
  readonly start: bigint
  readonly end: bigint
  /** Pages in any of these categories are wanted. */
  readonly anyOf: bigint
  /** Which categories are told of; neighbours that differ in them are regions of their own. */
  readonly returned: bigint
  /** Three words a region. */
  readonly regions: BigUint64Array
  /** Where the scan ended: before `end` when `regions` is full. Set by the call. */
  walkEnd: bigint
}

export interface Libc {
  readonly pidfdOpen: (pid: number) => CallResult
  /** Gives the bytes advised, which may be fewer than asked. At most 1024 ranges. */
  readonly processMadvise: (pidfd: number, ranges: ReadonlyArray<AddressRange>, advice: number) => Promise<CallResult>
  /** PAGEMAP_SCAN on an open `/proc/PID/pagemap`: since 6.7, ENOTTY before that. Gives how many regions it put into `regions`. */
  readonly pagemapScan: (pagemap: { readonly fd: number; readonly path: string }, scan: PagemapScan) => Promise<CallResult>
  /** Waits on a pool thread until one of the descriptors has one of its events, or the time is over; `revents` in the order of `fds`. */
  readonly poll: (
    fds: ReadonlyArray<{ readonly fd: number; readonly events: number }>,
    timeoutMs: number
  ) => Promise<{ readonly result: CallResult; readonly revents: ReadonlyArray<number> }>
  /** A descriptor that is readable once something is written to it, until it is read. */
  readonly eventfd: () => CallResult
  readonly close: (fd: number) => void
}

/** Since 5.3 and 5.10; numbers above 423 are the same on every architecture. */
const pidfdOpenNumber = 434
const processMadviseNumber = 440
const eventfdCloexecNonblock = 0o2004000
/** `_IOWR('f', 16, struct pm_scan_arg)`, the same on all architectures but alpha, mips, powerpc and sparc. */
const pagemapScanRequest = 0xc060_6610
const pagemapScanBytes = 96
const pollfdBytes = 8
const iovecBytes = 16

const errnoNames = getSystemErrorMap()

let loaded: Promise<Libc> | undefined

/** The calls. Rejects where koffi has no binary for this machine. */
export const loadLibc = (): Promise<Libc> => (loaded ??= load())

const load = async (): Promise<Libc> => {
  const { default: koffi } = await import("koffi")
  const library = koffi.load(null)
  const syscall = library.func("long syscall(long number, long a, void *b, long c, long d, long e)")
  const ioctl = library.func("int ioctl(int fd, unsigned long request, void *argument)")
  const poll = library.func("int poll(_Inout_ void *fds, unsigned long count, int timeout)")
  const eventfd = library.func("int eventfd(unsigned int initial, int flags)")
  const close = library.func("int close(int fd)")

  const named = (value: number): CallResult =>
    value >= 0 ? { value } : { errno: errnoNames.get(-koffi.errno())?.[0] ?? `errno ${koffi.errno()}` }
  const inPool = (call: { async: (...parameters: Array<any>) => void }, ...parameters: ReadonlyArray<unknown>): Promise<CallResult> =>
    new Promise((resolve, reject) =>
      call.async(...parameters, (problem: unknown, value: number) => (problem ? reject(problem) : resolve(named(Number(value)))))
    )

  return {
    pidfdOpen: (pid) => named(Number(syscall(pidfdOpenNumber, pid, null, 0, 0, 0))),
    processMadvise: (pidfd, ranges, advice) => {
      const vector = new BigUint64Array(ranges.length * 2)
      ranges.forEach(({ bytes, start }, i) => vector.set([start, BigInt(bytes)], i * 2))
      return inPool(syscall, processMadviseNumber, pidfd, vector, vector.byteLength / iovecBytes, advice, 0)
    },
    pagemapScan: async ({ fd }, scan) => {
      // struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, any of, returned.
      const { anyOf, end, regions, returned, start } = scan
      const length = BigInt(Math.floor(regions.length / 3))
      const words = new BigUint64Array([
        BigInt(pagemapScanBytes),
        0n,
        start,
        end,
        0n,
        koffi.address(regions),
        length,
        0n,
        0n,
        0n,
        anyOf,
        returned
      ])
      const result = await inPool(ioctl, fd, pagemapScanRequest, words)
      // Also keeps `scan` and its regions, of which the call has only the address, until now.
      scan.walkEnd = words[4]!
      return result
    },
    poll: async (fds, timeoutMs) => {
      const bytes = new DataView(new ArrayBuffer(fds.length * pollfdBytes))
      fds.forEach(({ events, fd }, i) => {
        bytes.setInt32(i * pollfdBytes, fd, true)
        bytes.setInt16(i * pollfdBytes + 4, events, true)
      })
      const result = await inPool(poll, new Uint8Array(bytes.buffer), fds.length, timeoutMs)
      return { result, revents: fds.map((_, i) => bytes.getInt16(i * pollfdBytes + 6, true)) }
    },
    eventfd: () => named(eventfd(0, eventfdCloexecNonblock)),
    close: (fd) => void close(fd)
  }
}
