/** `wmo record`: keeps what groups, processes and the machine's memory do in a recording, until interrupted. Sets no limits. */
import { Command, Flag } from "effect/cli"
import { json, size, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const flags = {
  cgroup: Flag.String("cgroup").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("GLOB"),
    Flag.withDescription("only these cgroups: system.slice/*, app/** (app and all below), / (the root). Repeatable (default: all)")
  ),
  exclude: Flag.String("exclude").pipe(Flag.atLeast(0), Flag.withMetavar("GLOB"), Flag.withDescription("not these cgroups. Repeatable")),
  process: Flag.Int("process").pipe(Flag.atLeast(0), Flag.withMetavar("PID"), Flag.withDescription("this process, too. Repeatable")),
  processes: Flag.String("processes").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("CGROUP"),
    Flag.withDescription("all processes in this cgroup and below, too. Repeatable")
  ),
  rollup: Flag.Boolean("rollup").pipe(
    Flag.withDefault(false),
    Flag.withDescription("read smaps_rollup of processes, too (Pss, Swap): milliseconds a GiB")
  ),
  every: time("every").pipe(Flag.withDefault(1000), Flag.withDescription("time between samples (default 1s)")),
  onPressure: time("on-pressure").pipe(
    Flag.withDefault(0),
    Flag.withDescription("take a sample at once when tasks wait for memory this long within a second (default: never)")
  ),
  histogramsEvery: time("histograms-every").pipe(
    Flag.withDefault(60_000),
    Flag.withDescription("time between cold-age and promotion histograms (default 1m)")
  ),
  ageSource: Flag.Literals("age-source", ["auto", "working-set", "mglru", "damon", "idle", "none"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("where page ages come from (default: the best source there is)")
  ),
  ageEvery: time("age-every").pipe(
    Flag.withDefault(0),
    Flag.withDescription(
      "advance ages so often: DAMON's interval (default 1s), a generation of MGLRU (default: the kernel's own), an idle scan (30s)"
    )
  ),
  workingSet: time("working-set").pipe(
    Flag.withDefault(120_000),
    Flag.withDescription("what was used within this time is the working set (default 2m)")
  ),
  takeOver: Flag.Boolean("take-over").pipe(
    Flag.withDefault(false),
    Flag.withDescription("take DAMON from whoever uses it; it is put back at the end")
  ),
  duration: time("for").pipe(Flag.withDefault(Infinity), Flag.withDescription("end after this long (default: when interrupted)")),
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("the new recording (default: wmo-TIME.wmo here)")
  ),
  directory: Flag.String("directory").pipe(
    Flag.optional,
    Flag.withMetavar("DIR"),
    Flag.withDescription("instead of one file, a new one every hour in this directory, as a daemon does")
  ),
  keepFor: time("keep-for").pipe(
    Flag.withDefault(Infinity),
    Flag.withDescription("with --directory: remove recordings that are older (default: never)")
  ),
  keepSize: size("keep-size").pipe(
    Flag.withDefault(Infinity),
    Flag.withDescription("with --directory: remove the oldest recordings beyond this much in all (default: never)")
  ),
  quiet: Flag.Boolean("quiet").pipe(Flag.withDefault(false), Flag.withAlias("q"), Flag.withDescription("print no status while it runs")),
  json: json.pipe(Flag.withDescription("print the summary as JSON"))
}
export type RecordFlags = Command.Command.Config.Infer<typeof flags>

export const record = Command.make(
  "record",
  flags,
  lazily(async () => (await import("../actions/record.ts")).record)
).pipe(
  Command.withDescription("Record what cgroups, processes and the machine's memory do, with page ages, until interrupted."),
  Command.withExamples([
    { command: "wmo record -o night.wmo --for 8h", description: "all groups, every second" },
    { command: "wmo record --cgroup 'system.slice/**' --age-source damon --age-every 500ms", description: "finer ages of the services" },
    { command: "wmo record --directory /var/lib/wmo --keep-for 168h --keep-size 2G", description: "a week, and no more than 2 GiB" }
  ])
)
