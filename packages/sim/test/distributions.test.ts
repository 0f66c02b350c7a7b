import { assert, describe, it } from "@effect/vitest"
import { Random, sizeClass } from "../src/index.ts"
import { drawCompressedSize } from "../src/Compressibility.ts"
import { Sampler } from "../src/Costs.ts"
import { LatencyHistogram } from "../src/LatencyHistogram.ts"

describe("distributions", () => {
  it("a cost keeps its median and its 98th percentile", () => {
    const sampler = new Sampler({ p50Us: 6.4, p98Us: 9.1 }, new Random(1))
    const draws = Float64Array.from({ length: 100_000 }, () => sampler.draw()).toSorted()
    assert.approximately(draws[50_000]!, 6.4, 0.05)
    assert.approximately(draws[98_000]!, 9.1, 0.1)
    assert.throws(() => new Sampler({ p50Us: 2, p98Us: 1 }, new Random(1)), RangeError)
  })

  it("compressed sizes have the shares and the ratio that were asked for", () => {
    const random = new Random(2)
    const distribution = { zeroShare: 0.1, incompressibleShare: 0.3, medianRatio: 3, ratioSigma: 0.3 }
    const sizes = Array.from({ length: 50_000 }, () => drawCompressedSize(distribution, random))
    const share = (matches: (size: number) => boolean) => sizes.filter(matches).length / sizes.length
    assert.approximately(
      share((size) => size === 0),
      0.1,
      0.01
    )
    assert.approximately(
      share((size) => size === 4096),
      0.3,
      0.01
    )
    const others = sizes.filter((size) => size > 0 && size < 4096).toSorted((a, b) => a - b)
    assert.approximately(4096 / others[others.length >> 1]!, 3, 0.1)
    assert.isTrue(sizes.every((size) => Number.isInteger(size) && size <= sizeClass(size) && sizeClass(size) <= 4096))
  })

  it("histogram percentiles are within 3 % from a nanosecond to minutes, and merge", () => {
    const random = new Random(3)
    const values = Array.from({ length: 20_000 }, () => 0.001 * 10 ** (random.nextFraction() * 11)).toSorted((a, b) => a - b)
    const halves = [new LatencyHistogram(), new LatencyHistogram()] as const
    values.forEach((us, i) => halves[i % 2 === 0 ? 0 : 1].add(us, 1))
    halves[0].merge(halves[1])
    assert.strictEqual(halves[0].count, values.length)
    for (const fraction of [0.2, 0.5, 0.9, 0.99, 0.999]) {
      const exact = values[Math.ceil(fraction * values.length) - 1]!
      assert.approximately(halves[0].percentile(fraction) / exact, 1, 0.03)
    }
    assert.isNaN(new LatencyHistogram().percentile(0.5))
  })
})
