/** `wmo status|explain|pause|resume|reload|set`: asks and tells a running wmod, over its socket. */
import { Argument, Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const socket = Flag.String("socket").pipe(
  Flag.optional,
  Flag.withMetavar("FILE"),
  Flag.withDescription("wmod's control socket (default: wmod.sock in the state directory, /run/wmo)")
)

const flags = { socket, json }
export type DaemonFlags = Command.Command.Config.Infer<typeof flags>

export const status = Command.make(
  "status",
  flags,
  lazily(async () => (await import("../actions/daemon.ts")).status)
).pipe(Command.withDescription("Show what wmod does: its groups, what they use, what was saved, what is left alone and why."))

const explainFlags = {
  ...flags,
  group: Argument.String("group").pipe(Argument.withDescription("the group, as a path below the cgroup mount or in full"))
}
export type ExplainFlags = Command.Command.Config.Infer<typeof explainFlags>

export const explain = Command.make(
  "explain",
  explainFlags,
  lazily(async () => (await import("../actions/daemon.ts")).explain)
).pipe(
  Command.withDescription("Show how wmod looks after a group: its policy, settings, and the last decisions with their reasons."),
  Command.withExamples([{ command: "wmo explain system.slice/redis.service", description: "why was memory taken, or not" }])
)

export const pause = Command.make(
  "pause",
  flags,
  lazily(async () => (await import("../actions/daemon.ts")).pause)
).pipe(Command.withDescription("Have wmod stop and put everything back at once, until `wmo resume`."))

export const resume = Command.make(
  "resume",
  flags,
  lazily(async () => (await import("../actions/daemon.ts")).resume)
).pipe(Command.withDescription("Have wmod go on after `wmo pause`."))

export const reload = Command.make(
  "reload",
  flags,
  lazily(async () => (await import("../actions/daemon.ts")).reload)
).pipe(Command.withDescription("Have wmod read its configuration again: all of it is taken, or nothing where something is wrong."))

const setFlags = {
  ...flags,
  group: Argument.String("group").pipe(Argument.withDescription("the group, as a path below the cgroup mount or in full")),
  settings: Argument.String("setting").pipe(
    Argument.variadic(),
    Argument.withDescription("KEY=VALUE: settings of its policy, as `wmo policy show NAME` lists them")
  ),
  policy: Flag.String("policy").pipe(Flag.optional, Flag.withMetavar("NAME"), Flag.withDescription("another policy for the group")),
  for: time("for").pipe(Flag.optional, Flag.withDescription("until so much time has passed, for example 10m (seen within 5 s)")),
  unset: Flag.Boolean("unset").pipe(Flag.withDefault(false), Flag.withDescription("have the group go by its rules again"))
}
export type SetFlags = Command.Command.Config.Infer<typeof setFlags>

export const set = Command.make(
  "set",
  setFlags,
  lazily(async () => (await import("../actions/setGroup.ts")).set)
).pipe(
  Command.withDescription(
    "Have wmod look after a group otherwise: settings or policy by hand, over its rules. All of it is taken or none; ends with --unset, --for, a reload, the group, or wmod."
  ),
  Command.withExamples([
    { command: "wmo set system.slice/redis.service promotions=0.05%", description: "give back less of it" },
    { command: "wmo set system.slice/redis.service --policy none --for 10m", description: "leave it alone while something is looked into" },
    { command: "wmo set system.slice/redis.service --unset", description: "go by the rules again" }
  ])
)
