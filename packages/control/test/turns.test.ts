/** Turns of many loops, and which of them may be left out. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "@wmo/monitors"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { makePace, makeTurns, type Turn, type Turns } from "../src/index.ts"

const kib = 1024
interface Seen {
  readonly atMs: number
  readonly currentBytes?: number
  readonly stallUs?: bigint
  readonly refaults?: bigint
}
const observation = ({ atMs, currentBytes = 2 ** 30, refaults = 7n, stallUs = 5n }: Seen): Observation => ({
  group: "a",
  atMs,
  usage: { currentBytes, min: 0, low: 0, high: "max", max: "max" },
  stat: { workingset_refault_anon: refaults },
  pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: stallUs } },
  machine: { memTotalBytes: 0, memAvailableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 }
})

/** Seconds in which a loop looks at a group. */
const looksIn = (
  seconds: number,
  group: (second: number) => Omit<Seen, "atMs">,
  options: {
    readonly act?: (second: number) => boolean
    readonly due?: (second: number) => number | undefined
    readonly idleEveryMs?: number
    readonly phase?: number
  } = {}
): ReadonlyArray<number> => {
  const { act = () => false, due = () => Infinity, idleEveryMs = 8000, phase } = options
  const pace = makePace({ everyMs: 1000, idleEveryMs: () => idleEveryMs, phase })
  const looks: Array<number> = []
  for (let second = 0; second <= seconds; second++) {
    const now = observation({ atMs: second * 1000, ...group(second) })
    const glance = { currentBytes: now.usage.currentBytes, stallUs: now.pressure?.some?.totalUs }
    if (second > 0 && pace.mayLeaveOut(second * 1000) && !pace.hasMoved(glance)) continue
    looks.push(second)
    pace.looked(now, act(second), due(second))
  }
  return looks
}
const still = () => ({})

describe("the pace of a group", () => {
  it("is half as fast each time while nothing moves, up to the limit", () => {
    assert.deepStrictEqual(looksIn(32, still), [0, 1, 3, 7, 15, 23, 31])
    assert.deepStrictEqual(looksIn(9, still, { idleEveryMs: 2000 }), [0, 1, 3, 5, 7, 9])
    assert.deepStrictEqual(looksIn(4, still, { idleEveryMs: 1000 }), [0, 1, 2, 3, 4])
  })

  it.each([
    ["memory", (second: number) => ({ currentBytes: 2 ** 30 + (second >= 10 ? 2 * 1024 * kib : 0) })],
    ["stall", (second: number) => ({ stallUs: second >= 10 ? 6n : 5n })]
  ] as const)("is full at the very tick at which %s moves", (_, group) => {
    assert.deepStrictEqual(looksIn(14, group), [0, 1, 3, 7, 10, 11, 13])
  })

  it("has looks at times of its own where it has a phase, though groups began together", () => {
    for (const phase of [0, 1 / 8, 3 / 8, 7 / 8]) {
      const looks = looksIn(80, still, { phase }).filter((second) => second >= 16)
      assert.deepStrictEqual(new Set(looks.map((second) => second % 8)), new Set([8 * phase]))
      assert.lengthOf(looks, phase === 0 ? 9 : 8)
    }
  })

  it("is full after refaults, which a look alone sees", () => {
    const looks = looksIn(20, (second) => ({ refaults: second >= 10 ? BigInt(second) : 7n }))
    assert.deepStrictEqual(looks, [0, 1, 3, 7, 15, 16, 17, 18, 19, 20])
  })

  it("is not changed by charges that come and go in a batch", () => {
    assert.deepStrictEqual(
      looksIn(15, (second) => ({ currentBytes: 2 ** 30 + (second % 2) * 200 * kib })),
      [0, 1, 3, 7, 15]
    )
  })

  it("is full for a policy that does not say when it must be asked, that acts, and never later than it says", () => {
    assert.deepStrictEqual(looksIn(3, still, { due: () => undefined }), [0, 1, 2, 3])
    assert.deepStrictEqual(looksIn(3, still, { act: () => true }), [0, 1, 2, 3])
    assert.deepStrictEqual(looksIn(16, still, { due: (second) => (Math.floor(second / 5) + 1) * 5000 }), [0, 1, 3, 5, 10, 15])
  })

  it("is not stopped by a clock that was set back", () => {
    const pace = makePace({ everyMs: 1000, idleEveryMs: () => 8000 })
    for (const atMs of [100_000, 101_000, 103_000]) pace.looked(observation({ atMs }), false, Infinity)
    assert.isTrue(pace.mayLeaveOut(104_000))
    assert.isFalse(pace.mayLeaveOut(50_000))
  })
})

describe("turns", () => {
  const taking = (use: (turns: Turns) => Effect.Effect<void>, options?: Parameters<typeof makeTurns>[0]) =>
    Effect.scoped(Effect.flatMap(makeTurns(options), use))
  const start = <A>(effect: Effect.Effect<A>) => Effect.forkChild(effect, { startImmediately: true })

  it.effect("come on whole multiples of the period and the phase; only who has something to do goes on", () =>
    taking((turns) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(10_300)
        const asked: Array<number> = []
        const late = yield* start(
          turns.wait(1000, 250, (dueMs) => {
            asked.push(dueMs)
            return dueMs >= 13_000
          })
        )
        const first = yield* start(turns.wait(1000, 0, () => true))
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* Fiber.join(first), { dueMs: 11_000, missed: 0 } satisfies Turn)
        assert.deepStrictEqual(yield* Fiber.join(late), { dueMs: 13_250, missed: 0 } satisfies Turn)
        assert.deepStrictEqual(asked, [11_250, 12_250, 13_250])
      })
    )
  )

  it.effect("each of a thousand loops is asked once a period, whoever comes and goes; one that throws has its turn", () =>
    taking((turns) =>
      Effect.gen(function* () {
        const counts = Array.from({ length: 1000 }, () => 0)
        const fibers = yield* Effect.forEach(counts, (_, i) =>
          start(
            turns.wait(1000, (i % 4) * 250, () => {
              counts[i]!++
              return false
            })
          )
        )
        const thrown = yield* start(
          turns.wait(1000, 0, () => {
            throw new Error("it cannot be read")
          })
        )
        yield* TestClock.adjust("5900 millis")
        assert.strictEqual((yield* Fiber.join(thrown)).dueMs, 1000)
        const before = [...counts]
        yield* Fiber.interrupt(fibers[7]!)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(
          counts.map((count, i) => count - before[i]!),
          counts.map((_, i) => (i === 7 ? 0 : 5))
        )
        yield* Fiber.interruptAll(fibers)
      })
    )
  )

  it.effect("with a stride of three, one turn of three is taken; lateness is told of each", () => {
    const late: Array<number> = []
    return taking(
      (turns) =>
        Effect.gen(function* () {
          const asked: Array<number> = []
          const fiber = yield* start(
            turns.wait(1000, 0, (dueMs) => {
              asked.push(dueMs)
              return false
            })
          )
          yield* TestClock.adjust("9 seconds")
          assert.deepStrictEqual(asked, [3000, 6000, 9000])
          assert.deepStrictEqual(late, [0, 0, 0])
          yield* Fiber.interrupt(fiber)
        }),
      { stride: () => 3, onTurn: (ms) => void late.push(ms) }
    )
  })
})
