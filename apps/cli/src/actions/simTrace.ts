/** What `wmo sim trace record|info|replay|convert` do: page traces made from simulated workloads and from heatmaps, run, and what is in them. */
import { formatBytes, type Milliseconds, pageSize } from "@wmo/core"
import { readTrace, scenarioOf, simulatedGroup, simulatedGroupName, sloPromotionsPct } from "@wmo/lab"
import { table } from "@wmo/report"
import { type AddressRange, boundOf, encodeTrace, type HeatOfMoment, heatToTrace, type PageTrace, recordTrace, traceGaps } from "@wmo/sim"
import { Console, Effect, Option, Stream } from "effect"
import { writeFileSync } from "node:fs"
import type { SimTraceConvertFlags, SimTraceInfoFlags, SimTraceRecordFlags, SimTraceReplayFlags } from "../commands/simTrace.ts"
import { ExitCode, Failure, usageError } from "../Exit.ts"
import { makeProgress } from "../progress.ts"
import { recordedFeed } from "./heatmapRecording.ts"
import { simRun } from "./simRun.ts"

const mib = 2 ** 20

/** Writes a new file. */
const save = (trace: PageTrace, file: string) =>
  Effect.try({
    try: () => {
      const bytes = encodeTrace(trace)
      writeFileSync(file, bytes, { flag: "wx" })
      return bytes.length
    },
    catch: (cause) =>
      (cause as NodeJS.ErrnoException).code === "EEXIST"
        ? usageError(`${file} exists; choose another name`)
        : new Failure({
            message: `cannot write ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
            exitCode: ExitCode.failed
          })
  })

const saved = (trace: PageTrace, file: string, bytes: number): string =>
  `${file}: ${trace.ticks} ticks of ${trace.tickMs / 1000} s, ${formatBytes(trace.anonPages * pageSize)} anonymous and ` +
  `${formatBytes(trace.filePages * pageSize)} of files, ${formatBytes(bytes)} on disk`

/** A trace counts time in whole milliseconds. */
const tickFault = (tick: Milliseconds): string | undefined =>
  Number.isInteger(tick) && tick >= 1 ? undefined : "--tick must be whole milliseconds, at least 1ms"

export const simTraceRecord = Effect.fn("wmo sim trace record")(function* (flags: SimTraceRecordFlags) {
  const fault = tickFault(flags.tick)
  if (fault !== undefined) return yield* usageError(fault)
  const scenario = yield* Effect.mapError(scenarioOf(flags.workload), ({ message }) => usageError(message))
  const ticks = Math.floor(flags.duration / flags.tick)
  if (ticks < 1) return yield* usageError("--duration must be at least one --tick")
  const progress = makeProgress(1)
  const trace = yield* Effect.sync(() =>
    recordTrace(simulatedGroup(scenario, flags.seed), simulatedGroupName, {
      ticks,
      tickMs: flags.tick,
      source: `${flags.workload}, seed ${flags.seed}`,
      onTick: (tick) => progress.show(0, (tick + 1) / ticks, flags.workload)
    })
  ).pipe(Effect.ensuring(Effect.sync(progress.clear)))
  yield* Console.log(saved(trace, flags.out, yield* save(trace, flags.out)))
})

/** Used from a file, and nothing of it is anonymous. */
const isFileMapping = ({ anonBytes, name }: { readonly anonBytes: number; readonly name: string }) =>
  name.startsWith("/") && anonBytes === 0

export const simTraceConvert = Effect.fn("wmo sim trace convert")(function* (flags: SimTraceConvertFlags) {
  const fault = tickFault(flags.tick)
  if (fault !== undefined) return yield* usageError(fault)
  const { items } = yield* recordedFeed(flags.recording, { from: flags.from, to: flags.to, speed: 1 }, true)
  const frames = new Map<string, Array<HeatOfMoment>>()
  const files = new Map<string, Map<string, AddressRange>>()
  yield* Stream.runForEach(items, (item) =>
    Effect.sync(() => {
      if (item.kind !== "heat") return
      const { aggregationUs, atMs, mappings, regions, sampleUs, subject } = item.frame
      const list = frames.get(subject.name) ?? []
      frames.set(subject.name, list)
      list.push({ atMs, regions, samples: Math.max(1, Math.round(aggregationUs / Math.max(1, sampleUs))) })
      const ranges = files.get(subject.name) ?? new Map<string, AddressRange>()
      files.set(subject.name, ranges)
      for (const mapping of mappings) if (isFileMapping(mapping)) ranges.set(`${mapping.start}-${mapping.end}`, mapping)
    })
  )
  const names = [...frames.keys()]
  const wanted = Option.getOrElse(flags.subject, () => names[0] ?? "")
  const found = frames.get(wanted)
  if (found === undefined) {
    return yield* usageError(
      names.length === 0
        ? `${flags.recording} has no addresses, only ages`
        : `${flags.recording} has no heat of ${wanted}; it has ${names.join(", ")}`
    )
  }
  if (names.length > 1 && Option.isNone(flags.subject)) {
    yield* Console.error(`${flags.recording} has heat of ${names.join(", ")}: ${wanted} is converted; choose with --subject`)
  }
  const trace = heatToTrace(found, {
    source: `heat of ${wanted} in ${flags.recording}`,
    fileRanges: [...files.get(wanted)!.values()],
    tickMs: flags.tick,
    seed: flags.seed
  })
  yield* Console.log(saved(trace, flags.out, yield* save(trace, flags.out)))
}, Effect.scoped)

export const simTraceInfo = Effect.fn("wmo sim trace info")(function* (flags: SimTraceInfoFlags) {
  const trace = yield* Effect.mapError(readTrace(flags.file), ({ message }) => new Failure({ message, exitCode: ExitCode.failed }))
  const { anonPages, filePages, source, tickMs, ticks } = trace
  const durationMs = ticks * tickMs
  let accesses = 0
  const gaps = traceGaps(trace, [{ fromMs: 0, toMs: durationMs }], (pages) => void (accesses += pages))[0]!
  const minutes = durationMs / 60_000
  const seconds = Math.max(1e-9, durationMs / 1000)
  const curve = [0, 0.05, sloPromotionsPct, 1, 5].map((pct) => {
    const budget = (pct / 100) * gaps.workingSetPages * minutes
    return {
      promotions_pct_per_min: pct,
      net_bytes: boundOf(gaps.net, budget) / seconds,
      gross_bytes: boundOf(gaps.gross, budget) / seconds
    }
  })
  const facts = {
    source,
    tick_ms: tickMs,
    ticks,
    duration_seconds: durationMs / 1000,
    anon_bytes: anonPages * pageSize,
    file_bytes: filePages * pageSize,
    accessed_pages_per_tick: accesses / Math.max(1, ticks),
    working_set_bytes: gaps.workingSetPages * pageSize,
    bound: curve
  }
  if (flags.json) return yield* Console.log(JSON.stringify(facts, null, 2))
  const rows: ReadonlyArray<readonly [what: string, value: string]> = [
    ["from", source],
    ["length", `${ticks} ticks of ${tickMs / 1000} s`],
    ["anonymous", formatBytes(facts.anon_bytes)],
    ["files", formatBytes(facts.file_bytes)],
    ["accessed in a tick", formatBytes(Math.round(facts.accessed_pages_per_tick) * pageSize)],
    ["working set (120 s)", formatBytes(Math.round(gaps.workingSetPages) * pageSize)],
    ...curve.map(
      ({ net_bytes, promotions_pct_per_min }) =>
        [`could be saved at ${promotions_pct_per_min} %/min`, `${(net_bytes / mib).toFixed(1)} MiB on average, net`] as const
    )
  ]
  yield* Console.log(
    table(
      [
        { head: "", align: "left", cell: ([what]) => what },
        { head: flags.file, align: "left", cell: ([, value]) => value }
      ],
      rows
    )
  )
})

export const simTraceReplay = Effect.fn("wmo sim trace replay")(function* ({ file, ...flags }: SimTraceReplayFlags) {
  yield* simRun({ ...flags, workload: `trace:${file}` })
})
