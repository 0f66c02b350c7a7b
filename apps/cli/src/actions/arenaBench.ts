/** What `wmo arena bench` does: says how long it takes, runs, and prints a table or JSON. */
import { findPredictor } from "@wmo/arena"
import { formatBytes, formatDuration, type KernFs } from "@wmo/core"
import {
  advisedRun,
  type ArenaBench,
  type ArenaBenchOptions,
  arenaBenchMs,
  arenaBenchNotes,
  arenaBenchRuns,
  arenaBenchTable,
  type MemoryWorkloadName,
  memoryWorkloadNames,
  onManagedArena,
  runArenaBench
} from "@wmo/lab"
import { Console, Effect, Option } from "effect"
import type { ArenaBenchFlags } from "../commands/arenaTools.ts"
import { ExitCode, Failure, unsupported, usageError } from "../Exit.ts"
import { makeProgress } from "../progress.ts"
import { asFailure, withProcessServices } from "../processServices.ts"
import { checkMemoryFlags, warmupOf } from "./memoryWorkload.ts"

/** Which of the flags belongs to which workload. */
const shapes: Readonly<Record<MemoryWorkloadName, ReadonlyArray<"active" | "idle" | "map" | "opsPerSec" | "pass">>> = {
  interactive_burst: ["active", "idle"],
  anon_streamer: ["pass", "idle"],
  random_touch_heap: ["opsPerSec"],
  mmap_churn: ["map", "opsPerSec"]
}

const flagNames = { active: "--active", idle: "--idle", map: "--map", opsPerSec: "--ops-per-sec", pass: "--pass" } as const

const largestDefault = 512 * 2 ** 20

/** What one measured run may not depend on: pressure, which an emulated machine always has, and how long the workload has lived. */
const processSettings = { leastAgeMs: 2000, restoreCpuPercent: 100, mostPressurePercent: 50 } as const

const onProcessArena = (flags: ArenaBenchFlags) => (predictor: string, args: ReadonlyArray<string>) =>
  advisedRun(process.argv[1]!, args, {
    predictor: findPredictor(predictor)!,
    settings: { ...processSettings, cpuPercent: flags.cpu },
    chunkBytes: Option.getOrUndefined(flags.chunk)
  })

type Common = Omit<ArenaBenchOptions<never, never>, "onArena">

const runBench = (flags: ArenaBenchFlags, options: Common): Effect.Effect<ArenaBench, Failure, KernFs> => {
  const failed = ({ message }: { readonly message: string }) => new Failure({ message, exitCode: ExitCode.failed })
  if (flags.arena === "managed") {
    return runArenaBench({ ...options, onArena: onManagedArena(options.program) }).pipe(Effect.mapError(failed))
  }
  return asFailure(withProcessServices(runArenaBench({ ...options, onArena: onProcessArena(flags) }))).pipe(
    Effect.mapError((error) => (error instanceof Failure ? error : failed(error)))
  )
}

export const arenaBench = Effect.fn("wmo arena bench")(function* (flags: ArenaBenchFlags) {
  const problem = checkMemoryFlags(flags)
  if (problem !== undefined) return yield* usageError(problem)
  if (flags.arena === "process" && flags.predictor === "oracle") {
    return yield* usageError("--predictor oracle knows the future of the managed arena only: give another one, or --arena managed")
  }
  const workload = Option.getOrUndefined(flags.workload)
  const args: Array<string> = []
  const add = (name: string, value: number | string): void => void args.push(name, String(value))
  for (const [key, name] of Object.entries(flagNames) as Array<[keyof typeof flagNames, string]>) {
    const value = Option.getOrUndefined<number>(flags[key])
    if (value === undefined) continue
    if (workload === undefined) return yield* usageError(`${name} needs --workload`)
    if (!shapes[workload].includes(key)) return yield* usageError(`${workload} has no ${name}`)
    add(name, key === "map" ? value : key === "opsPerSec" ? value : `${value}ms`)
  }
  if (Option.isSome(flags.region)) add("--region", flags.region.value)
  if (Option.isSome(flags.cold)) add("--cold", `${flags.cold.value}ms`)
  add("--duration", `${flags.duration}ms`)
  add("--warmup", `${warmupOf(flags)}ms`)
  if (Option.isSome(flags.chunk)) add("--chunk", flags.chunk.value)
  add("--codec", flags.codec)
  add("--cpu", flags.cpu)
  add("--compress-on", flags.compressOn)
  add("--data", flags.data)
  add("--corpus", flags.corpus)
  add("--seed", flags.seed)
  add("--forget-every", `${flags.forgetEvery}ms`)
  const needs = 1.3 * Option.getOrElse(flags.region, () => largestDefault) + 200 * 2 ** 20
  if (process.availableMemory() < needs) {
    return yield* unsupported(
      `a run needs ${formatBytes(needs)} and ${formatBytes(process.availableMemory())} are free: give a smaller --region`
    )
  }
  const workloads = workload === undefined ? memoryWorkloadNames : [workload]
  const isShort = workload !== undefined && flags.predictor === "none"
  const oracle = flags.arena === "process" || isShort ? [] : ["oracle"]
  const predictors = [...new Set([...(workload === undefined ? ["none"] : []), flags.predictor, ...oracle])]
  const runs = arenaBenchRuns({ workloads, predictors })
  yield* Console.error(
    `${runs} runs of ${formatDuration(flags.duration)}, one after the other: about ${formatDuration(arenaBenchMs(runs, flags.duration))}`
  )
  const progress = makeProgress(runs)
  let last: string | undefined
  const bench = yield* runBench(flags, {
    workloads,
    predictors,
    args,
    program: process.argv[1]!,
    onRun: (done, label) => {
      if (last !== undefined) progress.finish(done - 1, last)
      last = label
      progress.show(done, 0, label)
    }
  }).pipe(Effect.ensuring(Effect.sync(progress.clear)))
  const wrong = bench.rows.reduce((most, { wrong_bytes }) => Math.max(most, wrong_bytes), 0)
  if (flags.json) {
    // One workload and one predictor is one answer: the fields are at the top.
    const only = workload === undefined ? { rows: bench.rows } : { ...bench.rows[0], others: bench.rows.slice(1) }
    yield* Console.log(JSON.stringify({ ...only, runs: bench.runs }, null, 2))
  } else yield* Console.log(`${arenaBenchTable(bench.rows)}\n\n${arenaBenchNotes}`)
  if (wrong > 0) return yield* new Failure({ message: `${wrong} bytes came back wrong`, exitCode: ExitCode.failed })
})
