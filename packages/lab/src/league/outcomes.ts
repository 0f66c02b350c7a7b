/** Reads what slots left in a league's directory: recordings and machine samples as outcomes. A slot that was not played yet has none. */
import { openRecording } from "@wmo/recording"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { measure } from "./measure.ts"
import type { SlotOutcome } from "./pairing.ts"
import { type LeaguePlan, readSlotResult, recordingFile } from "./plan.ts"
import type { PairedSet } from "./schedule.ts"

const outcomeOf = Effect.fnUntraced(function* (directory: string, id: string, plan: LeaguePlan) {
  const slot = readSlotResult(directory, id)
  if (slot === undefined) return undefined
  const file = recordingFile(directory, id)
  if (slot.trouble !== null && !existsSync(file)) return { failed: slot.trouble }
  const recording = yield* openRecording(file)
  const run = (yield* recording.runs).at(-1)
  const observations = run === undefined ? [] : yield* recording.observations(run.id)
  const measured = run === undefined ? undefined : measure(run, observations, slot.samples, plan)
  if (slot.trouble !== null) return { failed: slot.trouble }
  return measured === undefined ? { failed: "it ended before there was anything to measure" } : { measured }
}, Effect.scoped)

/** By slot. A recording that cannot be read is a failed slot. */
export const readOutcomes = (
  directory: string,
  sets: ReadonlyArray<PairedSet>,
  plan: LeaguePlan
): Effect.Effect<ReadonlyMap<string, SlotOutcome>> =>
  Effect.gen(function* () {
    const outcomes = new Map<string, SlotOutcome>()
    for (const { id } of sets.flatMap(({ slots }) => slots)) {
      const outcome: SlotOutcome | undefined = yield* outcomeOf(directory, id, plan).pipe(
        Effect.catch((error) => Effect.succeed({ failed: error.message }))
      )
      if (outcome !== undefined) outcomes.set(id, outcome)
    }
    return outcomes
  })

/** Sets of which some slot has not been played: they are played as a whole. */
export const openSets = (directory: string, sets: ReadonlyArray<PairedSet>): ReadonlyArray<PairedSet> =>
  sets.filter(({ slots }) => slots.some(({ id }) => readSlotResult(directory, id) === undefined))
