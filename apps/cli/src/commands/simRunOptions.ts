/** How one simulated run goes: what `wmo sim run` and `wmo sim trace replay` have in common. */
import { Flag } from "effect/cli"
import { json, loopFlags, time } from "../flags.ts"

export const runOptions = {
  policy: loopFlags.policy,
  set: loopFlags.set,
  duration: time("duration").pipe(Flag.withDefault(1_800_000), Flag.withDescription("simulated time, learning included (default 30m)")),
  learning: time("learning").pipe(
    Flag.withDefault(600_000),
    Flag.withDescription("the first part, which is left out of the figures (default 10m)")
  ),
  seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("seed of everything random (default 1)")),
  record: loopFlags.record,
  json
} as const
