import { assert, describe, it } from "@effect/vitest"
import { Cgroups } from "@wmo/core"
import { Effect } from "effect"
import type { Step, Workload } from "../src/index.ts"
import { idle, readGroup, runIn, withGroups, workload } from "./harness.ts"

const touchAll = (pages: number, more: Partial<Extract<Step, { _tag: "Touch" }>> = {}): Step => ({
  _tag: "Touch",
  first: 0,
  pages,
  count: pages,
  order: "sequential",
  thinkUs: 1,
  ...more
})

/** A process that reads the first 200 shared file pages, works for `us` microseconds on its own 300 pages, and ends. */
const compiler = (us: number): Workload =>
  workload(300, [
    function* () {
      yield touchAll(200, { isShared: true })
      yield touchAll(300, { count: us / 100, thinkUs: 100 })
    }
  ])

/** Starts `jobs` compilers, `width` at a time, most `moreUs` longer than the one before, and waits for all of them. */
const make = (jobs: number, width: number, us = 10_000, moreUs = 1000): Workload =>
  workload(
    0,
    [
      function* () {
        for (let job = 0; job < jobs; job++) {
          yield { _tag: "Wait", running: width - 1 }
          yield { _tag: "Start", workload: compiler(us + moreUs * (job % 50)) }
        }
        yield { _tag: "Wait", running: 0 }
      }
    ],
    { filePages: 200, load: [] }
  )

describe("processes come and go", () => {
  it.live("a process starts others, with pids and pages of their own; they end one by one", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", make(2, 2, 1_000_000, 100_000))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("500 millis")
        assert.deepStrictEqual(yield* cgroups.processes("demo"), [pid, pid + 1, pid + 2])
        // Each has its own memory; the files are there once.
        assert.strictEqual((yield* readGroup("demo")).current, (2 * 300 + 200) * 4096)
        // The first one has ended, the second one will 100 ms later or so.
        sim.advanceTo(1050)
        assert.strictEqual((yield* readGroup("demo")).current, (300 + 200) * 4096)
        assert.isFalse(sim.outcome("demo").finished)
        yield* Effect.sleep("1 second")
        // The first process waits for all of them, and takes the files with it.
        assert.isTrue(sim.outcome("demo").finished)
        assert.strictEqual(sim.outcome("demo").processes, 3)
        assert.strictEqual((yield* readGroup("demo")).current, 0)
        assert.deepStrictEqual(yield* cgroups.processes("demo"), [])
      })
    )
  })

  it("at most `running` run at a time, and the one who waits goes on at the moment that a child ends", () => {
    const sim = withGroups({ seed: 1, costs: { minorFault: { p50Us: 0, p98Us: 0 }, diskRead: { p50Us: 0, p98Us: 0 } } })
    let endedMs = 0
    const root = make(10, 1, 10_000)
    sim.addWorkload("demo", {
      ...root,
      tasks: [
        function* (context) {
          yield* root.tasks[0]!(context)
          endedMs = context.nowMs()
        }
      ]
    })
    sim.advance(10_000)
    // Each: 300 µs to start, 300 to load, 200 shared touches, 10 ms and one more a job.
    assert.approximately(endedMs, 10 * 10.8 + 45, 1e-6)
  })

  it("thousands of processes take no more room than those that run at one time, and end where they began", () => {
    const sim = withGroups({ seed: 1 })
    const group = sim.group("demo")
    sim.addWorkload("demo", make(3000, 4, 100_000))
    for (let i = 0; i < 20; i++) {
      sim.advance(5000)
      assert.isAtMost(group.pages.used, 200 + 4 * 300)
      assert.isAtMost(sim.kernel.cgroups.group("demo").processes.size, 5)
    }
    const { finished, processes } = sim.outcome("demo")
    assert.isTrue(finished)
    assert.strictEqual(processes, 3001)
    assert.strictEqual(group.currentBytes(), 0)
    assert.strictEqual(group.pages.used, 0)
  })

  it.live("a process that ends in swap gives its slots back, and who gets its pages faults for the first time", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", make(2, 1, 1_000_000))
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("500 millis")
        // All but the two youngest generations.
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 500 * 4096 }))
        yield* Effect.sleep("1 millis")
        const before = yield* readGroup("demo")
        yield* Effect.sleep("1 second")
        const after = yield* readGroup("demo")
        // The first job has ended, the second one has had its pages from there on; its shared reads have come back from the disk once.
        assert.strictEqual(after.swap, 0)
        assert.isAbove(Number(after.stat.pgfault! - before.stat.pgfault!), 299)
        yield* Effect.sleep("1 second")
        assert.isTrue(sim.outcome("demo").finished)
      })
    )
  })

  it.live("a removed file's pages do not come back as refaults; a dropped file's do", () => {
    const sim = withGroups({ seed: 1 })
    const file = { first: 0, pages: 100 }
    sim.addWorkload(
      "demo",
      workload(
        0,
        [
          function* () {
            yield { _tag: "Sleep", us: 1e6 }
            yield { _tag: "Free", first: 0, pages: 50 }
            yield touchAll(100, { isWrite: true })
            yield* idle({} as never)
          }
        ],
        { filePages: 100, load: [file] }
      )
    )
    return runIn(
      sim,
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* Effect.sleep("500 millis")
        yield* Effect.ignore(cgroups.reclaim("demo", { bytes: 100 * 4096 }))
        assert.strictEqual((yield* readGroup("demo")).current, 0)
        yield* Effect.sleep("1 second")
        const { current, stat } = yield* readGroup("demo")
        assert.strictEqual(current, 100 * 4096)
        assert.strictEqual(stat.workingset_refault_file, 50n)
        assert.strictEqual(stat.file_dirty, 100 * 4096)
      })
    )
  })

  it.live("memory grows as it is touched", () => {
    const sim = withGroups({ seed: 1 })
    const growing = function* () {
      for (let page = 100; page < 1000; page++) {
        yield { _tag: "Touch", first: page, pages: 1, count: 1, order: "sequential", thinkUs: 1 } as const
        yield { _tag: "Sleep", us: 1000 } as const
      }
      yield* idle({} as never)
    }
    sim.addWorkload("demo", workload(1000, [growing], { load: [{ first: 0, pages: 100 }] }))
    return runIn(
      sim,
      Effect.gen(function* () {
        yield* Effect.sleep("1 millis")
        assert.isAtMost((yield* readGroup("demo")).current, 102 * 4096)
        yield* Effect.sleep("500 millis")
        assert.approximately((yield* readGroup("demo")).current / 4096, 600, 5)
        yield* Effect.sleep("1 second")
        assert.strictEqual((yield* readGroup("demo")).current, 1000 * 4096)
      })
    )
  })

  it("when a group is killed, all of its processes go", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", make(4, 4, 10_000_000))
    sim.advance(1000)
    assert.strictEqual(sim.kernel.cgroups.group("demo").processes.size, 5)
    const fd = sim.kernel.fs.openSync("/sys/fs/cgroup/demo/cgroup.kill", 1)
    sim.kernel.fs.writeSync(fd, new TextEncoder().encode("1"))
    sim.advance(1)
    assert.isTrue(sim.outcome("demo").finished)
    assert.strictEqual(sim.group("demo").currentBytes(), 0)
    assert.strictEqual(sim.group("demo").pages.used, 0)
  })

  it("names what is wrong with a step", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload(
      "demo",
      workload(10, [
        function* () {
          yield touchAll(11, { isShared: true })
        }
      ])
    )
    assert.throws(() => sim.advance(10), /workload test: Touch of 11 pages from 0 is outside of its 10 pages/)
  })
})
