import { assert, describe, it } from "@effect/vitest"
import { Cgroups } from "@wmo/core"
import { Effect } from "effect"
import { type Costs, constantCost, type SimulationOptions, type TaskProgram } from "../src/index.ts"
import { IDLE, Psi, RUNNING, STALLED, WAITING } from "../src/Psi.ts"
import { hot, mib, readGroup, runIn, withGroups, workload } from "./harness.ts"

const totals = (psi: Psi, atUs: number) => {
  const { full, some } = psi.read(atUs)
  return [Number(some!.totalUs), Number(full!.totalUs)]
}

/** Computes for a second. */
const second: TaskProgram = function* () {
  yield { _tag: "Touch", first: 0, pages: 10, count: 100_000, order: "sequential", thinkUs: 10 }
}

const endOf = (options: Partial<SimulationOptions>, tasks: ReadonlyArray<TaskProgram>) => {
  const sim = withGroups({ seed: 1, ...options })
  sim.addWorkload("demo", workload(10, tasks, { loadUs: 0.001 }))
  let ms = 0
  while (!sim.outcome("demo").finished && ms < 20_000) sim.advanceTo(++ms)
  return { ms, ...sim.outcome("demo") }
}

describe("pressure, by CPU", () => {
  it("one CPU: some while a task is stalled, full while no other one runs", () => {
    const psi = new Psi(0)
    psi.transition(0, IDLE, STALLED)
    psi.transition(10_000, IDLE, RUNNING)
    psi.transition(15_000, STALLED, RUNNING)
    psi.transition(40_000, RUNNING, IDLE)
    assert.deepStrictEqual(totals(psi, 100_000), [15_000, 10_000])
  })

  it("several CPUs: each counts by how long it was busy", () => {
    const psi = new Psi(0)
    // CPU 0: busy for 20 ms (5 jiffies), stalled for 12. CPU 1: 60 ms (15 jiffies), stalled for 4. CPU 2 waits for a device: busy, no stall.
    psi.transition(0, IDLE, STALLED, 0)
    psi.transition(0, IDLE, RUNNING, 1)
    psi.transition(0, IDLE, WAITING, 2)
    psi.transition(12_000, STALLED, RUNNING, 0)
    psi.transition(20_000, RUNNING, IDLE, 0)
    psi.transition(40_000, WAITING, IDLE, 2)
    psi.transition(56_000, RUNNING, STALLED, 1)
    psi.transition(60_000, STALLED, IDLE, 1)
    const expected = (12_000 * 5 + 4000 * 15) / (5 + 15 + 10)
    assert.deepStrictEqual(totals(psi, 100_000), [expected, expected])
  })

  it("a task that moves takes its state along", () => {
    const psi = new Psi(0)
    psi.transition(0, IDLE, STALLED, 0)
    psi.transition(8000, STALLED, RUNNING, 1, 0)
    psi.transition(16_000, RUNNING, IDLE, 1)
    // Two jiffies each.
    assert.deepStrictEqual(totals(psi, 100_000), [4000, 4000])
  })

  it("what happens within less than a jiffy between two looks is lost, as in the kernel", () => {
    const psi = new Psi(0)
    psi.transition(0, IDLE, STALLED)
    assert.deepStrictEqual(totals(psi, 3000), [0, 0])
    psi.transition(7000, STALLED, IDLE)
    assert.deepStrictEqual(totals(psi, 8000), [4000, 4000])
  })

  it.live("a stall beside work: half of the machine where each has a CPU, some but never full where they share one", () => {
    const run = (cpus: number | undefined, isLong: boolean) => {
      const costs: Partial<Costs> = { minorFault: constantCost(0), diskRead: constantCost(8000), agePage: constantCost(0) }
      const sim = withGroups({ seed: 1, zswap: false, costs, ...(cpus === undefined ? {} : { cpus }) })
      const waits: TaskProgram = function* ({ nowMs }) {
        yield { _tag: "Sleep", us: 1e6 - nowMs() * 1000 }
        yield { _tag: "TouchList", list: [0], thinkUs: 1 }
      }
      const computes: TaskProgram = function* ({ nowMs }) {
        yield { _tag: "Sleep", us: 1e6 - nowMs() * 1000 }
        yield { _tag: "Touch", first: 50, pages: 1, count: isLong ? 1200 : 801, order: "sequential", thinkUs: 10 }
      }
      sim.addWorkload("demo", workload(100, [waits, computes]))
      return runIn(
        sim,
        Effect.gen(function* () {
          const cgroups = yield* Cgroups
          yield* Effect.sleep("500 millis")
          yield* cgroups.reclaim("demo", { bytes: 32 * 4096 })
          assert.strictEqual((yield* readGroup("demo")).stat.pswpout, 32n)
          yield* Effect.sleep("1 second")
          const { full, some } = (yield* readGroup("demo")).pressure
          return [Number(some!.totalUs), Number(full!.totalUs), sim.outcome("demo").cpuWaitUs]
        })
      )
    }
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(undefined, false), [4000, 4000, 0])
      const [some, full, waited] = yield* run(1, true)
      // The other one runs all the while; the first has to wait for its turn before it touches, or once the page is there.
      assert.strictEqual(some, 8000)
      assert.strictEqual(full, 0)
      assert.isAbove(waited!, 0)
    })
  })
})

