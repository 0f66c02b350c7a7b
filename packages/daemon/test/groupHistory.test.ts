/** The quarter of an hour that wmod keeps of each group for its page. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "@wmo/monitors"
import { GroupHistory } from "../src/supervisor/GroupHistory.ts"

const mib = 2 ** 20
const seen = (seconds: number, counters: { readonly stallMs?: number; readonly refaults?: number; readonly current?: number } = {}) =>
  ({
    atMs: seconds * 1000,
    usage: { currentBytes: (counters.current ?? 100) * mib, swapCurrentBytes: 50 * mib, zswapCurrentBytes: 20 * mib },
    stat: { workingset_refault_anon: BigInt(counters.refaults ?? 0), workingset_refault_file: 7n },
    pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt((counters.stallMs ?? 0) * 1000) } }
  }) as unknown as Observation

const historyOf = (...observations: ReadonlyArray<Observation>) => {
  const history = new GroupHistory()
  for (const each of observations) history.add(each)
  return history
}
const tail = (values: ReadonlyArray<number | null>, count: number) => values.slice(-count)

describe("the history of a group", () => {
  it("has amounts as they were last, and rates as means over slots of five seconds", () => {
    const history = historyOf(
      seen(100),
      seen(102, { current: 90 }),
      seen(104, { current: 80, stallMs: 10, refaults: 40 }),
      seen(105, { stallMs: 20, refaults: 50, current: 70 }),
      seen(109, { stallMs: 60, refaults: 90, current: 60 })
    )
    const read = history.read()!
    assert.deepInclude(read, { end_ms: 110_000, slot_ms: 5000 })
    assert.deepStrictEqual(tail(read.current_bytes, 3), [null, 80 * mib, 60 * mib])
    assert.deepStrictEqual(tail(read.saved_bytes, 1), [30 * mib])
    // From the look at 104 s: 50 ms and 50 pages in 5 s.
    assert.deepStrictEqual(tail(read.pressure_percent, 2), [null, 1])
    assert.deepStrictEqual(tail(read.refaults_per_second, 2), [null, 10])
    assert.strictEqual(history.refaultsPerSecond, 10)
    assert.lengthOf(read.current_bytes, 180)
  })

  it("fills a gap of a minute with what was seen over it; a longer one stays a gap", () => {
    const short = historyOf(seen(0), seen(20, { stallMs: 200 })).read()!
    assert.deepStrictEqual(tail(short.pressure_percent, 5), [null, 1, 1, 1, 1])
    const long = historyOf(seen(0), seen(200, { stallMs: 2000 })).read()!
    assert.deepStrictEqual(tail(long.pressure_percent, 3), [null, null, 1])
    const longest = historyOf(seen(0, { current: 5 }), seen(100_000)).read()!
    assert.deepStrictEqual(
      longest.current_bytes.filter((value) => value !== null),
      [100 * mib]
    )
  })

  it("goes round without end, and begins anew when the clock is set back", () => {
    const history = new GroupHistory()
    for (let second = 0; second < 2000; second++) history.add(seen(second, { current: second }))
    const { current_bytes, end_ms } = history.read()!
    assert.strictEqual(end_ms, 2_000_000)
    assert.deepStrictEqual([current_bytes[0], current_bytes.at(-1)], [1104 * mib, 1999 * mib])
    history.add(seen(1000))
    assert.deepStrictEqual(
      history.read()!.current_bytes.filter((value) => value !== null),
      [100 * mib]
    )
    assert.isUndefined(history.refaultsPerSecond)
  })

  it("says nothing of a group that was never looked at, and unknown where the kernel does not count", () => {
    assert.isUndefined(new GroupHistory().read())
    const { pressure: _, ...without } = seen(10)
    const read = historyOf(without as Observation, { ...without, atMs: 15_000 } as Observation).read()!
    assert.deepStrictEqual(tail(read.pressure_percent, 2), [null, null])
  })

  it("takes counters that went backwards for those of a group that was made anew", () => {
    const read = historyOf(seen(0, { refaults: 1000 }), seen(5, { refaults: 3 })).read()!
    assert.deepStrictEqual(tail(read.refaults_per_second, 1), [0])
  })
})
