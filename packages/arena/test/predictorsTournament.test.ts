/** The tournament on whole streams, and what holds of every predictor on any stream. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  competitors,
  evaluate,
  findPredictor,
  type Measures,
  measures,
  oracle,
  type PredictedRegion,
  type Prediction,
  type PredictorKind,
  predictors,
  syntheticStreams,
  Tournament,
  type TouchStream
} from "../src/predictors/index.ts"
import { cutToZones, zoneStart } from "../src/predictors/zones.ts"

const tournament = findPredictor("tournament")!
const measured = (kind: PredictorKind, stream: TouchStream): Measures & { readonly touched: number; readonly needed: number } => {
  const { touches, whole } = evaluate(kind, stream)
  return { ...measures(whole), touched: whole.predicted / touches, needed: whole.needed }
}

const shortened = (stream: TouchStream, untilMs: number): TouchStream => {
  const timesMs = Array.from(stream.timesMs).filter((atMs) => atMs < untilMs)
  return { ...stream, timesMs, chunks: Array.from(stream.chunks).slice(0, timesMs.length) }
}

describe("figures", () => {
  const small = { chunks: 512, coldMs: 100 }
  for (const seed of [1, 2, 3]) {
    it(`bursts 100/400 and 2 s/8 s: accuracy ≥ 90 %, coverage ≥ 80 %, learning included (seed ${seed})`, () => {
      for (const stream of [
        syntheticStreams.bursts({ ...small, seed, bursts: 40, passMs: 50 }),
        syntheticStreams.longBursts({ ...small, coldMs: 1500, seed, bursts: 30, passMs: 1000 })
      ]) {
        const { accuracy, coverage } = measured(tournament, stream)
        expect(accuracy).toBeGreaterThanOrEqual(0.9)
        expect(coverage).toBeGreaterThanOrEqual(0.8)
      }
    })

    it(`random touch: declines (seed ${seed})`, () => {
      const { needed, touched } = measured(tournament, syntheticStreams.randomTouch(seed, 3000))
      expect(needed).toBeGreaterThan(10_000)
      expect(touched).toBeLessThanOrEqual(0.01)
    })
  }

  it("bursts whose period doubles half way", () => {
    const { accuracy, coverage } = measured(tournament, syntheticStreams.changingBursts(2, 512))
    expect(accuracy).toBeGreaterThanOrEqual(0.9)
    expect(coverage).toBeGreaterThanOrEqual(0.8)
  })

  it("comes near the best of its members on what each of them is for", () => {
    for (const make of [syntheticStreams.strided, syntheticStreams.interleaved, syntheticStreams.markovChain]) {
      const stream = shortened(make(), 2000)
      const best = Math.max(...competitors.map((kind) => measured(kind, stream).coverage ?? 0))
      expect(measured(tournament, stream).coverage).toBeGreaterThan(0.8 * best)
    }
  })

  it("the oracle misses nothing that can be restored in time", () => {
    const stream = shortened(syntheticStreams.mmapChurn(), 10_000)
    expect(measured(oracle(stream), stream)).toMatchObject({ accuracy: 1, coverage: 1, pollution: 0 })
  })
})

describe("choosing", () => {
  const region = (): PredictedRegion => ({ chunks: 512, coldMs: 100, restoreMs: 0.01 })
  const right = (name: string, until: number, lies = Number.POSITIVE_INFINITY): PredictorKind => ({
    name,
    summary: "",
    // Foresees a stream of one chunk a ms; past `until` it says nothing, past `lies` the wrong half of the region.
    make: () => ({
      name,
      bytes: 0,
      observe: () => {},
      hint: () => {},
      explain: () => "",
      predict: (nowMs) => {
        if (nowMs >= until && nowMs < lies) return []
        const chunk = (Math.floor(nowMs) + 1 + (nowMs >= lies ? 256 : 0)) % 512
        return [{ chunk, stride: 1, count: Math.min(4, 512 - chunk), atMs: Math.floor(nowMs) + 1, stepMs: 1, spreadMs: 0.5, confidence: 1 }]
      }
    })
  })
  const play = (tournament: Tournament, fromMs: number, toMs: number) => {
    for (let ms = fromMs; ms < toMs; ms++) {
      tournament.observe(ms % 512, ms, false)
      tournament.predict(ms + 0.1, 50)
    }
  }

  it("declines until there is evidence, then follows the one that is right", () => {
    const arena = new Tournament(region(), [right("wrong", 0, 0), right("right", Number.POSITIVE_INFINITY)])
    play(arena, 0, 110)
    expect(new Set(arena.winners)).toEqual(new Set([undefined]))
    expect(arena.predict(110, 50)).toEqual([])
    expect(arena.explain()).toBe("declines: no predictor is worth its restores here")
    play(arena, 111, 700)
    expect(new Set(arena.winners)).toEqual(new Set(["right"]))
    expect(arena.predict(700, 50)).not.toEqual([])
    expect(arena.switches).toBe(8)
  })

  it("does not waver between two that are as good", () => {
    const arena = new Tournament(region(), [right("one", Number.POSITIVE_INFINITY), right("two", Number.POSITIVE_INFINITY)])
    play(arena, 0, 5000)
    expect(new Set(arena.winners)).toEqual(new Set(["one"]))
    expect(arena.switches).toBe(8)
  })

  it("drops a winner that grows wrong for one that is right, or for none", () => {
    const pair = new Tournament(region(), [right("one", 2000, 2000), right("two", Number.POSITIVE_INFINITY)])
    play(pair, 0, 2000)
    expect(new Set(pair.winners)).toEqual(new Set(["one"]))
    play(pair, 2000, 8000)
    expect(new Set(pair.winners)).toEqual(new Set(["two"]))
    const alone = new Tournament(region(), [right("one", 2000, 2000)])
    play(alone, 0, 2000)
    expect(new Set(alone.winners)).toEqual(new Set(["one"]))
    play(alone, 2000, 8000)
    expect(new Set(alone.winners)).toEqual(new Set([undefined]))
  })
})

describe("zones", () => {
  it("each part of a region listens to the one that is right there, and the random part to none", () => {
    const stream = shortened(syntheticStreams.mixed(), 12_000)
    const arena = new Tournament({ ...stream.region }, competitors)
    let tickMs = 0
    for (let i = 0; i < stream.chunks.length; i++) {
      for (; tickMs <= stream.timesMs[i]!; tickMs += 10) arena.predict(tickMs, 500)
      arena.observe(stream.chunks[i]!, stream.timesMs[i]!, false)
    }
    // Zones 0 to 3 have bursts, 4 and 5 a stream, 6 and 7 random touches.
    expect(arena.winners.slice(0, 4)).toEqual(["periodic", "periodic", "periodic", "periodic"])
    expect(arena.winners.slice(4, 6)).not.toContain(undefined)
    for (const { chunk, count, stride } of arena.predict(tickMs, 500)) {
      if (chunk >= 3072) expect(count * Math.abs(stride)).toBeLessThan(0.05 * 1024)
    }
  })

  it("cutting keeps every chunk of a winner's zones, at its time, and none of the others", () => {
    const run = fc.record({
      chunk: fc.integer({ min: 0, max: 999 }),
      stride: fc.integer({ min: -40, max: 40 }).filter((stride) => stride !== 0),
      wanted: fc.integer({ min: 1, max: 300 })
    })
    const winners = fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 1, maxLength: 8 })
    const named = (runs: ReadonlyArray<Prediction>) =>
      runs.flatMap(({ atMs, chunk, count, stepMs, stride }) =>
        Array.from({ length: count }, (_, i) => `${chunk + i * stride} at ${(atMs + i * stepMs).toFixed(3)}`)
      )
    fc.assert(
      fc.property(run, winners, ({ chunk, stride, wanted }, winners) => {
        const room = Math.floor((stride > 0 ? 999 - chunk : chunk) / Math.abs(stride)) + 1
        const whole = { chunk, stride, count: Math.min(wanted, room), atMs: 5, stepMs: 0.25, spreadMs: 1, confidence: 1 }
        const parts = [-1, 0, 1, 2].map((winner) => {
          const into: Array<Prediction> = []
          cutToZones(into, [whole], winners, winner, 1000)
          for (const { chunk, count, stride } of into) {
            for (let i = 0; i < count; i++) {
              const zone = winners.findIndex((_, zone) => chunk + i * stride < zoneStart(zone + 1, winners.length, 1000))
              expect(winners[zone]).toBe(winner)
            }
          }
          return named(into)
        })
        expect(parts.flat().toSorted()).toEqual(named([whole]).toSorted())
      }),
      { seed: 11 }
    )
  })
})

describe("on any stream", () => {
  const stream = fc.record({
    chunks: fc.integer({ min: 1, max: 3000 }),
    coldMs: fc.constantFrom(1, 50, 1000),
    touches: fc.array(
      fc.record({
        // Some outside the region, some in patterns, some anywhere.
        chunk: fc.oneof(fc.integer({ min: -2, max: 3100 }), fc.integer({ min: 0, max: 12 })),
        afterMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5, noNaN: true }), fc.constantFrom(60, 2000, 1e7)),
        repeat: fc.integer({ min: 1, max: 20 }),
        stride: fc.integer({ min: -5, max: 5 }),
        hint: fc.boolean()
      }),
      { maxLength: 60 }
    )
  })

  for (const kind of predictors) {
    it(`${kind.name}: stays inside the region and the horizon, is bounded, and says the same again`, () => {
      fc.assert(
        fc.property(stream, ({ chunks, coldMs, touches }) => {
          const region = { chunks, coldMs, restoreMs: 0.1 }
          const [one, two] = [kind.make(region), kind.make(region)]
          const { bytes } = one
          // Tables that do not grow: a few bytes for a chunk, and what is bounded whatever the region.
          expect(bytes).toBeLessThanOrEqual(128 * 1024 + 128 * chunks)
          let nowMs = 0
          for (const { afterMs, chunk, hint, repeat, stride } of touches) {
            nowMs += afterMs
            for (let i = 0; i < repeat; i++) {
              one.observe(chunk + i * stride, nowMs + i * 0.1, i % 2 === 0)
              two.observe(chunk + i * stride, nowMs + i * 0.1, i % 2 === 0)
            }
            nowMs += repeat * 0.1
            if (hint) {
              one.hint(nowMs)
              two.hint(nowMs)
            }
            const said = one.predict(nowMs, 200)
            expect(two.predict(nowMs, 200)).toEqual(said)
            if (kind.name !== "tournament") expect(one.predict(nowMs, 200)).toEqual(said)
            expect(one.bytes).toBe(bytes)
            expect(said.length).toBeLessThanOrEqual(chunks)
            for (const { atMs, chunk, confidence, count, spreadMs, stepMs, stride } of said) {
              expect(Number.isInteger(chunk) && Number.isInteger(count) && count >= 1 && stride !== 0).toBe(true)
              for (const named of [chunk, chunk + (count - 1) * stride]) expect(named >= 0 && named < chunks).toBe(true)
              expect(confidence >= 0 && confidence <= 1 && stepMs >= 0 && spreadMs >= 0).toBe(true)
              expect(atMs + (count - 1) * stepMs + spreadMs).toBeGreaterThanOrEqual(nowMs)
              expect(atMs - spreadMs).toBeLessThanOrEqual(nowMs + 200)
            }
          }
        }),
        { numRuns: 60, seed: 7 }
      )
    })
  }
})
