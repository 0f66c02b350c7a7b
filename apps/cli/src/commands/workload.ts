/** `wmo workload`: built-in workloads, to be run under `wmo run`. They do nothing to the kernel. */
import { Command, Flag } from "effect/cli"
import { json, size, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const mib = 2 ** 20

const hotcoldFlags = {
  hot: size("hot").pipe(Flag.withDefault(40 * mib), Flag.withDescription("touched at random all the time (default 40M)")),
  warm: size("warm").pipe(Flag.withDefault(60 * mib), Flag.withDescription("scanned once a period (default 60M)")),
  cold: size("cold").pipe(Flag.withDefault(300 * mib), Flag.withDescription("never touched after loading (default 300M)")),
  warmEvery: time("warm-every").pipe(Flag.withDefault(5_000), Flag.withDescription("period of the warm scans (default 5s)")),
  duration: time("duration").pipe(Flag.withDefault(60_000), Flag.withDescription("how long to run after loading (default 60s)")),
  seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("seed of the access pattern")),
  corpus: Flag.String("corpus").pipe(
    Flag.withDefault(process.execPath),
    Flag.withMetavar("FILE"),
    Flag.withDescription("fill the memory with the content of this file (default: the running program)")
  ),
  json
}
export type HotColdFlags = Command.Command.Config.Infer<typeof hotcoldFlags>

const hotcold = Command.make(
  "hotcold",
  hotcoldFlags,
  lazily(async () => (await import("../actions/workload.ts")).hotcold)
).pipe(Command.withDescription("Memory of three temperatures: hot, warm and cold, with real content, verified at the end."))

const patternFlags = {
  bytes: size("bytes").pipe(Flag.withDefault(96 * mib), Flag.withDescription("of the three thirds together (default 96M)")),
  stride: Flag.Int("stride").pipe(
    Flag.withDefault(4),
    Flag.withDescription("of the strided third, one page in so many is used (default 4)")
  ),
  every: time("every").pipe(Flag.withDefault(1), Flag.withDescription("pause between passes (default 1ms)")),
  duration: time("duration").pipe(Flag.withDefault(60_000), Flag.withDescription("how long to run (default 60s)")),
  json
}
export type PatternFlags = Command.Command.Config.Infer<typeof patternFlags>

const pattern = Command.make(
  "pattern",
  patternFlags,
  lazily(async () => (await import("../actions/workload.ts")).pattern)
).pipe(
  Command.withDescription(
    "A hot, a strided and an idle third of anonymous memory, to check heatmaps with; prints where they are, as one line of JSON, at once."
  )
)

export const workload = Command.make("workload").pipe(
  Command.withDescription("Built-in workloads to try policies on."),
  Command.withSubcommands([hotcold, pattern])
)
