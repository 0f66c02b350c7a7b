/** `wmo top`: the tree of cgroups and what their memory does, live or from a recording. Reads only. */
import { Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const sorts = [
  "current",
  "anon",
  "file",
  "swap",
  "zswap",
  "ratio",
  "cold",
  "refaults",
  "promotions",
  "promotion-pct",
  "psi",
  "name"
] as const

const flags = {
  cgroup: Flag.String("cgroup").pipe(
    Flag.withDefault(""),
    Flag.withMetavar("ROOT"),
    Flag.withDescription("only this group and those below it (default: all)")
  ),
  depth: Flag.Int("depth").pipe(
    Flag.optional,
    Flag.withMetavar("N"),
    Flag.withDescription("levels below the root that are shown (default: all)")
  ),
  sort: Flag.Literals("sort", sorts).pipe(
    Flag.withDefault("current"),
    Flag.withDescription("what siblings are sorted by (default: current)")
  ),
  every: time("every").pipe(Flag.withDefault(2000), Flag.withDescription("time between two samples, over which rates are (default 2s)")),
  coldAge: time("cold-age").pipe(Flag.withDefault(60_000), Flag.withDescription("pages idle for at least this long are cold (default 1m)")),
  once: Flag.Boolean("once").pipe(
    Flag.withDefault(false),
    Flag.withDescription("print one table and end; rates are from two samples, --every apart")
  ),
  json: json.pipe(Flag.withDescription("print JSON instead of a table; implies --once")),
  play: Flag.String("play").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("show a recording (or a daemon's directory of them) instead of this machine; needs no root")
  ),
  run: Flag.Int("run").pipe(Flag.withDefault(0), Flag.withDescription("with --play: the run with this id (default: the last)")),
  at: Flag.String("at").pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription("with --play: begin there: 90s after the run's begin, or 2026-11-21T13:45")
  )
}
export type TopFlags = Command.Command.Config.Infer<typeof flags>

export const top = Command.make(
  "top",
  flags,
  lazily(async () => (await import("../actions/top.ts")).top)
).pipe(
  Command.withDescription(
    "Watch cgroups, live or in a recording: memory, page ages, compression, refaults, pressure, policies. ? in it says what the columns mean."
  ),
  Command.withExamples([
    { command: "sudo wmo top", description: "all groups, live" },
    { command: "sudo wmo top --once --json --cgroup system.slice", description: "for scripts: one sample of rates over 2 s" },
    { command: "wmo top --play wmo-demo.wmo", description: "scrub through a recording with the arrow keys" }
  ])
)
