/**
 * Pressure of the machine and of groups: read, checked for whether it counts at all, and waited for through triggers.
 * Does not decide what is too much. A kernel whose PSI is off must never look like one without pressure: `Off` is an answer of its own.
 * Source: kernel Documentation/accounting/psi.rst; rules of triggers from psi_trigger_create in kernel/sched/psi.c.
 */
import { Context, Data, Effect, Layer, Result, type Scope, Stream } from "effect"
import { Cgroups } from "../Cgroups.ts"
import { KernFs, type KernelError } from "../KernFs.ts"
import { KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { type PressureStall, pressureStall } from "../PressureStall.ts"

import { encodeTrigger, type PressureTrigger, triggerProblem } from "./trigger.ts"

export type PressureResource = "memory" | "cpu" | "io" | "irq"

/** A reading: `Counting` with what was counted, or `Off` with the reason. */
export type PressureReading = { readonly _tag: "Counting"; readonly stall: PressureStall } | { readonly _tag: "Off"; readonly why: string }

/** Whether this kernel counts pressure. `Unproven`: readable, but nothing was counted since boot, not even waiting for a CPU. */
export type PressureLiveness =
  | { readonly _tag: "Counting" }
  | { readonly _tag: "Unproven"; readonly why: string }
  | { readonly _tag: "Off"; readonly why: string }

/** A trigger that the kernel would refuse. */
export class PressureTriggerError extends Data.TaggedError("PressureTriggerError")<{ readonly problem: string }> {
  override get message(): string {
    return `cannot set a pressure trigger: ${this.problem}`
  }
}

const capSysResource = 1n << 24n
const utf8 = new TextDecoder()

export class Pressure extends Context.Service<
  Pressure,
  {
    /** Pressure of the whole machine (`/proc/pressure/*`, since 4.20; irq since 6.1). */
    readonly machine: (resource: PressureResource) => Effect.Effect<PressureReading, KernelError>
    /** Pressure of a group (`*.pressure`). Fails with `NotFound` where the group is not there: only a file can be `Off`. */
    readonly group: (group: string, resource: PressureResource) => Effect.Effect<PressureReading, KernelError>
    /** Whether zeros can be believed. */
    readonly liveness: Effect.Effect<PressureLiveness, KernelError>
    /**
     * Sets a trigger: an element arrives whenever tasks have stalled for `stallUs` within `windowUs`, at most once a window. The window is
     * 500 ms to 10 s; without CAP_SYS_RESOURCE a multiple of 2 s (and only since 6.4). The kernel looks ten times a window. Several events
     * that nobody took are one. Ends with the scope; the stream fails with `NoDevice` when the group is gone. One reader at a time.
     */
    readonly trigger: (
      trigger: PressureTrigger
    ) => Effect.Effect<Stream.Stream<void, KernFsError>, PressureTriggerError | KernFsError, Scope.Scope>
  }
>()("@wmo/core/Pressure") {
  static readonly layer: Layer.Layer<Pressure, never, KernFs | Cgroups> = Layer.effect(
    Pressure,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const cgroups = yield* Cgroups
      const { proc } = yield* KernelRoots

      const pathOf = (resource: PressureResource, group: string | undefined): string =>
        group === undefined ? `${proc}/pressure/${resource}` : cgroups.path(group, `${resource}.pressure`)

      const off = (path: string, error: KernFsError): PressureReading => ({
        _tag: "Off",
        why:
          error.reason._tag === "NotSupported"
            ? `${path} is there, but PSI is switched off: boot with psi=1`
            : `${path} is missing: this kernel does not count it, or it is switched off (boot with psi=1; in a group see cgroup.pressure)`
      })

      const reading = (resource: PressureResource, group?: string): Effect.Effect<PressureReading, KernelError> => {
        const path = pathOf(resource, group)
        return fs.decode(path, { ...pressureStall, file: `${resource}.pressure` }).pipe(
          Effect.map((stall): PressureReading => ({ _tag: "Counting", stall })),
          Effect.catchIf(
            (error): error is KernFsError =>
              error._tag === "KernFsError" && (error.reason._tag === "NotFound" || error.reason._tag === "NotSupported"),
            (error) =>
              Effect.flatMap(group === undefined ? Effect.succeed(true) : cgroups.exists(group), (isThere) =>
                isThere ? Effect.succeed(off(path, error)) : Effect.fail(error)
              )
          )
        )
      }

      /** Whether this process may set windows as it likes; assumed where that cannot be read. */
      const isPrivileged = Effect.map(Effect.result(fs.read(`${proc}/self/status`)), (status) => {
        const mask = Result.isSuccess(status) ? /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(utf8.decode(status.success))?.[1] : undefined
        return mask === undefined || (BigInt(`0x${mask}`) & capSysResource) !== 0n
      })

      return Pressure.of({
        machine: (resource) => reading(resource),
        group: (group, resource) => reading(resource, group),
        liveness: Effect.gen(function* () {
          const cpu = yield* reading("cpu")
          if (cpu._tag === "Off") return cpu
          const readings = [cpu, yield* reading("memory"), yield* reading("io")]
          const hasCounted = readings.some(
            (entry) => entry._tag === "Counting" && Object.values(entry.stall).some((line) => line !== undefined && line.totalUs > 0n)
          )
          if (hasCounted) return { _tag: "Counting" } as const
          return {
            _tag: "Unproven",
            why: "no stall of any kind was counted since boot: watch it under load before you believe it"
          } as const
        }),
        trigger: Effect.fn("Pressure.trigger")(function* (trigger) {
          const problem = triggerProblem(trigger, yield* isPrivileged)
          if (problem !== undefined) return yield* new PressureTriggerError({ problem })
          const path = pathOf(trigger.resource, trigger.group)
          const file = yield* fs.open(path, "readWrite")
          yield* Effect.fromResult(file.write(encodeTrigger(trigger)))
          const gone = new KernFsError({ operation: "poll", path, reason: { _tag: "NoDevice" } })
          return Stream.fromEffectRepeat(
            Effect.flatMap(fs.awaitEvent(file), (event) => (event === "error" ? Effect.fail(gone) : Effect.void))
          )
        })
      })
    })
  )
}

export type { PressureTrigger } from "./trigger.ts"
