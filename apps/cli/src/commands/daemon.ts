/** `wmo status|explain|pause|resume|reload`: asks and tells a running wmod, over its socket. */
import { Argument, Command, Flag } from "effect/cli"
import { json } from "../flags.ts"
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
