/** Far memory's histograms: from regions (pure, and on the fake DAMON), from the idle bitmap, from generations; and which source is chosen. */
import { assert, describe, it } from "@effect/vitest"
import { type DamonContext, type DamonTriedRegion, Journal, KernFs, type LruGenNode, pageSize } from "@wmo/core"
import { FakeKernel, type FakeKernelOptions, makeSimpleMemcg } from "@wmo/core/testing"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chooseAgeSource, coldAgeBins, defaultAgeLadder, describeAgeSource, makeFarMemory, type PageAge } from "../src/index.ts"
import { chunkFor, gridOf, hasMoved, populatedRanges } from "../src/ages/damonGrid.ts"
import { EvictionHistory } from "../src/ages/EvictionHistory.ts"
import { generationFlows } from "../src/ages/generationFlows.ts"
import { AgeBins, PromotionCounter, stepOf } from "../src/ages/Histogram.ts"
import { RegionAges } from "../src/ages/RegionAges.ts"

const mib = 2 ** 20
const seconds = (values: ReadonlyArray<number>) => values.map((value) => value * 1000)
const ladder = seconds([1, 2, 5, 10, 20])

const promoted = (counter: PromotionCounter) =>
  counter.take(0).bins.flatMap(({ lowerMs, pages }) => (pages === 0 ? [] : [[lowerMs / 1000, pages]]))

describe("histograms", () => {
  it("a step is reached by what is as old as it", () => {
    assert.deepStrictEqual(
      seconds([0, 0.9, 1, 1.9, 2, 19, 20, 99]).map((age) => stepOf(ladder, age)),
      [0, 0, 1, 1, 2, 4, 5, 5]
    )
  })

  it("cold bytes are cumulative, and what cannot be known is left out", () => {
    const bins = new AgeBins(ladder)
    bins.add(500, 1, 0)
    bins.add(5000, 10, 100)
    bins.add(99_000, 1000, 0)
    const age: PageAge = { source: "damon-vaddr", bins: bins.bins }
    assert.deepStrictEqual(
      coldAgeBins(age, ladder, 12_000).map(({ bytes, thresholdMs }) => [thresholdMs / 1000, bytes]),
      [
        [1, 1110],
        [2, 1110],
        [5, 1110],
        [10, 1000]
      ]
    )
  })
})

describe("ages of regions", () => {
  const ranges = [{ start: 0, end: 100 * pageSize, weight: 1, isAnon: true }]
  const region = (from: number, to: number, accesses: number, age: number) => ({
    start: from * pageSize,
    end: to * pageSize,
    accesses,
    age
  })
  const setUp = () => ({ ages: new RegionAges(1000, ranges), counter: new PromotionCounter(ladder, 0) })

  it("what becomes used had been idle for the aggregations that it was, and one on either side in the middle", () => {
    const { ages, counter } = setUp()
    ages.observe([region(0, 50, 1, 3), region(50, 100, 0, 8)], 10_000, counter)
    ages.observe([region(0, 50, 1, 4), region(50, 60, 1, 0), region(60, 100, 0, 9)], 11_000, counter)
    assert.deepStrictEqual(promoted(counter), [[10, 10]])
    ages.observe([region(0, 50, 1, 5), region(50, 60, 0, 0), region(60, 100, 0, 10)], 12_000, counter)
    assert.deepStrictEqual(promoted(counter), [], "it was counted when it came back")
  })

  it("sees a use between two looks that are further apart, whether it is over or goes on", () => {
    const { ages, counter } = setUp()
    ages.observe([region(0, 100, 0, 2)], 10_000, counter)
    // Idle for 3 s; used in the third of five aggregations, and idle since; or used from the fourth on.
    ages.observe([region(0, 20, 0, 1), region(20, 40, 1, 1), region(40, 100, 0, 7)], 15_000, counter)
    assert.deepStrictEqual(promoted(counter), [[5, 40]])
  })

  it("counts what is there of a range, not its holes; and anon apart from file", () => {
    const ages = new RegionAges(1000, [
      { start: 0, end: 10 * pageSize, weight: 0.5, isAnon: true },
      { start: 20 * pageSize, end: 30 * pageSize, weight: 1, isAnon: false }
    ])
    const counter = new PromotionCounter(ladder, 0)
    ages.observe([region(0, 10, 0, 4), region(20, 30, 0, 0)], 1000, counter)
    const bins = new AgeBins(ladder)
    ages.addTo(bins)
    assert.deepStrictEqual(
      bins.bins.filter(({ anonBytes, fileBytes }) => anonBytes + fileBytes > 0),
      [
        { lowerMs: 1000, upperMs: 2000, anonBytes: 0, fileBytes: 10 * pageSize },
        { lowerMs: 5000, upperMs: 10_000, anonBytes: 5 * pageSize, fileBytes: 0 }
      ]
    )
    ages.observe([region(0, 10, 1, 0), region(20, 30, 0, 1)], 2000, counter)
    assert.deepStrictEqual(promoted(counter), [[5, 5]])
  })
})

