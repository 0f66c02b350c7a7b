/**
 * Runs a predictor over a recorded or synthetic stream and measures it by the definitions of `Score`, as an arena would ask it: on every tick, and
 * at a touch that needs a restore at most once a millisecond. Open loop: the stream does not wait for restores.
 */
import type { PredictedRegion, PredictorKind } from "./Predictor.ts"
import type { TouchSequence } from "./references.ts"
import { emptyTally, LastTouches, Score, scoreTouch, type Tally } from "./Score.ts"
import { defaultTournament } from "./tournament.ts"

/** The touches of one region, with the application's hints and what is known of the machine. */
export interface TouchStream extends TouchSequence {
  readonly name: string
  readonly summary: string
  readonly region: Readonly<PredictedRegion>
  readonly writes?: ArrayLike<number>
  readonly hintsMs?: ReadonlyArray<number>
  /** From here on (ms) a predictor has seen what there is to learn. */
  readonly learntByMs: number
}

export interface EvaluateOptions {
  readonly tickMs: number
  readonly horizonMs: number
}

export const defaultEvaluation: EvaluateOptions = { tickMs: 10, horizonMs: 500 }

export interface Evaluation {
  readonly whole: Tally
  /** Without the time it takes to learn. */
  readonly afterLearning: Tally
  /** Touches of judged chunks. */
  readonly touches: number
  /** How often it was asked. */
  readonly questions: number
  readonly explanation: string
}

const shortestQuestionMs = 1

export const evaluate = (kind: PredictorKind, stream: TouchStream, options: EvaluateOptions = defaultEvaluation): Evaluation => {
  const region = { ...stream.region }
  const predictor = kind.make(region)
  const touched = new LastTouches(region)
  const score = new Score(region, touched, { marginMs: options.tickMs, leastConfidence: defaultTournament.leastConfidence })
  const startMs = stream.timesMs[0] ?? 0
  let tickMs = startMs
  let askedMs = Number.NEGATIVE_INFINITY
  let questions = 0
  let learning: Tally | undefined
  let hint = 0
  const ask = (nowMs: number) => {
    askedMs = nowMs
    questions++
    score.asked(nowMs, predictor.predict(nowMs, options.horizonMs))
  }
  const until = (nowMs: number) => {
    const hints = stream.hintsMs ?? []
    for (; tickMs <= nowMs; tickMs += options.tickMs) {
      for (; hint < hints.length && hints[hint]! <= tickMs; hint++) predictor.hint(hints[hint]!)
      ask(tickMs)
    }
  }
  touched.begin(startMs)
  for (let i = 0; i < stream.chunks.length; i++) {
    const atMs = stream.timesMs[i]!
    const chunk = stream.chunks[i]!
    until(atMs)
    if (learning === undefined && atMs >= stream.learntByMs) learning = { ...score.total }
    predictor.observe(chunk, atMs, stream.writes?.[i] === 1)
    if (scoreTouch(touched, [score], chunk, atMs) && atMs - askedMs >= shortestQuestionMs) ask(atMs)
  }
  // What is open when the stream ends stays open: it may still have come true.
  const lastMs = stream.timesMs[stream.timesMs.length - 1] ?? 0
  score.settle(lastMs)
  const afterLearning = emptyTally()
  for (const key of Object.keys(afterLearning) as Array<keyof Tally>) afterLearning[key] = score.total[key] - (learning ?? score.total)[key]
  return {
    whole: score.total,
    afterLearning,
    touches: Math.round(stream.chunks.length / touched.sample.step),
    questions,
    explanation: predictor.explain()
  }
}
