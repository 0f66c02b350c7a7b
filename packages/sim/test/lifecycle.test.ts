import { assert, describe, it } from "@effect/vitest"
import { Cgroups, KernFs, Machine } from "@wmo/core"
import { Effect } from "effect"
import { idle, mib, readGroup, runIn, withGroups, workload } from "./harness.ts"

const busyFor = (us: number) =>
  function* () {
    yield { _tag: "Touch", first: 0, pages: 10, count: us, order: "sequential", thinkUs: 1, touchesPerOperation: 10 } as const
  }

describe("workloads and groups come and go", () => {
  it.live("a workload that ends gives its memory back, leaves its group, and keeps its outcome", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", workload(1000, [busyFor(500_000)]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        assert.deepStrictEqual(yield* cgroups.processes("demo"), [pid])
        yield* Effect.sleep("250 millis")
        assert.strictEqual((yield* readGroup("demo")).current, 1000 * 4096)
        assert.isFalse(sim.outcome("demo").finished)
        yield* Effect.sleep("1 second")
        assert.strictEqual((yield* readGroup("demo")).current, 0)
        assert.deepStrictEqual(yield* cgroups.processes("demo"), [])
        const outcome = sim.outcome("demo")
        assert.isTrue(outcome.finished)
        assert.strictEqual(outcome.operations, 50_000)
        assert.approximately(outcome.operationsPerSecond, 100_000, 1)
        assert.approximately(outcome.latency.p50Us, 10, 0.3)
        // The group takes the next one, on the same pages.
        sim.addWorkload("demo", workload(1000, [idle]))
        yield* Effect.sleep("1 second")
        assert.strictEqual((yield* readGroup("demo")).current, 1000 * 4096)
        assert.strictEqual(sim.group("demo").pages.used, 1000)
      })
    )
  })

  it.live("a group that was killed, removed and made again starts empty", () => {
    const sim = withGroups({ seed: 1 }, ["wmo", "wmo/a"])
    sim.addWorkload("wmo/a", workload(1000, [idle]))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const fs = yield* KernFs
        yield* Effect.sleep("1 second")
        yield* cgroups.reclaim("wmo/a", { bytes: mib })
        yield* cgroups.kill("wmo/a")
        yield* Effect.sleep("1 second")
        assert.isTrue(sim.outcome("wmo/a").finished)
        yield* fs.rmdir(cgroups.path("wmo/a"))
        yield* fs.mkdir(cgroups.path("wmo/a"))
        const { current, stat } = yield* readGroup("wmo/a")
        assert.strictEqual(current, 0)
        assert.strictEqual(stat.pgfault, 0n)
        // The parent remembers what its lost child did, and the machine has its memory back.
        assert.strictEqual((yield* readGroup("wmo")).stat.pgfault, 1000n)
        assert.strictEqual((yield* readGroup("wmo")).current, 0)
        const machine = yield* Machine
        const { MemAvailable, MemTotal, SwapFree, SwapTotal } = yield* machine.memInfo
        assert.strictEqual(MemAvailable, MemTotal)
        assert.strictEqual(SwapFree, SwapTotal)
        assert.strictEqual((yield* machine.vmstat)["pgfault"], 1000n)
      })
    )
  })

  it("names the group that is missing", () => {
    const sim = withGroups({ seed: 1 })
    assert.throws(() => sim.addWorkload("nowhere", workload(1, [idle])), /no cgroup "nowhere"/)
    assert.throws(() => sim.outcome("demo"), /no workload was started in group demo/)
  })
})
