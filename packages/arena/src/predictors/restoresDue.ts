/**
 * From predictions to restores: which chunks must begin to be restored now, so that each is ready when it is expected, no earlier than needed.
 * Earliest deadline first on one queue: a chunk waits for those before it. What cannot be ready in time any more is left out, so that those behind
 * it can be (a stream faster than restoring is met further ahead). Does not decide what restoring is worth; several workers are a shorter `restoreMs`.
 */
import { countChunks, type Prediction } from "./Predictor.ts"

export interface RestoreQueue {
  readonly nowMs: number
  /** When the restores already begun will be done; before `nowMs` means that the queue is empty. */
  readonly busyUntilMs: number
  /** Time for one chunk. */
  readonly restoreMs: number
  /** Time until the owner looks again, at least: what must begin before then is due. */
  readonly marginMs: number
  /** Predictions less sure than this are left alone. */
  readonly leastConfidence: number
}

export interface Restore {
  readonly chunk: number
  /** When the touch is expected at the latest: until then the chunk is not to be compressed again. */
  readonly expectedByMs: number
}

/**
 * The restores to begin now, in order. `isNeeded` says whether a chunk is, or by `expectedByMs` would be, compressed; it is asked once for each
 * chunk named. `among`, for an owner who asks for one chunk in `step` only: `nextFrom` is the first of those from a chunk on. Time: linear in the chunks asked about, with a sort if predictions overlap.
 */
export const restoresDue = (
  predictions: ReadonlyArray<Prediction>,
  queue: RestoreQueue,
  isNeeded: (chunk: number, expectedByMs: number) => boolean,
  among?: { readonly step: number; readonly nextFrom: (chunk: number) => number }
): ReadonlyArray<Restore> => {
  if (predictions.length === 0) return []
  const startMs = Math.max(queue.nowMs, queue.busyUntilMs)
  // Even last in the queue, what is expected after this need not begin yet.
  const most = predictions.length + countChunks(predictions) / (among?.step ?? 1)
  const soonMs = startMs + queue.restoreMs * most + queue.marginMs
  const wanted: Array<Restore & { readonly earliestMs: number; readonly usefulUntilMs: number }> = []
  let isSorted = true
  let beforeMs = Number.NEGATIVE_INFINITY
  for (const { atMs, chunk, confidence, count, spreadMs, stepMs, stride } of predictions) {
    if (confidence < queue.leastConfidence) continue
    for (let i = 0; i < count; i++) {
      if (among !== undefined && among.step > 1 && stride === 1) {
        i = among.nextFrom(chunk + i) - chunk
        if (i >= count) break
      }
      const expectedMs = atMs + i * stepMs
      if (expectedMs - spreadMs > soonMs) break
      const expectedByMs = expectedMs + spreadMs
      if (!isNeeded(chunk + i * stride, expectedByMs)) continue
      const earliestMs = expectedMs - spreadMs
      isSorted &&= earliestMs >= beforeMs
      beforeMs = earliestMs
      // What is overdue may still come within its spread; what is not must be ready when it is expected.
      wanted.push({
        chunk: chunk + i * stride,
        earliestMs,
        expectedByMs,
        usefulUntilMs: expectedMs <= queue.nowMs ? expectedByMs : expectedMs
      })
    }
  }
  if (!isSorted) wanted.sort((a, b) => a.earliestMs - b.earliestMs)
  let doneMs = startMs
  let due = 0
  const begun: Array<Restore> = []
  for (const restore of wanted) {
    const readyMs = doneMs + queue.restoreMs
    if (readyMs > restore.usefulUntilMs) continue
    doneMs = readyMs
    begun.push(restore)
    // Whoever is due takes all before it along: they are ahead of it in the queue.
    if (restore.earliestMs - readyMs <= queue.marginMs) due = begun.length
  }
  return begun.slice(0, due)
}
