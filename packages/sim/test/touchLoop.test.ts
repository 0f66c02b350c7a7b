import { assert, describe, it } from "@effect/vitest"
import { AccessObserver, Random } from "../src/index.ts"
import { ACCESSED, PageTable, RESIDENT, SEEN } from "../src/PageTable.ts"
import { missed, touchRandom } from "../src/TouchLoop.ts"

const mask = RESIDENT | ACCESSED

/** A range of resident, marked pages, but for some. */
const pagesWithout = (range: number, unmarked: ReadonlyArray<number>, absent: ReadonlyArray<number> = []): PageTable => {
  const pages = new PageTable()
  pages.take(range)
  for (let page = 0; page < range; page++) {
    pages.flags[page] = RESIDENT
    if (!unmarked.includes(page)) pages.mark(page, 0)
  }
  for (const page of absent) pages.flags[page] = 0
  return pages
}

describe("random touches", () => {
  it("mark as many pages as single touches would, on average, though most of them are skipped over", () => {
    // 1,000 pages of which 40 are not marked; 500 touches mark each with probability 1 - (1 - 1/1000)^500.
    const random = new Random(1)
    const unmarked = Array.from({ length: 40 }, (_, i) => 25 * i)
    const rounds = 400
    let marked = 0
    for (let round = 0; round < rounds; round++) {
      const pages = pagesWithout(1000, unmarked)
      assert.strictEqual(touchRandom(pages, random, 0, 1000, 500, mask), 500)
      for (const page of unmarked) if ((pages.flags[page]! & ACCESSED) !== 0) marked++
    }
    const expected = 1 - (1 - 1 / 1000) ** 500
    // Sixteen thousand draws: a standard deviation of 0.4 %.
    assert.approximately(marked / (rounds * unmarked.length), expected, 0.02)
  })

  it("tell observers of as many pages as single touches would", () => {
    const pages = pagesWithout(1000, [])
    const observer = new AccessObserver(pages)
    const random = new Random(4)
    const looked = Array.from({ length: 40 }, (_, i) => 25 * i)
    const all = mask | SEEN
    touchRandom(pages, random, 0, 1000, 1e6, all)
    let seen = 0
    const rounds = 400
    for (let round = 0; round < rounds; round++) {
      for (const page of looked) observer.clear(page)
      assert.strictEqual(touchRandom(pages, random, 0, 1000, 500, all), 500)
      for (const page of looked) if (observer.isAccessed(page)) seen++
    }
    assert.approximately(seen / (rounds * looked.length), 1 - (1 - 1 / 1000) ** 500, 0.02)
  })

  it("stop at a page that is missing, after as many touches as it takes to meet it", () => {
    const random = new Random(2)
    let sum = 0
    const rounds = 2000
    for (let round = 0; round < rounds; round++) {
      const done = touchRandom(pagesWithout(1000, [], [7]), random, 0, 1000, 1e6, mask)
      assert.strictEqual(missed.page, 7)
      sum += done
    }
    // Geometric: 999 touches of others before it, on average.
    assert.approximately(sum / rounds, 999, 100)
  })

  it("find pages one by one where many are not marked", () => {
    const pages = pagesWithout(
      1000,
      Array.from({ length: 1000 }, (_, i) => i)
    )
    assert.strictEqual(touchRandom(pages, new Random(3), 0, 1000, 1e6, mask), 1e6)
    assert.strictEqual(pages.touchedCount, 1000)
    assert.strictEqual(missed.page, -1)
  })
})
