/**
 * A region's zones: equal parts of neighbouring chunks, each of which may listen to another predictor. Cuts predictions to the zones they are for.
 * Up to 8, of at least 64 chunks each: what is judged in a zone must be enough to judge by.
 */
import type { Draft, Prediction } from "./Predictor.ts"

const mostZones = 8
const leastChunks = 64

export const zoneCount = (chunks: number): number => Math.max(1, Math.min(mostZones, Math.floor(chunks / leastChunks)))

/** The first chunk of a zone; of the zone after the last, the region's end. */
export const zoneStart = (zone: number, zones: number, chunks: number): number => Math.ceil((zone * chunks) / zones)

/** Adds the part of a run that lies in `first … end - 1`, if any. */
const clip = (into: Array<Draft>, run: Prediction, first: number, end: number): void => {
  const { chunk, count, stride } = run
  const [low, high] = stride > 0 ? [first - chunk, end - 1 - chunk] : [end - 1 - chunk, first - chunk]
  const from = Math.max(0, Math.ceil(low / stride))
  const to = Math.min(count - 1, Math.floor(high / stride))
  if (from <= to) into.push({ ...run, chunk: chunk + from * stride, count: to - from + 1, atMs: run.atMs + from * run.stepMs })
}

/** Adds what the predictions say of the zones that have `winner`. Neighbouring zones are cut as one. */
export const cutToZones = (
  into: Array<Draft>,
  predictions: ReadonlyArray<Prediction>,
  winners: ArrayLike<number>,
  winner: number,
  chunks: number
): void => {
  for (let zone = 0; zone < winners.length; zone++) {
    if (winners[zone] !== winner) continue
    const first = zoneStart(zone, winners.length, chunks)
    while (zone + 1 < winners.length && winners[zone + 1] === winner) zone++
    const end = zoneStart(zone + 1, winners.length, chunks)
    for (const run of predictions) clip(into, run, first, end)
  }
}
