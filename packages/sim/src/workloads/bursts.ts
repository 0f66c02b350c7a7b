/**
 * bursts: idle most of the time, then a burst over a large set, again and again, while a small core stays busy. Stands for cron jobs inside a
 * service, periodic reports, garbage collections of large heaps, the browser tab that comes back. Compressing the set pays only if the pause
 * is long enough, and a policy that takes it pays for all of it at once.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Step, Workload } from "../Workload.ts"
import { around, layout, mib, sweep, until } from "./layout.ts"

export interface BurstsOptions {
  /** Used in every burst. Default 120 MiB. */
  readonly burstBytes?: Bytes
  /** From one burst to the next. Default 2 min; each pause is up to a twentieth longer or shorter. */
  readonly everyMs?: Milliseconds
  /** Length of a burst: the set is swept once a second. Default 10 s. */
  readonly burstMs?: Milliseconds
  /** Always in use. Default 32 MiB. */
  readonly coreBytes?: Bytes
  /** Never used again. Default 100 MiB. */
  readonly coldBytes?: Bytes
}

/** See the module's header. */
export const bursts = (options: BurstsOptions = {}): Workload => {
  const everyMs = options.everyMs ?? 120_000
  const burstMs = options.burstMs ?? 10_000
  const { anonPages, at, filePages } = layout({
    core: options.coreBytes ?? 32 * mib,
    burst: options.burstBytes ?? 120 * mib,
    cold: options.coldBytes ?? 100 * mib
  })
  return {
    name: "bursts",
    anonPages,
    filePages,
    tasks: [
      function* (context): Generator<Step, void> {
        const { nowMs, random } = context
        let burstAtMs = nowMs() + around(random, everyMs, 0.5)
        for (;;) {
          const nextMs = nowMs() + 1000
          yield sweep(at.core, { isWrite: true, touchesPerOperation: 16 })
          if (nowMs() >= burstAtMs) {
            yield sweep(at.burst, { isWrite: true, thinkUs: 10, touchesPerOperation: 16 })
            if (nowMs() >= burstAtMs + burstMs) burstAtMs += around(random, everyMs, 0.05)
          }
          yield* until(context, nextMs)
        }
      }
    ]
  }
}
