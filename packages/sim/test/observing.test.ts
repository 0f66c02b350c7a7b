import { assert, describe, it } from "@effect/vitest"
import { Cgroups } from "@wmo/core"
import { Effect } from "effect"
import { constantCost, type Costs, type TaskProgram } from "../src/index.ts"
import { hot, idle, quarter, readGroup, runIn, withGroups, workload } from "./harness.ts"

const free: Partial<Costs> = Object.fromEntries(
  (["minorFault", "zswapStore", "zswapLoad", "diskRead", "diskWrite", "reclaimPage", "agePage"] as const).map((name) => [
    name,
    constantCost(0)
  ])
)

/** Touches pages of a list, each at its second. */
const at = (...touches: ReadonlyArray<readonly [second: number, page: number]>): TaskProgram =>
  function* ({ nowMs }) {
    for (const [second, page] of touches) {
      yield { _tag: "Sleep", us: Math.max(1, second * 1e6 - nowMs() * 1000) }
      yield { _tag: "TouchList", list: [page], thinkUs: 0.001 }
    }
    yield* idle({} as never)
  }

describe("offloaded memory", () => {
  it.live("byte-seconds, gross and net, computed by hand", () => {
    const sim = withGroups({ seed: 1, costs: free }, ["a", "a/b"])
    sim.addWorkload("a/b", workload(64, [at([3, 0], [5, 1])], { loadUs: 0.001, compressibility: quarter }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* Effect.ignore(cgroups.reclaim("a/b", { bytes: 64 * 4096 }))
        assert.strictEqual(sim.offload("a").pages, 64)
        yield* Effect.sleep("9 seconds")
        const { grossByteSeconds, netByteSeconds, pages, promotedPages } = sim.offload("a")
        assert.strictEqual(pages, 62)
        assert.strictEqual(promotedPages, 2)
        // 62 pages for 9 s, one for 2, one for 4; three quarters of that net.
        const pageSeconds = 62 * 9 + 2 + 4
        assert.approximately(grossByteSeconds / 4096, pageSeconds, 1e-5)
        assert.approximately(netByteSeconds / 4096, (pageSeconds * 3) / 4, 1e-5)
        assert.strictEqual(sim.offload("").grossByteSeconds, grossByteSeconds)
        // The end of the process ends it; what was saved stays.
        yield* cgroups.kill("a/b")
        yield* Effect.sleep("5 seconds")
        assert.strictEqual(sim.offload("a/b").pages, 0)
        assert.strictEqual(sim.offload("a/b").grossByteSeconds, grossByteSeconds)
        sim.kernel.fs.rmdirSync("/sys/fs/cgroup/a/b")
        yield* Effect.sleep("1 second")
        assert.strictEqual(sim.offload("a").grossByteSeconds, grossByteSeconds)
      })
    )
  })

  it.live("files count while they can come back as refaults, not once they are removed", () => {
    const sim = withGroups({ seed: 1, costs: free })
    const removes: TaskProgram = function* () {
      yield { _tag: "Sleep", us: 3e6 }
      yield { _tag: "Free", first: 0, pages: 64 }
      yield* idle({} as never)
    }
    sim.addWorkload("demo", workload(0, [removes], { filePages: 64, loadUs: 0.001 }))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("1 second")
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 64 * 4096 }))
        yield* Effect.sleep("9 seconds")
        const { grossByteSeconds, netByteSeconds } = sim.offload("demo")
        assert.approximately(grossByteSeconds / 4096, 64 * 2, 1e-4)
        assert.strictEqual(netByteSeconds, grossByteSeconds)
      })
    )
  })
})

describe("accesses seen from outside", () => {
  it("each observer sees what was accessed since its own last look, each page once", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(100, [at([1, 7], [2, 8], [2, 7], [4, 9], [4, 9])]))
    sim.advance(500)
    const one = sim.observe("demo")
    const two = sim.observe("demo")
    sim.advanceTo(1500)
    assert.deepStrictEqual([...one.take().accessed], [7])
    sim.advanceTo(2500)
    assert.deepStrictEqual([...one.take().accessed], [8, 7])
    assert.deepStrictEqual([...one.take().accessed], [])
    assert.deepStrictEqual([...two.take().accessed], [7, 8])
    sim.advanceTo(4500)
    assert.isTrue(one.isAccessed(9))
    assert.isFalse(one.isAccessed(8))
    one.clear(9)
    assert.isFalse(one.isAccessed(9))
    assert.isTrue(two.isAccessed(9))
    one.close()
    two.close()
    assert.isFalse(sim.group("demo").pages.isObserved)
  })

  it("a page that is not looked at yet counts as accessed, if asked for; so does one that faults in", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(100, [at([2, 50])], { load: [{ first: 0, pages: 50 }] }))
    sim.advance(500)
    const observer = sim.observe("demo", { isAccessedAtFirst: true, hasLists: false })
    assert.isTrue(observer.isAccessed(3))
    for (let page = 0; page < 100; page++) observer.clear(page)
    assert.isFalse(observer.isAccessed(3))
    sim.advanceTo(2500)
    assert.isTrue(observer.isAccessed(50))
    assert.isFalse(observer.isAccessed(3))
  })

  it.live("observing changes nothing of what happens", () => {
    const run = (isObserved: boolean) => {
      const sim = withGroups({ seed: 5 })
      sim.addWorkload("demo", workload(4000, [hot(0, 3000, 200), hot(1000, 3000, 300)]))
      return runIn(
        sim,
        Effect.gen(function* () {
          const cgroups = yield* Cgroups
          const observer = isObserved ? sim.observe("demo") : undefined
          let seen = 0
          for (let second = 0; second < 20; second++) {
            yield* Effect.sleep("1 second")
            yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 200 * 4096 }))
            seen += observer?.take().accessed.length ?? 0
          }
          return { seen, group: yield* readGroup("demo"), outcome: sim.outcome("demo") }
        })
      )
    }
    return Effect.gen(function* () {
      const plain = yield* run(false)
      const observed = yield* run(true)
      assert.deepStrictEqual({ ...observed, seen: 0 }, plain)
      // 5,000 touches a second on 3,000 pages and 3,333 on another: most of them, each second anew.
      assert.isAbove(observed.seen, 20 * 2500)
    })
  })

  it("sees what is freed and taken again", () => {
    const sim = withGroups({ seed: 1 })
    const churning: TaskProgram = function* () {
      yield { _tag: "Sleep", us: 1e6 }
      yield { _tag: "Free", first: 3, pages: 2 }
      yield { _tag: "TouchList", list: [4], thinkUs: 1 }
      yield* idle({} as never)
    }
    sim.addWorkload("demo", workload(10, [churning]))
    sim.advance(500)
    const observer = sim.observe("demo")
    sim.advance(1000)
    const { accessed, freed } = observer.take()
    assert.deepStrictEqual([...freed], [3, 4])
    assert.deepStrictEqual([...accessed], [4])
  })
})
