/** Which runs, times and groups of a recording the flags of `wmo recording` mean. */
import { globMatcher, type Recording, type RunInfo, type Subject } from "@wmo/recording"
import { Effect } from "effect"
import { usageError } from "./Exit.ts"

/** The times of a run that are wanted, given when it began. */
export type RunWindow = (startMs: number) => { readonly fromMs: number; readonly toMs: number }

/** Cgroups whose path matches. */
export const isGroup = (glob: string): ((subject: Subject) => boolean) => {
  const matches = globMatcher(glob)
  return ({ kind, name }) => kind === "cgroup" && matches(name)
}

/** When the first of what the run observed was seen. */
export const runStart = (recording: Recording, run: RunInfo) =>
  Effect.map(recording.subjects(run.id), (subjects) =>
    subjects.reduce((first, { firstMs }) => Math.min(first, firstMs), subjects[0]?.firstMs ?? run.startedMs)
  )

/** All runs, or the one with this id; 0 is all. */
export const chooseRuns = Effect.fnUntraced(function* (recording: Recording, id: number) {
  const runs = yield* recording.runs
  const chosen = id === 0 ? runs : runs.filter((run) => run.id === id)
  if (chosen.length === 0) {
    return yield* usageError(
      id === 0
        ? `${recording.file} holds no runs`
        : `${recording.file} has no run ${id}; it has ${runs.map((run) => run.id).join(", ") || "none"}`
    )
  }
  return chosen
})
