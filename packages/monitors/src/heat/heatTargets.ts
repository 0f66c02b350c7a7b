/**
 * What a heat monitor looks at, found anew whenever asked: a process, the processes of a group and of those below it, or physical memory;
 * each with what is mapped and the ranges to monitor. Reads only.
 */
import {
  Cgroups,
  type DamonRegion,
  ioMem,
  type KernelError,
  KernFs,
  KernFsError,
  KernelRoots,
  PageMap,
  Processes,
  systemRam
} from "@wmo/core"
import { Data, Effect, Stream } from "effect"
import type { HeatMapping, HeatSubject } from "./HeatFrame.ts"
import { type FoundMapping, heatMappings, type Interest, isSparse, joinPieces, targetRanges } from "./heatRanges.ts"

/** What is looked at. */
export type HeatOf =
  | { readonly kind: "process"; readonly pid: number }
  | { readonly kind: "cgroup"; readonly group: string }
  | { readonly kind: "physical" }

/** There is nothing to look at, or not with this kernel; the message says what to do. */
export class HeatUnavailable extends Data.TaggedError("HeatUnavailable")<{
  readonly why: "nothing" | "unsupported"
  readonly message: string
}> {}

interface HeatTarget {
  /** 0 for physical memory. */
  readonly pid: number
  readonly subject: HeatSubject
  readonly title: string
  readonly mappings: ReadonlyArray<HeatMapping>
  readonly ranges: ReadonlyArray<DamonRegion>
}

interface HeatTargets {
  readonly targets: ReadonlyArray<HeatTarget>
  /** Processes of the group that are not among them, the smallest ones. */
  readonly leftOut: number
}

/** More targets than this share too few regions. */
const processesAtMost = 16

const nothing = (message: string) => new HeatUnavailable({ why: "nothing", message })
const isGone = (error: KernelError): boolean => error instanceof KernFsError && error.isGone

const describe = (interest: Interest): string =>
  "name" in interest ? `mappings named "${interest.name}"` : `${interest.start.toString(16)}-${interest.end.toString(16)}`

/** `rangesAtMost`: of all targets together. */
export const targetFinder = Effect.fnUntraced(function* (of: HeatOf, interest: Interest | undefined, rangesAtMost: number) {
  const processes = yield* Processes
  const cgroups = yield* Cgroups
  const fs = yield* KernFs
  const pageMap = yield* PageMap
  const { proc } = yield* KernelRoots

  /** What of a mapping is in memory or swap, where that is little of it: heaps are reserved by the gigabyte. */
  const piecesOf = Effect.fnUntraced(function* (pid: number, mapping: FoundMapping) {
    const how = isSparse(mapping)
    const whole: ReadonlyArray<DamonRegion> = [mapping]
    if (how === "no") return whole
    const scan = pageMap.scan(pid, [mapping], how === "scan" ? { via: "ioctl" } : {}).pipe(
      Effect.map(({ runs }) => runs),
      // Without the right to look, or the means: all of it.
      Effect.catchIf(
        (error) => !error.isGone,
        () => Effect.succeed(undefined)
      )
    )
    const runs = yield* scan
    if (runs === undefined || runs.length === 0) return whole
    return joinPieces(runs.map(({ bytes, start }) => ({ start, end: start + BigInt(bytes) })))
  })

  const processTarget = Effect.fnUntraced(function* (pid: number, share: number) {
    const { comm, startTime } = yield* processes.stat(pid)
    const mappings = heatMappings(yield* processes.smaps(pid), interest)
    const subject: HeatSubject = { kind: "process", name: `${pid}@${startTime}` }
    const pieces = (yield* Effect.forEach(mappings, (mapping) => piecesOf(pid, mapping))).flat()
    return { pid, subject, title: `${comm} (pid ${pid})`, mappings, ranges: targetRanges(pieces, share) } satisfies HeatTarget
  })

  const findProcess = Effect.fnUntraced(
    function* (pid: number) {
      const target = yield* processTarget(pid, rangesAtMost)
      if (target.mappings.length > 0) return { targets: [target], leftOut: 0 }
      return yield* nothing(
        interest === undefined
          ? `process ${pid} has no memory of its own: it is a kernel thread, or has ended`
          : `process ${pid} has nothing in memory of ${describe(interest)}; see /proc/${pid}/maps`
      )
    },
    (effect, pid) =>
      Effect.catchIf(
        effect,
        (error) => error._tag !== "HeatUnavailable" && isGone(error),
        () => nothing(`there is no process ${pid}`)
      )
  )

  const findGroup = Effect.fnUntraced(function* (name: string) {
    const group = cgroups.normalize(name)
    if (!(yield* cgroups.exists(group))) return yield* nothing(`there is no cgroup ${group}: \`ls /sys/fs/cgroup\` shows those that exist`)
    const unlessGone = <A>(effect: Effect.Effect<A, KernelError>) => Effect.catchIf(effect, isGone, () => Effect.succeed(undefined))
    const sizes: Array<{ readonly pid: number; readonly resident: number }> = []
    for (const below of yield* Stream.runCollect(cgroups.walk(group))) {
      for (const pid of (yield* unlessGone(cgroups.processes(below))) ?? []) {
        const size = yield* unlessGone(processes.size(pid))
        if (size !== undefined && size.resident > 0) sizes.push({ pid, resident: size.resident })
      }
    }
    const chosen = sizes.toSorted((a, b) => b.resident - a.resident).slice(0, processesAtMost)
    const targets: Array<HeatTarget> = []
    // Always in the same order, so that targets stay the same ones.
    for (const { pid } of chosen.toSorted((a, b) => a.pid - b.pid)) {
      const target = yield* unlessGone(processTarget(pid, Math.max(1, Math.floor(rangesAtMost / chosen.length))))
      if (target !== undefined && target.ranges.length > 0) targets.push(target)
    }
    if (targets.length > 0) return { targets, leftOut: sizes.length - chosen.length }
    const what = interest === undefined ? "no processes with memory" : `no process with ${describe(interest)} in memory`
    return yield* nothing(`cgroup ${group || "/"} has ${what}`)
  })

  const findPhysical = Effect.gen(function* () {
    const ram = systemRam(yield* fs.decode(`${proc}/iomem`, ioMem))
    const mappings: Array<HeatMapping> = []
    for (const { end: last, name, start: first } of ram) {
      const isCut = interest !== undefined && "start" in interest
      const start = isCut && interest.start > first ? interest.start : first
      const end = isCut && interest.end < last + 1n ? interest.end : last + 1n
      // All of it is memory; what it holds, nobody says.
      if (start < end) mappings.push({ start, end, name, residentBytes: Number(end - start), anonBytes: 0 })
    }
    if (mappings.length === 0) {
      return yield* nothing(
        ram.length === 0
          ? "/proc/iomem shows no addresses of memory: that takes root"
          : `${describe(interest!)} is not memory; see /proc/iomem`
      )
    }
    const subject: HeatSubject = { kind: "machine", name: "machine" }
    return { targets: [{ pid: 0, subject, title: "physical memory", mappings, ranges: mappings }], leftOut: 0 }
  })

  const find: Effect.Effect<HeatTargets, KernelError | HeatUnavailable> =
    of.kind === "process" ? findProcess(of.pid) : of.kind === "cgroup" ? findGroup(of.group) : findPhysical
  return find
})
