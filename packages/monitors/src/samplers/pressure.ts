/**
 * Samples the machine's pressure (memory, cpu, io; irq where the kernel counts it), and wakes the loop when tasks stall: a PSI trigger on the
 * machine, or on a group, has a sample taken at once instead of at the next turn. Groups' memory pressure is sampled with the groups.
 */
import { type Cgroups, Pressure, type PressureResource, type PressureTrigger, type PressureTriggerError, type KernFsError } from "@wmo/core"
import { Effect, Queue, Stream } from "effect"
import { machineSubject, type SampleValue } from "../Sample.ts"
import type { Sampler } from "../Sampler.ts"
import { pressureFile } from "./cgroupMetrics.ts"
import { pressureStall } from "@wmo/core"

export interface PressureOptions {
  readonly resources?: ReadonlyArray<PressureResource> | undefined
  /** What is worth a sample at once. Default: nothing. */
  readonly triggers?: ReadonlyArray<PressureTrigger> | undefined
}

export const pressureSampler = ({ resources = ["memory", "cpu", "io", "irq"], triggers = [] }: PressureOptions = {}): Sampler<
  PressureTriggerError | KernFsError,
  Pressure | Cgroups
> => ({
  name: "pressure",
  needs: [
    "PSI (CONFIG_PSI; boot with psi=1 where it is off)",
    ...(triggers.length === 0 ? [] : ["CAP_SYS_RESOURCE for windows other than 2 s"])
  ],
  kinds: ["machine"],
  make: Effect.gen(function* () {
    const pressure = yield* Pressure
    const files = resources.map((resource) => ({ resource, file: pressureFile(pressureStall, `pressure_${resource}`) }))
    const wakes = yield* Queue.sliding<void>(1)
    for (const trigger of triggers) {
      const events = yield* pressure.trigger(trigger)
      // A group that goes away takes its trigger with it.
      yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(events, () => Queue.offer(wakes, undefined))))
    }
    const shapes = new Map<string, ReadonlyArray<string>>()
    return {
      sample: Effect.gen(function* () {
        const names: Array<string> = []
        const values: Array<SampleValue> = []
        for (const { file, resource } of files) {
          const reading = yield* pressure.machine(resource)
          if (reading._tag === "Off") continue
          names.push(...file.names(reading.stall))
          values.push(...file.values(reading.stall))
        }
        const key = names.join(" ")
        let metrics = shapes.get(key)
        if (metrics === undefined) shapes.set(key, (metrics = names))
        return names.length === 0 ? [] : [{ subject: machineSubject, metrics, values }]
      }),
      ...(triggers.length === 0 ? {} : { wake: Queue.take(wakes) })
    }
  })
})
