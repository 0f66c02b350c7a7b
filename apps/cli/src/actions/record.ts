/** What `wmo record` does: samplers and far memory's histograms into a recording, a line of status, a summary at the end. */
import { Cgroups, formatBytes, formatDuration, Machine, Pressure, Zram, Zswap } from "@wmo/core"
import { prepareWorkingSet } from "@wmo/control"
import {
  type AgeError,
  cgroupTreeSampler,
  chooseAgeSource,
  compressedMemorySampler,
  defaultAgeLadder,
  type FarMemory,
  GroupGone,
  machineMemorySampler,
  makeFarMemory,
  makeSampleLoop,
  pressureSampler,
  processSampler,
  type SampleSnapshot
} from "@wmo/monitors"
import { bytesOnDisk, filesOf, Recorder, RecordingError, type RunRecorder } from "@wmo/recording"
import { Clock, Console, Deferred, Effect, Layer, Option } from "effect"
import { existsSync, statSync } from "node:fs"
import { cpus } from "node:os"
import type { RecordFlags } from "../commands/record.ts"
import { ageServices, checkAgeSource } from "../ageSource.ts"
import { ExitCode, ExitWith, usageError } from "../Exit.ts"
import { onThisMachine } from "../live.ts"
import { handleSignals } from "../Signals.ts"

const services = Layer.mergeAll(Pressure.layer, Zram.layer).pipe(Layer.provideMerge(ageServices))

const check = Effect.fnUntraced(function* (flags: RecordFlags) {
  if (flags.every < 10) return yield* usageError("--every must be at least 10ms")
  if (flags.histogramsEvery < flags.every) return yield* usageError("--histograms-every must not be shorter than --every")
  if (flags.ageEvery > 0 && flags.ageEvery < 100) return yield* usageError("--age-every must be at least 100ms")
  if (flags.onPressure > 1000) return yield* usageError("--on-pressure is a time within a second: at most 1s")
  if (Option.isSome(flags.output) && Option.isSome(flags.directory)) return yield* usageError("choose one of --output and --directory")
  if (Option.isNone(flags.directory) && (flags.keepFor !== Infinity || flags.keepSize !== Infinity)) {
    return yield* usageError("--keep-for and --keep-size are for --directory")
  }
})

/** A name without wildcards is a group that must be there: it may be mistyped. */
const checkGroups = Effect.fnUntraced(function* (globs: ReadonlyArray<string>) {
  const cgroups = yield* Cgroups
  for (const glob of globs) {
    if (/[*?[\]{}!()]/.test(glob)) continue
    if (!(yield* cgroups.exists(glob))) return yield* new GroupGone({ group: cgroups.normalize(glob) })
  }
})

interface Progress {
  readonly snapshot: SampleSnapshot
  readonly file: string
  readonly startedMs: number
}

const isTerminal = (): boolean => process.stderr.isTTY === true

const countOf = (samples: SampleSnapshot["samples"], kind: string): number => samples.filter(({ subject }) => subject.kind === kind).length

const printStatus = ({ file, snapshot: { atMs, samples }, startedMs }: Progress, missed: number, source: string): void => {
  const subjects = `${countOf(samples, "cgroup")} cgroups, ${countOf(samples, "process")} processes`
  process.stderr.write(
    `\r\x1b[K${formatDuration(Math.round((atMs - startedMs) / 1000) * 1000)}  ${subjects}  ${missed} missed  ages: ${source}  ${formatBytes(sizeOf(file))}  (Ctrl+C ends)`
  )
}

/** The size of a recording, or of all in a directory; 0 while there is none. */
const sizeOf = (path: string): number => {
  try {
    return statSync(path).isDirectory() ? filesOf(path).reduce((sum, file) => sum + bytesOnDisk(file), 0) : bytesOnDisk(path)
  } catch {
    return 0
  }
}

