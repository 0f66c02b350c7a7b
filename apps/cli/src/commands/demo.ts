/** `wmo demo`: the main job on the simulated kernel: one workload under several policies, a table, and what it means. No root, no kernel. */
import { Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const flags = {
  duration: time("duration").pipe(Flag.withDefault(1_800_000), Flag.withDescription("simulated time under each policy (default 30m)")),
  seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("seed of everything random")),
  record: Flag.String("record").pipe(
    Flag.withDefault("wmo-demo.wmo"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("where the recording goes (replaced)")
  ),
  json
}
export type DemoFlags = Command.Command.Config.Infer<typeof flags>

export const demo = Command.make(
  "demo",
  flags,
  lazily(async () => (await import("../actions/demo.ts")).demo)
).pipe(Command.withDescription("See what policies save, on a simulated kernel: no root, no kernel features needed."))
