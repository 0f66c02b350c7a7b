/**
 * cache-filler: page cache that climbs to the group's limit, as it does in every container that writes logs or reads files once. A service
 * keeps a little anonymous memory busy; log files grow all the time, are rotated, read once by a shipper, and removed when they are old;
 * other files are read once. What Kubernetes users see as "memory used" (spec/users.md): almost none of it is ever wanted again.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { PageRange, Step, Workload } from "../Workload.ts"
import { around, layout, mib, partOf, sweep, until } from "./layout.ts"

export interface CacheFillerOptions {
  /** Always in use. Default 40 MiB. */
  readonly hotBytes?: Bytes
  /** The service's memory from its start, never used again. Default 40 MiB. */
  readonly coldBytes?: Bytes
  /** Written a second. Default 256 KiB. */
  readonly logBytesPerSecond?: Bytes
  /** Size at which a log file is rotated. Default 24 MiB. */
  readonly logFileBytes?: Bytes
  /** Log files that are kept; the oldest is removed for a new one. Default 10. */
  readonly logFiles?: number
  /** How long after its rotation a log file is read once more. Default 30 s. */
  readonly shipAfterMs?: Milliseconds
  /** Files that are read once, one after the other, over and over in the course of an hour and a half. Default 320 MiB. */
  readonly dataBytes?: Bytes
}

const stepMs = 1000

/** See the module's header. */
export const cacheFiller = (options: CacheFillerOptions = {}): Workload => {
  const files = options.logFiles ?? 10
  const fileBytes = options.logFileBytes ?? 24 * mib
  const perSecond = options.logBytesPerSecond ?? mib / 4
  const shipAfterMs = options.shipAfterMs ?? 30_000
  const dataBytes = options.dataBytes ?? 320 * mib
  const { anonPages, at, filePages } = layout(
    { hot: options.hotBytes ?? 40 * mib, cold: options.coldBytes ?? 40 * mib },
    { logs: files * fileBytes, data: dataBytes }
  )
  const file = (n: number): PageRange => partOf(at.logs, (n % files) / files, ((n % files) + 1) / files)
  const steps = Math.ceil(fileBytes / perSecond)
  return {
    name: "cache-filler",
    anonPages,
    filePages,
    load: [at.hot, at.cold],
    tasks: [
      function* (context): Generator<Step, void> {
        for (;;) {
          const nextMs = context.nowMs() + stepMs
          yield sweep(at.hot, { isWrite: true, touchesPerOperation: 16 })
          yield* until(context, nextMs)
        }
      },
      function* (context): Generator<Step, void> {
        for (let n = 0; ; n++) {
          if (n >= files) yield { _tag: "Free", ...file(n) }
          for (let step = 0; step < steps; step++) {
            const nextMs = context.nowMs() + around(context.random, stepMs, 0.2)
            yield sweep(partOf(file(n), step / steps, (step + 1) / steps), { isWrite: true, thinkUs: 10 })
            yield* until(context, nextMs)
          }
        }
      },
      function* (context): Generator<Step, void> {
        for (let n = 0; ; n++) {
          // About when the writer is done with it, and a little later.
          yield* until(context, (n + 1) * steps * stepMs + shipAfterMs)
          yield sweep(file(n), { thinkUs: 50 })
        }
      },
      function* (context): Generator<Step, void> {
        const pieces = 5400
        for (let piece = 0; ; piece = (piece + 1) % pieces) {
          const nextMs = context.nowMs() + stepMs
          yield sweep(partOf(at.data, piece / pieces, (piece + 1) / pieces), { thinkUs: 30 })
          yield* until(context, nextMs)
        }
      }
    ]
  }
}
