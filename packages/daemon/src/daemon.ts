/**
 * A whole wmod: configuration, journal, recording, supervisor, servers, in the order in which each may rely on those before; ends in the opposite
 * order, with the machine as it was. Does not know signals, terminals or exit codes: that is the program's.
 */
import {
  Cgroups,
  Damon,
  DamonModules,
  findCgroupMount,
  Journal,
  KernelRoots,
  type KernFs,
  Machine,
  Processes,
  type Undone,
  WorkingSet,
  trimHeap,
  unmapText
} from "@wmo/core"
import { Recorder, RecordingError } from "@wmo/recording"
import { Clock, Data, Effect, Layer } from "effect"
import { mkdirSync } from "node:fs"
import { hostname } from "node:os"
import type { Config } from "./config/Config.ts"
import { loadConfig } from "./config/loadConfig.ts"
import type { DaemonStatus } from "./protocol/Status.ts"
import { httpServer } from "./server/http.ts"
import { socketServer } from "./server/socket.ts"
import { latenessBoundsMs } from "./supervisor/Lateness.ts"
import { sharedGenerations } from "./supervisor/sharedGenerations.ts"
import { SteadyClock } from "./supervisor/SteadyClock.ts"
import { sharedMachine } from "./supervisor/sharedMachine.ts"
import { type RecorderHealth, steadyRecorder } from "./supervisor/steadyRecorder.ts"
import { makeSupervisor, type Supervisor } from "./supervisor/Supervisor.ts"

export interface DaemonOptions {
  readonly file: string
  /** Where the journal goes unless the file says so. */
  readonly stateDirectory: string
  readonly command: string
  readonly version: string
}

/** This machine is not one for wmod, in one line that says what to do. */
export class NotHere extends Data.TaggedError("NotHere")<{ readonly message: string }> {}

/** Somebody else has the address or the socket. */
export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

export interface Daemon {
  readonly config: Config
  /** Reads the file again; logs what came of it. */
  readonly reload: Effect.Effect<void>
}

const mounted = Effect.gen(function* () {
  const mount = yield* findCgroupMount
  if (mount === undefined) return yield* new NotHere({ message: "no cgroup v2 is mounted here; see `wmo doctor`" })
  if (!mount.memory)
    return yield* new NotHere({ message: `the memory controller is not on cgroup v2 here (${mount.path}): boot with cgroup_no_v1=memory` })
  if (mount.readOnly)
    return yield* new NotHere({ message: `${mount.path} is mounted read-only: remount it read-write, or run outside the container` })
  return mount.path
})

const tellOf = (undone: Undone): string =>
  undone.result === "restored"
    ? `restored ${undone.path} to ${undone.was || "empty"}`
    : undone.result === "kept" || undone.result === "passed on"
      ? `left ${undone.path} as it is: ${undone.why}`
      : `${undone.path}: ${undone.result}`

/** Undoes what dead processes left, and tells of it. Returns the paths that could not be put back. */
export const recover = Effect.fnUntraced(function* (directory: string) {
  const recoveries = yield* Journal.recover(directory)
  for (const { command, pid, undone } of recoveries) {
    yield* Effect.logWarning(`an earlier run could not clean up behind itself (pid ${pid}: ${command})`)
    for (const change of undone) yield* Effect.logWarning(tellOf(change))
  }
  return recoveries.flatMap(({ undone }) => undone.flatMap(({ path, result }) => (result === "kept" ? [path] : [])))
})

const restore = Effect.gen(function* () {
  for (const change of yield* (yield* Journal).restore) {
    if (change.result === "kept") yield* Effect.logWarning(`could not restore ${change.path}: ${change.why}`)
  }
})

const recorderOf = ({ recording }: Config, health: RecorderHealth): Layer.Layer<Recorder, RecordingError> => {
  if (recording === undefined) return Recorder.layerNone
  const { directory, keepBytes, keepForMs } = recording
  const directoryMade = Effect.try({
    try: () => void mkdirSync(directory, { recursive: true, mode: 0o750 }),
    catch: (cause) => new RecordingError({ file: directory, operation: "create", problem: (cause as Error).message })
  })
  return steadyRecorder(
    Layer.unwrap(Effect.as(directoryMade, Recorder.layerDirectory({ directory, maxAgeMs: keepForMs, maxBytes: keepBytes }))),
    health
  )
}

