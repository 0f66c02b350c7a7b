/** What `wmo demo` does: one workload under several policies on the simulated kernel, a table, and what it means. */
import { formatBytes } from "@wmo/core"
import { decodeSettings, findPolicy } from "@wmo/policies"
import { openRecording, Recorder, summarize, type Summary } from "@wmo/recording"
import { boundCurve, runSimulatedSession, simulatedGroup, sloPromotionsPct, watchBound } from "@wmo/lab"
import { summarySentence, summaryTable } from "@wmo/report"
import { hotcold, type SimScenario } from "@wmo/sim"
import { Console, Effect, Result } from "effect"
import { existsSync, rmSync } from "node:fs"
import { resolve } from "node:path"
import type { DemoFlags } from "../commands/demo.ts"
import { usageError } from "../Exit.ts"
import { makeProgress } from "../progress.ts"

const mib = 2 ** 20
const workload = { hotBytes: 40 * mib, warmBytes: 60 * mib, coldBytes: 300 * mib }
const group = "wmo/demo"
const loadMs = 10_000
const lineup = ["none", "periodic", "senpai", "slo"]

const scenario: SimScenario = { name: "demo", summary: "the workload of the demo", suite: "comparison", make: () => hotcold(workload) }

/** The workload under one policy, on a simulated machine of its own, in virtual time. */
const runPolicy = Effect.fnUntraced(function* (name: string, seed: number, durationMs: number, onProgress: (share: number) => void) {
  const policy = Result.getOrThrow(findPolicy(name))
  const settings = Result.getOrThrow(decodeSettings(name, policy.settings, {}))
  const simulation = simulatedGroup(scenario, seed, group)
  yield* runSimulatedSession(simulation, {
    group,
    policy,
    settings,
    durationMs,
    warmupMs: loadMs,
    bootMs: Date.now(),
    label: name,
    command: `hotcold, ${formatBytes(workload.hotBytes)} hot, ${formatBytes(workload.warmBytes)} warm, ${formatBytes(workload.coldBytes)} cold`,
    onTick: () => Effect.sync(() => onProgress(simulation.nowMs / durationMs))
  })
})

const readSummaries = (file: string) =>
  Effect.gen(function* () {
    const recording = yield* openRecording(file)
    const summaries: Array<Summary> = []
    for (const run of yield* recording.runs)
      summaries.push(summarize(run, yield* recording.observations(run.id), yield* recording.actions(run.id)))
    return summaries
  }).pipe(Effect.scoped)

/** The last demo's recording is replaced; anything else is not ours to delete. */
const checkReplaceable = Effect.fnUntraced(function* (file: string) {
  if (!existsSync(file)) return
  const isDemo = yield* openRecording(file).pipe(
    Effect.flatMap(({ runs }) => runs),
    Effect.map((runs) => runs.every((run) => run.group === group && run.clock === "simulated")),
    Effect.scoped,
    Effect.orElseSucceed(() => false)
  )
  if (!isDemo) return yield* usageError(`${file} exists and is not a recording of the demo; choose another with --record`)
})

/** With all of the run known beforehand, and next to nothing brought back: no policy can save more, whatever it knows. */
const mostThatCouldBeSaved = (seed: number, durationMs: number): number => {
  const { measured } = watchBound(scenario, { seed, learningMs: loadMs, durationMs })
  return boundCurve(measured, [sloPromotionsPct])[0]!.net_mib * mib
}

const boundSentence = (boundBytes: number, summaries: ReadonlyArray<Summary>): string => {
  const none = summaries.find(({ policy }) => policy === "none")!.memory_current_bytes.mean
  return (
    `At best, with all of the run known beforehand and ${sloPromotionsPct} % of the memory in use brought back a minute, it would be ` +
    `${formatBytes(boundBytes)} (${((boundBytes / none) * 100).toFixed(1)} %); slo learns first, so it comes closer the longer it runs.`
  )
}

const nextSteps = (file: string): string => {
  const steps: ReadonlyArray<readonly [command: string, what: string]> = [
    ["wmo doctor", "what this machine offers, and how to enable the rest"],
    [`wmo recording summary ${file}`, "this table again, or as JSON with --json"],
    ["wmo policy show slo", "the settings behind it"],
    ["wmo sim compare --quick", "more policies and workloads, against the most that could be saved"],
    ["sudo wmo run --policy slo -- CMD", "the same on a real cgroup v2 machine"],
    ["wmo vm setup --install && wmo vm run -- CMD", "a real kernel in a VM, without touching this one"]
  ]
  const width = Math.max(...steps.map(([command]) => command.length))
  const lines = steps.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`)
  return ["\nWhat to try next", ...lines, "From a checkout, `wmo` is `npx -y pnpm@12 wmo`."].join("\n")
}

export const demo = Effect.fn("wmo demo")(function* (flags: DemoFlags) {
  if (flags.duration < 2 * loadMs) return yield* usageError("--duration must be at least 20s")
  const file = resolve(flags.record)
  yield* checkReplaceable(file)
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true })
  const total = formatBytes(workload.hotBytes + workload.warmBytes + workload.coldBytes)
  yield* Console.error(
    `A workload of ${total} (40 MiB hot, 60 MiB used every 5 s, 300 MiB cold) on the simulated kernel, ${flags.duration / 1000} s under each policy:`
  )
  const progress = makeProgress(lineup.length)
  yield* Effect.forEach(
    lineup,
    (name, i) =>
      Effect.andThen(
        runPolicy(name, flags.seed, flags.duration, (share) => progress.show(i, share, name)),
        Effect.sync(() => progress.finish(i, name))
      ),
    { discard: true }
  ).pipe(Effect.provide(Recorder.layerFile(file)), Effect.ensuring(Effect.sync(progress.clear)))
  const summaries = yield* readSummaries(file)
  const bound = yield* Effect.sync(() => mostThatCouldBeSaved(flags.seed, flags.duration))
  if (flags.json) return yield* Console.log(JSON.stringify(summaries, null, 2))
  const means = `${summarySentence(summaries, 0.05) ?? ""}\n${boundSentence(bound, summaries)}`
  yield* Console.log(`\n${summaryTable(summaries)}\n\n${means}\nThe recording is ${file}`)
  yield* Console.log(nextSteps(flags.record))
})
