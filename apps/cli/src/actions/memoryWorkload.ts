/** Runs the memory workloads. Their places are one line of JSON at the start, as of `wmo workload pattern`; with `--json` what follows is too. */
import { formatBytes } from "@wmo/core"
import { findPredictor, predictors } from "@wmo/arena"
import { anonStreamer as streamerPlan, interactiveBurst as burstPlan, mmapChurn as churnPlan, randomTouchHeap as heapPlan } from "@wmo/lab"
import { type MemoryPlan, type MemoryWorkloadOptions, runMemoryWorkload } from "@wmo/lab"
import { Effect, Option } from "effect"
import { statSync, writeSync } from "node:fs"
import type {
  AnonStreamerFlags,
  CommonMemoryFlags,
  InteractiveBurstFlags,
  MemoryFlags,
  MmapChurnFlags,
  RandomTouchHeapFlags
} from "../commands/memoryWorkload.ts"
import { ExitCode, Failure, usageError } from "../Exit.ts"
import { conclude, publish } from "./workloadResult.ts"

const least = 64 * 4096

export const chunkOf = ({ chunk }: Pick<MemoryFlags, "chunk">): number => Option.getOrElse(chunk, () => 65_536)

/** Whatever is wrong with what memory workloads and their bench have in common. */
export const checkMemoryFlags = (flags: MemoryFlags): string | undefined => {
  const { cpu, duration, predictor, warmup } = flags
  const chunk = chunkOf(flags)
  if (predictor !== "oracle" && findPredictor(predictor) === undefined) {
    return `there is no predictor "${predictor}": ${predictors.map(({ name }) => name).join(", ")}, oracle`
  }
  if (!(chunk >= 4096 && chunk <= 2 ** 20 && Number.isInteger(Math.log2(chunk)))) return "--chunk must be a power of two from 4K to 1M"
  if (!(cpu >= 0 && cpu <= 100)) return "--cpu must be 0 to 100"
  if (duration < 100) return "--duration must be at least 100ms"
  if (Option.exists(warmup, (ms) => ms >= duration)) return "--warmup must be shorter than --duration"
  if (Option.exists(flags.cold, (ms) => ms < 2)) return "--cold must be at least 2ms"
  return statSync(flags.corpus, { throwIfNoEntry: false })?.isFile() ? undefined : `--corpus ${flags.corpus}: there is no such file`
}

export const warmupOf = ({ duration, warmup }: Pick<MemoryFlags, "duration" | "warmup">): number =>
  Option.getOrElse(warmup, () => 0.3 * duration)

const optionsOf = (flags: CommonMemoryFlags): MemoryWorkloadOptions => ({
  on: flags.on,
  predictor: flags.predictor,
  codec: flags.codec,
  chunkBytes: chunkOf(flags),
  coldMs: Option.getOrUndefined(flags.cold),
  cpuPercent: flags.cpu,
  compressOn: flags.compressOn,
  durationMs: flags.duration,
  warmupMs: warmupOf(flags),
  data: flags.data,
  corpus: flags.corpus,
  seed: flags.seed,
  forgetEveryMs: flags.forgetEvery
})

const printLine = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`)

/** A line, or the end of the input. */
const lineOfInput: Effect.Effect<void> = Effect.callback((resume) => {
  const done = (): void => {
    process.stdin.pause()
    resume(Effect.void)
  }
  process.stdin.once("data", done).once("end", done)
})

const runPlan = Effect.fnUntraced(function* (plan: MemoryPlan, flags: CommonMemoryFlags) {
  const problem = checkMemoryFlags(flags)
  if (problem !== undefined) return yield* usageError(problem)
  const say = (event: string): void => {
    if (flags.json) printLine({ event, at_ms: Date.now() })
  }
  const result = yield* runMemoryWorkload(plan, optionsOf(flags), {
    onLoaded: (places) =>
      Effect.suspend(() => {
        printLine(places)
        const rest = flags.wait ? "; waits for a line on standard input" : ""
        console.error(
          `${plan.name}: ${formatBytes(plan.pages * 4096)} loaded, on ${flags.on === "plain" ? "plain memory" : "the arena"}${rest}`
        )
        return flags.wait ? lineOfInput : Effect.void
      }),
    onMeasuring: () => say("measuring"),
    onMeasured: (measured) => {
      say("measured")
      publish(measured)
    }
  }).pipe(Effect.mapError(({ message }) => new Failure({ message: `${plan.name}: ${message}`, exitCode: ExitCode.failed })))
  const cold = result.phases.cold_touch
  const first = cold === undefined ? "no touch of cold memory" : `first touch of cold memory p99 ${cold.p99_us.toFixed(1)} µs`
  const share = (value: number | null): string => (value === null ? "–" : `${(100 * value).toFixed(1)} %`)
  const predicted =
    result.arena === null
      ? ""
      : `, ${result.arena.predictor}: accuracy ${share(result.arena.accuracy)}, coverage ${share(result.arena.coverage)}`
  yield* conclude(plan.name, flags.json, result, first + predicted)
})

const pageFault = (flags: { readonly region: number; readonly opsPerSec?: number }): string | undefined =>
  flags.region < least
    ? "--region must be at least 64 pages (256K)"
    : flags.opsPerSec !== undefined && !(flags.opsPerSec > 0)
      ? "--ops-per-sec must be more than 0"
      : undefined

export const interactiveBurst = Effect.fn("wmo workload interactive_burst")(function* (flags: InteractiveBurstFlags) {
  const problem = pageFault(flags)
  if (problem !== undefined) return yield* usageError(problem)
  if (flags.active < 1 || flags.idle < 10) return yield* usageError("--active must be at least 1ms and --idle 10ms")
  yield* runPlan(burstPlan({ bytes: flags.region, activeMs: flags.active, idleMs: flags.idle }), flags)
})

export const anonStreamer = Effect.fn("wmo workload anon_streamer")(function* (flags: AnonStreamerFlags) {
  const problem = pageFault(flags)
  if (problem !== undefined) return yield* usageError(problem)
  if (flags.pass < 1) return yield* usageError("--pass must be at least 1ms")
  yield* runPlan(streamerPlan({ bytes: flags.region, passMs: flags.pass, idleMs: flags.idle }), flags)
})

export const randomTouchHeap = Effect.fn("wmo workload random_touch_heap")(function* (flags: RandomTouchHeapFlags) {
  const problem = pageFault(flags)
  if (problem !== undefined) return yield* usageError(problem)
  yield* runPlan(heapPlan({ bytes: flags.region, perSecond: flags.opsPerSec, seed: flags.seed }), flags)
})

export const mmapChurn = Effect.fn("wmo workload mmap_churn")(function* (flags: MmapChurnFlags) {
  const problem = pageFault(flags)
  if (problem !== undefined) return yield* usageError(problem)
  if (flags.map < 4096) return yield* usageError("--map must be at least one page (4K)")
  yield* runPlan(churnPlan({ bytes: flags.region, mapBytes: flags.map, perSecond: flags.opsPerSec }), flags)
})
