/**
 * phases: the working set moves. A set of equal parts; for some minutes one of them is what the program works on, a second is looked at now
 * and then, the rest lies idle until its turn. Stands for analytics pipelines, compilers of large projects, a database between reports:
 * what is cold now is hot in a quarter of an hour, and what came back must not be taken at once.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Step, Workload } from "../Workload.ts"
import { around, layout, mib, partOf, sweep, until } from "./layout.ts"

export interface PhasesOptions {
  /** All parts together. Default 160 MiB. */
  readonly bytes?: Bytes
  /** Default 5. */
  readonly parts?: number
  /** Default 4 min; each phase is up to a fifth longer or shorter. */
  readonly phaseMs?: Milliseconds
  /** Always in use. Default 24 MiB. */
  readonly commonBytes?: Bytes
  /** Never used again. Default 120 MiB. */
  readonly coldBytes?: Bytes
  /** How often the part before the current one is looked at. Default 45 s. */
  readonly lookBackMs?: Milliseconds
}

/** See the module's header. */
export const phases = (options: PhasesOptions = {}): Workload => {
  const parts = options.parts ?? 5
  const phaseMs = options.phaseMs ?? 240_000
  const lookBackMs = options.lookBackMs ?? 45_000
  const { anonPages, at, filePages } = layout({
    common: options.commonBytes ?? 24 * mib,
    parts: options.bytes ?? 160 * mib,
    cold: options.coldBytes ?? 120 * mib
  })
  const part = (n: number) => partOf(at.parts, (n % parts) / parts, ((n % parts) + 1) / parts)
  return {
    name: "phases",
    anonPages,
    filePages,
    tasks: [
      function* (context): Generator<Step, void> {
        const { nowMs, random } = context
        for (let phase = 0; ; phase++) {
          const endMs = nowMs() + around(random, phaseMs, 0.2)
          let lookMs = nowMs() + lookBackMs
          while (nowMs() < endMs) {
            const nextMs = nowMs() + 1000
            yield sweep(at.common, { isWrite: true, touchesPerOperation: 16 })
            yield sweep(part(phase), { touchesPerOperation: 16 })
            if (phase > 0 && nowMs() >= lookMs) {
              yield sweep(part(phase - 1), { thinkUs: 5 })
              lookMs = nowMs() + around(random, lookBackMs, 0.1)
            }
            yield* until(context, nextMs)
          }
        }
      }
    ]
  }
}
