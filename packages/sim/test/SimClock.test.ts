import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Memcg } from "@wmo/core"
import { Clock, Effect, Exit, Fiber, Schedule } from "effect"
import { hotcold, SimClock } from "../src/index.ts"
import { readGroup, runIn, withGroups, workload } from "./harness.ts"

const sample = (seed: number) => {
  const sim = withGroups({ seed })
  sim.addWorkload("demo", hotcold())
  return runIn(
    sim,
    Effect.gen(function* () {
      const cgroups = yield* Cgroups
      const samples: Array<number> = []
      for (let second = 1; second <= 600; second++) {
        yield* Effect.sleep("1 second")
        if (second % 20 === 0) yield* cgroups.reclaim("demo", { bytes: 20 * 2 ** 20 })
        samples.push(yield* cgroups.read("demo", Memcg.memoryCurrent))
      }
      return { samples, nowMs: sim.nowMs, outcome: sim.outcome("demo"), files: yield* readGroup("demo") }
    })
  )
}

describe("SimClock", () => {
  it.live("600 virtual seconds of sampling give the same for the same seed, and something else for another", () =>
    Effect.gen(function* () {
      const first = yield* sample(7)
      assert.strictEqual(first.nowMs, 600_000)
      assert.strictEqual(first.samples.length, 600)
      assert.isAbove(first.outcome.operations, 6e7)
      assert.deepStrictEqual(yield* sample(7), first)
      assert.notDeepEqual((yield* sample(8)).samples, first.samples)
    })
  )

  it.live("sleepers wake in order of time, equal times in order of registration", () => {
    const sim = withGroups({ seed: 1 })
    return runIn(
      sim,
      Effect.gen(function* () {
        const log: Array<string> = []
        const sleeper = (name: string, ms: number) =>
          Effect.gen(function* () {
            yield* Effect.sleep(ms)
            log.push(`${name} ${yield* Clock.currentTimeMillis}`)
          })
        yield* Effect.all([sleeper("c", 30), sleeper("a", 10), sleeper("b1", 20), sleeper("b2", 20)], { concurrency: "unbounded" })
        assert.deepStrictEqual(log, ["a 10", "b1 20", "b2 20", "c 30"])
      })
    )
  })

  it.live("work between sleeps takes no virtual time, however often it yields or writes", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", hotcold({ coldBytes: 2 ** 20 }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const busy = Effect.gen(function* () {
          for (let i = 0; i < 200; i++) {
            yield* Effect.yieldNow
            yield* cgroups.reclaim("demo", { bytes: 4096 })
          }
          return yield* Clock.currentTimeMillis
        })
        const other = yield* Effect.forkChild(Effect.sleep("1 second"))
        yield* Effect.sleep("500 millis")
        assert.strictEqual(yield* busy, 500)
        yield* Fiber.join(other)
        assert.strictEqual(yield* Clock.currentTimeMillis, 1000)
      })
    )
  })

  it.live("an interrupted sleeper does not wake, and does not move time", () => {
    const sim = withGroups({ seed: 1 })
    return runIn(
      sim,
      Effect.gen(function* () {
        let woke = false
        const sleeper = yield* Effect.forkChild(
          Effect.andThen(
            Effect.sleep("1 minute"),
            Effect.sync(() => (woke = true))
          )
        )
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(sleeper)
        yield* Effect.sleep("1 second")
        assert.isFalse(woke)
        assert.strictEqual(sim.nowMs, 2000)
        const result = yield* Effect.timeoutOption(Effect.never, "3 seconds")
        assert.strictEqual(result._tag, "None")
        assert.strictEqual(sim.nowMs, 5000)
      })
    )
  })

  it.live("schedules run on it, and fixed intervals keep their beat", () => {
    const sim = withGroups({ seed: 1 })
    return runIn(
      sim,
      Effect.gen(function* () {
        const times: Array<number> = []
        yield* Effect.repeat(
          Effect.gen(function* () {
            times.push(yield* Clock.currentTimeMillis)
            yield* Effect.sleep("100 millis")
          }),
          Schedule.fixed("1 second").pipe(Schedule.upTo({ times: 3 }))
        )
        // Effect counts a fixed interval from the first decision to go on, here at 100 ms.
        assert.deepStrictEqual(times, [0, 1100, 2100, 3100])
      })
    )
  })

  it.live("time is held back while real I/O is pausing it", () => {
    const sim = withGroups({ seed: 1 })
    return runIn(
      sim,
      Effect.gen(function* () {
        const sleeper = yield* Effect.forkChild(Effect.sleep("1 second"))
        const before = yield* SimClock.pausing(
          Effect.promise(() => new Promise<number>((resolve) => setTimeout(() => resolve(sim.nowMs), 20)))
        )
        assert.strictEqual(before, 0)
        yield* Fiber.join(sleeper)
        assert.strictEqual(sim.nowMs, 1000)
      })
    )
  })
})

describe("a defective workload", () => {
  it.live("dies in the fiber that let time pass, and says what is wrong", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload(
      "demo",
      workload(10, [
        function* () {
          yield { _tag: "Sleep", us: 1e6 }
          yield { _tag: "TouchList", list: [10], thinkUs: 1 }
        }
      ])
    )
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(runIn(sim, Effect.sleep("2 seconds")))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "outside of its 10 pages")
    })
  })
})
