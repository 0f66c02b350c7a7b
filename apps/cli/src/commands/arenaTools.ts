/** `wmo arena demo|bench|codecs|stats`: the arena's tools. They need no root and change nothing, but for `bench --arena process`. */
import { Argument, Command, Flag } from "effect/cli"
import { json, size, time } from "../flags.ts"
import { lazily } from "../lazily.ts"
import { memoryFlags } from "./memoryWorkload.ts"

const demoFlags = { seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("of the data (default 1)")), json } as const
export type ArenaDemoFlags = Command.Command.Config.Infer<typeof demoFlags>

const demo = Command.make(
  "demo",
  demoFlags,
  lazily(async () => (await import("../actions/arenaDemo.ts")).arenaDemo)
).pipe(
  Command.withDescription(
    "A bursty program without the arena, with it, and with a predictor: what it holds and how long it waits. Half a minute."
  )
)

const benchFlags = {
  workload: Flag.Literals("workload", ["interactive_burst", "anon_streamer", "random_touch_heap", "mmap_churn"]).pipe(
    Flag.withAlias("w"),
    Flag.optional,
    Flag.withDescription(
      "one workload, with the predictor and the oracle; with --predictor none only that (default: all four, with none, the predictor and the oracle)"
    )
  ),
  arena: Flag.Literals("arena", ["managed", "process"]).pipe(
    Flag.withDefault("managed"),
    Flag.withDescription(
      "managed: in the workload's own process; process: the workload as the unmodified target of what `wmo arena advise` does, with chunks of a 64th of its memory; needs root (default managed)"
    )
  ),
  ...memoryFlags,
  region: size("region").pipe(Flag.optional, Flag.withDescription("how much memory (default: the workload's)")),
  active: time("active").pipe(Flag.optional, Flag.withDescription("interactive_burst: length of a burst")),
  idle: time("idle").pipe(Flag.optional, Flag.withDescription("interactive_burst, anon_streamer: the pause")),
  pass: time("pass").pipe(Flag.optional, Flag.withDescription("anon_streamer: how long a pass takes")),
  map: size("map").pipe(Flag.optional, Flag.withDescription("mmap_churn: size of each mapping")),
  opsPerSec: Flag.Finite("ops-per-sec").pipe(
    Flag.optional,
    Flag.withMetavar("N"),
    Flag.withDescription("random_touch_heap, mmap_churn: operations a second")
  )
} as const
export type ArenaBenchFlags = Command.Command.Config.Infer<typeof benchFlags>

const bench = Command.make(
  "bench",
  benchFlags,
  lazily(async () => (await import("../actions/arenaBench.ts")).arenaBench)
).pipe(
  Command.withDescription(
    "The memory workloads on plain memory, on the reactive arena, with a predictor and with the oracle: latency, PSS, CPU, wrong bytes."
  )
)

const codecsFlags = {
  codec: Flag.String("codec").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "lz4, lz4-native, lz4-wasm, zstd, zstd-LEVEL (−7 to 19), none, or a module; may be repeated (default: all but slow ones)"
    )
  ),
  data: Flag.String("data").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("KIND|FILE"),
    Flag.withDescription("json, text, binary, records, noise, zeros, or a file; may be repeated (default: all kinds)")
  ),
  chunk: size("chunk").pipe(Flag.atLeast(0), Flag.withDescription("chunk size, may be repeated (default 4K, 64K, 256K)")),
  bytes: size("bytes").pipe(Flag.withDefault(4 * 2 ** 20), Flag.withDescription("of each kind of data (default 4M)")),
  readback: Flag.Finite("readback").pipe(
    Flag.withDefault(1),
    Flag.withMetavar("N"),
    Flag.withDescription("how often what is compressed is read back, for fair_score (default 1)")
  ),
  seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("of the data (default 1)")),
  json
} as const
export type ArenaCodecsFlags = Command.Command.Config.Infer<typeof codecsFlags>

const codecs = Command.make(
  "codecs",
  codecsFlags,
  lazily(async () => (await import("../actions/arenaCodecs.ts")).arenaCodecs)
).pipe(
  Command.withDescription("Codecs × levels × data × chunk sizes: ratio, speed both ways, and bytes saved per millisecond (fair_score).")
)

const statsFlags = {
  pid: Argument.Int("pid").pipe(Argument.optional, Argument.withDescription("one program, with its regions (default: all of this user's)")),
  json
} as const
export type ArenaStatsFlags = Command.Command.Config.Infer<typeof statsFlags>

const stats = Command.make(
  "stats",
  statsFlags,
  lazily(async () => (await import("../actions/arenaStats.ts")).arenaStats)
).pipe(Command.withDescription("What running programs with an arena publish of it."))

export const arenaTools = [demo, bench, codecs, stats] as const
