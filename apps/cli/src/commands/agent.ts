/** `wmo agent`: a policy on a cgroup that exists, until interrupted; limits that it set are put back. */
import { Argument, Command, Flag } from "effect/cli"
import { loopFlags, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const flags = {
  ...loopFlags,
  warmup: time("warmup").pipe(Flag.withDefault(0), Flag.withDescription("observe this long before the policy starts")),
  duration: time("for").pipe(Flag.withDefault(Infinity), Flag.withDescription("end after this long (default: when interrupted)")),
  group: Argument.String("cgroup").pipe(Argument.withDescription("the group, as a path below the cgroup mount or in full"))
}
export type AgentFlags = Command.Command.Config.Infer<typeof flags>

export const agent = Command.make(
  "agent",
  flags,
  lazily(async () => (await import("../actions/agent.ts")).agent)
).pipe(
  Command.withDescription("Run a policy on an existing cgroup until interrupted."),
  Command.withExamples([
    { command: "wmo agent system.slice/redis.service --policy senpai --dry-run", description: "see what senpai would do" }
  ])
)
