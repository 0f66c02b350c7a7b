/** When restores begin, and what predictions were worth, counted by hand. */
import { describe, expect, it } from "vitest"
import {
  LastTouches,
  measures,
  type PredictedRegion,
  type Prediction,
  Sample,
  Score,
  scoreTouch,
  restoresDue,
  type RestoreQueue
} from "../src/predictors/index.ts"

const run = (chunk: number, count: number, atMs: number, more: Partial<Prediction> = {}): Prediction => ({
  chunk,
  stride: 1,
  count,
  atMs,
  stepMs: 0,
  spreadMs: 0,
  confidence: 1,
  ...more
})

describe("restoresDue", () => {
  const queue: RestoreQueue = { nowMs: 0, busyUntilMs: 0, restoreMs: 10, marginMs: 5, leastConfidence: 0.3 }
  const due = (
    predictions: ReadonlyArray<Prediction>,
    more: Partial<RestoreQueue> = {},
    isNeeded: (chunk: number) => boolean = () => true
  ) => restoresDue(predictions, { ...queue, ...more }, isNeeded).map(({ chunk }) => chunk)

  it("begins when the last of a burst would otherwise be late, not before", () => {
    // Four chunks take 40 ms: the last must begin its wait by 60, and the owner looks again within 5.
    const burst = [run(0, 4, 100)]
    expect(due(burst, { nowMs: 54 })).toEqual([])
    expect(due(burst, { nowMs: 55 })).toEqual([0, 1, 2, 3])
  })

  it("a spread is met by being early", () => {
    expect(due([run(0, 4, 100, { spreadMs: 20 })], { nowMs: 35 })).toEqual([0, 1, 2, 3])
    expect(due([run(0, 4, 100, { spreadMs: 20 })], { nowMs: 34 })).toEqual([])
  })

  it("begins those that are due and no more of a run that is slower than restoring", () => {
    // Expected at 20, 70, 120, …
    expect(due([run(0, 10, 20, { stepMs: 50 })], { nowMs: 6 })).toEqual([0])
  })

  it("leaves out what cannot be ready, so that what comes behind it is", () => {
    // Expected at 4, 8, 12, … and done at 10, 20, 30, …
    expect(due([run(0, 10, 4, { stepMs: 4 })])).toEqual([2, 4, 7, 9])
  })

  it("takes what is overdue while its spread lasts", () => {
    expect(due([run(0, 2, 95, { spreadMs: 30 })], { nowMs: 100 })).toEqual([0, 1])
    expect(due([run(0, 2, 95, { spreadMs: 12 })], { nowMs: 100 })).toEqual([])
  })

  it("counts in the queue, takes the soonest first and leaves alone what is not needed or unsure", () => {
    expect(due([run(0, 1, 100)], { nowMs: 60 })).toEqual([])
    expect(due([run(0, 1, 100)], { nowMs: 60, busyUntilMs: 85 })).toEqual([0])
    expect(due([run(5, 2, 30), run(9, 1, 12)])).toEqual([9, 5, 6])
    expect(due([run(0, 4, 40)], {}, (chunk) => chunk % 2 === 1)).toEqual([])
    expect(due([run(0, 4, 20)], {}, (chunk) => chunk % 2 === 1)).toEqual([1, 3])
    expect(due([run(0, 4, 10, { confidence: 0.2 })])).toEqual([])
  })
})

describe("Score", () => {
  const region: PredictedRegion = { chunks: 8, coldMs: 100, restoreMs: 10 }
  const make = () => {
    const touched = new LastTouches(region)
    touched.begin(0)
    const score = new Score(region, touched, { marginMs: 10, leastConfidence: 0.3, earlyMs: 50 })
    return { score, touch: (chunk: number, atMs: number) => scoreTouch(touched, [score], chunk, atMs) }
  }

  it("in time: touched when it was ready; late: before", () => {
    const { score, touch } = make()
    score.asked(200, [run(0, 2, 220)])
    expect(touch(0, 211)).toBe(true)
    touch(1, 219)
    touch(2, 220)
    expect(score.total).toEqual({ needed: 3, predicted: 2, inTime: 1, late: 1, wasted: 0, early: 0 })
    expect(measures(score.total)).toEqual({ accuracy: 0.5, coverage: 1 / 3, early: 0, late: 0.5, pollution: 0 })
  })

  it("wasted: not touched until a cold age after it was expected; early: ready for long", () => {
    const { score, touch } = make()
    score.asked(200, [run(0, 3, 200, { spreadMs: 60 })])
    // Ready at 210, 220, 230; kept until 360.
    touch(0, 260)
    touch(1, 271)
    touch(2, 361)
    expect(score.total).toEqual({ needed: 3, predicted: 3, inTime: 2, late: 0, wasted: 1, early: 1 })
    expect(measures(score.total).pollution).toBeCloseTo(1 / 3)
  })

  it("waste shows without a touch", () => {
    const { score } = make()
    score.asked(200, [run(0, 3, 230)])
    expect(score.total).toMatchObject({ predicted: 3, wasted: 0 })
    score.settle(330)
    expect(score.total).toMatchObject({ predicted: 3, wasted: 0 })
    score.settle(331)
    expect(score.total).toMatchObject({ predicted: 3, wasted: 3 })
  })

  it("warm touches need nothing, and predicting them is worth nothing", () => {
    const { score, touch } = make()
    touch(0, 50)
    expect(touch(0, 149)).toBe(false)
    score.asked(150, [run(0, 1, 160)])
    touch(0, 160)
    expect(score.total).toEqual({ needed: 0, predicted: 0, inTime: 0, late: 0, wasted: 0, early: 0 })
    expect(measures(score.total).accuracy).toBeUndefined()
  })

  it("a warm chunk that would grow cold before its touch is kept, which takes no time", () => {
    const { score, touch } = make()
    touch(0, 90)
    score.asked(180, [run(0, 1, 195)])
    touch(0, 195)
    expect(score.total).toMatchObject({ needed: 1, predicted: 1, inTime: 1 })
  })

  it("saying it twice is predicting it once", () => {
    const { score, touch } = make()
    for (const nowMs of [200, 205, 215]) score.asked(nowMs, [run(0, 1, 220), run(0, 1, 221)])
    touch(0, 220)
    expect(score.total).toMatchObject({ predicted: 1, inTime: 1, needed: 1 })
  })
})

describe("Sample", () => {
  it("draws one chunk of each group, of no stride more than of another", () => {
    const sample = new Sample(10_000, 1000)
    expect(sample.slots).toBe(1000)
    const drawn = Array.from({ length: 10_000 }, (_, chunk) => sample.slot(chunk))
    expect(drawn.filter((slot) => slot >= 0)).toEqual(Array.from({ length: 1000 }, (_, slot) => slot))
    for (const stride of [2, 5, 10, 20]) {
      const onStride = drawn.filter((slot, chunk) => slot >= 0 && chunk % stride === 0).length
      expect(onStride / 1000).toBeGreaterThan(0.7 / stride)
      expect(onStride / 1000).toBeLessThan(1.3 / stride)
    }
  })

  it("the last group may be short: then it may have none", () => {
    const sample = new Sample(1001, 500)
    const slots = Array.from({ length: 1001 }, (_, chunk) => sample.slot(chunk)).filter((slot) => slot >= 0)
    expect(new Set(slots).size).toBe(slots.length)
    expect(Math.max(...slots)).toBeLessThan(sample.slots)
  })
})
