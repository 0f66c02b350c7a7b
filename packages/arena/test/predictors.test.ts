/** What each predictor says after streams small enough to follow by hand. */
import { describe, expect, it } from "vitest"
import {
  association,
  delta,
  findPredictor,
  hinted,
  markov,
  nextK,
  none,
  oracle,
  periodic,
  type PredictedRegion,
  type Prediction,
  type Predictor,
  predictors,
  stride
} from "../src/predictors/index.ts"
import { Clusters } from "../src/predictors/clusters.ts"

const region = (chunks: number, more: Partial<PredictedRegion> = {}): PredictedRegion => ({ chunks, coldMs: 100, restoreMs: 1, ...more })

const touchAll = (predictor: Predictor, chunks: ReadonlyArray<number>, atMs: number, stepMs: number): void =>
  chunks.forEach((chunk, i) => predictor.observe(chunk, atMs + i * stepMs, false))

const chunksOf = (predictions: ReadonlyArray<Prediction>): ReadonlyArray<number> =>
  predictions.flatMap(({ chunk, count, stride }) => Array.from({ length: count }, (_, i) => chunk + i * stride))

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i)

describe("stride", () => {
  it("believes a stream from the fourth touch on, and says where and when it goes", () => {
    const predictor = stride.make(region(1000))
    touchAll(predictor, [10, 13, 16], 0, 2)
    expect(predictor.predict(4, 100)).toEqual([])
    predictor.observe(19, 6, false)
    expect(predictor.predict(6, 100)).toEqual([{ chunk: 22, stride: 3, count: 6, atMs: 8, stepMs: 2, spreadMs: 0, confidence: 0.75 }])
  })

  it("looks no further than the horizon, twice the stream's length and the region", () => {
    const predictor = stride.make(region(30))
    touchAll(predictor, range(0, 12), 0, 1)
    expect(chunksOf(predictor.predict(11, 5))).toEqual([12, 13, 14, 15, 16])
    expect(chunksOf(predictor.predict(11, 1000))).toEqual(range(12, 18))
    const short = stride.make(region(1000))
    touchAll(short, [900, 800, 700, 600, 500], 0, 1)
    expect(chunksOf(short.predict(4, 1000))).toEqual([400, 300, 200, 100, 0])
  })

  it("tells interleaved streams apart, whatever their strides", () => {
    const predictor = stride.make(region(10_000))
    for (let i = 0; i < 20; i++) {
      predictor.observe(i, 3 * i, false)
      predictor.observe(5000 - 7 * i, 3 * i + 1, false)
      predictor.observe(6000 + 100 * i, 3 * i + 2, false)
    }
    const said = predictor.predict(59, 9)
    expect(said.map(({ chunk, stride }) => [chunk, stride])).toEqual([
      [20, 1],
      [4860, -7],
      [8000, 100]
    ])
    expect(said.map(({ atMs }) => atMs)).toEqual([60, 61, 62])
  })

  it("does not mind pages of one chunk, nor a skipped step", () => {
    const predictor = stride.make(region(100))
    touchAll(predictor, [1, 1, 1, 3, 3, 5, 5, 7, 7, 11], 0, 1)
    expect(predictor.predict(9, 3)[0]).toMatchObject({ chunk: 13, stride: 2 })
  })

  it("forgets a stream that stands still for the cold age", () => {
    const predictor = stride.make(region(100))
    touchAll(predictor, range(0, 10), 0, 1)
    expect(predictor.predict(109, 1000)).not.toEqual([])
    expect(predictor.predict(110, 1000)).toEqual([])
  })
})

describe("delta", () => {
  it("learns a pattern of unequal steps", () => {
    const predictor = delta.make(region(2000))
    let chunk = 0
    for (let i = 0; i < 90; i++) {
      predictor.observe(chunk, i, false)
      chunk += [1, 1, 5][i % 3]!
    }
    // 90 touches end after the second +1, at 29 * 7 + 2 = 205.
    expect(chunksOf(predictor.predict(89, 6))).toEqual([210, 211, 212, 217, 218, 219])
  })

  it("learns a walk in any order that repeats", () => {
    const walk = [5, 90, 17, 44, 3, 71, 60, 28, 9, 83]
    const predictor = delta.make(region(100))
    for (let round = 0; round < 12; round++) touchAll(predictor, walk, round * 10, 1)
    expect(chunksOf(predictor.predict(119, 5))).toEqual([5, 90, 17, 44, 3])
  })

  it("says nothing of distances it has not seen", () => {
    const predictor = delta.make(region(100_000))
    touchAll(
      predictor,
      range(0, 60).map((i) => i * i),
      0,
      1
    )
    expect(predictor.predict(59, 100)).toEqual([])
  })
})