const statusOf = (supervisor: Supervisor, { version }: DaemonOptions, startedMs: number, health: RecorderHealth) =>
  Effect.map(
    Effect.zip(supervisor.status, Clock.currentTimeMillis),
    ([{ config, groups, lateness, monitors, own, pods, why, ...rest }, nowMs]): DaemonStatus => {
      const { system, user } = process.cpuUsage()
      return {
        version,
        pid: process.pid,
        host: hostname(),
        now_ms: nowMs,
        started_ms: startedMs,
        config: config.file,
        loaded_ms: rest.loadedMs,
        dry_run: config.dryRun,
        mode: rest.mode,
        ...(why === undefined ? {} : { why }),
        emergency_stops: rest.emergencyStops,
        reloads: rest.reloads,
        reloads_refused: rest.reloadsRefused,
        groups_seen: rest.groupsSeen,
        ...(config.recording === undefined ? {} : { recording: config.recording.directory }),
        ...(health.problem === undefined ? {} : { recording_problem: health.problem }),
        ...(pods === undefined ? {} : { pods }),
        ...(monitors.length === 0 ? {} : { monitors }),
        rss_bytes: process.memoryUsage.rss(),
        cpu_seconds: (system + user) / 1e6,
        lateness: { bounds_ms: latenessBoundsMs, counts: [...lateness.counts], sum_ms: lateness.sumMs, most_ms: lateness.mostMs },
        budget: {
          ...(own.cpuPercent === undefined ? {} : { cpu_percent: own.cpuPercent }),
          ...(config.ownBudget.cpuPercent === undefined ? {} : { cpu_percent_most: config.ownBudget.cpuPercent }),
          ...(config.ownBudget.memoryBytes === undefined ? {} : { memory_bytes_most: config.ownBudget.memoryBytes }),
          stride: own.stride,
          histories_dropped: own.isOverMemory
        },
        groups
      }
    }
  )

/** What the innermost error says: those around it say nothing more. */
const causeOf = (error: unknown): string => {
  const { cause, reason } = error as { readonly cause?: unknown; readonly reason?: unknown }
  const inner = cause ?? reason
  if (typeof inner === "object" && inner !== null) return causeOf(inner)
  return error instanceof Error ? error.message : String(error)
}

const cannotListen = (on: string) =>
  Effect.mapError(
    (error: unknown) => new CannotListen({ message: `cannot listen on ${on}: ${causeOf(error)}; choose another in \`server\`` })
  )

const serving = Effect.fnUntraced(function* (options: DaemonOptions, config: Config, health: RecorderHealth, clock: SteadyClock) {
  const supervisor = yield* makeSupervisor(config, clock)
  const status = statusOf(supervisor, options, yield* Clock.currentTimeMillis, health)
  const reload = supervisor.reload(loadConfig(options.file, options))
  const { explain, history, monitored, pause, resume, set, unset } = supervisor
  yield* Layer.build(socketServer({ status, explain, pause, resume, reload, set, unset }, config.socket)).pipe(cannotListen(config.socket))
  yield* Effect.forkScoped(Effect.forEach(giveBackAfter, (wait) => Effect.andThen(Effect.sleep(wait), giveBack)))
  const { http, httpNames: names } = config
  if (http !== undefined)
    yield* Layer.build(httpServer({ status, explain, history, monitored }, { ...http, names })).pipe(
      cannotListen(`${http.host}:${http.port}`)
    )
  return { config, reload: Effect.ignore(reload) } satisfies Daemon
})

/** What compiling took is not needed again; what starting a thousand groups took comes a little later. */
const giveBackAfter = ["1 second", "20 seconds", "2 minutes"] as const
const giveBack = Effect.sync(() => {
  trimHeap()
  unmapText()
})

/** Runs for as long as `use` does. */
export const runDaemon = <A, E, R>(options: DaemonOptions, use: (daemon: Daemon) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const clock = new SteadyClock(yield* Clock.Clock)
    const config = yield* loadConfig(options.file, options)
    const cgroup = yield* mounted
    yield* recover(config.stateDirectory)
    const health: RecorderHealth = { problem: undefined }
    const machine = Layer.provide(sharedMachine, Machine.layer)
    const kernel = Layer.mergeAll(machine, sharedGenerations, WorkingSet.layer, Damon.layer, DamonModules.layer, Processes.layer).pipe(
      Layer.provideMerge(Cgroups.layer),
      Layer.provideMerge(Journal.layer({ directory: config.stateDirectory, command: options.command }))
    )
    return yield* Effect.gen(function* () {
      // One wmod a state directory: whoever comes second is told who was first.
      yield* (yield* Journal).claim(`${config.stateDirectory}/wmod`)
      return yield* Effect.scoped(Effect.flatMap(serving(options, config, health, clock), use)).pipe(
        Effect.provide(recorderOf(config, health))
      )
    }).pipe(
      Effect.ensuring(restore),
      Effect.provide(kernel),
      Effect.provideService(Clock.Clock, clock),
      Effect.updateService(KernelRoots, (roots) => ({ ...roots, cgroup })),
      Effect.ensuring(Journal.recover(config.stateDirectory))
    )
  }) satisfies Effect.Effect<A, unknown, R | KernFs>