describe("DAMON's grid", () => {
  const mapping = (start: number, end: number, amounts: Record<string, number>) => ({
    start: BigInt(start),
    end: BigInt(end),
    permissions: "rw-p",
    offset: 0n,
    device: "00:00",
    inode: 0n,
    path: "",
    amounts,
    counts: {},
    flags: []
  })
  const run = (start: number, bytes: number) => ({ start: BigInt(start), bytes, place: "present" as const })

  it("is of what is populated: small holes are in it, with less weight; large ones are not", () => {
    const ranges = populatedRanges(
      [mapping(0, 64 * mib, { Rss: 3 * mib, Pss: 1.5 * mib, Anonymous: 3 * mib, Swap: 0 })],
      [run(0, 32 * 1024), run(64 * 1024, 64 * 1024), run(16 * mib, 2 * mib)]
    )
    assert.deepStrictEqual(ranges, [
      { start: 0, end: 128 * 1024, weight: 0.375, isAnon: true },
      { start: 16 * mib, end: 18 * mib, weight: 0.5, isAnon: true }
    ])
  })

  it("has borders that stay where they are when a range grows, and covers it without gaps", () => {
    const chunk = chunkFor(8 * mib, 1024)
    const grid = (end: number) => gridOf([{ start: 300_000, end, weight: 1, isAnon: true }], chunk).map(({ start }) => Number(start))
    const [small, large] = [grid(3 * mib), grid(8 * mib)]
    assert.deepStrictEqual(large.slice(0, small.length), small)
    assert.isTrue(large.slice(1).every((start) => start % chunk === 0))
    assert.isAtMost((2048 * mib) / chunkFor(2048 * mib, 1024), 1024)
  })

  it("follows where a fiftieth has moved", () => {
    const range = (end: number) => [{ start: 0, end: end * mib, weight: 1, isAnon: true }]
    assert.isFalse(hasMoved(range(100), range(101)))
    assert.isTrue(hasMoved(range(100), range(104)))
    assert.isTrue(hasMoved(range(100), []))
  })
})

describe("promotions estimated from generations", () => {
  const node = (...generations: ReadonlyArray<readonly [seq: number, ageMs: number, pages: number]>): LruGenNode => ({
    node: 0,
    generations: generations.map(([seq, ageMs, anonPages]) => ({ seq, ageMs, anonPages, filePages: 0 }))
  })
  it("what old generations lost and young ones gained, by the age that they had when bits were looked at last", () => {
    const before = node([1, 60_000, 100], [2, 30_000, 50], [3, 10_000, 20])
    const now = node([1, 61_000, 60], [2, 31_000, 40], [3, 11_000, 0], [4, 500, 70])
    assert.deepStrictEqual(generationFlows(before, now, 0).promoted, [
      { ageMs: 20_000, anon: 40, file: 0 },
      { ageMs: 0, anon: 10, file: 0 }
    ])
  })
  it("not what was evicted, nor what was freed, nor what was merged into an older generation", () => {
    const before = node([1, 60_000, 100], [2, 30_000, 50], [3, 10_000, 20])
    const less = node([1, 61_000, 60], [2, 31_000, 50], [3, 11_000, 20])
    assert.deepStrictEqual(generationFlows(before, less, 40), { promoted: [], evicted: [{ ageMs: 30_000, anon: 40, file: 0 }] })
    assert.deepStrictEqual(generationFlows(before, less, 0), { promoted: [], evicted: [] })
    const merged = node([2, 31_000, 150], [3, 11_000, 20], [4, 100, 0])
    assert.deepStrictEqual(generationFlows(before, merged, 0), { promoted: [], evicted: [] })
  })
  it("what came back out of generations that were merged meanwhile has at least the age of the youngest of them", () => {
    const before = node([1, 90_000, 300], [2, 60_000, 60], [3, 30_000, 20], [4, 10_000, 5])
    // 60 of the older two came back, and the two became one.
    const now = node([2, 61_000, 300], [3, 31_000, 20], [4, 11_000, 65], [5, 100, 0])
    assert.deepStrictEqual(generationFlows(before, now, 0).promoted, [{ ageMs: 20_000, anon: 60, file: 0 }])
  })
  it("tells anon from file", () => {
    const kinds = (...generations: ReadonlyArray<readonly [seq: number, anon: number, file: number]>): LruGenNode => ({
      node: 0,
      generations: generations.map(([seq, anonPages, filePages], i) => ({ seq, ageMs: (10 - i) * 1000, anonPages, filePages }))
    })
    const before = kinds([1, 30, 100], [2, 0, 0], [3, 0, 0])
    assert.deepStrictEqual(generationFlows(before, kinds([1, 20, 60], [2, 0, 0], [3, 0, 0], [4, 0, 30]), 20), {
      // Of 50 that left a fifth was anon; of the 40 that are left nothing has shown up among the young.
      promoted: [{ ageMs: 1000, anon: 0, file: 24 }],
      evicted: [{ ageMs: 9000, anon: 4, file: 16 }]
    })
  })
})