describe("markov", () => {
  it("predicts the likely next clusters, with chance and time", () => {
    const predictor = markov.make(region(100))
    for (let round = 0; round < 8; round++) touchAll(predictor, [10, 50, 20], round * 30, 10)
    // At 230 in 20; 10 has followed seven times, the others eight, each after 10 ms.
    const said = predictor.predict(230, 25)
    expect(said.map(({ atMs, chunk }) => [chunk, atMs])).toEqual([
      [10, 240],
      [50, 250]
    ])
    expect(said[0]!.confidence).toBeCloseTo(7 / 8)
    expect(said[1]!.confidence).toBeCloseTo((7 / 8) * (8 / 9))
  })

  it("does not follow what is unlikely", () => {
    const predictor = markov.make(region(100))
    for (let round = 0; round < 12; round++) touchAll(predictor, [1, [10, 20, 30, 40][round % 4]!], round * 20, 10)
    predictor.observe(1, 240, false)
    expect(chunksOf(predictor.predict(240, 10))).toEqual([])
  })

  it("names the chunks of a cluster that are used, not all of them", () => {
    const predictor = markov.make(region(2048))
    for (let round = 0; round < 8; round++) touchAll(predictor, [0, 803, 805], round * 30, 10)
    predictor.observe(0, 240, false)
    // 8 chunks a cluster: 800 to 807.
    expect(chunksOf(predictor.predict(240, 15))).toEqual([803, 805])
  })
})

it("clusters: a chunk used once long ago is not taken for recent when the counters come round", () => {
  const clusters = new Clusters(8, 1)
  clusters.visit(0)
  clusters.mark(5)
  for (let visit = 0; visit < 1000; visit++) {
    clusters.visit(0)
    clusters.mark(2)
    expect(clusters.isRecent(2)).toBe(true)
    expect(clusters.isRecent(5)).toBe(visit === 0)
  }
})

describe("periodic", () => {
  const burst = (predictor: Predictor, atMs: number, chunks = range(0, 50)) => {
    for (let pass = 0; pass < 3; pass++) touchAll(predictor, chunks, atMs + pass * 30, 0.1)
  }

  it("predicts the next start of a burst from the second gap on with little doubt", () => {
    const predictor = periodic.make(region(100))
    for (const atMs of [0, 500, 1000, 1500]) burst(predictor, atMs)
    const said = predictor.predict(1700, 500)
    expect(chunksOf(said)).toEqual(range(0, 50))
    expect(said).toHaveLength(1)
    expect(said[0]!.atMs).toBeCloseTo(2000)
    expect(said[0]!.stepMs).toBeCloseTo(0.1)
    // Three gaps without deviation, and one as if off by a tenth: 2.5 * 500 * 0.1 / 4.
    expect(said[0]!.spreadMs).toBeCloseTo(31.25)
    expect(said[0]!.confidence).toBeCloseTo(0.75 * 0.975)
    expect(predictor.explain()).toBe("50 of 100 chunks every 500 ms ± 0 ms")
  })

  it("says nothing before it is due, and waits for a skipped beat with less confidence", () => {
    const predictor = periodic.make(region(100))
    for (const atMs of [0, 500, 1000]) burst(predictor, atMs)
    expect(predictor.predict(1100, 300)).toEqual([])
    const due = predictor.predict(1450, 100)
    expect(due[0]!.atMs).toBeCloseTo(1500)
    const skipped = predictor.predict(1600, 500)
    expect(skipped[0]!.atMs).toBeCloseTo(2000)
    expect(skipped[0]!.confidence).toBeCloseTo(due[0]!.confidence / 2)
    expect(predictor.predict(10_000, 1000)).toEqual([])
  })

  it("meets jitter by a spread that covers it", () => {
    const predictor = periodic.make(region(10))
    let atMs = 0
    const offs = [30, -20, 10, -30, 25, -10, 20, -25, 5, -15]
    for (const off of offs) {
      burst(predictor, atMs, [1, 2])
      atMs += 500 + off
    }
    const [said] = predictor.predict(atMs - 200, 500)
    for (const off of offs) expect(Math.abs(atMs - offs.at(-1)! + off - said!.atMs)).toBeLessThanOrEqual(said!.spreadMs)
    expect(said!.spreadMs).toBeLessThan(80)
  })

  it("takes two gaps that agree as a new period, and lets one odd gap pass", () => {
    const predictor = periodic.make(region(10))
    for (const atMs of [0, 500, 1000, 1500, 2000]) burst(predictor, atMs, [3])
    burst(predictor, 2800, [3])
    expect(predictor.predict(3200, 200)[0]!.atMs).toBeCloseTo(3300)
    burst(predictor, 3600, [3])
    expect(predictor.predict(4000, 500)[0]!.atMs).toBeCloseTo(4400)
  })

  it("a touch between two beats does not move the beat", () => {
    const predictor = periodic.make(region(10))
    for (const atMs of [0, 500, 1000, 1500]) burst(predictor, atMs, [3])
    predictor.observe(3, 1830, false)
    expect(predictor.predict(1850, 200)[0]!.atMs).toBeCloseTo(2000)
    burst(predictor, 2000, [3])
    expect(predictor.predict(2400, 200)[0]!.atMs).toBeCloseTo(2500)
  })

  it("a period that grows shorter is followed after two short gaps", () => {
    const predictor = periodic.make(region(10))
    for (const atMs of [0, 1000, 2000, 3000, 3400, 3800]) burst(predictor, atMs, [3])
    expect(predictor.predict(4100, 200)[0]!.atMs).toBeCloseTo(4200)
  })

  it("declines what comes at random", () => {
    const predictor = periodic.make(region(10))
    for (const atMs of [0, 310, 1500, 1710, 2900, 3200, 4990, 5120]) burst(predictor, atMs, [3])
    expect(predictor.predict(5300, 5000)).toEqual([])
  })
})

