/**
 * Runs a memory workload in this process, on plain memory or on the managed arena with a predictor, and says what came of it. The arena's
 * controller shares the thread, as it does in any program that embeds it. Counts after the warm-up; compares every byte at the end.
 */
import {
  type ArenaController,
  type ArenaError,
  type Arena,
  controlArena,
  type ControllerStatus,
  type Counters,
  findPredictor,
  none,
  OffHeap,
  openArena,
  oracle,
  type PredictorKind,
  publishStats,
  type Tally
} from "@wmo/arena"
import type { Bytes, Milliseconds } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { OperationsResult } from "../OperationsResult.ts"
import { type DataName, makeCorpus, mostCorpusBytes, PageContent, pageBytes } from "./content.ts"
import { MemoryRun } from "./MemoryRun.ts"
import { Meter, type PhaseLatency, type PhaseName } from "./Meter.ts"
import type { MemoryPlan } from "./plans.ts"
import { type Predicted, predictedBetween } from "./predicted.ts"
import { arenaMemory, plainMemory, type TouchedMemory } from "./TouchedMemory.ts"

export interface MemoryWorkloadOptions {
  readonly on: "plain" | "arena"
  /** Of the arena: a name that `findPredictor` knows, or `oracle`. */
  readonly predictor: string
  readonly codec: string
  readonly chunkBytes: Bytes
  /** By default the plan's. The controller may go down to half of it. */
  readonly coldMs?: Milliseconds | undefined
  readonly cpuPercent: number
  readonly compressOn: "auto" | "thread" | "slices"
  readonly durationMs: Milliseconds
  readonly warmupMs: Milliseconds
  readonly data: DataName
  /** Whose content `binary` data is. */
  readonly corpus: string
  readonly seed: number
  readonly forgetEveryMs: Milliseconds
}

/** Where a workload's memory is; hexadecimal, `end` exclusive; `null` on the arena, where it has no one place. */
export interface MemoryPlaces {
  readonly pid: number
  readonly page_bytes: number
  readonly start: string | null
  readonly end: string | null
  readonly bytes: Bytes
  /** What is left alone for so long is cold here. */
  readonly cold_ms: Milliseconds
}

/** What the arena did while the workload was measured. */
export interface ArenaPart extends Predicted {
  readonly predictor: string
  readonly explanation: string
  readonly codec: string
  readonly chunk_bytes: Bytes
  /** Where it was compressed at the end. */
  readonly compressed_on: "thread" | "slices"
  readonly compressed: number
  readonly demand_restores: number
  readonly early_restores: number
  /** Time of this thread and of a codec thread. */
  readonly compress_ms: Milliseconds
  readonly early_restore_ms: Milliseconds
  readonly demand_restore_ms: Milliseconds
  readonly predict_ms: Milliseconds
  /** All three of the above that are not the workload waiting, and the waiting, as a share of one core. */
  readonly cpu_pct: number
}

export interface MemoryWorkloadResult extends OperationsResult {
  readonly workload: string
  readonly on: "plain" | "arena"
  readonly bytes: Bytes
  readonly mean_us: number
  readonly phases: Partial<Record<PhaseName, PhaseLatency>>
  /** Of the whole process, in percent of a core. */
  readonly process_cpu_pct: number
  readonly wrong_bytes: Bytes
  readonly arena: ArenaPart | null
}

export interface MemoryWorkloadHooks {
  /** The workload begins when this is done. */
  readonly onLoaded: (places: MemoryPlaces) => Effect.Effect<void>
  readonly onMeasuring: () => void
  /** Before everything is compared; `wrong_bytes` is of what was touched. */
  readonly onMeasured: (result: MemoryWorkloadResult) => void
}

const startDelayMs: Milliseconds = 100

/** What making the content leaves behind is not what is measured. */
const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc")
  ;(runInNewContext("gc") as () => void)()
}

const hexadecimal = (address: bigint | undefined): string | null => (address === undefined ? null : `0x${address.toString(16)}`)

interface Held {
  readonly memory: TouchedMemory
  /** Gives the bytes that were wrong. */
  readonly churnOnce: () => Bytes
  readonly arena: Arena | undefined
}

const hold = (plan: MemoryPlan, options: MemoryWorkloadOptions, corpus: Buffer): Effect.Effect<Held, ArenaError, OffHeap | Scope.Scope> =>
  Effect.gen(function* () {
    const mapContent = (): PageContent => new PageContent(plan.mapBytes / pageBytes, corpus)
    const used = (memory: TouchedMemory): Bytes => {
      for (let page = 0; page < memory.content.pages; page++) memory.touch(page)
      memory.close()
      return memory.content.wrongBytes
    }
    if (options.on === "plain") {
      const offHeap = yield* OffHeap
      const memory = yield* Effect.acquireRelease(
        Effect.sync(() => plainMemory(offHeap, new PageContent(plan.pages, corpus))),
        ({ close }) => Effect.sync(close)
      )
      return { memory, churnOnce: () => used(plainMemory(offHeap, mapContent(), false)), arena: undefined }
    }
    const arena = yield* openArena({ chunkBytes: options.chunkBytes, codec: options.codec })
    const memory = arenaMemory(arena, "heap", new PageContent(plan.pages, corpus))
    return { memory, churnOnce: () => used(arenaMemory(arena, "map", mapContent())), arena }
  })

