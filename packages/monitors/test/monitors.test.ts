import { describe, it, assert } from "@effect/vitest"
import { Cgroups, Mglru } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
import { Effect } from "effect"
import { coldBytes, fromGenerations, growth, GroupGone, makeCgroupSampler, makePageAgeMonitor, type PageAge } from "../src/index.ts"

const mib = 2 ** 20

const kernelWith = (memcg: SimpleMemcg, options: ConstructorParameters<typeof FakeKernel>[0] = {}) => {
  const kernel = new FakeKernel({ ...options, memcg: (name, limits) => (name === "app" ? memcg : makeSimpleMemcg({}, limits)) })
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  return kernel
}

describe("page ages", () => {
  const age: PageAge = {
    source: "working-set",
    bins: [
      { lowerMs: 0, upperMs: 1000, anonBytes: 1, fileBytes: 10 },
      { lowerMs: 1000, upperMs: 2000, anonBytes: 2, fileBytes: 20 },
      { lowerMs: 2000, upperMs: Infinity, anonBytes: 4, fileBytes: 40 }
    ]
  }

  it("regression: cold is what is older than the threshold at the lower edge of its bin, not one bin younger", () => {
    assert.deepStrictEqual(coldBytes(age, 2000), { anonBytes: 4, fileBytes: 40 })
    assert.deepStrictEqual(coldBytes(age, 1001), { anonBytes: 4, fileBytes: 40 })
    assert.deepStrictEqual(coldBytes(age, 1000), { anonBytes: 6, fileBytes: 60 })
    assert.deepStrictEqual(coldBytes(age, 0), { anonBytes: 7, fileBytes: 70 })
  })

  it("a generation is idle for at least the age of the next younger one; the oldest has no upper edge", () => {
    const pages = (anonPages: number) => ({ anonPages, filePages: 0 })
    const { bins } = fromGenerations({
      id: 1,
      path: "/app",
      nodes: [
        {
          node: 0,
          generations: [
            { seq: 1, ageMs: 9000, ...pages(4) },
            { seq: 2, ageMs: 5000, ...pages(2) },
            { seq: 3, ageMs: 1000, ...pages(1) }
          ]
        }
      ]
    })
    assert.deepStrictEqual(
      bins.map(({ anonBytes, lowerMs, upperMs }) => [lowerMs, upperMs, anonBytes / 4096]),
      [
        [0, 1000, 1],
        [1000, 5000, 2],
        [5000, Infinity, 4]
      ]
    )
  })

  it("sums nodes", () => {
    const generations = (anonPages: number) => [
      { seq: 1, ageMs: 9000, anonPages, filePages: 1 },
      { seq: 2, ageMs: 100, anonPages, filePages: 1 }
    ]
    const age = fromGenerations({
      id: 1,
      path: "/",
      nodes: [
        { node: 0, generations: generations(3) },
        { node: 1, generations: generations(5) }
      ]
    })
    assert.deepStrictEqual(coldBytes(age, 100), { anonBytes: 8 * 4096, fileBytes: 2 * 4096 })
  })
})

describe("page age monitor", () => {
  const source = (options: ConstructorParameters<typeof FakeKernel>[0], choice: "auto" | "none" = "auto") => {
    const kernel = kernelWith(makeSimpleMemcg(), options)
    return Effect.map(makePageAgeMonitor("app", choice), (monitor) => monitor.source).pipe(Effect.provide(kernel.layer))
  }
  it.effect("takes working-set reports, else generations, else nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* source({ workingSet: true }), "working-set")
      assert.strictEqual(yield* source({ workingSet: false }), "mglru")
      assert.strictEqual(yield* source({ workingSet: false, mglru: false }), undefined)
      assert.strictEqual(yield* source({ workingSet: true }, "none"), undefined)
    })
  )

  it.effect("sees an aged group's pages as older", () => {
    const memcg = makeSimpleMemcg({
      nodes: [
        {
          node: 0,
          generations: [
            { seq: 1, ageMs: 60_000, anonPages: 256, filePages: 0 },
            { seq: 2, ageMs: 30_000, anonPages: 0, filePages: 0 }
          ]
        }
      ]
    })
    return Effect.gen(function* () {
      const monitor = yield* makePageAgeMonitor("app", "auto")
      assert.deepStrictEqual(coldBytes((yield* monitor.read).pageAge!, 30_000), { anonBytes: mib, fileBytes: 0 })
      yield* (yield* Mglru).age("app")
      assert.strictEqual((yield* monitor.read).pageAge!.bins.length, 3)
    }).pipe(Effect.provide(kernelWith(memcg).layer))
  })
})

describe("cgroup sampler", () => {
  it.effect("reads everything that the fake kernel says, and sees changes through its held descriptors", () => {
    const memcg = makeSimpleMemcg({ current: 64 * mib, swapCurrent: 5 * mib, stat: { anon: 60 * mib, pgmajfault: 2n ** 60n } })
    return Effect.gen(function* () {
      const { sample } = yield* makeCgroupSampler("/sys/fs/cgroup/app", yield* makePageAgeMonitor("app", "none"))
      const first = yield* sample
      assert.strictEqual(first.group, "app")
      assert.strictEqual(first.usage.currentBytes, 64 * mib)
      assert.strictEqual(first.usage.swapCurrentBytes, 5 * mib)
      assert.strictEqual(first.usage.high, "max")
      assert.strictEqual(first.stat.pgmajfault, 2n ** 60n)
      assert.strictEqual(first.machine.swapTotalBytes, 2 ** 30)
      memcg.state.current = 32 * mib
      memcg.state.pressureTotalUs = 1234n
      const second = yield* sample
      assert.strictEqual(second.usage.currentBytes, 32 * mib)
      assert.strictEqual(growth(second.pressure?.some?.totalUs, first.pressure?.some?.totalUs), 1234)
    }).pipe(Effect.scoped, Effect.provide(kernelWith(memcg).layer))
  })

  it.effect("fails with GroupGone for a group that is not there, or goes away", () => {
    const kernel = kernelWith(makeSimpleMemcg())
    return Effect.gen(function* () {
      const none = yield* makePageAgeMonitor("app", "none")
      assert.instanceOf(yield* Effect.flip(makeCgroupSampler("nowhere", none)), GroupGone)
      const { sample } = yield* makeCgroupSampler("app", none)
      assert.isTrue(yield* (yield* Cgroups).exists("app"))
      kernel.fs.rmdirSync("/sys/fs/cgroup/app")
      assert.instanceOf(yield* Effect.flip(sample), GroupGone)
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })
})

describe("growth", () => {
  it("is exact beyond 2^53, and 0 for unknown or restarted counters", () => {
    assert.strictEqual(growth(2n ** 60n + 5n, 2n ** 60n), 5)
    assert.strictEqual(growth(undefined, 1n), 0)
    assert.strictEqual(growth(1n, 5n), 0)
  })
})
