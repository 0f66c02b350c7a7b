/**
 * Every predictor on every synthetic stream: accuracy, coverage, timeliness and pollution as `Score` defines them, and nanoseconds per touch on one core.
 * Run: `node bench/predictors.ts [part of a stream's name] [--after]`. The oracle is the reference for coverage, `none` for time; `--after` leaves the
 * time to learn out. Times: `observe` alone, and with the questions an arena asks (every 10 ms, and at cold touches at most every ms).
 */
import {
  defaultEvaluation,
  evaluate,
  measures,
  oracle,
  type PredictorKind,
  predictors,
  syntheticStreams,
  type TouchStream
} from "../src/predictors/index.ts"

const wanted = process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? ""
const after = process.argv.includes("--after")

const percent = (share: number | undefined): string => (share === undefined ? "–" : (100 * share).toFixed(1))

/** Best of three rounds, at least 300,000 touches each. */
const nsPerTouch = (kind: PredictorKind, stream: TouchStream, questions: boolean): number => {
  const touches = Math.min(stream.chunks.length, 300_000)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 3; round++) {
    const predictor = kind.make({ ...stream.region })
    const started = performance.now()
    let nextMs = 0
    for (let i = 0; i < touches; i++) {
      const atMs = stream.timesMs[i]!
      if (questions && atMs >= nextMs) {
        for (; nextMs <= atMs; nextMs += defaultEvaluation.tickMs) predictor.predict(nextMs, defaultEvaluation.horizonMs)
      }
      predictor.observe(stream.chunks[i]!, atMs, false)
    }
    best = Math.min(best, ((performance.now() - started) * 1e6) / touches)
  }
  return best
}

const columns = ["stream", "predictor", "accuracy", "coverage", "early", "late", "pollution", "predicted", "needed", "ns/touch", "ns asked"]
const row = (cells: ReadonlyArray<string>) => cells.map((cell, i) => (i < 2 ? cell.padEnd(16) : cell.padStart(10))).join("")
console.log(row(columns))
for (const make of syntheticStreams.streams) {
  const stream = make()
  if (!stream.name.includes(wanted)) continue
  for (const kind of [...predictors, oracle(stream)]) {
    const { afterLearning, touches, whole } = evaluate(kind, stream)
    const tally = after ? afterLearning : whole
    const { accuracy, coverage, early, late, pollution } = measures(tally)
    console.log(
      row([
        stream.name,
        kind.name,
        ...[accuracy, coverage, early, late, pollution, tally.predicted / touches].map(percent),
        String(tally.needed),
        nsPerTouch(kind, stream, false).toFixed(0),
        nsPerTouch(kind, stream, true).toFixed(0)
      ])
    )
  }
}
