/** `wmo lab`: experiments on the real kernel in VMs. The league: policies against each other on the same workloads. */
import { Argument, Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const leagueFlags = {
  entry: Flag.String("entry").pipe(
    Flag.withAlias("e"),
    Flag.atLeast(0),
    Flag.withMetavar("ENTRY"),
    Flag.withDescription(
      "who plays: a label of the default list, a policy, or POLICY:KEY=VALUE,…; can be repeated (default: all of the list)"
    )
  ),
  workload: Flag.String("workload").pipe(
    Flag.withAlias("w"),
    Flag.atLeast(0),
    Flag.withMetavar("WORKLOAD"),
    Flag.withDescription(
      "on what: hotcold, bursts, min-age-1, min-age-2, redis, compile, or 'NAME=ARGS' of `wmo workload`; can be repeated (default: all six)"
    )
  ),
  repeats: Flag.Int("repeats").pipe(Flag.optional, Flag.withDescription("how often each entry plays (default 3)")),
  duration: time("duration").pipe(Flag.optional, Flag.withDescription("length of a slot, after loading (default 3m)")),
  settle: time("settle").pipe(
    Flag.optional,
    Flag.withDescription(
      "the part of it that is not measured: policies learn, and what is cold goes once (default two thirds, 3s are left)"
    )
  ),
  quick: Flag.Boolean("quick").pipe(
    Flag.withDefault(false),
    Flag.withDescription("a look: senpai, periodic and slo on hotcold, once, 45s each, unless told otherwise")
  ),
  out: Flag.String("out").pipe(
    Flag.withAlias("o"),
    Flag.optional,
    Flag.withMetavar("DIR"),
    Flag.withDescription("keep recordings and figures in this new directory (default league-DATE)")
  ),
  resume: Flag.String("resume").pipe(
    Flag.optional,
    Flag.withMetavar("DIR"),
    Flag.withDescription("go on with the league in this directory; one that is finished is only reported")
  ),
  reportOnly: Flag.Boolean("report-only").pipe(
    Flag.withDefault(false),
    Flag.withDescription("with --resume: play nothing, report what is there")
  ),
  stopAfter: time("stop-after").pipe(Flag.optional, Flag.withDescription("boot no further guest after this time, and report")),
  install: Flag.Boolean("install").pipe(
    Flag.withDefault(false),
    Flag.withDescription("fetch redis-server, gcc, make where a workload needs them (Debian, root)")
  ),
  slotsPerBoot: Flag.Int("slots-per-boot").pipe(Flag.optional, Flag.withDescription("runs in one guest, about (default 6)")),
  clock: Flag.Literals("clock", ["counted", "host"]).pipe(
    Flag.optional,
    Flag.withDescription(
      "counted: 4 ns an instruction, so that throughput repeats to a percent (default); host: as fast as it goes, KVM where it works"
    )
  ),
  memory: Flag.String("memory").pipe(
    Flag.withAlias("m"),
    Flag.optional,
    Flag.withMetavar("SIZE"),
    Flag.withDescription("memory of a guest (default 2G)")
  ),
  kernelSeries: Flag.String("kernel-series").pipe(
    Flag.optional,
    Flag.withMetavar("SERIES"),
    Flag.withDescription("the newest cached kernel of this series: 6.12, 6.1")
  ),
  markdown: Flag.String("markdown").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("write the report to this file as Markdown, too")
  ),
  json
}
export type LeagueFlags = Command.Command.Config.Infer<typeof leagueFlags>

const league = Command.make(
  "league",
  leagueFlags,
  lazily(async () => (await import("../actions/lab.ts")).league)
).pipe(
  Command.withDescription(
    "Plays policies against each other on the real kernel in VMs: every entry on every workload, beside a run without a policy. " +
      "Says how long that takes before it starts."
  ),
  Command.withExamples([
    { command: "wmo lab league --quick", description: "a look, some minutes" },
    { command: "wmo lab league -e slo -e senpai -e darc-5s -w redis --repeats 5 --out /tmp/league", description: "three entries on Redis" },
    { command: "wmo lab league --resume /tmp/league --markdown league.md", description: "go on, and write the table for the docs" }
  ])
)

const slotsFlags = {
  order: Argument.String("order").pipe(Argument.withDescription("what to play: a boot-N.json of a league's directory"))
}
export type SlotsFlags = Command.Command.Config.Infer<typeof slotsFlags>

const slots = Command.make(
  "slots",
  slotsFlags,
  lazily(async () => (await import("../actions/lab.ts")).slots)
).pipe(Command.withDescription("Plays slots of a league, inside its guest."), Command.unlisted)

export const lab = Command.make("lab").pipe(
  Command.withDescription("Experiments on the real kernel, in VMs."),
  Command.withSubcommands([league, slots])
)