describe("association", () => {
  it("predicts what woke after the same cluster before, and what woke after that", () => {
    const predictor = association.make(region(100))
    for (let round = 0; round < 6; round++) touchAll(predictor, [7, 91, 33], round * 1777 + (round % 2) * 400, 20)
    predictor.observe(7, 20_000, false)
    const said = predictor.predict(20_000, 500)
    expect(chunksOf(said)).toEqual([91, 33])
    expect(said.map(({ atMs }) => atMs)).toEqual([20_020, 20_040])
    predictor.observe(91, 20_020, false)
    expect(chunksOf(predictor.predict(20_020, 500))).toEqual([33])
  })

  it("does not connect what is more than a second apart", () => {
    const predictor = association.make(region(100))
    for (let round = 0; round < 6; round++) touchAll(predictor, [7, 91], round * 5000, 1001)
    predictor.observe(7, 50_000, false)
    expect(predictor.predict(50_000, 2000)).toEqual([])
  })
})

describe("hinted", () => {
  it("after a hint, expects what was used last time, after the delay it learnt", () => {
    const predictor = hinted.make(region(100))
    touchAll(predictor, [1, 2, 3, 60], 0, 1)
    expect(predictor.predict(500, 500)).toEqual([])
    predictor.hint(1000)
    expect(chunksOf(predictor.predict(1000, 500))).toEqual([1, 2, 3, 60])
    touchAll(predictor, [2, 3, 4], 1200, 1)
    expect(predictor.predict(1300, 500)).toEqual([])
    predictor.hint(3000)
    const said = predictor.predict(3000, 500)
    expect(chunksOf(said)).toEqual([2, 3, 4])
    expect(said[0]!.atMs).toBe(3200)
  })

  it("believes less in an application whose hints come to nothing", () => {
    const predictor = hinted.make(region(100))
    touchAll(predictor, [1], 0, 1)
    const confidences: Array<number> = []
    for (let i = 1; i < 5; i++) {
      predictor.hint(i * 30_000)
      confidences.push(predictor.predict(i * 30_000, 500)[0]!.confidence)
      predictor.observe(1, i * 30_000 + 20_000, false)
    }
    expect(confidences).toEqual(confidences.toSorted((a, b) => b - a))
    expect(confidences.at(-1)).toBeLessThan(0.3)
  })
})

describe("references", () => {
  it("none says nothing, next-k the next chunks of the region", () => {
    const predictor = nextK(4).make(region(10))
    expect(predictor.predict(0, 10)).toEqual([])
    predictor.observe(3, 0, false)
    expect(chunksOf(predictor.predict(0, 10))).toEqual([4, 5, 6, 7])
    predictor.observe(8, 1, false)
    expect(chunksOf(predictor.predict(1, 10))).toEqual([9])
    const nothing = none.make(region(10))
    nothing.observe(3, 0, false)
    expect(nothing.predict(0, 10)).toEqual([])
  })

  it("the oracle names the cold touches to come, in time", () => {
    const predictor = oracle({ chunks: [1, 2, 1, 1, 5], timesMs: [0, 1, 50, 150, 260] }).make(region(10))
    // Chunk 1 is warm at 50, cold at 150.
    expect(predictor.predict(10, 200).map(({ atMs, chunk }) => [chunk, atMs])).toEqual([[1, 150]])
    expect(predictor.predict(150, 200).map(({ atMs, chunk }) => [chunk, atMs])).toEqual([[5, 260]])
  })
})

it("what they say they hold is what they take", () => {
  for (const kind of predictors) {
    // What others leave behind is collected in between: the round in which nothing was counts.
    const rounds = Array.from({ length: 5 }, () => {
      const before = process.memoryUsage().arrayBuffers
      const made = Array.from({ length: 4 }, () => kind.make(region(100_000)))
      return { bytes: made[0]!.bytes, taken: (process.memoryUsage().arrayBuffers - before) / 4 }
    })
    const taken = Math.max(...rounds.map(({ taken }) => taken))
    expect(rounds[0]!.bytes).toBeGreaterThanOrEqual(taken * 0.99)
    expect(rounds[0]!.bytes).toBeLessThan(taken * 1.05 + 4096)
  }
})

it("all are found by name", () => {
  expect(predictors.map(({ name }) => name)).toEqual([
    "tournament",
    "stride",
    "delta",
    "markov",
    "periodic",
    "association",
    "hinted",
    "none",
    "next-k"
  ])
  for (const kind of predictors) expect(findPredictor(kind.name)?.make(region(8)).name).toBe(kind.name)
  expect(findPredictor("oracle")).toBeUndefined()
})
