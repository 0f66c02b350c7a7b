/** Runs the built-in workloads. */
import { formatBytes } from "@wmo/core"
import { runHotCold, runPattern } from "@wmo/lab"
import { Console, Effect } from "effect"
import { writeFileSync, writeSync } from "node:fs"
import type { HotColdFlags, PatternFlags } from "../commands/workload.ts"
import { ExitCode, Failure, usageError } from "../Exit.ts"

/** Hands the result to `wmo run`, which records it. */
const publish = (result: object): void => {
  const file = process.env["WMO_RESULT"]
  if (file !== undefined) writeFileSync(file, JSON.stringify(result))
}

export const hotcold = Effect.fn("wmo workload hotcold")(function* (flags: HotColdFlags) {
  if (flags.hot < 4096) return yield* usageError("--hot must be at least one page (4K)")
  const result = yield* Effect.try({
    try: () =>
      runHotCold(
        {
          hotBytes: flags.hot,
          warmBytes: flags.warm,
          coldBytes: flags.cold,
          warmEveryMs: flags.warmEvery,
          durationMs: flags.duration,
          corpus: flags.corpus,
          seed: flags.seed
        },
        () => console.error(`hotcold: ${formatBytes(flags.hot + flags.warm + flags.cold)} loaded`),
        publish
      ),
    catch: (cause) =>
      new Failure({ message: `hotcold: ${cause instanceof Error ? cause.message : String(cause)}`, exitCode: ExitCode.failed })
  })
  publish(result)
  if (flags.json) yield* Console.log(JSON.stringify(result))
  else {
    yield* Console.log(
      `hotcold: ${Math.round(result.operations_per_second).toLocaleString("en-US")} operations/s, p99 ${result.p99_us.toFixed(1)} µs, ` +
        `${result.warm_scans} warm scans, ${result.wrong_bytes} wrong bytes`
    )
  }
  if (result.wrong_bytes > 0)
    return yield* new Failure({ message: `${result.wrong_bytes} bytes came back wrong`, exitCode: ExitCode.failed })
})

export const pattern = Effect.fn("wmo workload pattern")(function* (flags: PatternFlags) {
  if (flags.bytes < 3 * 4096) return yield* usageError("--bytes must be at least a page a third (12K)")
  if (flags.stride < 1) return yield* usageError("--stride must be at least 1")
  const result = yield* Effect.try({
    try: () =>
      runPattern(
        { bytes: flags.bytes, strideIn: flags.stride, everyMs: flags.every, durationMs: flags.duration },
        // At once, since nothing else gets a turn until the end.
        (places) => writeSync(1, `${JSON.stringify(places)}\n`)
      ),
    catch: (cause) =>
      new Failure({ message: `pattern: ${cause instanceof Error ? cause.message : String(cause)}`, exitCode: ExitCode.failed })
  })
  publish(result)
  if (flags.json) yield* Console.log(JSON.stringify(result))
  else yield* Console.error(`pattern: ${result.passes} passes in ${result.seconds.toFixed(1)} s`)
})
