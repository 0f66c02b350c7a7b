/** `wmo run`: a command in a cgroup of its own, watched and, if a policy is named, trimmed; everything restored at the end. */
import { Argument, Command, Flag } from "effect/cli"
import { loopFlags, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const flags = {
  ...loopFlags,
  warmup: time("warmup").pipe(Flag.withDefault(0), Flag.withDescription("let the command run this long before the policy starts")),
  group: Flag.String("group").pipe(
    Flag.withDefault(`wmo/run-${process.pid}`),
    Flag.withMetavar("CGROUP"),
    Flag.withDescription("the new cgroup to run in (default wmo/run-PID)")
  ),
  command: Argument.String("command").pipe(
    Argument.variadic({ min: 1 }),
    Argument.withDescription("the command and its arguments, after --")
  )
}
export type RunFlags = Command.Command.Config.Infer<typeof flags>

export const run = Command.make(
  "run",
  flags,
  lazily(async () => (await import("../actions/run.ts")).run)
).pipe(
  Command.withDescription("Run a command in its own cgroup under a policy, and sum up what it used."),
  Command.withExamples([
    { command: "wmo run -- make -j4", description: "watch a build" },
    { command: "wmo run --policy periodic --set cold_age=30s --record build.wmo -- make -j4", description: "reclaim what is idle for 30 s" }
  ])
)
