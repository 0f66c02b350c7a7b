/**
 * scans: programs that read more files than memory has use for. An index and some tables are looked up all the time; a large data file is
 * read from end to end every quarter of an hour (a report, a backup, a search); another is read once, a piece after the other (an import).
 * Its cache is worth nothing, that of the large one only to whoever has nothing better to do with the memory. Stands for databases beside
 * their batch jobs.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Step, Workload } from "../Workload.ts"
import { around, layout, mib, partOf, sweep, touchPages, until } from "./layout.ts"

export interface ScansOptions {
  /** Anonymous, always in use: buffers. Default 48 MiB. */
  readonly bufferBytes?: Bytes
  /** Files looked up at random. Default 64 MiB; a quarter of it gets nine of ten look-ups. */
  readonly indexBytes?: Bytes
  /** Look-ups a second. Default 1,000. */
  readonly lookupsPerSecond?: number
  /** Read from end to end again and again. Default 160 MiB. */
  readonly dataBytes?: Bytes
  /** From the start of a pass to that of the next. Default 15 min, a tenth longer or shorter. */
  readonly everyMs?: Milliseconds
  /** Length of a pass. Default 4 min. */
  readonly passMs?: Milliseconds
  /** Read once during an hour. Default 120 MiB. */
  readonly importBytes?: Bytes
}

const hourMs = 3_600_000

/** See the module's header. */
export const scans = (options: ScansOptions = {}): Workload => {
  const everyMs = options.everyMs ?? 900_000
  const passMs = options.passMs ?? 240_000
  const perSecond = options.lookupsPerSecond ?? 1000
  const { anonPages, at, filePages } = layout(
    { buffers: options.bufferBytes ?? 48 * mib },
    { index: options.indexBytes ?? 64 * mib, data: options.dataBytes ?? 160 * mib, import: options.importBytes ?? 120 * mib }
  )
  return {
    name: "scans",
    anonPages,
    filePages,
    load: [at.buffers, at.index],
    tasks: [
      function* (context): Generator<Step, void> {
        const { random } = context
        const popular = Math.ceil(at.index.pages / 4)
        for (;;) {
          const nextMs = context.nowMs() + 1000
          yield sweep(at.buffers, { isWrite: true, thinkUs: 10 })
          const list = Uint32Array.from(
            { length: perSecond },
            () => at.index.first + random.nextBelow(random.nextBelow(10) > 0 ? popular : at.index.pages)
          )
          yield touchPages(list, { thinkUs: 200, touchesPerOperation: 4 })
          yield* until(context, nextMs)
        }
      },
      function* (context): Generator<Step, void> {
        const startMs = context.nowMs() + around(context.random, everyMs / 4, 1)
        for (let pass = 0; ; pass++) {
          const passStartMs = startMs + pass * everyMs + around(context.random, 1, 1) * 0.1 * everyMs
          yield* until(context, passStartMs)
          const steps = Math.ceil(passMs / 1000)
          for (let step = 0; step < steps; step++) {
            yield sweep(partOf(at.data, step / steps, (step + 1) / steps), { thinkUs: 30 })
            yield* until(context, passStartMs + (step + 1) * 1000)
          }
        }
      },
      function* (context): Generator<Step, void> {
        const startMs = context.nowMs()
        const steps = hourMs / 10_000
        for (let step = 0; step < steps; step++) {
          yield sweep(partOf(at.import, step / steps, (step + 1) / steps), { thinkUs: 30 })
          yield* until(context, startMs + (step + 1) * 10_000)
        }
      }
    ]
  }
}
