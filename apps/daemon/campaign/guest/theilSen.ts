/**
 * The slope of a line through points of which some are off: the median of the slopes of all pairs (Theil 1950, Sen 1968). Pure. One burst, or a garbage
 * collection that is due, does not move it as it would move a line of least squares.
 */
export interface Point {
  readonly x: number
  readonly y: number
}

/** `share` of the sorted values lies below: 0.5 is the median. 0 where there are none. */
export const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

/** Units of y a unit of x; 0 for fewer than two points. */
export const theilSen = (points: ReadonlyArray<Point>): number =>
  quantile(
    points.flatMap((a, i) => points.slice(i + 1).flatMap((b) => (a.x === b.x ? [] : [(b.y - a.y) / (b.x - a.x)]))),
    0.5
  )
