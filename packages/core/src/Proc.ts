/**
 * The `/proc` tables that describe a machine's memory: meminfo, swaps, mountinfo, and a process's cgroup.
 * Source: kernel Documentation/filesystems/proc.rst; `/proc/vmstat` is a plain counters file (see MemoryStat.countersFile).
 */
import { type Codec, counter, exactNumber, printNumber, quote, reject, textCodec } from "./Codec.ts"
import type { Bytes } from "./Units.ts"

/** `/proc/meminfo`, in bytes; rows without a unit (HugePages_*) are counts and are kept as they are. */
export type MemInfo = Readonly<Record<string, number>>

const kibibyteRow = /^(\S+):\s+(\d+)( kB)?$/
const countRows = /^HugePages_/

export const memInfo: Codec<MemInfo> = textCodec(
  "/proc/meminfo",
  (lines) =>
    Object.fromEntries(
      lines.map((text, index) => {
        const match = kibibyteRow.exec(text)
        if (match === null) return reject(index + 1, `${quote(text)} is not a meminfo row`)
        return [match[1]!, exactNumber(match[2]!, index + 1) * (match[3] === undefined ? 1 : 1024)]
      })
    ),
  (info) =>
    Object.entries(info)
      .map(([key, value]) =>
        countRows.test(key)
          ? `${`${key}:`.padEnd(16)}${printNumber(value).padStart(8)}\n`
          : `${`${key}:`.padEnd(16)}${printNumber(value / 1024).padStart(8)} kB\n`
      )
      .join("")
)

/** One row of `/proc/swaps`. */
export interface SwapArea {
  readonly path: string
  readonly type: string
  readonly sizeBytes: Bytes
  readonly usedBytes: Bytes
  readonly priority: number
}

const unescape = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
const escape = (text: string): string => text.replaceAll(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`)

export const swaps: Codec<ReadonlyArray<SwapArea>> = textCodec<ReadonlyArray<SwapArea>>(
  "/proc/swaps",
  (lines) =>
    lines.slice(1).map((text, index) => {
      const match = /^(\S+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(-?\d+)$/.exec(text)
      if (match === null) return reject(index + 2, `${quote(text)} is not a swap area`)
      return {
        path: unescape(match[1]!),
        type: match[2]!,
        sizeBytes: exactNumber(match[3]!, index + 2) * 1024,
        usedBytes: exactNumber(match[4]!, index + 2) * 1024,
        priority: Number(match[5])
      }
    }),
  (areas) =>
    `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${areas
      .map((a) => `${escape(a.path).padEnd(39)} ${a.type}\t${a.sizeBytes / 1024}\t\t${a.usedBytes / 1024}\t\t${a.priority}\n`)
      .join("")}`
)

/** One row of `/proc/self/mountinfo`, as far as it concerns pseudo-file systems. */
export interface Mount {
  readonly mountPoint: string
  readonly fsType: string
  readonly options: ReadonlyArray<string>
  readonly superOptions: ReadonlyArray<string>
}

/** `/proc/self/mountinfo`; read-only, so `encode` prints the columns we keep and zeros for the others. */
export const mountInfo: Codec<ReadonlyArray<Mount>> = textCodec<ReadonlyArray<Mount>>(
  "/proc/self/mountinfo",
  (lines) =>
    lines.map((text, index) => {
      const [left, right] = text.split(" - ")
      const before = (left ?? "").split(" ")
      const after = (right ?? "").split(" ")
      if (before.length < 6 || after.length < 3) return reject(index + 1, `${quote(text)} is not a mount`)
      return {
        mountPoint: unescape(before[4]!),
        fsType: after[0]!,
        options: before[5]!.split(","),
        superOptions: after[2]!.split(",")
      }
    }),
  (mounts) =>
    mounts.map((m) => `0 0 0:0 / ${escape(m.mountPoint)} ${m.options.join(",")} - ${m.fsType} none ${m.superOptions.join(",")}\n`).join("")
)

/** One row of `/proc/PID/cgroup`; the v2 hierarchy is the row with no controllers and id 0. */
export interface CgroupMembership {
  readonly hierarchy: number
  readonly controllers: ReadonlyArray<string>
  readonly path: string
}

export const processCgroups: Codec<ReadonlyArray<CgroupMembership>> = textCodec<ReadonlyArray<CgroupMembership>>(
  "/proc/PID/cgroup",
  (lines) =>
    lines.map((text, index) => {
      const match = /^(\d+):([^:]*):(\/.*)$/.exec(text)
      if (match === null) return reject(index + 1, `${quote(text)} is not a cgroup membership`)
      return {
        hierarchy: exactNumber(match[1]!, index + 1),
        controllers: match[2] === "" ? [] : match[2]!.split(","),
        path: match[3]!
      }
    }),
  (rows) => rows.map((row) => `${row.hierarchy}:${row.controllers.join(",")}:${row.path}\n`).join("")
)

/** A space-separated list of words: `cgroup.controllers`, `cgroup.subtree_control`. */
export const wordList = (file: string): Codec<ReadonlyArray<string>> =>
  textCodec<ReadonlyArray<string>>(
    file,
    (lines) => (lines[0] ?? "").split(" ").filter((word) => word !== ""),
    (words) => `${words.join(" ")}\n`
  )

/** One process id per line: `cgroup.procs`. */
export const processIds: Codec<ReadonlyArray<number>> = textCodec<ReadonlyArray<number>>(
  "cgroup.procs",
  (lines) => lines.map((text, index) => Number(counter(text, index + 1))),
  (pids) => pids.map((pid) => `${pid}\n`).join("")
)