describe("ages of what is faulted in again", () => {
  const popped = (history: EvictionHistory, atMs: number, pages: number) => {
    const ages: Array<readonly [ageMs: number, pages: number]> = []
    history.pop(atMs, pages, -1, (ageMs, count) => ages.push([ageMs, count]))
    return ages
  }
  it("what was evicted last comes back first, older by the time that it was away", () => {
    const history = new EvictionHistory()
    history.push(0, 10_000, 100)
    history.push(60_000, 10_000, 50)
    assert.deepStrictEqual(popped(history, 70_000, 80), [
      [20_000, 50],
      [80_000, 30]
    ])
    assert.deepStrictEqual(popped(history, 70_000, 100), [
      [80_000, 70],
      [-1, 30]
    ])
  })
  it("loses no pages when it joins old batches", () => {
    const history = new EvictionHistory()
    for (let i = 0; i < 5000; i++) history.push(i * 1000, 10_000, 3)
    const ages = popped(history, 5_000_000, 15_000)
    assert.strictEqual(
      ages.reduce((sum, [, pages]) => sum + pages, 0),
      15_000
    )
    assert.isTrue(ages.every(([ageMs], i) => ageMs > 0 && (i === 0 || ageMs >= ages[i - 1]![0])))
  })
})

/** A fake kernel whose group `app` has a process of 8 MiB, on which DAMON sees what `see` says. */
const machine = (options: FakeKernelOptions = {}, see?: (context: DamonContext) => ReadonlyArray<DamonTriedRegion>) => {
  const memcg = makeSimpleMemcg()
  const kernel: FakeKernel = new FakeKernel({
    memcg: (name, limits) => (name === "app" ? memcg : makeSimpleMemcg({}, limits)),
    damon: {
      kernel: [6, 12],
      isProcess: (pid) => kernel.processes.processes.has(pid),
      ...(see === undefined ? {} : { regions: see })
    },
    ...options
  })
  const fd = kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1)
  kernel.fs.writeSync(fd, new TextEncoder().encode("+memory"))
  kernel.fs.closeSync(fd)
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  const child = kernel.processes.add({ comm: "worker" })
  const { start } = child.map(8 * mib)
  child.touch(start, 8 * mib)
  kernel.cgroups.group("app").processes.add(child.pid)
  const directory = mkdtempSync(join(tmpdir(), "wmo-far-"))
  const layer = Layer.provideMerge(
    Journal.layer({ directory, command: "test" }).pipe(Layer.provide(KernFs.layerOver(kernel.fs))),
    kernel.layer
  )
  return { kernel, memcg, child, start, layer, end: () => rmSync(directory, { recursive: true }) }
}

