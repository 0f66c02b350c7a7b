import { assert, describe, it } from "@effect/vitest"
import { evenly, mergeRegions, Region, splitAt, splitRegions } from "../src/damon/Region.ts"
import { feedLoop, Scheme } from "../src/damon/Scheme.ts"
import { makeScheme } from "@wmo/core"
import { Random } from "../src/index.ts"

const page = 4096

/** Regions one after the other: pages, accesses now and in the last aggregation, age. */
const list = (...parts: ReadonlyArray<readonly [pages: number, now: number, last: number, age: number]>): Array<Region> => {
  let at = 0
  return parts.map(([pages, now, last, age]) => {
    const region = new Region(at, (at += pages * page))
    region.nrAccesses = now
    region.nrAccessesBp = now * 10_000
    region.lastNrAccesses = last
    region.age = age
    return region
  })
}
const seen = (regions: ReadonlyArray<Region>) => regions.map(({ age, nrAccesses, size }) => [size / page, nrAccesses, age])

describe("DAMON's regions", () => {
  it("age while their accesses stay about the same, begin anew when they change, or between none and some", () => {
    const target = { regions: list([10, 20, 19, 4], [10, 0, 0, 7], [10, 10, 3, 5], [10, 1, 0, 9]) }
    mergeRegions([target], 2, 5 * page, 100, 20)
    assert.deepStrictEqual(seen(target.regions), [
      [10, 20, 5],
      [10, 0, 8],
      [10, 10, 0],
      [10, 1, 0]
    ])
  })

  it("merge with neighbours that are used about alike, up to their largest size; accesses and age are means by size", () => {
    const target = { regions: list([10, 20, 20, 3], [30, 18, 18, 7], [10, 2, 2, 1], [10, 2, 2, 1]) }
    mergeRegions([target], 2, 40 * page, 100, 20)
    assert.deepStrictEqual(seen(target.regions), [
      [40, 18, 7],
      [20, 2, 2]
    ])
    // (20 * 10 + 18 * 30) / 40 = 18.5; (4 * 10 + 8 * 30) / 40 = 7.
    const limited = { regions: list([10, 20, 20, 3], [30, 18, 18, 7]) }
    mergeRegions([limited], 2, 39 * page, 100, 20)
    assert.lengthOf(limited.regions, 2)
  })

  it("do not merge across a hole; merge more boldly while there are too many", () => {
    const [a, b] = list([10, 5, 5, 0], [10, 5, 5, 0]) as [Region, Region]
    b.start += page
    b.end += page
    const holed = { regions: [a, b] }
    mergeRegions([holed], 2, 1000 * page, 100, 20)
    assert.lengthOf(holed.regions, 2)
    const many = { regions: list([1, 0, 0, 0], [1, 4, 4, 0], [1, 8, 8, 0], [1, 12, 12, 0]) }
    mergeRegions([many], 1, 1000 * page, 2, 20)
    assert.isAtMost(many.regions.length, 2)
  })

  it("split in two at a tenth to nine tenths, in three when their number has not changed, and not at all past half of those allowed", () => {
    const whole = () => ({ regions: list([1000, 3, 2, 9]) })
    for (const seed of [1, 2, 3, 4, 5]) {
      const two = whole()
      assert.strictEqual(splitRegions([two], 100, 0, new Random(seed)), 1)
      assert.lengthOf(two.regions, 2)
      const [left, right] = two.regions as [Region, Region]
      assert.strictEqual(left.size + right.size, 1000 * page)
      assert.isAtLeast(left.size, 100 * page)
      assert.isAtMost(left.size, 900 * page)
      assert.strictEqual(left.size % page, 0)
      assert.deepStrictEqual([right.nrAccesses, right.lastNrAccesses, right.age], [3, 2, 9])
      const three = whole()
      splitRegions([three], 100, 1, new Random(seed))
      assert.isAtLeast(three.regions.length, 2)
      assert.isAtMost(three.regions.length, 3)
      const full = { regions: list(...Array.from({ length: 6 }, () => [10, 0, 0, 0] as const)) }
      splitRegions([full], 10, 6, new Random(seed))
      assert.lengthOf(full.regions, 6)
    }
  })

  it("are cut where told, and evenly", () => {
    const regions = list([10, 3, 2, 9])
    splitAt(regions, 0, 4 * page)
    assert.deepStrictEqual(seen(regions), [
      [4, 3, 9],
      [6, 3, 9]
    ])
    assert.deepStrictEqual(
      evenly(
        [
          [0, 10 * page],
          [20 * page, 21 * page]
        ],
        4 * page
      ).map(({ end, start }) => [start / page, end / page]),
      [
        [0, 5],
        [5, 10],
        [20, 21]
      ]
    )
  })
})

describe("a scheme's quota", () => {
  it("the feedback loop grows in proportion to what is missing, and shrinks to no less than its least", () => {
    assert.strictEqual(feedLoop(50_000, 10_000), 50_000)
    assert.strictEqual(feedLoop(50_000, 0), 100_000)
    assert.strictEqual(feedLoop(50_000, 5000), 75_000)
    assert.strictEqual(feedLoop(50_000, 15_000), 25_000)
    assert.strictEqual(feedLoop(50_000, 18_000), 10_000)
    assert.strictEqual(feedLoop(50_000, 20_000), 10_000)
    assert.strictEqual(feedLoop(50_000, 90_000), 10_000)
  })

  it("goes to the coldest first: the least score is what the quota reaches down to", () => {
    const quotas = { bytes: 20 * page, resetIntervalMs: 1000, weights: { szPermil: 0, nrAccessesPermil: 0, agePermil: 1 } }
    const scheme = new Scheme(makeScheme({ action: "pageout", quotas }))
    const intervals = { sampleUs: 5000, aggrUs: 100_000, updateUs: 0 }
    // Idle for 1, 10, 100 and 1000 s.
    const regions = list([10, 0, 0, 10], [10, 0, 0, 100], [10, 0, 0, 1000], [10, 0, 0, 10_000])
    const inputs = { nowUs: 0, someMemoryUs: () => 0, freeShare: () => 0.5 }
    scheme.adjustQuota(regions, intervals, inputs)
    assert.strictEqual(scheme.effectiveBytes, 20 * page)
    assert.deepStrictEqual(
      regions.map((region) => scheme.isFor(region, intervals)),
      [false, false, true, true]
    )
  })

  it("watermarks: begins below mid, goes on up to high, stops below low", () => {
    const watermarks = { metric: "free_mem_rate", intervalUs: 7, high: 500, mid: 400, low: 200 } as const
    const scheme = new Scheme(makeScheme({ watermarks }))
    const at = (free: number) => scheme.waitUs({ nowUs: 0, someMemoryUs: () => 0, freeShare: () => free })
    assert.deepStrictEqual([0.45, 0.39, 0.45, 0.51, 0.45, 0.3, 0.19, 0.3].map(at), [7, 0, 0, 7, 7, 0, 7, 0])
  })
})
