/**
 * Runs one memory workload on plain memory, in a process that knows nothing of an arena, as the target of the process arena: what DAMON sees cold
 * is paged out into compressed swap, what the predictor expects is read in. Needs root, DAMON and compressed swap; the arena runs in this process.
 */
import { openProcessArena, type PredictorKind, type ProcessArena, type ProcessArenaStatus, type ProcessSettings } from "@wmo/arena"
import type { Bytes, Milliseconds } from "@wmo/core"
import { Deferred, Effect, Fiber } from "effect"
import { makeKdamondCpu } from "../kdamondCpu.ts"
import { type Predicted, predictedBetween } from "../workloads/memory/predicted.ts"
import type { MemoryPlaces } from "../workloads/memory/runMemoryWorkload.ts"
import { type Watched, watchedRun, WatchedRunFailed } from "./watchedRun.ts"

/** What the process arena did while the workload was measured. */
export interface ProcessArenaPart extends Predicted {
  readonly predictor: string
  readonly explanation: string
  readonly swap: string
  readonly by: string
  readonly chunk_bytes: Bytes
  readonly paged_out_bytes: Bytes
  readonly read_in_bytes: Bytes
  readonly demand_bytes: Bytes
  readonly major_faults: number
  /** PSS with what lies compressed counted as what it takes; not counted is what this process holds. */
  readonly saved_share: number
  readonly saved_mean_bytes: Bytes
  readonly own_rss_bytes: Bytes
  /** Of this process (which pages out and reads in) and of kdamonds, in percent of a core. */
  readonly cpu_pct: number
}

interface Advised extends Watched {
  readonly process_arena: ProcessArenaPart
}

export interface AdvisedRunOptions {
  readonly predictor: PredictorKind
  readonly settings: Partial<ProcessSettings>
  /** A 64th of the memory unless it is given. */
  readonly chunkBytes?: Bytes | undefined
}

/** Ours starts and ends with the run, so that all of it counts. */
const kdamondCpuMs = makeKdamondCpu()

interface Look {
  readonly status: ProcessArenaStatus
  readonly cpuMs: Milliseconds
  readonly atMs: Milliseconds
}

const look = (arena: ProcessArena): Look => {
  const { system, user } = process.cpuUsage()
  return { status: arena.status(), cpuMs: (user + system) / 1000 + kdamondCpuMs(), atMs: performance.now() }
}

export const processArenaPart = (before: Look, after: Look): ProcessArenaPart => {
  type Counter = "demandBytes" | "majorFaults" | "pagedOutBytes" | "readInBytes" | "savedByteSeconds" | "wholeByteSeconds"
  const counter = (what: Counter): number => after.status[what] - before.status[what]
  const { by, chunkBytes, predictor, swap } = after.status
  const seconds = (after.atMs - before.atMs) / 1000
  return {
    predictor: predictor.name,
    explanation: predictor.explanation,
    swap,
    by,
    chunk_bytes: chunkBytes,
    ...predictedBetween(before.status.predictor.tally, after.status.predictor.tally),
    paged_out_bytes: counter("pagedOutBytes"),
    read_in_bytes: counter("readInBytes"),
    demand_bytes: counter("demandBytes"),
    major_faults: counter("majorFaults"),
    saved_share: counter("savedByteSeconds") / Math.max(1, counter("wholeByteSeconds")),
    saved_mean_bytes: counter("savedByteSeconds") / seconds,
    own_rss_bytes: process.memoryUsage.rss(),
    cpu_pct: (after.cpuMs - before.cpuMs) / seconds / 10
  }
}

const largestChunk: Bytes = 2 ** 21
const leastChunk: Bytes = 2 ** 16
const chunksAtLeast = 64

/** The cold age is held where the workload says: else the reactive arena would soon page out less, and each run be compared with another. */
const settingsFor = ({ bytes, cold_ms: coldMs }: MemoryPlaces, { chunkBytes, settings }: AdvisedRunOptions): Partial<ProcessSettings> => ({
  chunkBytes: chunkBytes ?? Math.max(leastChunk, Math.min(largestChunk, 2 ** Math.floor(Math.log2(bytes / chunksAtLeast)))),
  coldMs,
  leastColdMs: coldMs,
  mostColdMs: coldMs,
  ...settings
})

/** `args`: of `wmo workload`, on plain memory. The workload waits for the arena after loading; the arena sees its warm-up. */
export const advisedRun = (program: string, args: ReadonlyArray<string>, options: AdvisedRunOptions) =>
  Effect.gen(function* () {
    const loaded = yield* Deferred.make<{ readonly places: MemoryPlaces; readonly go: () => void }>()
    let arena: ProcessArena | undefined
    let before: Look | undefined
    let after: Look | undefined
    const target = yield* Effect.forkScoped(
      watchedRun(program, args, {
        loaded: (places, go) => void Effect.runSync(Deferred.succeed(loaded, { places, go })),
        measuring: () => void (before = look(arena!)),
        measured: () => void (after = look(arena!))
      })
    )
    const { go, places } = yield* Effect.raceFirst(
      Deferred.await(loaded),
      Effect.andThen(Fiber.join(target), new WatchedRunFailed({ message: "the run's process ended before it had loaded" }))
    )
    arena = yield* openProcessArena({
      pid: places.pid,
      mode: "advise",
      predictor: options.predictor,
      settings: settingsFor(places, options)
    })
    go()
    const watched = yield* Fiber.join(target)
    return { ...watched, process_arena: processArenaPart(before!, after!) } satisfies Advised
  }).pipe(Effect.scoped)
