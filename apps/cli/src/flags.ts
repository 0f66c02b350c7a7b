/** Flags that several commands share, each with the same name, meaning and error everywhere. */
import { BytesFromText, MillisecondsFromText } from "@wmo/core"
import { defaultGuardRails } from "@wmo/control"
import { Flag } from "effect/cli"

/** A size: `64M`, `1.5GiB`. */
export const size = (name: string): Flag.Flag<number> => Flag.String(name).pipe(Flag.withSchema(BytesFromText), Flag.withMetavar("SIZE"))

/** A span of time in ms: `500ms`, `10s`, `2m`. */
export const time = (name: string): Flag.Flag<number> =>
  Flag.String(name).pipe(Flag.withSchema(MillisecondsFromText), Flag.withMetavar("TIME"))

export const json = Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("print JSON instead of a table"))

/** What `wmo run` and `wmo agent` have in common. */
export const loopFlags = {
  policy: Flag.String("policy").pipe(
    Flag.withAlias("p"),
    Flag.withDefault("none"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("what decides; see `wmo policy list`")
  ),
  set: Flag.KeyValuePair("set").pipe(
    Flag.withDefault({}),
    Flag.withMetavar("KEY=VALUE"),
    Flag.withDescription("a setting of the policy; see `wmo policy show NAME`")
  ),
  every: time("every").pipe(Flag.withDefault(1000), Flag.withDescription("time between samples (default 1s)")),
  record: Flag.String("record").pipe(Flag.optional, Flag.withMetavar("FILE"), Flag.withDescription("keep a recording in this new file")),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDefault(false),
    Flag.withDescription("decide and record, but change nothing about the group's memory")
  ),
  takeOver: Flag.Boolean("take-over").pipe(
    Flag.withDefault(false),
    Flag.withDescription("change what somebody else has set (memory.high), too; it is put back at the end")
  ),
  pageAge: Flag.Literals("age-source", ["auto", "working-set", "mglru", "damon", "idle", "none"]).pipe(
    Flag.withAlias("page-age"),
    Flag.withDefault("auto"),
    Flag.withDescription("where page ages come from (default: working-set reports, else MGLRU; damon and idle measure, at a cost)")
  ),
  floor: size("floor").pipe(
    Flag.withDefault(defaultGuardRails.floorBytes),
    Flag.withDescription("leave the group at least this much (default 16M)")
  ),
  step: size("step").pipe(
    Flag.withDefault(defaultGuardRails.stepBytes),
    Flag.withDescription("reclaim at most this much in one tick (default 128M)")
  ),
  budget: size("budget").pipe(
    Flag.withDefault(defaultGuardRails.perMinuteBytes),
    Flag.withDescription("reclaim at most this much a minute (default 8G)")
  ),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withDefault(false),
    Flag.withAlias("q"),
    Flag.withDescription("do not print what the policy does while it runs")
  ),
  json
} as const
