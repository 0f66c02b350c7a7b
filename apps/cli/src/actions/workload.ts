/** Runs the built-in workloads. */
import { formatBytes } from "@wmo/core"
import { burstsPlan, minAge1Plan, minAge2Plan, type PhasedPlan, runCompile, runHotCold, runPattern, runPhased, runRedis } from "@wmo/lab"
import { Console, Effect, Option } from "effect"
import { writeSync } from "node:fs"
import type { BurstsFlags, CompileFlags, HotColdFlags, MinAgeFlags, PatternFlags, RedisFlags } from "../commands/workload.ts"
import { ExitCode, Failure, usageError } from "../Exit.ts"
import { defaultSignals } from "../Signals.ts"
import { conclude, publish } from "./workloadResult.ts"

const failure = (name: string) => (cause: unknown) =>
  new Failure({ message: `${name}: ${cause instanceof Error ? cause.message : String(cause)}`, exitCode: ExitCode.failed })

/** A workload that blocks the thread until it is over. */
const blocking = <A>(name: string, run: () => A): Effect.Effect<A, Failure> =>
  Effect.andThen(defaultSignals, Effect.try({ try: run, catch: failure(name) }))

/** A workload that starts processes: when it is interrupted it is told to end, and waited for with all that it started. */
const ended = <A>(name: string, run: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, Failure> =>
  Effect.callback((resume, signal) => {
    const running = run(signal).then(
      (result) => resume(Effect.succeed(result)),
      (cause) => resume(Effect.fail(failure(name)(cause)))
    )
    return Effect.promise(() => running)
  })

export const hotcold = Effect.fn("wmo workload hotcold")(function* (flags: HotColdFlags) {
  if (flags.hot < 4096) return yield* usageError("--hot must be at least one page (4K)")
  const result = yield* blocking("hotcold", () =>
    runHotCold(
      {
        hotBytes: flags.hot,
        warmBytes: flags.warm,
        coldBytes: flags.cold,
        warmEveryMs: flags.warmEvery,
        durationMs: flags.duration,
        corpus: flags.corpus,
        seed: flags.seed,
        forgetEveryMs: flags.forgetEvery
      },
      () => console.error(`hotcold: ${formatBytes(flags.hot + flags.warm + flags.cold)} loaded`),
      publish
    )
  )
  yield* conclude("hotcold", flags.json, result, `${result.warm_scans} warm scans`)
})

export const pattern = Effect.fn("wmo workload pattern")(function* (flags: PatternFlags) {
  if (flags.bytes < 3 * 4096) return yield* usageError("--bytes must be at least a page a third (12K)")
  if (flags.stride < 1) return yield* usageError("--stride must be at least 1")
  const result = yield* blocking("pattern", () =>
    runPattern(
      { bytes: flags.bytes, strideIn: flags.stride, everyMs: flags.every, durationMs: flags.duration },
      // At once, since nothing else gets a turn until the end.
      (places) => writeSync(1, `${JSON.stringify(places)}\n`)
    )
  )
  publish(result)
  if (flags.json) yield* Console.log(JSON.stringify(result))
  else yield* Console.error(`pattern: ${result.passes} passes in ${result.seconds.toFixed(1)} s`)
})

type PhasedFlags = Pick<MinAgeFlags, "corpus" | "duration" | "forgetEvery" | "json" | "seed">

const phased = Effect.fnUntraced(function* (name: string, plan: PhasedPlan, flags: PhasedFlags) {
  const result = yield* blocking(name, () =>
    runPhased(
      plan,
      { durationMs: flags.duration, corpus: flags.corpus, seed: flags.seed, forgetEveryMs: flags.forgetEvery },
      () => console.error(`${name}: ${formatBytes(plan.pages * 4096)} loaded`),
      publish
    )
  )
  yield* conclude(name, flags.json, result, `${result.scans} scans, the longest ${result.scan_max_ms.toFixed(1)} ms`)
})

export const bursts = Effect.fn("wmo workload bursts")(function* (flags: BurstsFlags) {
  if (flags.every < 1) return yield* usageError("--every must be at least 1ms")
  yield* phased("bursts", burstsPlan({ hotBytes: flags.hot, burstBytes: flags.burst, coldBytes: flags.cold, everyMs: flags.every }), flags)
})

const minAge = (name: string, plan: typeof minAge1Plan) =>
  Effect.fn(`wmo workload ${name}`)(function* (flags: MinAgeFlags) {
    if (flags.bytes < 64 * 4096) return yield* usageError("--bytes must be at least 64 pages (256K)")
    if (flags.period < 10) return yield* usageError("--period must be at least 10ms")
    yield* phased(name, plan({ bytes: flags.bytes, periodMs: flags.period }), flags)
  })

export const minAge1 = minAge("min-age-1", minAge1Plan)
export const minAge2 = minAge("min-age-2", minAge2Plan)

export const redis = Effect.fn("wmo workload redis")(function* (flags: RedisFlags) {
  if (flags.keys < 1 || flags.pipeline < 1) return yield* usageError("--keys and --pipeline must be at least 1")
  if (flags.rate < 0) return yield* usageError("--rate must be 0 or more")
  if (flags.value < 64 || flags.value > 2 ** 20) return yield* usageError("--value must be 64 bytes to 1M")
  const result = yield* ended("redis", (signal) =>
    runRedis(
      {
        keys: flags.keys,
        valueBytes: flags.value,
        sigma: flags.sigma,
        writes: flags.writes,
        pipeline: flags.pipeline,
        rate: flags.rate,
        durationMs: flags.duration,
        corpus: flags.corpus,
        seed: flags.seed,
        server: flags.server,
        serverGroup: Option.getOrUndefined(flags.serverGroup)
      },
      () => console.error(`redis: ${flags.keys} keys loaded`),
      publish,
      signal
    )
  )
  yield* conclude("redis", flags.json, result, `${result.writes} writes`)
})

export const compile = Effect.fn("wmo workload compile")(function* (flags: CompileFlags) {
  if (flags.files < 1 || flags.functions < 1 || flags.jobs < 1)
    return yield* usageError("--files, --functions and --jobs must be at least 1")
  const result = yield* ended("compile", (signal) =>
    runCompile(
      {
        files: flags.files,
        functions: flags.functions,
        jobs: flags.jobs,
        durationMs: flags.duration,
        seed: flags.seed,
        compiler: flags.compiler
      },
      () => console.error(`compile: ${flags.files} files written`),
      publish,
      signal
    )
  )
  yield* conclude("compile", flags.json, result, `${result.builds} builds`)
})
