/**
 * hotcold: the lab's workload of that name, page for page. One task: an operation touches 16 hot pages at random, and once a period the
 * warm pages are scanned between two operations, so that a slow scan slows the workload; cold pages are loaded and never touched again.
 * Beside them the process's own memory (Node's heap, the corpus) and, optionally, file pages that were read once: also cold.
 * Scans are due at multiples of the period plus seeded jitter: in exact virtual time, aging every 5 s and scans every 10 s would meet in one
 * and the same phase for ever, and a result would hang on it. Real phases differ from run to run, and barely within one.
 */
import { type Bytes, type Microseconds, type Milliseconds, pageSize } from "@wmo/core"
import { type Compressibility, programContent } from "../Compressibility.ts"
import type { Step, Workload } from "../Workload.ts"

/** Defaults are those of `wmo workload hotcold` in the VM, thinkUs too: 110,000 operations a second. */
export interface HotcoldOptions {
  /** Default 40 MiB. */
  readonly hotBytes?: Bytes
  /** Default 60 MiB. */
  readonly warmBytes?: Bytes
  /** Default 300 MiB. */
  readonly coldBytes?: Bytes
  /** The process beside its data; loaded first. Default 60 MiB, as Node 24 has it in the VM. */
  readonly processBytes?: Bytes
  /** Cold file pages: read once while loading. Default none. */
  readonly fileBytes?: Bytes
  /** Think time per operation of 16 touches. Default 9 µs. */
  readonly thinkUs?: Microseconds
  /** Default 5 s. */
  readonly scanEveryMs?: Milliseconds
  /** A scan comes up to this much before or after its time. Default 200 ms. */
  readonly scanJitterMs?: Milliseconds
  /** Think time per page of a scan. Default 0.3 µs. */
  readonly scanUs?: Microseconds
  /** Think time per page of loading. Default 10 µs. */
  readonly loadUs?: Microseconds
  /** Default: what a program file is like under lz4. */
  readonly compressibility?: Compressibility
}

const mib = 2 ** 20
const touchesPerOperation = 16

const pages = (bytes: Bytes) => Math.floor(bytes / pageSize)

/** See the module's header. Sizes are rounded down to pages. */
export const hotcold = (options: HotcoldOptions = {}): Workload => {
  const hot = pages(options.hotBytes ?? 40 * mib)
  const warm = pages(options.warmBytes ?? 60 * mib)
  const data = hot + warm + pages(options.coldBytes ?? 300 * mib)
  const process = pages(options.processBytes ?? 60 * mib)
  const file = pages(options.fileBytes ?? 0)
  const thinkUs = (options.thinkUs ?? 9) / touchesPerOperation
  const everyMs = options.scanEveryMs ?? 5_000
  const jitterMs = options.scanJitterMs ?? 200
  const scan: Step = { _tag: "Touch", first: hot, pages: warm, count: warm, order: "sequential", thinkUs: options.scanUs ?? 0.3 }
  return {
    name: "hotcold",
    anonPages: data + process,
    filePages: file,
    load: [
      { first: data + process, pages: file },
      { first: data, pages: process },
      { first: 0, pages: data }
    ],
    loadUs: options.loadUs ?? 10,
    compressibility: options.compressibility ?? programContent,
    tasks: [
      function* ({ nowMs, random }): Generator<Step, void> {
        const startMs = nowMs()
        for (let n = 1; ; n++) {
          const dueMs = startMs + n * everyMs + (2 * random.nextFraction() - 1) * jitterMs
          while (nowMs() < dueMs) {
            if (hot === 0) yield { _tag: "Sleep", us: (dueMs - nowMs()) * 1000 }
            else {
              yield {
                _tag: "Touch",
                first: 0,
                pages: hot,
                count: touchesPerOperation * 1_000_000,
                order: "random",
                thinkUs,
                isWrite: true,
                untilMs: dueMs,
                touchesPerOperation
              }
            }
          }
          if (warm > 0) yield scan
        }
      }
    ]
  }
}
