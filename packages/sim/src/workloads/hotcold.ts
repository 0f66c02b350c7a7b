/**
 * hotcold: the experiments' workload. A part that is hot at random all the time, a part that is scanned every so often, and a part that is
 * loaded and never touched again; optionally cold file pages that were read once.
 * One operation is one touch of a hot page. Defaults as in the VM experiments: 40 MiB hot, 60 MiB scanned every 10 s, 300 MiB cold.
 */
import { type Bytes, type Microseconds, type Milliseconds, pageSize } from "@wmo/core"
import type { Compressibility } from "../Compressibility.ts"
import type { Step, Workload } from "../Workload.ts"

export interface HotcoldOptions {
  readonly hotBytes?: Bytes
  readonly warmBytes?: Bytes
  readonly coldBytes?: Bytes
  /** Cold file pages: read once while loading. */
  readonly fileBytes?: Bytes
  /** Think time per hot touch; 5 µs makes 200,000 operations a second. */
  readonly thinkUs?: Microseconds
  readonly scanEveryMs?: Milliseconds
  /** Think time per page of a scan. */
  readonly scanUs?: Microseconds
  /** Tasks that touch hot pages. */
  readonly tasks?: number
  readonly compressibility?: Compressibility
}

const mib = 2 ** 20

const pages = (bytes: Bytes) => Math.floor(bytes / pageSize)

/** See the module's header. Sizes are rounded down to pages. */
export const hotcold = (options: HotcoldOptions = {}): Workload => {
  const hot = pages(options.hotBytes ?? 40 * mib)
  const warm = pages(options.warmBytes ?? 60 * mib)
  const cold = pages(options.coldBytes ?? 300 * mib)
  const scanUs = options.scanUs ?? 0.5
  const touchHot: Step = {
    _tag: "Touch",
    first: 0,
    pages: hot,
    count: 1_000_000,
    order: "random",
    thinkUs: options.thinkUs ?? 5,
    isWrite: true,
    touchesPerOperation: 1
  }
  const pause: Step = { _tag: "Sleep", us: (options.scanEveryMs ?? 10_000) * 1000 }
  const scan: Step = { _tag: "Touch", first: hot, pages: warm, count: warm, order: "sequential", thinkUs: scanUs }
  return {
    name: "hotcold",
    anonPages: hot + warm + cold,
    filePages: pages(options.fileBytes ?? 0),
    ...(options.compressibility === undefined ? {} : { compressibility: options.compressibility }),
    tasks: [
      ...Array.from(
        { length: options.tasks ?? 1 },
        () =>
          function* (): Generator<Step, void> {
            for (;;) yield hot === 0 ? pause : touchHot
          }
      ),
      function* (): Generator<Step, void> {
        for (;;) {
          yield pause
          if (warm > 0) yield scan
        }
      }
    ]
  }
}