describe("far memory", () => {
  it.effect("from DAMON: ages, cold bytes, working set and promotions of a group; DAMON is given back", () => {
    let age = 0
    const { child, end, kernel, layer, start } = machine({}, ({ targets }) =>
      targets.flatMap(({ pid, regions }) =>
        regions.map((range) => {
          const isHot = pid === child.pid && range.start < start + BigInt(2 * mib)
          return { ...range, nrAccesses: isHot || age === 0 ? 1 : 0, age, szFilterPassed: 0 }
        })
      )
    )
    // Without tracefs, so that regions are read where they are.
    kernel.fs.remove("/sys/kernel/tracing/events/damon")
    return Effect.gen(function* () {
      const far = yield* makeFarMemory({ source: "damon-vaddr", groups: () => ["app", "nowhere"], ladder, workingSetMs: 5000 })
      yield* far.look
      for (age = 1; age < 15; age++) {
        yield* TestClock.adjust("1 second")
        yield* far.look
      }
      const { coldAges, promotions, workingSets } = yield* far.take
      const [cold] = coldAges
      assert.lengthOf(coldAges, 1)
      assert.strictEqual(cold?.isEstimate, false)
      assert.deepStrictEqual(
        cold?.bins.map(({ bytes, thresholdMs }) => [thresholdMs / 1000, bytes / mib]),
        [
          [1, 6],
          [2, 6],
          [5, 6],
          [10, 6]
        ]
      )
      assert.strictEqual(workingSets[0]?.bytes, 2 * mib)
      assert.strictEqual(
        promotions.find(({ subject }) => subject.name === "app")?.bins.reduce((sum, { pages }) => sum + pages, 0),
        0
      )
      age = 0
      yield* TestClock.adjust("1 second")
      yield* far.look
      const after = yield* far.take
      assert.deepStrictEqual(
        after.promotions.find(({ subject }) => subject.name === "app")?.bins.filter(({ pages }) => pages > 0),
        [{ lowerMs: 10_000, upperMs: 20_000, pages: (6 * mib) / pageSize }]
      )
      // It ends: the kdamond has nothing left to do, and the group no ages.
      kernel.processes.end(child)
      yield* TestClock.adjust("10 seconds")
      yield* far.look
      assert.lengthOf((yield* far.take).coldAges, 0)
    }).pipe(
      Effect.scoped,
      Effect.andThen(Effect.sync(() => assert.strictEqual(kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"), "0\n"))),
      Effect.provide(layer),
      Effect.ensuring(Effect.sync(end))
    )
  })

  it.effect("from DAMON: a process that ends leaves the others their ages", () => {
    const { child, end, kernel, layer } = machine({}, ({ targets }) =>
      targets.flatMap(({ regions }) => regions.map((range) => ({ ...range, nrAccesses: 0, age: 9, szFilterPassed: 0 })))
    )
    kernel.fs.remove("/sys/kernel/tracing/events/damon")
    const second = kernel.processes.add({ comm: "second" })
    const { start } = second.map(4 * mib)
    second.touch(start, 4 * mib)
    kernel.cgroups.group("app").processes.add(second.pid)
    return Effect.gen(function* () {
      const far = yield* makeFarMemory({ source: "damon-vaddr", groups: () => ["", "app"], ladder, workingSetMs: 5000 })
      const idleFor10s = Effect.map(far.take, ({ coldAges }) =>
        coldAges.map(({ bins }) => bins.find(({ thresholdMs }) => thresholdMs === 10_000)!.bytes / mib)
      )
      yield* far.look
      yield* TestClock.adjust("30 seconds")
      yield* far.look
      assert.deepStrictEqual(yield* idleFor10s, [12, 12])
      kernel.processes.end(child)
      yield* TestClock.adjust("10 seconds")
      yield* far.look
      yield* TestClock.adjust("10 seconds")
      yield* far.look
      assert.deepStrictEqual(yield* idleFor10s, [4, 4])
      assert.deepStrictEqual(far.notes(), [])
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.ensuring(Effect.sync(end)))
  })

  it.effect("from the idle bitmap: page by page", () => {
    const { child, end, layer, start } = machine({ idlePages: true })
    return Effect.gen(function* () {
      const far = yield* makeFarMemory({
        source: "idle-pages",
        groups: () => ["app"],
        ladder: seconds([30, 60, 120]),
        workingSetMs: 60_000
      })
      for (let i = 0; i < 4; i++) {
        yield* far.look
        child.touch(start, 2 * mib)
        yield* TestClock.adjust("30 seconds")
      }
      yield* far.look
      const { coldAges, promotions, workingSets } = yield* far.take
      assert.deepStrictEqual(
        coldAges[0]?.bins.map(({ bytes }) => bytes / mib),
        [6, 6, 6]
      )
      assert.strictEqual(workingSets[0]?.bytes, 2 * mib)
      assert.isTrue(promotions[0]?.bins.every(({ pages }) => pages === 0))
      child.touch(start + BigInt(4 * mib), mib)
      yield* TestClock.adjust("30 seconds")
      yield* far.look
      assert.deepStrictEqual(
        (yield* far.take).promotions[0]?.bins.filter(({ pages }) => pages > 0),
        [{ lowerMs: 120_000, upperMs: Infinity, pages: mib / pageSize }]
      )
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.ensuring(Effect.sync(end)))
  })

  it.effect("from generations: bounds, labelled an estimate; refaults came from the oldest; ages groups as often as it is told", () => {
    const { end, layer, memcg } = machine()
    memcg.state.nodes = [
      {
        node: 0,
        generations: [
          { seq: 1, ageMs: 60_000, anonPages: 1000, filePages: 0 },
          { seq: 2, ageMs: 30_000, anonPages: 100, filePages: 0 }
        ]
      }
    ]
    return Effect.gen(function* () {
      const far = yield* makeFarMemory({ source: "mglru", groups: () => ["app"], ladder: seconds([10, 30, 60]), workingSetMs: 30_000 })
      yield* far.look
      memcg.state.stat = { ...memcg.state.stat, workingset_refault_anon: 7n }
      yield* TestClock.adjust("10 seconds")
      yield* far.look
      const { coldAges, promotions, workingSets } = yield* far.take
      assert.deepStrictEqual(coldAges[0]?.bins, [
        { thresholdMs: 10_000, bytes: 1000 * pageSize },
        { thresholdMs: 30_000, bytes: 1000 * pageSize }
      ])
      assert.isTrue(coldAges[0]?.isEstimate)
      assert.strictEqual(workingSets[0]?.bytes, 100 * pageSize)
      assert.isTrue(promotions[0]?.isEstimate)
      assert.deepStrictEqual(
        promotions[0]?.bins.filter(({ pages }) => pages > 0),
        [{ lowerMs: 30_000, upperMs: 60_000, pages: 7 }]
      )
      assert.strictEqual(memcg.state.nodes[0]!.generations.at(-1)!.seq, 2, "nobody has aged it")
      const aging = yield* makeFarMemory({ source: "mglru", groups: () => ["app"], ageEveryMs: 5000 })
      for (let i = 0; i < 3; i++) {
        yield* aging.look
        yield* TestClock.adjust("5 seconds")
      }
      assert.strictEqual(memcg.state.nodes[0]!.generations.at(-1)!.seq, 5)
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.ensuring(Effect.sync(end)))
  })
})

describe("which source", () => {
  const chosen = (options: FakeKernelOptions) => {
    const { end, layer } = machine(options)
    return Effect.map(chooseAgeSource("auto", "app"), ({ source, why }) => [source, why] as const).pipe(
      Effect.provide(layer),
      Effect.ensuring(Effect.sync(end))
    )
  }
  it.effect("what measures comes first; why, and why not the others, is said", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* chosen({}))[0], "damon-vaddr")
      assert.deepStrictEqual((yield* chosen({ damon: false, idlePages: true }))[0], "idle-pages")
      assert.deepStrictEqual((yield* chosen({ damon: false, workingSet: true }))[0], "working-set")
      const [source, why] = yield* chosen({ damon: false })
      assert.strictEqual(source, "mglru")
      assert.match(why, /no DAMON.*no idle bitmap.*no working-set reports/)
      assert.strictEqual((yield* chosen({ damon: false, mglru: false }))[0], undefined)
    })
  )

  it("each states its resolution, cost and bias", () => {
    for (const source of ["working-set", "mglru", "damon-vaddr", "idle-pages"] as const) {
      for (const everyMs of [undefined, 5000]) {
        const { bias, cost, resolution } = describeAgeSource(source, everyMs)
        for (const text of [bias, cost, resolution]) assert.isNotEmpty(text)
        if (everyMs !== undefined) assert.include(resolution, "5 s")
      }
    }
    assert.isAbove(defaultAgeLadder.length, 10)
  })
})
