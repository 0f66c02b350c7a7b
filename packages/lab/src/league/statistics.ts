/**
 * Medians, and how far to trust them: the interval between two order statistics, which needs no assumption about the distribution. Up to five
 * values no such interval covers the median with 95 %: then it is from the least to the greatest, and says how much it covers.
 */

export interface MedianInterval {
  readonly median: number
  readonly low: number
  readonly high: number
  /** The chance that the true median is inside, 0 to 1. */
  readonly coverage: number
  readonly n: number
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The chance that between the `k`-th least and the `k`-th greatest of `n` values lies the median; `k` from 1. */
const coverageOf = (n: number, k: number): number => {
  let tail = 0
  let ways = 1
  for (let i = 0; i < k; i++) {
    tail += ways
    ways = (ways * (n - i)) / (i + 1)
  }
  return 1 - (2 * tail) / 2 ** n
}

/** The narrowest interval of order statistics with at least `level`, or the widest there is. Undefined without values. */
export const medianInterval = (values: ReadonlyArray<number>, level = 0.95): MedianInterval | undefined => {
  const n = values.length
  if (n === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  let k = 1
  while (k + 1 <= n / 2 && coverageOf(n, k + 1) >= level) k++
  return { median: median(sorted), low: sorted[k - 1]!, high: sorted[n - k]!, coverage: Math.max(0, coverageOf(n, k)), n }
}
