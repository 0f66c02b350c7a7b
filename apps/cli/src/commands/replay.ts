/** `wmo replay`: what a policy would have decided on a recording. Open loop; reads only. */
import { Argument, Command, Flag } from "effect/cli"
import { json, loopFlags, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const { budget, floor, set, step } = loopFlags

const flags = {
  file: Argument.String("file").pipe(Argument.withDescription("a recording, or a daemon's directory of them")),
  policy: Flag.String("policy").pipe(
    Flag.withAlias("p"),
    Flag.optional,
    Flag.withMetavar("NAME"),
    Flag.withDescription("what decides; see `wmo policy list` (default: the policy of the run, with its settings)")
  ),
  set,
  run: Flag.Int("run").pipe(Flag.withDefault(0), Flag.withDescription("the run with this id (default: the last)")),
  group: Flag.String("group").pipe(
    Flag.optional,
    Flag.withMetavar("CGROUP"),
    Flag.withDescription("the group whose samples are fed (default: the one that the run is about)")
  ),
  warmup: time("warmup").pipe(Flag.withDefault(0), Flag.withDescription("do not ask the policy before this much of the run has passed")),
  actsOnly: Flag.Boolean("acts-only").pipe(
    Flag.withDefault(false),
    Flag.withDescription("print only the samples at which it acts, or something was done then")
  ),
  floor,
  step,
  budget,
  json
}
export type ReplayFlags = Command.Command.Config.Infer<typeof flags>

export const replay = Command.make(
  "replay",
  flags,
  lazily(async () => (await import("../actions/replay.ts")).replay)
).pipe(
  Command.withDescription(
    "Print what a policy would have decided on a recording, sample by sample. Open loop: what it does changes nothing about what it sees next."
  ),
  Command.withExamples([
    { command: "wmo replay wmo-demo.wmo --run 1 --policy periodic", description: "what periodic would have done to the untouched run" },
    { command: "wmo replay build.wmo --policy senpai --set pressure=20ms --acts-only", description: "only where it acts" }
  ])
)
