/**
 * The memory controller's files of a fake group: what they say comes from its `MemcgModel`, writes are answered as mm/memcontrol.c of a
 * 6.12 kernel does. Does not know the tree of groups.
 */
import { Result } from "effect"
import { memoryNumaStat } from "../Memcg.ts"
import { countersFile, type MemoryStat, memoryStat } from "../MemoryStat.ts"
import { type Limit, limitFile, reclaimRequest } from "../Scalars.ts"
import { type Bytes, pageSize } from "../Units.ts"
import { Errno, type FakeFile, type FakeFs } from "./FakeFs.ts"
import type { MemcgLimits, MemcgModel } from "./MemcgModel.ts"

const events = countersFile("memory.events")
const encoder = new TextEncoder()

/** A size as the kernel's memparse reads it, or `max`; rounded down to pages. */
const parseLimit = (text: string): Limit => {
  const word = text.trim()
  if (word === "max") return "max"
  const match = /^(\d+)([KMGTPE]?)$/i.exec(word)
  if (match === null) throw new Errno("EINVAL")
  const scale = match[2] === "" ? 1 : 1024 ** ("kmgtpe".indexOf(match[2]!.toLowerCase()) + 1)
  const bytes = Math.floor((Number(match[1]) * scale) / pageSize) * pageSize
  return bytes >= 2 ** 63 - pageSize ? "max" : bytes
}

/** A switch of the kernel: 0 or 1; anything else is EINVAL, or where `outOfRange` says so another number is ERANGE. */
export const fakeSwitch = (
  initial: boolean,
  changed: (isOn: boolean) => void = () => undefined,
  outOfRange: "EINVAL" | "ERANGE" = "EINVAL"
): FakeFile => {
  let isOn = initial
  return {
    read: () => (isOn ? "1\n" : "0\n"),
    write: (text) => {
      if (!/^\s*-?\d+\s*$/.test(text)) throw new Errno("EINVAL")
      if (!/^\s*[01]\s*$/.test(text)) throw new Errno(outOfRange)
      isOn = text.trim() === "1"
      changed(isOn)
    }
  }
}

/** One node holds everything. */
const numaStat = (stat: MemoryStat): string =>
  memoryNumaStat.encode({ anon: { N0: BigInt(stat.anon ?? 0) }, file: { N0: BigInt(stat.file ?? 0) } })

/** A peak: what any write makes count anew for the descriptor that wrote. */
const peakFile = (current: () => Bytes, peak: () => Bytes): FakeFile => ({
  read: () => `${peak()}\n`,
  open: () => {
    let since: { peak: Bytes; seen: Bytes } | undefined
    return {
      write: () => void (since = { peak: peak(), seen: current() }),
      read: () => {
        if (since === undefined) return `${peak()}\n`
        since.seen = Math.max(since.seen, current())
        return `${peak() > since.peak ? peak() : since.seen}\n`
      }
    }
  }
})

/** What a kernel takes as `swappiness=` of a reclaim: nothing before 6.11, `max` beside numbers since 6.17. */
export type ReclaimSwappiness = "none" | "number" | "max"

export interface FakeMemoryFilesOptions {
  readonly fs: FakeFs
  readonly path: (file: string) => string
  readonly isRoot: boolean
  readonly limits: MemcgLimits
  readonly model: MemcgModel
  readonly reclaimSwappiness: ReclaimSwappiness
  /** Called after a write may have changed what the files of the group and of those above say. */
  readonly changed: () => void
}

/** What a reclaim file does with a request: EAGAIN where less was reclaimed. `source=` is of kernels later than 6.17. */
export const fakeReclaim = (model: MemcgModel, text: string, takes: ReclaimSwappiness): void => {
  const request = reclaimRequest.decode(encoder.encode(text))
  if (Result.isFailure(request)) throw new Errno("EINVAL")
  const { source, swappiness } = request.success
  const isTaken = swappiness === undefined || takes === "max" || (takes === "number" && swappiness !== "max")
  if (!isTaken || source !== undefined) throw new Errno("EINVAL")
  const wanted = Math.floor(request.success.bytes / pageSize) * pageSize
  if (model.reclaim({ ...request.success, bytes: wanted }) < wanted) throw new Errno("EAGAIN")
}

export const addMemoryFiles = ({ changed, fs, isRoot, limits, model, path, reclaimSwappiness }: FakeMemoryFilesOptions): void => {
  const reading = (file: string, read: () => string) => fs.file(path(file), { read }, 0o444)
  const bytes = (file: string, read: () => Bytes) => reading(file, () => `${read()}\n`)
  const limit = (file: string, key: keyof MemcgLimits) =>
    fs.file(path(file), {
      read: () => limitFile(file).encode(limits[key]),
      write: (text) => {
        limits[key] = parseLimit(text)
        model.limitsChanged()
        changed()
      }
    })
  reading("memory.stat", () => memoryStat.encode(model.stat()))
  reading("memory.numa_stat", () => numaStat(model.stat()))
  fs.file(path("memory.zswap.writeback"), fakeSwitch(true))
  fs.file(
    path("memory.reclaim"),
    {
      write: (text) => {
        try {
          fakeReclaim(model, text, reclaimSwappiness)
        } finally {
          changed()
        }
      }
    },
    0o200
  )
  if (isRoot) return
  bytes("memory.current", model.current)
  fs.file(path("memory.peak"), peakFile(model.current, model.peak))
  bytes("memory.swap.current", model.swapCurrent)
  fs.file(path("memory.swap.peak"), peakFile(model.swapCurrent, model.swapCurrent))
  bytes("memory.zswap.current", model.zswapCurrent)
  reading("memory.events", () => events.encode(model.events()))
  reading("memory.events.local", () => events.encode(model.events()))
  reading("memory.swap.events", () => "high 0\nmax 0\nfail 0\n")
  fs.file(path("memory.oom.group"), fakeSwitch(false))
  limit("memory.min", "min")
  limit("memory.low", "low")
  limit("memory.high", "high")
  limit("memory.max", "max")
  limit("memory.swap.max", "swapMax")
  limit("memory.swap.high", "swapHigh")
  limit("memory.zswap.max", "zswapMax")
}
