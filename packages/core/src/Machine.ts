/**
 * The whole machine's memory: meminfo, vmstat, swaps, zones, pressure; and reclaim from a NUMA node.
 * Does not know groups. Formats: kernel Documentation/filesystems/proc.rst; node reclaim: ABI/stable/sysfs-devices-node.
 */
import { Context, Effect, Layer } from "effect"
import type { ReclaimResult } from "./Cgroups.ts"
import { KernFs, type KernelError } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { type Counters, countersFile } from "./MemoryStat.ts"
import { ioMem, type IoMemRange } from "./pages/IoMem.ts"
import { type Zone, zoneInfo } from "./pages/ZoneInfo.ts"
import { type PressureStall, pressureStall } from "./PressureStall.ts"
import { type MemInfo, memInfo, type SwapArea, swaps } from "./Proc.ts"
import { bytesFile, type ReclaimRequest, reclaimRequest } from "./Scalars.ts"

export class Machine extends Context.Service<
  Machine,
  {
    /** `/proc/meminfo` in bytes. */
    readonly memInfo: Effect.Effect<MemInfo, KernelError>
    readonly vmstat: Effect.Effect<Counters, KernelError>
    readonly swaps: Effect.Effect<ReadonlyArray<SwapArea>, KernelError>
    /** `/proc/zoneinfo`: zones of all nodes with their watermarks and counters, in pages. */
    readonly zones: Effect.Effect<ReadonlyArray<Zone>, KernelError>
    /** `/proc/iomem`: what physical addresses are for; all zeros for the unprivileged. `systemRam` picks the memory. */
    readonly physicalMap: Effect.Effect<ReadonlyArray<IoMemRange>, KernelError>
    /**
     * Asks the kernel to reclaim from a whole NUMA node now (`/sys/devices/system/node/nodeN/reclaim`, seen on 6.18; `NotFound` before, and
     * where there is no such node). Takes what `memory.reclaim` takes, and answers as that does. Blocks a pool thread.
     */
    readonly reclaimNode: (node: number, request: ReclaimRequest) => Effect.Effect<ReclaimResult, KernFsError>
    /** Numbers of the NUMA nodes. */
    readonly nodes: Effect.Effect<ReadonlyArray<number>, KernFsError>
    /** `/proc/sys/vm/swappiness`: 0 to 200 (100 before 5.8), anon's share of reclaim for groups that ask for none of their own. */
    readonly swappiness: Effect.Effect<number, KernelError>
    /** Memory pressure of the whole machine. */
    readonly pressure: Effect.Effect<PressureStall, KernelError>
    /** The kernel's release, as `uname -r` prints it. */
    readonly release: Effect.Effect<string, KernelError>
  }
>()("@wmo/core/Machine") {
  static readonly layer: Layer.Layer<Machine, never, KernFs> = Layer.effect(
    Machine,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { proc, sys } = yield* KernelRoots
      const vmstat = countersFile("/proc/vmstat")
      return Machine.of({
        nodes: Effect.map(fs.list(`${sys}/devices/system/node`), (names) =>
          names.flatMap((name) => (/^node\d{1,9}$/.test(name) ? [Number(name.slice(4))] : [])).toSorted((a, b) => a - b)
        ),
        reclaimNode: Effect.fn("Machine.reclaimNode")(function* (node, request) {
          return yield* fs.writeBlocking(`${sys}/devices/system/node/node${node}/reclaim`, reclaimRequest.encode(request)).pipe(
            Effect.as("met" as const),
            Effect.catchIf(
              (error) => error.reason._tag === "Again",
              () => Effect.succeed("partial" as const)
            )
          )
        }),
        memInfo: fs.decode(`${proc}/meminfo`, memInfo),
        vmstat: fs.decode(`${proc}/vmstat`, vmstat),
        swaps: fs.decode(`${proc}/swaps`, swaps),
        zones: fs.decode(`${proc}/zoneinfo`, zoneInfo),
        physicalMap: fs.decode(`${proc}/iomem`, ioMem),
        swappiness: fs.decode(`${proc}/sys/vm/swappiness`, bytesFile("swappiness")),
        pressure: fs.decode(`${proc}/pressure/memory`, pressureStall),
        release: Effect.map(fs.read(`${proc}/sys/kernel/osrelease`), (bytes) => new TextDecoder().decode(bytes).trim())
      })
    })
  )
}
