/** How good an arena's predictions were between two looks at its tally. Pure. */
import { measures, type Tally } from "@wmo/arena"

/** Shares are 0 to 1, null where nothing was predicted or needed. */
export interface Predicted {
  readonly accuracy: number | null
  readonly coverage: number | null
  readonly early: number | null
  readonly late: number | null
  readonly pollution: number | null
  readonly needed: number
  readonly predicted: number
}

export const predictedBetween = (before: Readonly<Tally>, after: Readonly<Tally>): Predicted => {
  const since: Tally = {
    needed: after.needed - before.needed,
    predicted: after.predicted - before.predicted,
    inTime: after.inTime - before.inTime,
    late: after.late - before.late,
    wasted: after.wasted - before.wasted,
    early: after.early - before.early
  }
  const { accuracy, coverage, early, late, pollution } = measures(since)
  return {
    accuracy: accuracy ?? null,
    coverage: coverage ?? null,
    early: early ?? null,
    late: late ?? null,
    pollution: pollution ?? null,
    needed: since.needed,
    predicted: since.predicted
  }
}
