/** `wmo workload`: built-in workloads, to be run under `wmo run`. They do nothing to the kernel. */
import { Command, Flag } from "effect/cli"
import { json, size, time } from "../flags.ts"
import { lazily } from "../lazily.ts"
import { memoryWorkloads } from "./memoryWorkload.ts"

const mib = 2 ** 20

const duration = time("duration").pipe(
  Flag.filter(
    (ms) => ms >= 1,
    () => "--duration must be at least 1ms"
  ),
  Flag.withDefault(60_000)
)

const commonFlags = {
  duration: duration.pipe(Flag.withDescription("how long to run after loading (default 60s)")),
  seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("seed of the access pattern")),
  json
} as const

const corpus = Flag.String("corpus").pipe(
  Flag.withDefault(process.execPath),
  Flag.withMetavar("FILE"),
  Flag.withDescription("fill the memory with the content of this file (default: the running program)")
)

const touchFlags = {
  ...commonFlags,
  forgetEvery: time("forget-every").pipe(
    Flag.withDefault(0),
    Flag.withDescription(
      "make the processor forget its translations so often: emulated ones remember more than real ones (default 0s: never)"
    )
  ),
  corpus
} as const

const hotcoldFlags = {
  hot: size("hot").pipe(Flag.withDefault(40 * mib), Flag.withDescription("touched at random all the time (default 40M)")),
  warm: size("warm").pipe(Flag.withDefault(60 * mib), Flag.withDescription("scanned once a period (default 60M)")),
  cold: size("cold").pipe(Flag.withDefault(300 * mib), Flag.withDescription("never touched after loading (default 300M)")),
  warmEvery: time("warm-every").pipe(Flag.withDefault(5_000), Flag.withDescription("period of the warm scans (default 5s)")),
  ...touchFlags
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
  duration: duration.pipe(Flag.withDescription("how long to run (default 60s)")),
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

const burstsFlags = {
  hot: size("hot").pipe(Flag.withDefault(40 * mib), Flag.withDescription("touched at random all the time (default 40M)")),
  burst: size("burst").pipe(Flag.withDefault(160 * mib), Flag.withDescription("used as a whole in each burst (default 160M)")),
  cold: size("cold").pipe(Flag.withDefault(200 * mib), Flag.withDescription("never touched after loading (default 200M)")),
  every: time("every").pipe(Flag.withDefault(20_000), Flag.withDescription("time from burst to burst (default 20s)")),
  ...touchFlags
}
export type BurstsFlags = Command.Command.Config.Infer<typeof burstsFlags>

const bursts = Command.make(
  "bursts",
  burstsFlags,
  lazily(async () => (await import("../actions/workload.ts")).bursts)
).pipe(Command.withDescription("A hot set, a cold set, and a set that is used as a whole once a period; verified at the end."))

const minAgeFlags = {
  bytes: size("bytes").pipe(Flag.withDefault(400 * mib), Flag.withDescription("of all regions together (default 400M)")),
  period: time("period").pipe(Flag.withDefault(30_000), Flag.withDescription("length of a phase (default 30s)")),
  ...touchFlags
}
export type MinAgeFlags = Command.Command.Config.Infer<typeof minAgeFlags>

const minAge1 = Command.make(
  "min-age-1",
  minAgeFlags,
  lazily(async () => (await import("../actions/workload.ts")).minAge1)
).pipe(
  Command.withDescription(
    "All of a region for a period, then a tenth of it for one, again and again: the best fixed age is just over a period."
  )
)

const minAge2 = Command.make(
  "min-age-2",
  minAgeFlags,
  lazily(async () => (await import("../actions/workload.ts")).minAge2)
).pipe(
  Command.withDescription(
    "Four regions, 95 % of each for a period in turn: the best fixed age is just under the three periods that each is left alone."
  )
)

const share = (name: string) =>
  Flag.Finite(name).pipe(
    Flag.filter(
      (value) => value >= 0 && value <= 1,
      (value) => `--${name} ${value} is not a share: give 0 to 1`
    )
  )

const redisFlags = {
  keys: Flag.Int("keys").pipe(Flag.withDefault(80_000), Flag.withDescription("number of keys (default 80000)")),
  value: size("value").pipe(Flag.withDefault(3072), Flag.withDescription("size of a value (default 3K)")),
  sigma: share("sigma").pipe(
    Flag.withDefault(0.06),
    Flag.withDescription("standard deviation of the requests, as a share of the key space (default 0.06)")
  ),
  writes: share("writes").pipe(Flag.withDefault(0.1), Flag.withDescription("share of requests that write (default 0.1)")),
  pipeline: Flag.Int("pipeline").pipe(Flag.withDefault(8), Flag.withDescription("requests in a batch (default 8)")),
  rate: Flag.Finite("rate").pipe(
    Flag.withDefault(0),
    Flag.withDescription("requests a second, with latency counted from when each was due (default 0: as fast as they are answered)")
  ),
  server: Flag.String("server").pipe(
    Flag.withDefault("redis-server"),
    Flag.withMetavar("PROGRAM"),
    Flag.withDescription("the server to start (default redis-server)")
  ),
  serverGroup: Flag.String("server-group").pipe(
    Flag.optional,
    Flag.withMetavar("DIRECTORY"),
    Flag.withDescription("start the server in this cgroup, such as /sys/fs/cgroup/redis, so that the client is not in it (root)")
  ),
  ...commonFlags,
  corpus
}
export type RedisFlags = Command.Command.Config.Infer<typeof redisFlags>

const redis = Command.make(
  "redis",
  redisFlags,
  lazily(async () => (await import("../actions/workload.ts")).redis)
).pipe(
  Command.withDescription(
    "A redis-server of its own, asked for normally distributed keys, at full speed or at a rate; every value is compared."
  )
)

const compileFlags = {
  files: Flag.Int("files").pipe(Flag.withDefault(40), Flag.withDescription("C files in the project (default 40)")),
  functions: Flag.Int("functions").pipe(Flag.withDefault(20), Flag.withDescription("functions in each file (default 20)")),
  jobs: Flag.Int("jobs").pipe(Flag.withAlias("j"), Flag.withDefault(2), Flag.withDescription("compilers at a time (default 2)")),
  compiler: Flag.String("compiler").pipe(
    Flag.withDefault("cc"),
    Flag.withMetavar("PROGRAM"),
    Flag.withDescription("the C compiler (default cc)")
  ),
  ...commonFlags
}
export type CompileFlags = Command.Command.Config.Infer<typeof compileFlags>

const compile = Command.make(
  "compile",
  compileFlags,
  lazily(async () => (await import("../actions/workload.ts")).compile)
).pipe(Command.withDescription("Builds a generated C project with make, again and again; its program is run and compared at the end."))

export const workload = Command.make("workload").pipe(
  Command.withDescription("Built-in workloads to try policies on."),
  Command.withSubcommands([hotcold, bursts, minAge1, minAge2, redis, compile, pattern, ...memoryWorkloads])
)