/** How long a pass at full speed takes, so that the oracle knows when which page will be touched. */
const timedPass = ({ content, touch }: TouchedMemory): Milliseconds => {
  const startedMs = performance.now()
  for (let page = 0; page < content.pages; page++) touch(page)
  return performance.now() - startedMs
}

const predictorOf = (
  plan: MemoryPlan,
  { chunkBytes, durationMs, predictor }: MemoryWorkloadOptions,
  arena: Arena,
  startMs: Milliseconds,
  passMs: Milliseconds
): PredictorKind | ((region: { readonly name: string }) => PredictorKind) => {
  if (predictor !== "oracle") return findPredictor(predictor)!
  const { chunks, timesMs } = plan.future(chunkBytes / pageBytes, durationMs, passMs)
  const offsetMs = startMs - performance.now() + arena.now()
  const known = oracle({ chunks, timesMs: Float64Array.from(timesMs, (ms) => ms + offsetMs) })
  return ({ name }) => (name === "heap" ? known : none)
}

interface Look {
  readonly tally: Readonly<Tally>
  readonly counters: Readonly<Counters>
  readonly status: ControllerStatus
  readonly atMs: Milliseconds
}

const look = (arena: Arena, controller: ArenaController): Look => {
  const status = controller.status()
  const { tally } = status.regions.find(({ name }) => name === "heap")!
  return { tally, counters: { ...arena.counters }, status, atMs: performance.now() }
}

const arenaPart = (arena: Arena, before: Look, after: Look): ArenaPart => {
  const counter = (what: keyof Counters): number => after.counters[what] - before.counters[what]
  const region = after.status.regions.find(({ name }) => name === "heap")!
  const compressMs = after.status.compressMs - before.status.compressMs
  const earlyMs = after.status.restoreMs - before.status.restoreMs
  const predictMs = after.status.predictMs - before.status.predictMs
  const demandMs = counter("demandMs")
  return {
    predictor: region.predictor,
    explanation: region.explanation,
    codec: arena.codec.name,
    chunk_bytes: arena.chunkBytes,
    compressed_on: after.status.isThreaded ? "thread" : "slices",
    ...predictedBetween(before.tally, after.tally),
    compressed: counter("compressed"),
    demand_restores: counter("demandRestores"),
    early_restores: counter("earlyRestores"),
    compress_ms: compressMs,
    early_restore_ms: earlyMs,
    demand_restore_ms: demandMs,
    predict_ms: predictMs,
    cpu_pct: (100 * (compressMs + earlyMs + predictMs + demandMs)) / (after.atMs - before.atMs)
  }
}

/** Runs for `durationMs` after loading, then compares everything. Meant for a process of its own. */
export const runMemoryWorkload = (
  plan: MemoryPlan,
  options: MemoryWorkloadOptions,
  hooks: MemoryWorkloadHooks
): Effect.Effect<MemoryWorkloadResult, ArenaError> =>
  Effect.gen(function* () {
    const corpus = makeCorpus(options.data, options.seed, options.corpus, Math.min(mostCorpusBytes, plan.pages * pageBytes))
    const { arena, churnOnce, memory } = yield* hold(plan, options, corpus)
    const passMs = timedPass(memory)
    collectGarbage()
    const [start, end] = memory.place ?? []
    const coldMs = options.coldMs ?? plan.coldMs
    const places = { pid: process.pid, page_bytes: pageBytes, start: hexadecimal(start), end: hexadecimal(end) }
    yield* hooks.onLoaded({ ...places, bytes: plan.pages * pageBytes, cold_ms: coldMs })
    const startMs = performance.now() + startDelayMs
    let controller: ArenaController | undefined
    if (arena !== undefined) {
      controller = yield* controlArena(arena, {
        predictor: predictorOf(plan, options, arena, startMs, passMs),
        settings: { coldMs, leastColdMs: coldMs / 2, mostColdMs: coldMs, cpuPercent: options.cpuPercent },
        compressOn: options.compressOn
      })
      yield* publishStats(arena, { name: plan.name, controller })
    }
    const meter = new Meter()
    let before: Look | undefined
    let cpuBefore = process.cpuUsage()
    let wrongInMaps = 0
    const run = new MemoryRun({
      memory,
      meter,
      startMs,
      durationMs: options.durationMs,
      warmupMs: options.warmupMs,
      chunkPages: options.chunkBytes / pageBytes,
      coldMs,
      forgetEveryMs: options.forgetEveryMs,
      onMeasuring: () => {
        if (arena !== undefined) before = look(arena, controller!)
        cpuBefore = process.cpuUsage()
        hooks.onMeasuring()
      }
    })
    yield* run.until(startMs)
    yield* plan.run(run, () => {
      wrongInMaps += churnOnce()
    })
    const counted = meter.result()
    const { system, user } = process.cpuUsage(cpuBefore)
    const measured: MemoryWorkloadResult = {
      workload: plan.name,
      on: options.on,
      bytes: plan.pages * pageBytes,
      ...counted,
      process_cpu_pct: (user + system) / 10_000 / counted.seconds,
      wrong_bytes: memory.content.wrongBytes + wrongInMaps,
      arena: arena === undefined || before === undefined ? null : arenaPart(arena, before, look(arena, controller!))
    }
    hooks.onMeasured(measured)
    timedPass(memory)
    return { ...measured, wrong_bytes: memory.content.wrongBytes + wrongInMaps }
  }).pipe(Effect.scoped, Effect.provide(OffHeap.layer))
