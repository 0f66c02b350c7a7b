/** `wmo workload`: built-in workloads, to be run under `wmo run`. They do nothing to the kernel. */
import { formatBytes } from "@wmo/core"
import { type HotColdResult, runHotCold } from "@wmo/lab"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { writeFileSync } from "node:fs"
import { ExitCode, Failure } from "../Exit.ts"
import { json, size, time } from "../flags.ts"

const mib = 2 ** 20

/** Hands the result to `wmo run`, which records it. */
const publish = (result: HotColdResult): void => {
  const file = process.env["WMO_RESULT"]
  if (file !== undefined) writeFileSync(file, JSON.stringify(result))
}

const hotcold = Command.make(
  "hotcold",
  {
    hot: size("hot").pipe(Flag.withDefault(40 * mib), Flag.withDescription("touched at random all the time (default 40M)")),
    warm: size("warm").pipe(Flag.withDefault(60 * mib), Flag.withDescription("scanned once a period (default 60M)")),
    cold: size("cold").pipe(Flag.withDefault(300 * mib), Flag.withDescription("never touched after loading (default 300M)")),
    warmEvery: time("warm-every").pipe(Flag.withDefault(10_000), Flag.withDescription("period of the warm scans (default 10s)")),
    duration: time("duration").pipe(Flag.withDefault(60_000), Flag.withDescription("how long to run after loading (default 60s)")),
    seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("seed of the access pattern")),
    corpus: Flag.String("corpus").pipe(
      Flag.withDefault(process.execPath),
      Flag.withMetavar("FILE"),
      Flag.withDescription("fill the memory with the content of this file (default: the running program)")
    ),
    json
  },
  Effect.fn("wmo workload hotcold")(function* (flags) {
    if (flags.hot < 4096) return yield* new Failure({ message: "--hot must be at least one page (4K)", exitCode: ExitCode.usage })
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
).pipe(Command.withDescription("Memory of three temperatures: hot, warm and cold, with real content, verified at the end."))

export const workload = Command.make("workload").pipe(
  Command.withDescription("Built-in workloads to try policies on."),
  Command.withSubcommands([hotcold])
)
