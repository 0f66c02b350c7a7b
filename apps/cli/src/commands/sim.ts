/** `wmo sim`: the simulated kernel: workloads, policies compared against the clairvoyant bound, page traces. No root, no kernel. */
import { Argument, Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"
import { runOptions } from "./simRunOptions.ts"
import { trace } from "./simTrace.ts"

const compareFlags = {
  workload: Flag.String("workload").pipe(
    Flag.withAlias("w"),
    Flag.atLeast(0),
    Flag.withMetavar("NAME[,NAME…]"),
    Flag.withDescription("simulated workloads, trace:FILE, or comparison, stress or all (default: comparison); see `wmo sim workloads`")
  ),
  policy: Flag.String("policy").pipe(
    Flag.withAlias("p"),
    Flag.atLeast(0),
    Flag.withMetavar("NAME[:KEY=VALUE,…]"),
    Flag.withDescription("policies, each with settings of its own if need be (default: all with their defaults)")
  ),
  set: Flag.KeyValuePair("set").pipe(
    Flag.withDefault({}),
    Flag.withMetavar("POLICY.KEY=VALUE"),
    Flag.withDescription("a setting of one of the policies; see `wmo policy show NAME`")
  ),
  seeds: Flag.Int("seeds").pipe(Flag.withDefault(5), Flag.withDescription("how many seeds, from 1 on (default 5)")),
  duration: time("duration").pipe(
    Flag.withDefault(3_600_000),
    Flag.withDescription("simulated time of a run, learning included (default 60m)")
  ),
  minutes: Flag.Int("minutes").pipe(Flag.optional, Flag.withDescription("the same in minutes")),
  learning: time("learning").pipe(
    Flag.withDefault(600_000),
    Flag.withDescription("the first part of each run, which is shown apart (default 10m)")
  ),
  jobs: Flag.Int("jobs").pipe(Flag.withDefault(2), Flag.withDescription("runs at the same time, each in a process of its own (default 2)")),
  quick: Flag.Boolean("quick").pipe(
    Flag.withDefault(false),
    Flag.withDescription("a look: one seed, 10 minutes with 4 of learning, three workloads unless told which")
  ),
  json
}
export type SimCompareFlags = Command.Command.Config.Infer<typeof compareFlags>

const compare = Command.make(
  "compare",
  compareFlags,
  lazily(async () => (await import("../actions/simCompare.ts")).simCompare)
).pipe(
  Command.withDescription(
    "Compare policies on simulated workloads with the most that a clairvoyant could save at 0.2 % promotions a minute. Same seeds, same figures."
  ),
  Command.withExamples([
    { command: "wmo sim compare --quick", description: "every policy on three workloads, ten minutes each" },
    {
      command: "wmo sim compare -w bursts -p periodic:cold_age=60s -p periodic:cold_age=150s",
      description: "one policy with two settings, five seeds"
    }
  ])
)

const runFlags = {
  workload: Argument.String("workload").pipe(Argument.withDescription("a simulated workload (see `wmo sim workloads`), or trace:FILE")),
  ...runOptions
}
export type SimRunFlags = Command.Command.Config.Infer<typeof runFlags>

const run = Command.make(
  "run",
  runFlags,
  lazily(async () => (await import("../actions/simRun.ts")).simRun)
).pipe(
  Command.withDescription(
    "Run one simulated workload, or the replay of a page trace, under a policy, and say what it saved of what could be saved."
  ),
  Command.withExamples([
    { command: "wmo sim run server --policy slo --record server.wmo", description: "and keep what it saw, decided and did" }
  ])
)

const worker = Command.make(
  "worker",
  {},
  lazily(async () => (await import("../actions/simWorker.ts")).simWorker)
).pipe(Command.withDescription("Runs jobs of `wmo sim compare`: one line of JSON each on stdin."), Command.unlisted)

const workloadsFlags = { json }
export type SimWorkloadsFlags = Command.Command.Config.Infer<typeof workloadsFlags>

const workloads = Command.make(
  "workloads",
  workloadsFlags,
  lazily(async () => (await import("../actions/simWorkloads.ts")).simWorkloads)
).pipe(Command.withDescription("List the simulated workloads."))

export const sim = Command.make("sim").pipe(
  Command.withDescription("A simulated kernel: compare policies with what is possible at best. No root, no kernel features needed."),
  Command.withSubcommands([compare, run, workloads, trace, worker])
)
