/** `wmo heatmap`: address space against time, how often it was used, live or from a recording. */
import { Command, Flag } from "effect/cli"
import { json, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const flags = {
  pid: Flag.Int("pid").pipe(Flag.optional, Flag.withMetavar("N"), Flag.withDescription("the address space of this process")),
  cgroup: Flag.String("cgroup").pipe(
    Flag.optional,
    Flag.withMetavar("GROUP"),
    Flag.withDescription("the processes of this group and those below it, the 16 largest")
  ),
  paddr: Flag.Boolean("paddr").pipe(Flag.withDefault(false), Flag.withDescription("the machine's physical memory")),
  play: Flag.String("play").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("play a recording of --record (no root needed)")
  ),
  speed: Flag.Finite("speed").pipe(
    Flag.withDefault(1),
    Flag.withMetavar("TIMES"),
    Flag.withDescription("how many times as fast as it was --play goes (default 1)")
  ),
  from: Flag.String("from").pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription("with --play, leave out what came before: 90s after the begin, or 2026-11-21T13:45")
  ),
  to: Flag.String("to").pipe(Flag.optional, Flag.withMetavar("TIME"), Flag.withDescription("with --play, leave out what came after")),
  once: Flag.Boolean("once").pipe(Flag.withDefault(false), Flag.withDescription("look for a while (--for), print one heatmap, and end")),
  for: time("for").pipe(Flag.optional, Flag.withDescription("how long to look (default: until q; with --once, --json or --svg 20s)")),
  svg: Flag.String("svg").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("as --once, into this new SVG file; of several processes, the largest")
  ),
  record: Flag.String("record").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("keep every frame in this new recording; in the view, r starts and ends it")
  ),
  source: Flag.Literals("source", ["auto", "damon", "mglru"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("damon: addresses; mglru: only how old a whole group's memory is; auto: damon where the kernel has it")
  ),
  only: Flag.String("only").pipe(
    Flag.optional,
    Flag.withMetavar("WHAT"),
    Flag.withDescription("look at this alone: addresses 7f1200000000-7f1300000000, or mappings whose name contains WHAT ([heap], libc)")
  ),
  sample: time("sample").pipe(
    Flag.withDefault(5),
    Flag.withDescription("time between looks at a region: used since the last look, or not (default 5ms)")
  ),
  aggregation: time("aggregation").pipe(
    Flag.withDefault(100),
    Flag.withDescription("time over which looks are counted; regions are cut anew after each (default 100ms)")
  ),
  update: time("update").pipe(Flag.withDefault(2000), Flag.withDescription("time between looks for changed mappings (default 2s)")),
  minRegions: Flag.Int("min-regions").pipe(
    Flag.withDefault(100),
    Flag.withDescription("at least so many regions: how coarse the picture may be (default 100)")
  ),
  maxRegions: Flag.Int("max-regions").pipe(
    Flag.withDefault(1000),
    Flag.withDescription("at most so many: what a sample may cost the kernel (default 1000)")
  ),
  ageEvery: time("age-every").pipe(
    Flag.withDefault(5000),
    Flag.withDescription("with mglru, make a generation so often; 0s: never (default 5s)")
  ),
  column: time("column").pipe(
    Flag.optional,
    Flag.withDescription("time that a column is of (default: 1s in the view; else what fits all of the time)")
  ),
  average: Flag.Int("average").pipe(Flag.withDefault(1), Flag.withDescription("cells are means over so many columns (default 1)")),
  scale: Flag.Literals("scale", ["linear", "log"]).pipe(
    Flag.withDefault("linear"),
    Flag.withDescription("levels of a tenth each, or each twice the one below, for memory used now and then")
  ),
  overlay: Flag.Literals("overlay", ["heat", "kind"]).pipe(
    Flag.withDefault("heat"),
    Flag.withDescription("colour by heat, or by anonymous and file memory")
  ),
  rows: Flag.Int("rows").pipe(Flag.withDefault(32), Flag.withDescription("rows of --once, --json and --svg (default 32)")),
  width: Flag.Int("width").pipe(Flag.optional, Flag.withDescription("width of --once in characters (default: the terminal's, or 100)")),
  takeOver: Flag.Boolean("take-over").pipe(
    Flag.withDefault(false),
    Flag.withDescription("stop whoever uses DAMON; it is started again at the end")
  ),
  json
} as const
export type HeatmapFlags = Command.Command.Config.Infer<typeof flags>

export const heatmap = Command.make(
  "heatmap",
  flags,
  lazily(async () => (await import("../actions/heatmap.ts")).heatmap)
).pipe(
  Command.withDescription(
    "See which memory is hot: a live heatmap of a process's, a cgroup's or the machine's addresses, with what is mapped there."
  )
)