describe("CPUs", () => {
  it("tasks have one each, unless told otherwise", () => {
    const { cpuWaitUs, ms } = endOf({}, [second, second, second])
    assert.strictEqual(ms, 1001)
    assert.strictEqual(cpuWaitUs, 0)
  })

  it("two tasks on one CPU take twice as long, three on two half as long again; all get the same", () => {
    const two = endOf({ cpus: 1 }, [second, second])
    assert.strictEqual(two.ms, 2001)
    assert.approximately(two.cpuWaitUs, 2e6 - 1000, 1000)
    assert.approximately(two.slowdown, 1, 0.001)
    const three = endOf({ cpus: 2 }, [second, second, second])
    assert.approximately(three.ms, 1501, 1)
    assert.approximately(three.cpuWaitUs, 1.5e6, 5000)
  })

  it("a task that sleeps or waits for a device leaves its CPU to others", () => {
    const sleeps: TaskProgram = function* () {
      for (let i = 0; i < 100; i++) {
        yield { _tag: "Sleep", us: 10_000 }
        yield { _tag: "Touch", first: 0, pages: 1, count: 1, order: "sequential", thinkUs: 1 }
      }
    }
    const { ms } = endOf({ cpus: 1 }, [second, sleeps])
    assert.isAtMost(ms, 1201)
  })

  it.live("reclaim that somebody asks for takes turns with the tasks where CPUs are few", () => {
    const run = (cpus: number | undefined) => {
      const sim = withGroups({ seed: 1, writesTakeTime: true, ...(cpus === undefined ? {} : { cpus }) })
      sim.addWorkload("demo", workload(8000, [hot(0, 100)]))
      return runIn(
        sim,
        Effect.gen(function* () {
          const cgroups = yield* Cgroups
          yield* Effect.sleep("1 second")
          const before = sim.nowMs
          yield* cgroups.reclaim("demo", { bytes: 16 * mib })
          return { tookMs: sim.nowMs - before, ...sim.outcome("demo") }
        })
      )
    }
    return Effect.gen(function* () {
      const alone = yield* run(undefined)
      const shared = yield* run(1)
      const pair = yield* run(2)
      assert.strictEqual(alone.cpuWaitUs, 0)
      assert.approximately(alone.tookMs, alone.reclaimCpuUs / 1000, 0.01)
      // The one CPU is shared half and half.
      assert.approximately(shared.tookMs, 2 * alone.tookMs, 0.15 * alone.tookMs)
      assert.approximately(shared.cpuWaitUs / 1000, alone.tookMs, 0.15 * alone.tookMs)
      assert.approximately(pair.tookMs, alone.tookMs, 0.1 * alone.tookMs)
    })
  })

  it("a machine has a CPU", () => {
    assert.throws(() => withGroups({ seed: 1, cpus: 0 }), /a machine has one CPU or more, not 0/)
  })
})
