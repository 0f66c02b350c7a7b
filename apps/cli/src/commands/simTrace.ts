/** `wmo sim trace`: page traces: made from workloads and heatmaps, shown, run. */
import { Argument, Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"
import { runOptions } from "./simRunOptions.ts"

const out = Flag.String("out").pipe(Flag.withAlias("o"), Flag.withMetavar("FILE"), Flag.withDescription("the new trace"))
const tick = time("tick").pipe(Flag.withDefault(1000), Flag.withDescription("accesses are told apart by this much (default 1s)"))
const seed = Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("seed of everything random (default 1)"))

const recordFlags = {
  workload: Argument.String("workload").pipe(Argument.withDescription("a simulated workload; see `wmo sim workloads`")),
  out,
  duration: time("duration").pipe(Flag.withDefault(600_000), Flag.withDescription("simulated time (default 10m)")),
  tick,
  seed
}
export type SimTraceRecordFlags = Command.Command.Config.Infer<typeof recordFlags>

const record = Command.make(
  "record",
  recordFlags,
  lazily(async () => (await import("../actions/simTrace.ts")).simTraceRecord)
).pipe(Command.withDescription("Record which pages a simulated workload accesses, tick by tick."))

const convertFlags = {
  recording: Argument.String("recording").pipe(Argument.withDescription("a recording of `wmo heatmap --record`")),
  out,
  subject: Flag.String("subject").pipe(
    Flag.optional,
    Flag.withMetavar("NAME"),
    Flag.withDescription("whose address space, where there are several: a process as PID@START, or machine (default: the first)")
  ),
  from: Flag.String("from").pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription("leave out what came before: 90s after the begin")
  ),
  to: Flag.String("to").pipe(Flag.optional, Flag.withMetavar("TIME"), Flag.withDescription("leave out what came after")),
  tick,
  seed
}
export type SimTraceConvertFlags = Command.Command.Config.Infer<typeof convertFlags>

const convert = Command.make(
  "convert",
  convertFlags,
  lazily(async () => (await import("../actions/simTrace.ts")).simTraceConvert)
).pipe(
  Command.withDescription(
    "Make a page trace of what DAMON saw. A region found used in k of n samples: each of its pages is accessed with probability 1 - (1 - k/n)^n."
  )
)

const infoFlags = { file: Argument.String("file").pipe(Argument.withDescription("a page trace")), json }
export type SimTraceInfoFlags = Command.Command.Config.Infer<typeof infoFlags>

const info = Command.make(
  "info",
  infoFlags,
  lazily(async () => (await import("../actions/simTrace.ts")).simTraceInfo)
).pipe(Command.withDescription("Show what is in a page trace, and how much of it a clairvoyant could keep out of memory."))

const replayFlags = { file: Argument.String("file").pipe(Argument.withDescription("a page trace")), ...runOptions }
export type SimTraceReplayFlags = Command.Command.Config.Infer<typeof replayFlags>

const replay = Command.make(
  "replay",
  replayFlags,
  lazily(async () => (await import("../actions/simTrace.ts")).simTraceReplay)
).pipe(
  Command.withDescription("Run a page trace under a policy, over and over if need be, and say what it saved: `wmo sim run trace:FILE`.")
)

export const trace = Command.make("trace").pipe(
  Command.withDescription("Page traces: which pages were accessed in each second. As a workload of `wmo sim` one is called trace:FILE."),
  Command.withSubcommands([record, info, replay, convert])
)
