/** Turns the flags of `wmo run` and `wmo agent` into what the loop needs, and prints what the loop does. */
import { formatBytes } from "@wmo/core"
import type { SessionOptions } from "@wmo/control"
import type { AgeSourceChoice } from "@wmo/monitors"
import { decodeSettings, findPolicy } from "@wmo/policies"
import { describeOutcome, openRecording, Recorder, summarize, summarizeGroups, type Tick } from "@wmo/recording"
import { runSummary } from "@wmo/report"
import { Clock, Console, Effect, Option, Result } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { usageError } from "./Exit.ts"

/** The parsed flags of `loopFlags`. */
export interface LoopFlags {
  readonly policy: string
  readonly set: Readonly<Record<string, string>>
  readonly every: number
  readonly record: Option.Option<string>
  readonly dryRun: boolean
  readonly takeOver: boolean
  readonly pageAge: AgeSourceChoice
  readonly floor: number
  readonly step: number
  readonly budget: number
  readonly warmup: number
  readonly quiet: boolean
  readonly json: boolean
}

/** One line a tick that acted, on stderr: data and the command's own output stay on stdout. */
const printTick = (startedMs: number) => (tick: Tick) => {
  const acted = tick.outcomes.filter(({ asked }) => asked._tag !== "Age")
  if (acted.length === 0) return Effect.void
  const at = `${((tick.observation.atMs - startedMs) / 1000).toFixed(0)} s`.padStart(7)
  return Console.error(
    `wmo: ${at}  ${formatBytes(tick.observation.usage.currentBytes).padStart(8)}  ${tick.reason} | ${acted.map(describeOutcome).join(", ")}`
  )
}

/** Checks policy and settings; fails with one line that names the nearest right word. */
export const sessionOptions = Effect.fnUntraced(function* (flags: LoopFlags, group: string, command: string | undefined) {
  const policy = findPolicy(flags.policy)
  if (Result.isFailure(policy)) return yield* usageError(policy.failure.message)
  const settings = decodeSettings(policy.success.name, policy.success.settings, flags.set)
  if (Result.isFailure(settings)) return yield* usageError(settings.failure.message)
  if (flags.every < 10) return yield* usageError("--every must be at least 10ms")
  const options: SessionOptions = {
    group,
    policy: policy.success,
    settings: settings.success,
    everyMs: flags.every,
    rails: { floorBytes: flags.floor, stepBytes: flags.step, perMinuteBytes: flags.budget, takeOver: flags.takeOver },
    dryRun: flags.dryRun,
    warmupMs: flags.warmup,
    // DAMON and the bitmap are started when there is a kernel to start them on: see `withAgeSource`.
    pageAge: flags.pageAge === "damon" || flags.pageAge === "idle" ? "none" : flags.pageAge,
    label: policy.success.name,
    clock: "real",
    command,
    ...(flags.quiet ? {} : { onTick: printTick(yield* Clock.currentTimeMillis) })
  }
  return options
})

/**
 * Runs an effect with a recorder (the file of `--record`, or a temporary one), then prints the summary, also when it failed half-way.
 * The summary goes to stderr, or as JSON to stdout.
 */
export const recorded = <A, E, R>(flags: LoopFlags, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const scratch = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
    const file = Option.getOrElse(flags.record, () => join(scratch, "run.wmo"))
    let isOurs = false
    const print = Effect.scoped(
      Effect.gen(function* () {
        const recording = yield* openRecording(file)
        const run = (yield* recording.runs).at(-1)
        // It ended before it began: an empty file would be in the way of the next attempt.
        if (run === undefined) return rmSync(file, { force: true })
        const [summary = summarize(run, [], [])] = yield* summarizeGroups(recording, run)
        if (flags.json) return yield* Console.log(JSON.stringify(summary, null, 2))
        if (summary.samples > 0) yield* Console.error(`\n${runSummary(summary)}`)
        if (Option.isSome(flags.record)) yield* Console.error(`recording   ${file}; read it with \`wmo recording summary ${file}\``)
      })
    )
    const recording = Effect.andThen(
      Effect.sync(() => {
        isOurs = true
      }),
      effect
    )
    return yield* Effect.scoped(Effect.provide(recording, Recorder.layerFile(file))).pipe(
      Effect.ensuring(Effect.suspend(() => (isOurs ? Effect.ignore(print) : Effect.void)))
    )
  }).pipe(Effect.scoped)
