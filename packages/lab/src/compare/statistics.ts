/** Means with 95 % confidence intervals by Student's t: a handful of seeds, each a run of its own. */

export interface Estimate {
  readonly mean: number
  /** Half the width of the 95 % interval of the mean; null for a single value. */
  readonly ci95: number | null
}

/** 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom (any table of it). */
const t975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
  2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042
]

/** NaN without values. */
export const estimate = (values: ReadonlyArray<number>): Estimate => {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  if (count < 2) return { mean, ci95: null }
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1)
  return { mean, ci95: (t975[count - 2] ?? 1.96) * Math.sqrt(variance / count) }
}
