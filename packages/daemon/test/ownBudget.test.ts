/** wmod's own budget, slots and lateness: what is decided from readings alone. */
import { assert, describe, it } from "@effect/vitest"
import { Lateness, latenessBoundsMs } from "../src/supervisor/Lateness.ts"
import { judgeOwn, type OwnBudget, type OwnState, ownStart } from "../src/supervisor/ownBudget.ts"
import { idlePhaseOf, phaseOf, Slots } from "../src/supervisor/Slots.ts"

const mib = 2 ** 20
const budget: OwnBudget = { cpuPercent: 10, memoryBytes: 150 * mib }

/** A wmod whose ticks take so much of a CPU when all of them are taken, judged every 5 s for a while. */
const running = (percentAtFullRate: number, seconds: number, from: OwnState = ownStart, limits = budget, rssBytes = 80 * mib): OwnState => {
  let state = from
  const last = from.readings.at(-1)
  let cpuMs = last?.cpuMs ?? 0
  const startMs = last?.atMs ?? 0
  for (let atMs = startMs + 5000; atMs <= startMs + seconds * 1000; atMs += 5000) {
    cpuMs += (5000 * percentAtFullRate) / 100 / state.stride
    state = judgeOwn(limits, { atMs, cpuMs, rssBytes }, state)
  }
  return state
}

describe("wmod's own budget", () => {
  it("leaves ticks alone within it, and knows what is used", () => {
    const state = running(8, 120)
    assert.strictEqual(state.stride, 1)
    assert.closeTo(state.cpuPercent!, 8, 0.01)
  })

  it.each([11, 25, 60, 300])("at %i % of a CPU it takes as few ticks as it must, and comes to rest", (percent) => {
    const settled = running(percent, 300)
    assert.isAtMost(percent / settled.stride, 10)
    assert.isAtLeast(percent / (settled.stride - 1), 10 * 0.7)
    assert.strictEqual(running(percent, 300, settled).stride, settled.stride)
  })

  it("takes all ticks again when there is less to do", () => assert.strictEqual(running(5, 300, running(60, 300)).stride, 1))

  it("does not judge a start by its first moments, nor after the clock was set back", () => {
    assert.strictEqual(running(300, 15).stride, 1)
    const set = judgeOwn(budget, { atMs: 1000, cpuMs: 50_000, rssBytes: 1 }, running(8, 60))
    assert.deepStrictEqual([set.stride, set.readings.length], [1, 1])
  })

  it("never leaves out more than so many, and none without a budget", () => {
    assert.strictEqual(running(100_000, 600).stride, 64)
    assert.strictEqual(running(300, 300, ownStart, { cpuPercent: undefined, memoryBytes: undefined }).stride, 1)
  })

  it("is over its memory until there is a tenth less", () => {
    const at = (rssMib: number, state: OwnState) => judgeOwn(budget, { atMs: 0, cpuMs: 0, rssBytes: rssMib * mib }, state)
    const over = at(151, ownStart)
    assert.deepStrictEqual(
      [at(150, ownStart), over, at(140, over), at(135, over)].map(({ isOverMemory }) => isOverMemory),
      [false, true, true, false]
    )
  })
})

describe("slots", () => {
  it("are one up to 125 groups, then evenly filled, and given back", () => {
    const slots = new Slots()
    const taken = Array.from({ length: 1000 }, (_, i) => slots.take(i + 1))
    assert.deepStrictEqual(new Set(taken.slice(0, 125)), new Set([0]))
    const counts = [0, 1, 2, 3, 4, 5, 6, 7].map((slot) => taken.filter((each) => each === slot).length)
    assert.deepStrictEqual(new Set(counts), new Set([125]))
    for (let i = 0; i < 100; i++) slots.leave(3)
    for (let i = 0; i < 100; i++) assert.strictEqual(slots.take(1000), 3)
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((slot) => phaseOf(slot, 1000)),
      [0, 500, 250, 750, 125, 625, 375, 875]
    )
  })
})

describe("looks at idle groups", () => {
  it("are apart from one another, however many groups there are", () => {
    for (const groups of [10, 100, 1000]) {
      const tenths = Array.from({ length: 10 }, () => 0)
      for (let i = 0; i < groups; i++) tenths[Math.floor(idlePhaseOf(i) * 10)]!++
      for (const count of tenths) assert.approximately(count, groups / 10, 2)
    }
  })
})

describe("lateness", () => {
  it("counts each by the bound that it is not above; early is not late", () => {
    const lateness = new Lateness()
    for (const ms of [-3, 0, 1, 1.5, 200, 201, 5000, 9000]) lateness.add(ms)
    const counts = Object.fromEntries(lateness.counts.map((count, i) => [latenessBoundsMs[i] ?? Infinity, count]))
    assert.deepInclude(counts, { 1: 3, 2: 1, 200: 1, 500: 1, 5000: 1, Infinity: 1 })
    assert.deepStrictEqual([lateness.sumMs, lateness.mostMs], [14_403.5, 9000])
  })
})