/** Opens all that is read, before there is a recording: what cannot run leaves no empty one behind. */
const prepare = Effect.fnUntraced(function* (flags: RecordFlags) {
  const tree = yield* cgroupTreeSampler({
    ...(flags.cgroup.length === 0 ? {} : { include: flags.cgroup }),
    exclude: flags.exclude
  }).make
  if (tree.groups().length === 0) yield* Console.error("wmo: note: no cgroup matches yet; those that come will be recorded")

  const problems = new Map<string, number>()
  const note = (what: string) =>
    Effect.suspend(() => {
      const times = (problems.get(what) ?? 0) + 1
      problems.set(what, times)
      return times === 1 && !flags.quiet ? Console.error(`wmo: note: ${what}`) : Effect.void
    })

  const triggers =
    flags.onPressure > 0
      ? [{ resource: "memory", line: "some", stallUs: Math.round(flags.onPressure * 1000), windowUs: 1_000_000 } as const]
      : []
  const hasProcesses = flags.process.length + flags.processes.length > 0
  const loop = yield* makeSampleLoop({
    samplers: [
      { ...cgroupTreeSampler(), make: Effect.succeed(tree) },
      ...(hasProcesses ? [processSampler({ pids: flags.process, groups: flags.processes, rollup: flags.rollup })] : []),
      machineMemorySampler(),
      pressureSampler({ triggers }),
      compressedMemorySampler()
    ],
    everyMs: flags.every,
    onProblem: (sampler, error) => note(`the sampler ${sampler} missed something: ${error.message}`)
  })

  const chosen = yield* chooseAgeSource(flags.ageSource, tree.groups()[0] ?? "")
  yield* checkAgeSource(chosen.source, flags.ageSource)
  const ageEveryMs = flags.ageEvery > 0 ? flags.ageEvery : undefined
  let far: FarMemory | undefined
  if (chosen.source !== undefined) {
    const groups = () => tree.groups()
    if (chosen.source === "working-set") {
      for (const group of groups()) {
        yield* Effect.ignore(prepareWorkingSet(group, [...defaultAgeLadder, flags.workingSet], ageEveryMs))
      }
    }
    far = yield* makeFarMemory({
      source: chosen.source,
      groups,
      workingSetMs: flags.workingSet,
      ageEveryMs,
      takeOver: flags.takeOver,
      onProblem: (error: AgeError) => note(`page ages: ${error.message}`)
    })
    yield* Effect.forkScoped(far.run)
  }
  const source = chosen.source ?? "none"
  if (!flags.quiet) yield* Console.error(`wmo: page ages from ${source}: ${chosen.why}`)

  return { far, loop, problems, source, why: chosen.why }
})

type Prepared = Effect.Success<ReturnType<typeof prepare>>

const recording = Effect.fnUntraced(function* (
  flags: RecordFlags,
  { far, loop, problems, source, why }: Prepared,
  until: Effect.Effect<void>
) {
  const recorder = yield* Recorder
  const startedMs = yield* Clock.currentTimeMillis
  const run = yield* recorder.start({
    label: "record",
    group: "",
    policy: "none",
    settings: {},
    kernel: yield* (yield* Machine).release,
    clock: "real",
    command: process.argv.slice(2).join(" "),
    everyMs: flags.every,
    dryRun: true,
    startedMs,
    machine: yield* machineFacts,
    configuration: {
      include: flags.cgroup,
      exclude: flags.exclude,
      histograms_every_ms: flags.histogramsEvery,
      working_set_ms: flags.workingSet,
      age_source: source,
      age_source_why: why,
      ...(far === undefined ? {} : { age_source_resolution: far.description.resolution, age_source_bias: far.description.bias })
    }
  })

  const seen = new Map<string, Set<string>>()
  let snapshots = 0
  let extras = 0
  let histograms = 0
  let histogramsMs = startedMs
  const file = recorder.file ?? ""
  const takeHistograms = Effect.gen(function* () {
    if (far === undefined) return {}
    const entries = yield* far.take
    histograms += entries.coldAges.length
    return entries
  })
  const write = Effect.fnUntraced(function* (snapshot: SampleSnapshot) {
    const isDue = snapshot.atMs - histogramsMs >= flags.histogramsEvery
    if (isDue) histogramsMs = snapshot.atMs
    yield* run.snapshot({ ...snapshot, ...(isDue ? yield* takeHistograms : {}) })
    snapshots++
    if (snapshot.isExtra) extras++
    for (const { subject } of snapshot.samples) {
      let names = seen.get(subject.kind)
      if (names === undefined) seen.set(subject.kind, (names = new Set()))
      names.add(subject.name)
    }
    if (!flags.quiet && isTerminal()) printStatus({ snapshot, file, startedMs }, loop.missedTicks(), source)
  })
  const close = closing(run, loop.missedTicks)
  yield* Effect.raceFirst(until, loop.run(write)).pipe(
    Effect.andThen(
      Effect.flatMap(Effect.all([Clock.currentTimeMillis, takeHistograms]), ([atMs, entries]) => run.snapshot({ atMs, ...entries }))
    ),
    Effect.tap(close),
    Effect.tapError(() => Effect.ignore(close)),
    Effect.onInterrupt(() => Effect.ignore(close)),
    Effect.ensuring(Effect.sync(() => !flags.quiet && isTerminal() && process.stderr.write("\r\x1b[K")))
  )
  const elapsedMs = (yield* Clock.currentTimeMillis) - startedMs
  return {
    file,
    duration_seconds: elapsedMs / 1000,
    snapshots,
    extra_snapshots: extras,
    missed_ticks: loop.missedTicks(),
    subjects: Object.fromEntries([...seen].map(([kind, names]) => [kind, names.size])),
    histograms,
    age_source: source,
    age_source_why: why,
    notes: [...problems.entries()].map(([what, times]) => (times === 1 ? what : `${what} (${times} times)`)).concat(far?.notes() ?? [])
  }
})

