/** `wmo arena watch` and `wmo arena advise`: the arena of a process that knows nothing of it. */
import { Argument, Command, Flag } from "effect/cli"
import { size, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const shared = {
  pid: Argument.Int("pid").pipe(Argument.withDescription("the process")),
  predictor: Flag.String("predictor").pipe(
    Flag.withDefault("tournament"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("who says what is touched next: tournament (default: whichever is winning), periodic, stride, …, or none")
  ),
  chunk: size("chunk").pipe(
    Flag.optional,
    Flag.withDescription("memory is told apart, paged out and read in by ranges of this size, a power of two (default 2M)")
  ),
  interval: time("interval").pipe(Flag.optional, Flag.withDescription("time between looks at a chunk (default 50ms)")),
  cold: time("cold").pipe(
    Flag.optional,
    Flag.withDescription("memory untouched for this long counts as cold; with advise, where adapting starts (default 5s)")
  ),
  set: Flag.KeyValuePair("set").pipe(
    Flag.withDefault({}),
    Flag.withMetavar("KEY=VALUE"),
    Flag.withDescription("any other setting, such as leastColdMs=2s, pageOutBytesPerSecond=64M or cpuPercent=5")
  ),
  for: time("for").pipe(Flag.optional, Flag.withDescription("end after this time (default: when the process ends, or with Ctrl+C)")),
  takeOver: Flag.Boolean("take-over").pipe(
    Flag.withDefault(false),
    Flag.withDescription("stop whoever uses DAMON; it is started again at the end")
  ),
  json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("print a line of JSON for each report and decision"))
} as const

const watchFlags = {
  ...shared,
  every: time("every").pipe(Flag.withDefault(5000), Flag.withDescription("time between reports (default 5s)")),
  once: Flag.Boolean("once").pipe(
    Flag.withDefault(false),
    Flag.withDescription("look for a while (--for, default 20s), print one report, and end")
  )
} as const
export type ArenaWatchFlags = Command.Command.Config.Infer<typeof watchFlags>

const adviseFlags = {
  ...shared,
  by: Flag.Literals("by", ["auto", "syscall", "sysfs"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("how the kernel is told: process_madvise, or DAMON's schemes through sysfs alone (default: the first that can be)")
  ),
  until: Flag.String("until").pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription("end then: 2026-11-21T13:45, or a span from now on, such as 2h")
  ),
  dryRun: Flag.Boolean("dry-run").pipe(Flag.withDefault(false), Flag.withDescription("decide, and page out and read in nothing")),
  quiet: Flag.Boolean("quiet").pipe(Flag.withDefault(false), Flag.withAlias("q"), Flag.withDescription("do not print decisions")),
  record: Flag.String("record").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("keep decisions, a figure a second, and the summary as lines of JSON in this new file")
  )
} as const
export type ArenaAdviseFlags = Command.Command.Config.Infer<typeof adviseFlags>

export const arenaWatch = Command.make(
  "watch",
  watchFlags,
  lazily(async () => (await import("../actions/arenaProcess.ts")).arenaWatch)
).pipe(
  Command.withDescription(
    "Look at a process's memory: what of it is cold, and which predictor would have known what it touches next. Changes nothing but a kdamond of its own."
  )
)

export const arenaAdvise = Command.make(
  "advise",
  adviseFlags,
  lazily(async () => (await import("../actions/arenaProcess.ts")).arenaAdvise)
).pipe(
  Command.withDescription(
    "Page a process's cold memory out into zswap or zram, and read it in again before it is touched. Nothing of the process changes; what is out when this ends comes back as it is touched."
  )
)
