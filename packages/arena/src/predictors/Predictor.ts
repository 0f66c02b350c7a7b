/**
 * What a predictor is: it sees the touches and hints of one region in order and says what will be touched next, when, and how sure it is.
 * Pure: no clock, no I/O, no randomness; the same input gives the same answers. Memory and time per touch are bounded by the region's options.
 * It does not restore anything: `restoresDue` turns predictions into restores to begin, `Score` says what they were worth.
 */

/** The region a predictor works for. Its owner may change `coldMs` and `restoreMs` while it runs; predictors read them when asked. */
export interface PredictedRegion {
  /** Chunks in the region; touches and predictions are numbers from 0 to `chunks - 1`. */
  readonly chunks: number
  /** A chunk untouched for this long is compressed. Shorter pauses never matter to a predictor. */
  coldMs: number
  /** Time to restore one chunk, in milliseconds, all in (queueing aside). */
  restoreMs: number
}

/**
 * A run of chunks that is expected to be touched: `chunk`, `chunk + stride`, … (`count` of them), the first at `atMs`, each next one `stepMs`
 * later. All of them are inside the region.
 */
export interface Prediction {
  readonly chunk: number
  /** From one chunk of the run to the next; any integer but 0. */
  readonly stride: number
  /** At least 1. */
  readonly count: number
  /** When the first is expected; may lie a little in the past, for what is overdue. */
  readonly atMs: number
  /** At least 0. */
  readonly stepMs: number
  /** The touches come within this much of the expected times, as far as the predictor knows. */
  readonly spreadMs: number
  /** From 0 to 1: the share of such predictions that came true. */
  readonly confidence: number
}

export interface Predictor {
  readonly name: string
  /** A chunk was touched. Times never decrease; a chunk outside the region is ignored. Every touch may be reported, warm ones too. */
  readonly observe: (chunk: number, atMs: number, write: boolean) => void
  /** The application says that the whole region will be used soon (`activeSoon`). */
  readonly hint: (atMs: number) => void
  /**
   * What will be touched in `(nowMs, nowMs + horizonMs]`, soonest first as far as it is known. Asking changes nothing that a later answer depends
   * on. It may name chunks that are not compressed, and says the same again when asked again: the owner knows what is already restored.
   */
  readonly predict: (nowMs: number, horizonMs: number) => ReadonlyArray<Prediction>
  /** What it holds in tables, all of it from the start on: it does not grow. */
  readonly bytes: number
  /** One line for people: what it believes now. */
  readonly explain: () => string
}

/** A prediction that is still being put together. */
export type Draft = { -readonly [K in keyof Prediction]: Prediction[K] }

/** How to make a predictor for a region. */
export interface PredictorKind {
  readonly name: string
  readonly summary: string
  readonly make: (region: PredictedRegion) => Predictor
}

/** The answer of a predictor that expects nothing. */
export const nothing: ReadonlyArray<Prediction> = []

/** How many of a run's chunks from `chunk` on, `stride` apart, lie inside the region. */
export const fitting = (region: PredictedRegion, chunk: number, stride: number, count: number): number => {
  if (chunk < 0 || chunk >= region.chunks) return 0
  const room = stride > 0 ? Math.floor((region.chunks - 1 - chunk) / stride) : Math.floor(chunk / -stride)
  return Math.min(count, room + 1)
}

export const byteLength = (...tables: ReadonlyArray<{ readonly byteLength: number }>): number =>
  tables.reduce((sum, table) => sum + table.byteLength, 0)

/** Chunks that the predictions name, counting repetitions. */
export const countChunks = (predictions: ReadonlyArray<Prediction>): number => predictions.reduce((sum, { count }) => sum + count, 0)