type RecordSummary = Effect.Success<ReturnType<typeof recording>>

const closing = (run: RunRecorder, missedTicks: () => number) =>
  Effect.flatMap(Clock.currentTimeMillis, (endedMs) => run.end({ endedMs, missedTicks: missedTicks() }))

/** What this machine is, for who reads the recording elsewhere. */
const machineFacts = Effect.gen(function* () {
  const info = yield* (yield* Machine).memInfo
  const { compressor, enabled } = yield* Effect.orElseSucceed((yield* Zswap).parameters, () => ({
    compressor: undefined,
    enabled: undefined
  }))
  return {
    cpus: cpus().length,
    memory_total_bytes: info["MemTotal"],
    swap_total_bytes: info["SwapTotal"],
    zswap_enabled: enabled,
    zswap_compressor: compressor
  }
})

const summaryText = (summary: RecordSummary, fileBytes: number, cpuShare: number): string => {
  const { cgroup = 0, process: processes = 0 } = summary.subjects
  const extra = summary.extra_snapshots === 0 ? "" : ` (${summary.extra_snapshots} because of pressure)`
  return [
    `recorded    ${formatDuration(Math.round(summary.duration_seconds) * 1000)}: ${summary.snapshots} snapshots${extra}, ${summary.missed_ticks} missed; ${cgroup} cgroups, ${processes} processes`,
    `page ages   ${summary.age_source}: ${summary.histograms} histograms`,
    `cost        ${(cpuShare * 100).toFixed(1)} % of a CPU, ${formatBytes(process.memoryUsage.rss())}`,
    ...summary.notes.map((text) => `note        ${text}`),
    `recording   ${summary.file} (${formatBytes(fileBytes)}); read it with \`wmo recording summary ${summary.file}\``
  ].join("\n")
}

const defaultFile = (ms: number): string => `wmo-${new Date(ms).toISOString().slice(0, 19).replaceAll(/[:-]/g, "").replace("T", "-")}.wmo`

export const record = Effect.fn("wmo record")(function* (flags: RecordFlags) {
  yield* check(flags)
  const startedMs = yield* Clock.currentTimeMillis
  const file = Option.getOrElse(flags.output, () => defaultFile(startedMs))
  if (Option.isNone(flags.directory) && existsSync(file)) {
    return yield* new RecordingError({ file, operation: "create", problem: "the file exists; remove it or choose another name" })
  }
  const output = Option.isSome(flags.directory)
    ? Recorder.layerDirectory({
        directory: flags.directory.value,
        ...(flags.keepFor === Infinity ? {} : { maxAgeMs: flags.keepFor }),
        ...(flags.keepSize === Infinity ? {} : { maxBytes: flags.keepSize })
      })
    : Recorder.layerFile(file)
  const cpuBefore = process.cpuUsage()
  let wasInterrupted = false
  yield* onThisMachine(
    Effect.gen(function* () {
      yield* checkGroups([...flags.cgroup, ...flags.processes])
      const stop = yield* Deferred.make<void>()
      yield* handleSignals(() => {
        wasInterrupted = true
        Deferred.doneUnsafe(stop, Effect.void)
      })
      const until =
        flags.duration === Infinity ? Deferred.await(stop) : Effect.raceFirst(Deferred.await(stop), Effect.sleep(flags.duration))
      const summary = yield* Effect.flatMap(prepare(flags), (prepared) =>
        Effect.scoped(Effect.provide(recording(flags, prepared, until), output))
      )
      const { system, user } = process.cpuUsage(cpuBefore)
      const cpuShare = (system + user) / 1e6 / Math.max(0.001, summary.duration_seconds)
      const fileBytes = sizeOf(summary.file)
      if (flags.json) yield* Console.log(JSON.stringify({ ...summary, file_bytes: fileBytes, cpu_share: cpuShare }, null, 2))
      else yield* Console.error(summaryText(summary, fileBytes, cpuShare))
    }).pipe(Effect.provide(services))
  )
  if (wasInterrupted) return yield* new ExitWith({ code: ExitCode.interrupted })
})
