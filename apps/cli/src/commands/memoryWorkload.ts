/** The four memory workloads of `wmo workload`: on plain memory, or on the managed arena with a predictor. Needs no root. */
import { Command, Flag } from "effect/cli"
import { json, size, time } from "../flags.ts"
import { lazily } from "../lazily.ts"

const mib = 2 ** 20

/** What `wmo arena bench` has in common with them. */
export const memoryFlags = {
  predictor: Flag.String("predictor").pipe(
    Flag.withDefault("tournament"),
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "tournament, stride, delta, markov, periodic, association, hinted, next-k, none (restores on demand only), or oracle (default tournament)"
    )
  ),
  chunk: size("chunk").pipe(Flag.optional, Flag.withDescription("the arena's unit, a power of two, 4K to 1M (default 64K)")),
  codec: Flag.String("codec").pipe(
    Flag.withDefault("lz4"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("see `wmo arena codecs` (default lz4)")
  ),
  cold: time("cold").pipe(
    Flag.optional,
    Flag.withDescription("compress what was left alone for so long (default: half the idle time of bursts, else 1s at most)")
  ),
  cpu: Flag.Finite("cpu").pipe(
    Flag.withDefault(100),
    Flag.withMetavar("PERCENT"),
    Flag.withDescription("of a core that compressing may take (default 100)")
  ),
  compressOn: Flag.Literals("compress-on", ["auto", "slices", "thread"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("compress between the workload's turns, on a thread, or on one when there is enough to do (default auto)")
  ),
  duration: time("duration").pipe(Flag.withDefault(20_000), Flag.withDescription("how long to run after loading (default 20s)")),
  warmup: time("warmup").pipe(
    Flag.optional,
    Flag.withDescription("of that, not measured: predictors learn (default: three tenths of the duration)")
  ),
  data: Flag.Literals("data", ["mixed", "file", "json", "text", "binary", "records", "noise", "zeros"]).pipe(
    Flag.withDefault("mixed"),
    Flag.withDescription("what the memory holds (default mixed: JSON, binaries, text, records, and an eighth of noise)")
  ),
  corpus: Flag.String("corpus").pipe(
    Flag.withDefault(process.execPath),
    Flag.withMetavar("FILE"),
    Flag.withDescription("the file that binary data is from (default: the running program)")
  ),
  seed: Flag.Int("seed").pipe(Flag.withDefault(1), Flag.withDescription("of the data and the accesses (default 1)")),
  forgetEvery: time("forget-every").pipe(
    Flag.withDefault(0),
    Flag.withDescription(
      "make the processor forget its translations so often: emulated ones remember more than real ones (default 0s: never)"
    )
  ),
  json
} as const
export type MemoryFlags = Command.Command.Config.Infer<typeof memoryFlags>

const commonFlags = {
  wait: Flag.Boolean("wait").pipe(
    Flag.withDefault(false),
    Flag.withDescription("after loading, wait for a line on standard input: time to attach to it, such as by wmo arena advise")
  ),
  on: Flag.Literals("on", ["plain", "arena"]).pipe(
    Flag.withDefault("plain"),
    Flag.withDescription("which memory: plain, or the managed arena's (default plain)")
  ),
  ...memoryFlags
} as const
export type CommonMemoryFlags = Command.Command.Config.Infer<typeof commonFlags>

const region = (bytes: number, text: string) =>
  size("region").pipe(Flag.withDefault(bytes), Flag.withDescription(`how much memory (default ${text})`))
const opsPerSecond = (count: number) =>
  Flag.Finite("ops-per-sec").pipe(
    Flag.withDefault(count),
    Flag.withMetavar("N"),
    Flag.withDescription(`operations a second, kept by catching up (default ${count})`)
  )

const burstFlags = {
  region: region(256 * mib, "256M"),
  active: time("active").pipe(Flag.withDefault(100), Flag.withDescription("length of a burst (default 100ms)")),
  idle: time("idle").pipe(Flag.withDefault(400), Flag.withDescription("from a burst's end to the next (default 400ms)")),
  ...commonFlags
}
export type InteractiveBurstFlags = Command.Command.Config.Infer<typeof burstFlags>

const interactiveBurst = Command.make(
  "interactive_burst",
  burstFlags,
  lazily(async () => (await import("../actions/memoryWorkload.ts")).interactiveBurst)
).pipe(Command.withDescription("All of the memory, page by page, in periodic bursts; every page is compared at every touch."))

const streamerFlags = {
  region: region(512 * mib, "512M"),
  pass: time("pass").pipe(Flag.withDefault(4000), Flag.withDescription("how long a pass over all of it takes (default 4s)")),
  idle: time("idle").pipe(Flag.withDefault(300), Flag.withDescription("pause after every other pass (default 300ms)")),
  ...commonFlags
}
export type AnonStreamerFlags = Command.Command.Config.Infer<typeof streamerFlags>

const anonStreamer = Command.make(
  "anon_streamer",
  streamerFlags,
  lazily(async () => (await import("../actions/memoryWorkload.ts")).anonStreamer)
).pipe(Command.withDescription("Pass after pass over all of the memory, in order, at an even pace."))

const heapFlags = { region: region(512 * mib, "512M"), opsPerSec: opsPerSecond(50_000), ...commonFlags }
export type RandomTouchHeapFlags = Command.Command.Config.Infer<typeof heapFlags>

const randomTouchHeap = Command.make(
  "random_touch_heap",
  heapFlags,
  lazily(async () => (await import("../actions/memoryWorkload.ts")).randomTouchHeap)
).pipe(Command.withDescription("Pages at random: nothing to predict, and with enough operations nothing to compress."))

const churnFlags = {
  region: region(128 * mib, "128M"),
  map: size("map").pipe(Flag.withDefault(512 * 1024), Flag.withDescription("size of each mapping (default 512K)")),
  opsPerSec: opsPerSecond(500),
  ...commonFlags
}
export type MmapChurnFlags = Command.Command.Config.Infer<typeof churnFlags>

const mmapChurn = Command.make(
  "mmap_churn",
  churnFlags,
  lazily(async () => (await import("../actions/memoryWorkload.ts")).mmapChurn)
).pipe(Command.withDescription("Mappings that are used once and unmapped, beside a heap of which each operation touches the next page."))

export const memoryWorkloads = [interactiveBurst, anonStreamer, randomTouchHeap, mmapChurn] as const
