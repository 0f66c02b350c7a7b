/**
 * The whole machine's memory: meminfo, vmstat, swaps, pressure.
 */
import { Context, Effect, Layer } from "effect"
import { KernFs, type KernelError } from "./KernFs.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { type Counters, countersFile } from "./MemoryStat.ts"
import { type PressureStall, pressureStall } from "./PressureStall.ts"
import { type MemInfo, memInfo, type SwapArea, swaps } from "./Proc.ts"

export class Machine extends Context.Service<
  Machine,
  {
    /** `/proc/meminfo` in bytes. */
    readonly memInfo: Effect.Effect<MemInfo, KernelError>
    readonly vmstat: Effect.Effect<Counters, KernelError>
    readonly swaps: Effect.Effect<ReadonlyArray<SwapArea>, KernelError>
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
      const { proc } = yield* KernelRoots
      const vmstat = countersFile("/proc/vmstat")
      return Machine.of({
        memInfo: fs.decode(`${proc}/meminfo`, memInfo),
        vmstat: fs.decode(`${proc}/vmstat`, vmstat),
        swaps: fs.decode(`${proc}/swaps`, swaps),
        pressure: fs.decode(`${proc}/pressure/memory`, pressureStall),
        release: Effect.map(fs.read(`${proc}/sys/kernel/osrelease`), (bytes) => new TextDecoder().decode(bytes).trim())
      })
    })
  )
}
