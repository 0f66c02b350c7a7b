/**
 * `/proc/PID/stat`: state, faults, times and size of a process in one line; `/proc/PID/statm`: its size in pages.
 * Does not interpret the fields after `rss`, which are kept as words.
 * Format: kernel Documentation/filesystems/proc.rst, table 1-4; proc(5). The name may hold blanks, parentheses and line ends.
 */
import { bytesCodec, type Codec, counter, exactNumber, oneRecord, printNumber, quote, reject, textCodec } from "../Codec.ts"
import type { Bytes, Milliseconds, Pages } from "../Units.ts"

/** A process, safe against reuse of its pid: `startTime` is in clock ticks since boot. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: bigint
}

/** One reading of `/proc/PID/stat`. Times are in clock ticks; `child…` are of children that have ended and were waited for. */
export interface ProcessStat extends ProcessIdentity {
  /** The thread's name, at most 15 bytes (63 for some kernel threads). */
  readonly comm: string
  /** `R` running, `S` sleeping, `D` in the kernel, `Z` zombie, `T` stopped, `t` traced, `X` dead, `I` idle kernel thread. */
  readonly state: string
  readonly ppid: number
  readonly processGroup: number
  readonly session: number
  readonly terminal: number
  readonly terminalGroup: number
  /** `PF_*` of the kernel: see {@link isKernelThread}. */
  readonly flags: number
  readonly minorFaults: bigint
  readonly childMinorFaults: bigint
  readonly majorFaults: bigint
  readonly childMajorFaults: bigint
  readonly userTicks: bigint
  readonly systemTicks: bigint
  readonly childUserTicks: bigint
  readonly childSystemTicks: bigint
  readonly priority: number
  readonly nice: number
  readonly threads: number
  readonly virtualBytes: Bytes
  readonly rssPages: Pages
  /** The fields from `rsslim` on, as they were printed: later kernels add some, addresses are 0 for the unprivileged. */
  readonly rest: ReadonlyArray<string>
}

const kernelThreadFlag = 0x0020_0000
const fieldsAtLeast = 22
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

const integer = (text: string): number => (text.startsWith("-") ? 0 - exactNumber(text.slice(1), 1) : exactNumber(text, 1))

/** Whether the process is a thread of the kernel: it has no memory of its own (PF_KTHREAD). */
export const isKernelThread = (stat: ProcessStat): boolean => (stat.flags & kernelThreadFlag) !== 0

/** Whether the process runs no more and only waits for its parent to take note. */
export const isDead = (stat: ProcessStat): boolean => stat.state === "Z" || stat.state === "X" || stat.state === "x"

/** USER_HZ is 100 on every architecture that matters. */
const msPerTick = 10

/** What a process, or the thread whose `stat` it is, has used so far, without its children. */
export const cpuMsOf = ({ systemTicks, userTicks }: Pick<ProcessStat, "systemTicks" | "userTicks">): Milliseconds =>
  Number(userTicks + systemTicks) * msPerTick

/** See {@link ProcessStat}. */
export const processStat: Codec<ProcessStat> = oneRecord(
  bytesCodec<ProcessStat>(
    "/proc/PID/stat",
    (bytes) => {
      const text = utf8.decode(bytes)
      const open = text.indexOf(" (")
      const close = text.lastIndexOf(") ")
      if (open < 1 || close < open) return reject(1, `${quote(text)} has no name in parentheses`)
      const rest = text
        .slice(close + 2)
        .replace(/\n$/, "")
        .split(" ")
      if (rest.length < fieldsAtLeast) return reject(1, `expected at least ${fieldsAtLeast} fields after the name, found ${rest.length}`)
      const [state, ppid, processGroup, session, terminal, terminalGroup, flags] = rest
      if (!/^[A-Za-z]$/.test(state!)) return reject(1, `${quote(state!)} is not a state`)
      return {
        pid: exactNumber(text.slice(0, open), 1),
        comm: text.slice(open + 2, close),
        state: state!,
        ppid: integer(ppid!),
        processGroup: integer(processGroup!),
        session: integer(session!),
        terminal: integer(terminal!),
        terminalGroup: integer(terminalGroup!),
        flags: exactNumber(flags!, 1),
        minorFaults: counter(rest[7]!, 1),
        childMinorFaults: counter(rest[8]!, 1),
        majorFaults: counter(rest[9]!, 1),
        childMajorFaults: counter(rest[10]!, 1),
        userTicks: counter(rest[11]!, 1),
        systemTicks: counter(rest[12]!, 1),
        childUserTicks: counter(rest[13]!, 1),
        childSystemTicks: counter(rest[14]!, 1),
        priority: integer(rest[15]!),
        nice: integer(rest[16]!),
        threads: integer(rest[17]!),
        startTime: counter(rest[19]!, 1),
        virtualBytes: exactNumber(rest[20]!, 1),
        rssPages: integer(rest[21]!),
        rest: rest.slice(fieldsAtLeast)
      }
    },
    (s) =>
      `${[
        `${s.pid} (${s.comm}) ${s.state}`,
        s.ppid,
        s.processGroup,
        s.session,
        s.terminal,
        s.terminalGroup,
        s.flags,
        s.minorFaults,
        s.childMinorFaults,
        s.majorFaults,
        s.childMajorFaults,
        s.userTicks,
        s.systemTicks,
        s.childUserTicks,
        s.childSystemTicks,
        s.priority,
        s.nice,
        s.threads,
        // Time to the next SIGALRM: always 0 since 2.6.17.
        0,
        s.startTime,
        printNumber(s.virtualBytes),
        s.rssPages,
        ...s.rest
      ].join(" ")}\n`
  )
)

/** `/proc/PID/statm`, in pages. Library and dirty pages, always 0 since 2.6, are left out. */
export interface ProcessSize {
  readonly virtual: Pages
  readonly resident: Pages
  /** Resident pages of files and shared memory. */
  readonly shared: Pages
  readonly text: Pages
  readonly data: Pages
}

/** See {@link ProcessSize}. All zero for kernel threads. */
export const processSize: Codec<ProcessSize> = oneRecord(
  textCodec(
    "/proc/PID/statm",
    (lines) => {
      const words = (lines[0] ?? "").split(" ")
      if (lines.length !== 1 || words.length !== 7) return reject(1, "expected one line of seven numbers")
      const [virtual, resident, shared, text, library, data, dirty] = words.map((word) => exactNumber(word, 1))
      if (library !== 0 || dirty !== 0) return reject(1, "expected 0 as number of library and dirty pages")
      return { virtual: virtual!, resident: resident!, shared: shared!, text: text!, data: data! }
    },
    (size) => `${size.virtual} ${size.resident} ${size.shared} ${size.text} 0 ${size.data} 0\n`
  )
)

/** `/proc/PID/task/TID/children` (4.2): ids of the children that the thread made. */
export const processChildren: Codec<ReadonlyArray<number>> = oneRecord(
  textCodec<ReadonlyArray<number>>(
    "/proc/PID/task/TID/children",
    (lines) =>
      lines.flatMap((text, index) =>
        text
          .split(" ")
          .filter((word) => word !== "")
          .map((word) => exactNumber(word, index + 1))
      ),
    // The kernel ends it with a blank, and not with a line end.
    (pids) => pids.map((pid) => `${pid} `).join("")
  )
)
