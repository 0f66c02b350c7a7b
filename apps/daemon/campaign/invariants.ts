/**
 * What must hold after every fault: while wmod runs, it answers and looks after every group again; after its end the kernel's settings are as they were,
 * no journal, socket or open kernel file is left, and every recording opens and can be summed up. Each gives one line a problem.
 */
import { filesOf, openRecording, summarizeGroups } from "@wmo/recording"
import { Effect, Exit } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { differences } from "./settings.ts"
import { policyOf, type Stage } from "./Stage.ts"

/** Longer than the longest time for which a policy that failed is left out. */
const longestBackoffSeconds = 320

const notActing = async (stage: Stage, exempt: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const status = await stage.status()
  if (status === undefined) return ["nobody answers at the socket"]
  if (status.mode !== "running") return [`it is ${status.mode}, not running`]
  const wanted = stage.groups.filter((group) => Object.keys(policyOf).some((name) => group.startsWith(name)) && !exempt.includes(group))
  return wanted.flatMap((group) => {
    const found = status.groups.find((each) => each.group === group)
    return found?.state === "acting" && found.ticks > 0
      ? []
      : [`${group} is ${found?.state ?? "not known"}: ${found?.problem ?? found?.why}`]
  })
}

/** It is up, and before long looks after all groups of which some rule says so. */
export const whileUp = async (stage: Stage, exempt: ReadonlyArray<string> = []): Promise<ReadonlyArray<string>> => {
  if (!stage.isUp) return [`wmod is not up: ${stage.whyEnded}`]
  let problems: ReadonlyArray<string> = []
  for (let waited = 0; waited <= longestBackoffSeconds; waited = waited * 2 + 5) {
    await stage.pass(waited === 0 ? 3 : waited)
    problems = await notActing(stage, exempt)
    if (problems.length === 0) break
  }
  if (problems.length > 0) return problems
  const before = (await stage.status())?.groups ?? []
  await stage.pass(4)
  const after = (await stage.status())?.groups ?? []
  return after.flatMap(({ group, state, ticks }) =>
    state !== "acting" || exempt.includes(group) || ticks > (before.find((each) => each.group === group)?.ticks ?? 0)
      ? []
      : [`${group} is not looked at any more`]
  )
}

/** Opens a recording as `wmo recording summary` does. */
const summed = (file: string): Promise<Exit.Exit<unknown, unknown>> =>
  Effect.runPromiseExit(
    Effect.scoped(
      Effect.gen(function* () {
        const recording = yield* openRecording(file)
        for (const run of yield* recording.runs) yield* summarizeGroups(recording, run)
      })
    )
  )

const recordingProblems = async (stage: Stage): Promise<ReadonlyArray<string>> => {
  const directory = stage.place("recordings")
  if (!existsSync(directory)) return []
  const problems: Array<string> = []
  for (const name of readdirSync(directory)) {
    if (name.startsWith(".")) problems.push(`a half-made recording is left: ${name}`)
    if (!name.endsWith(".wmo")) continue
    const exit = await summed(join(directory, name))
    const isRefused = Exit.isFailure(exit) && exit.cause.reasons.every(({ _tag }) => _tag === "Fail")
    if (Exit.isFailure(exit) && !(stage.spoilt.has(name) && isRefused)) problems.push(`${name} does not open: ${String(exit.cause)}`)
  }
  if (!filesOf(directory).some((file) => !stage.spoilt.has(file.slice(directory.length + 1)))) problems.push("there is no recording")
  return problems
}

/** After its end nothing is left of it. */
export const afterEnd = async (stage: Stage): Promise<ReadonlyArray<string>> => {
  const state = stage.place("state")
  const left = existsSync(state) ? readdirSync(state) : []
  const open = stage.kernel.fs.descriptorCount
  return [
    ...stage.problems,
    ...differences(stage.settingsBefore, stage.settings()),
    ...left.map(
      (name) => `${name} is left in the state directory: ${name.endsWith(".jsonl") ? readFileSync(join(state, name), "utf8") : ""}`
    ),
    ...(open === 0 ? [] : [`${open} kernel files are open`]),
    ...(await recordingProblems(stage))
  ]
}
