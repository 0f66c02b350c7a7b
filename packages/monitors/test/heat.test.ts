import { assert, describe, it } from "@effect/vitest"
import { type DamonAggregated, type DamonContext, type DamonRegion, Journal } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg } from "@wmo/core/testing"
import { Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { type HeatFrame, type HeatOptions, makeGenerationAges, makeHeatMonitor, parseInterest } from "../src/index.ts"
import { haveMoved, heatMappings, targetRanges } from "../src/heat/heatRanges.ts"
import { RegionAssembler } from "../src/heat/RegionAssembler.ts"

const mib = 2 ** 20
const directory = mkdtempSync(join(tmpdir(), "wmo-heat-test-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A fake kernel whose DAMON sees the first half of each range used, at every sample. */
const makeKernel = (options: ConstructorParameters<typeof FakeKernel>[0] = {}): FakeKernel => {
  const halves = ({ intervals, targets }: DamonContext) =>
    targets.flatMap(({ regions }) =>
      regions.flatMap(({ end, start }) => {
        const middle = start + (end - start) / 2n
        return [
          { start, end: middle, nrAccesses: intervals.aggrUs / intervals.sampleUs, age: 3, szFilterPassed: 0 },
          { start: middle, end, nrAccesses: 0, age: 9, szFilterPassed: 0 }
        ]
      })
    )
  const kernel: FakeKernel = new FakeKernel({
    damon: { regions: halves, isProcess: (pid) => kernel.processes.processes.has(pid) },
    ...options
  })
  return kernel
}

const addProcess = (kernel: FakeKernel, comm = "app", bytes = 8 * mib) => {
  const process = kernel.processes.add({ comm })
  const mapping = process.map(bytes)
  process.touch(mapping.start, bytes)
  return { process, mapping }
}

/** Runs on the fake; virtual time passes until it is done. */
const onKernel = <A, E, R>(kernel: FakeKernel, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const layer = Layer.provideMerge(Journal.layer({ directory, command: "test" }), kernel.layer)
    const fiber = yield* Effect.forkChild(Effect.scoped(effect).pipe(Effect.provide(Layer.fresh(layer))))
    for (let i = 0; i < 4000 && fiber.pollUnsafe() === undefined; i++) {
      yield* TestClock.adjust("50 millis")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    return yield* Fiber.join(fiber)
  })

const firstFrames = Effect.fnUntraced(function* (options: HeatOptions, count: number) {
  const { frames } = yield* makeHeatMonitor(options)
  return [...(yield* Stream.runCollect(Stream.take(frames, count)))]
})

const isFree = (kernel: FakeKernel): boolean => kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds").trim() === "0"
const size = (regions: ReadonlyArray<DamonRegion>): number => regions.reduce((sum, { end, start }) => sum + Number(end - start), 0)

describe("heat of a process", () => {
  it.effect("comes aggregation by aggregation, with what is mapped, and DAMON is given back", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const { mapping, process } = addProcess(kernel)
      const text = process.map(mib, "/usr/bin/app")
      process.touch(text.start, mib)
      const frames = yield* onKernel(kernel, firstFrames({ of: { kind: "process", pid: process.pid } }, 3))
      const [frame] = frames
      assert.deepStrictEqual(frame!.subject, { kind: "process", name: `${process.pid}@${process.startTime}` })
      assert.strictEqual(frame!.title, `app (pid ${process.pid})`)
      assert.strictEqual(frame!.source, "damon-vaddr")
      assert.deepStrictEqual(
        frame!.mappings.map(({ anonBytes, name, residentBytes }) => [name, residentBytes, anonBytes]),
        [
          ["[anon]", 8 * mib, 8 * mib],
          ["/usr/bin/app", mib, 0]
        ]
      )
      assert.deepStrictEqual(
        frame!.regions.map(({ accesses, age, end, start }) => [start, end, accesses, age]),
        [
          [mapping.start, mapping.start + BigInt(4 * mib), 20, 3],
          [mapping.start + BigInt(4 * mib), mapping.end, 0, 9],
          [text.start, text.start + BigInt(mib / 2), 20, 3],
          [text.start + BigInt(mib / 2), text.end, 0, 9]
        ]
      )
      assert.strictEqual(frames[2]!.atMs - frames[0]!.atMs, 200)
      // The same array, so that who keeps frames does not keep their mappings many times.
      assert.strictEqual(frames[2]!.mappings, frames[0]!.mappings)
      assert.isTrue(isFree(kernel))
    })
  )

  it.effect("sets up what was asked for: intervals, regions, fixed ranges", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const { mapping, process } = addProcess(kernel)
      yield* onKernel(
        kernel,
        Effect.gen(function* () {
          const monitor = yield* makeHeatMonitor({
            of: { kind: "process", pid: process.pid },
            intervals: { sampleUs: 20_000, aggrUs: 400_000 },
            nrRegions: { min: 30, max: 300 }
          })
          assert.strictEqual(monitor.reads, "trace")
          const { intervals, nrRegions, operations, targets } = kernel.damon!.running(0)!
          assert.strictEqual(operations, "fvaddr")
          assert.deepStrictEqual([intervals.sampleUs, intervals.aggrUs], [20_000, 400_000])
          assert.deepStrictEqual(nrRegions, { min: 30, max: 300 })
          assert.deepStrictEqual(targets, [{ pid: process.pid, regions: [{ start: mapping.start, end: mapping.end }] }])
        })
      )
    })
  )

  it.effect("of a reserved heap only what is in memory or swap is looked at", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const process = kernel.processes.add({ comm: "node" })
      const reserved = process.map(256 * mib)
      process.touch(reserved.start + BigInt(16 * mib), 4 * mib)
      process.touch(reserved.start + BigInt(100 * mib), 2 * mib)
      process.pageOut(reserved.start + BigInt(100 * mib), 2 * mib, true)
      const [frame] = yield* onKernel(kernel, firstFrames({ of: { kind: "process", pid: process.pid } }, 1))
      assert.strictEqual(size(frame!.regions), 6 * mib)
      assert.strictEqual(frame!.regions[0]!.start, reserved.start + BigInt(16 * mib))
    })
  )

  it.effect("follows mappings that come and go, and ends with the process", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const { mapping, process } = addProcess(kernel)
      const sizes: Array<number> = []
      const work = Effect.gen(function* () {
        const { frames } = yield* makeHeatMonitor({ of: { kind: "process", pid: process.pid } })
        yield* Stream.runForEach(frames, (frame) =>
          Effect.sync(() => {
            const now = size(frame.regions) / mib
            if (sizes.at(-1) === now) return
            sizes.push(now)
            if (sizes.length === 1) {
              const more = process.map(16 * mib)
              process.touch(more.start, 16 * mib)
              // Too little to be worth a commit.
              process.touch(process.map(4096).start, 4096)
            } else if (sizes.length === 2) process.unmap(mapping)
            else kernel.processes.end(process)
          })
        )
      })
      yield* onKernel(kernel, work)
      assert.deepStrictEqual(sizes.map(Math.round), [8, 24, 16])
      assert.isTrue(isFree(kernel))
    })
  )

  it.effect("is refused, with who it is, while somebody uses DAMON; taken over, it is theirs again afterwards", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const { process } = addProcess(kernel)
      const theirs = addProcess(kernel, "other").process
      const admin = "/sys/kernel/mm/damon/admin/kdamonds"
      const write = (path: string, text: string) => {
        const fd = kernel.fs.openSync(path, 1)
        kernel.fs.writeSync(fd, new TextEncoder().encode(text))
        kernel.fs.closeSync(fd)
      }
      write(`${admin}/nr_kdamonds`, "1")
      write(`${admin}/0/contexts/nr_contexts`, "1")
      write(`${admin}/0/contexts/0/targets/nr_targets`, "1")
      write(`${admin}/0/contexts/0/targets/0/pid_target`, String(theirs.pid))
      write(`${admin}/0/state`, "on")
      const of = { kind: "process", pid: process.pid } as const
      const error = yield* onKernel(kernel, Effect.flip(makeHeatMonitor({ of })))
      assert.strictEqual(error._tag, "DamonInUse")
      assert.match(error.message, /kdamond 0 \(on, pid \d+\)/)
      assert.strictEqual(kernel.damon!.running(0)!.targets[0]!.pid, theirs.pid)

      const frames = yield* onKernel(kernel, firstFrames({ of, takeOver: true }, 1))
      assert.strictEqual(frames[0]!.title, `app (pid ${process.pid})`)
      assert.strictEqual(kernel.damon!.running(0)!.targets[0]!.pid, theirs.pid)
    })
  )

  it.effect("without tracepoints regions are read one by one", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const { process } = addProcess(kernel)
      const of = { kind: "process", pid: process.pid } as const
      const [frame, second] = yield* onKernel(kernel, firstFrames({ of, reads: "snapshot" }, 2))
      assert.deepStrictEqual(
        frame!.regions.map(({ accesses }) => accesses),
        [20, 0]
      )
      assert.isAtLeast(second!.atMs - frame!.atMs, 100)
    })
  )

  it.effect("a part of it: a name, or addresses", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const { mapping, process } = addProcess(kernel)
      const library = process.map(2 * mib, "/usr/lib/libc.so.6")
      process.touch(library.start, 2 * mib)
      const of = { kind: "process", pid: process.pid } as const
      const named = yield* onKernel(kernel, firstFrames({ of, interest: { name: "libc" } }, 1))
      assert.strictEqual(size(named[0]!.regions), 2 * mib)
      const interest = { start: mapping.start + BigInt(mib), end: mapping.start + BigInt(3 * mib) }
      const cut = yield* onKernel(kernel, firstFrames({ of, interest }, 1))
      assert.deepStrictEqual([cut[0]!.regions[0]!.start, cut[0]!.regions.at(-1)!.end], [interest.start, interest.end])
      const error = yield* onKernel(kernel, Effect.flip(makeHeatMonitor({ of, interest: { name: "nothing" } })))
      assert.match(error.message, /has nothing in memory of mappings named "nothing"/)
      assert.isTrue(isFree(kernel))
    })
  )

  it.effect("says what is missing: the process, its memory, DAMON", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      const messageOf = (pid: number, on = kernel) =>
        Effect.map(onKernel(on, Effect.flip(makeHeatMonitor({ of: { kind: "process", pid } }))), ({ message }) => message)
      assert.strictEqual(yield* messageOf(4_000_000), "there is no process 4000000")
      assert.match(yield* messageOf(2), /has no memory of its own: it is a kernel thread/)
      const without = makeKernel({ damon: false })
      assert.match(yield* messageOf(addProcess(without).process.pid, without), /no DAMON in sysfs/)
    })
  )
})

describe("heat of a group, and of the machine", () => {
  it.effect("has frames of each of its processes", () =>
    Effect.gen(function* () {
      const kernel = makeKernel({ memcg: (_, limits) => makeSimpleMemcg({}, limits) })
      kernel.fs.mkdirSync("/sys/fs/cgroup/web")
      kernel.fs.mkdirSync("/sys/fs/cgroup/web/worker")
      const one = addProcess(kernel, "one").process
      const two = addProcess(kernel, "two", 4 * mib).process
      kernel.cgroups.group("web").processes.add(one.pid)
      kernel.cgroups.group("web/worker").processes.add(two.pid)
      const frames = yield* onKernel(kernel, firstFrames({ of: { kind: "cgroup", group: "/web/" } }, 4))
      const sizeOf = (title: string) => frames.filter((frame: HeatFrame) => frame.title === title).map(({ regions }) => size(regions) / mib)
      assert.deepStrictEqual(sizeOf(`one (pid ${one.pid})`), [8, 8])
      assert.deepStrictEqual(sizeOf(`two (pid ${two.pid})`), [4, 4])
      const error = yield* onKernel(kernel, Effect.flip(makeHeatMonitor({ of: { kind: "cgroup", group: "nope" } })))
      assert.match(error.message, /there is no cgroup nope/)
    })
  )

  it.effect("goes on when one of its processes ends, and ends with the last", () =>
    Effect.gen(function* () {
      const kernel = makeKernel({ memcg: (_, limits) => makeSimpleMemcg({}, limits) })
      kernel.fs.mkdirSync("/sys/fs/cgroup/web")
      const one = addProcess(kernel, "one").process
      const two = addProcess(kernel, "two").process
      for (const { pid } of [one, two]) kernel.cgroups.group("web").processes.add(pid)
      let alone = 0
      yield* onKernel(
        kernel,
        Effect.gen(function* () {
          const { frames } = yield* makeHeatMonitor({ of: { kind: "cgroup", group: "web" } })
          kernel.processes.end(one)
          yield* Stream.runForEach(frames, () =>
            Effect.sync(() => {
              if (kernel.damon!.running(0)?.targets.length === 1 && ++alone === 5) kernel.processes.end(two)
            })
          )
        })
      )
      assert.isAtLeast(alone, 5)
    })
  )

  it.effect("goes on when all of its processes end and others have come meanwhile", () =>
    Effect.gen(function* () {
      const kernel = makeKernel({ memcg: (_, limits) => makeSimpleMemcg({}, limits) })
      kernel.fs.mkdirSync("/sys/fs/cgroup/build")
      const run = (comm: string) => {
        const { process } = addProcess(kernel, comm)
        kernel.cgroups.group("build").processes.add(process.pid)
        return process
      }
      const titles = new Set<string>()
      let current = run("cc0")
      yield* onKernel(
        kernel,
        Effect.gen(function* () {
          const { frames } = yield* makeHeatMonitor({ of: { kind: "cgroup", group: "build" } })
          yield* Stream.runForEach(frames, ({ title }) =>
            Effect.sync(() => {
              const isNew = !titles.has(title)
              titles.add(title)
              if (!isNew || !title.includes(`pid ${current.pid})`)) return
              const before = current
              if (titles.size < 4) current = run(`cc${titles.size}`)
              kernel.processes.end(before)
            })
          )
        })
      )
      assert.deepStrictEqual(
        [...titles].map((title) => title.slice(0, 3)),
        ["cc0", "cc1", "cc2", "cc3"]
      )
      assert.isTrue(isFree(kernel))
    })
  )

  it.effect("physical memory is what the machine says is memory", () =>
    Effect.gen(function* () {
      const kernel = makeKernel()
      kernel.fs.file("/proc/iomem", "00001000-0009fbff : System RAM\n000f0000-000fffff : Reserved\n00100000-3fffffff : System RAM\n", 0o444)
      const [frame] = yield* onKernel(kernel, firstFrames({ of: { kind: "physical" } }, 1))
      assert.strictEqual(frame!.source, "damon-paddr")
      assert.strictEqual(frame!.subject.name, "machine")
      assert.strictEqual(frame!.regions.at(-1)!.end, 0x4000_0000n)
      assert.strictEqual(kernel.damon!.running(0), undefined)
      const hidden = makeKernel()
      hidden.fs.file("/proc/iomem", "00000000-00000000 : System RAM\n", 0o444)
      const error = yield* onKernel(hidden, Effect.flip(makeHeatMonitor({ of: { kind: "physical" } })))
      assert.match(error.message, /takes root/)
    })
  )
})

describe("ages in place of heat", () => {
  it.effect("come at their pace, age the group at theirs, and end with it", () =>
    Effect.gen(function* () {
      let ages = 0
      const generations = [1, 2, 3].map((seq) => ({ seq, ageMs: 12_000 / seq, anonPages: 100 * seq, filePages: 0 }))
      const app = { ...makeSimpleMemcg({ nodes: [{ node: 0, generations }] }), age: () => void ages++ }
      const kernel = makeKernel({ damon: false, memcg: (name, limits) => (name === "app" ? app : makeSimpleMemcg({}, limits)) })
      kernel.fs.mkdirSync("/sys/fs/cgroup/app")
      const frames = yield* onKernel(
        kernel,
        Effect.gen(function* () {
          const stream = yield* makeGenerationAges({ group: "app", everyMs: 1000, ageEveryMs: 3000 })
          return yield* Stream.runCollect(Stream.take(stream, 7))
        })
      )
      assert.deepStrictEqual(
        frames.map(({ atMs }) => atMs - frames[0]!.atMs),
        [0, 1000, 2000, 3000, 4000, 5000, 6000]
      )
      assert.strictEqual(ages, 3)
      assert.strictEqual(frames[0]!.pageAge.source, "mglru")
    })
  )

  it.effect("say how to switch MGLRU on", () =>
    Effect.gen(function* () {
      const kernel = makeKernel({ damon: false })
      const fd = kernel.fs.openSync("/sys/kernel/mm/lru_gen/enabled", 1)
      kernel.fs.writeSync(fd, new TextEncoder().encode("n"))
      kernel.fs.closeSync(fd)
      const options = { group: "", everyMs: 1000, ageEveryMs: 0 }
      assert.match((yield* onKernel(kernel, Effect.flip(makeGenerationAges(options)))).message, /echo y > /)
      const without = makeKernel({ damon: false, mglru: false })
      assert.match((yield* onKernel(without, Effect.flip(makeGenerationAges(options)))).message, /neither DAMON nor MGLRU/)
    })
  )
})

describe("regions of tracepoints", () => {
  const event = (target: number, nrRegions: number, start: number): DamonAggregated => ({
    event: "damon_aggregated",
    task: "kdamond.0",
    pid: 9,
    cpu: 0,
    time: 1,
    targetId: BigInt(target),
    nrRegions,
    start: BigInt(start),
    end: BigInt(start + 10),
    nrAccesses: 1,
    age: 0
  })

  it("are whole or not there", () => {
    const assembler = new RegionAssembler()
    assert.isUndefined(assembler.push(event(0, 2, 0)))
    assert.lengthOf(assembler.push(event(0, 2, 10))!.regions, 2)
    // The end of one aggregation and the begin of the next are lost.
    assembler.push(event(0, 3, 0))
    assembler.push({ event: "lost", cpu: 0, count: 2 })
    assert.isUndefined(assembler.push(event(0, 3, 20)))
    assert.isUndefined(assembler.push(event(0, 3, 0)))
    assert.isUndefined(assembler.push(event(0, 3, 10)))
    assert.lengthOf(assembler.push(event(0, 3, 20))!.regions, 3)
    assert.strictEqual(assembler.incomplete, 2)
  })

  it("of several targets are kept apart", () => {
    const assembler = new RegionAssembler()
    const whole = [event(0, 1, 0), event(1, 2, 0), event(1, 2, 10), event(0, 1, 0)].map((one) => assembler.push(one)?.target)
    assert.deepStrictEqual(whole, [0, undefined, 1, 0])
  })
})

describe("ranges to monitor", () => {
  const range = (start: number, end: number) => ({ start: BigInt(start), end: BigInt(end) })

  it("are at most so many, and hold all that was asked for", () => {
    const pieces = Array.from({ length: 1000 }, (_, i) => range(i * i * 1_000_000, i * i * 1_000_000 + 4096))
    for (const most of [1, 2, 10, 250, 5000]) {
      const ranges = targetRanges(pieces, most)
      assert.isAtMost(ranges.length, most)
      for (const { end, start } of pieces) assert.isTrue(ranges.some((one) => one.start <= start && one.end >= end))
      ranges.forEach((one, i) => assert.isTrue(i === 0 || ranges[i - 1]!.end < one.start))
    }
  })

  it("are set anew for what can be seen, not for every page", () => {
    assert.isFalse(haveMoved([range(0, 100 * mib)], [range(0, 100 * mib + 64 * 1024)]))
    assert.isTrue(haveMoved([range(0, 100 * mib)], [range(0, 102 * mib)]))
    assert.isFalse(haveMoved([range(0, 100 * mib)], [range(0, 99 * mib)]))
    assert.isTrue(haveMoved([range(0, 100 * mib)], [range(0, 50 * mib)]))
    assert.isTrue(haveMoved([range(0, 10 * mib)], [range(20 * mib, 30 * mib)]))
  })

  it("leave out what the kernel maps for itself, and what nobody uses", () => {
    const mapping = (start: number, path: string, rss: number) => ({
      ...range(start, start + mib),
      permissions: "rw-p",
      offset: 0n,
      device: "00:00",
      inode: 0n,
      path,
      amounts: { Rss: rss },
      counts: {},
      flags: []
    })
    const found = heatMappings([mapping(0, "[vdso]", mib), mapping(2 * mib, "", 0), mapping(4 * mib, "", 4096)])
    assert.deepStrictEqual(
      found.map(({ name, start }) => [name, start]),
      [["[anon]", BigInt(4 * mib)]]
    )
  })

  it("of interest are read as people write them", () => {
    assert.deepStrictEqual(parseInterest("7f00-0x7f10"), { start: 0x7f00n, end: 0x7f10n })
    assert.deepStrictEqual(parseInterest("[heap]"), { name: "[heap]" })
    assert.deepStrictEqual(parseInterest("libc-2.31"), { name: "libc-2.31" })
    assert.isUndefined(parseInterest("7f10-7f00"))
    assert.isUndefined(parseInterest(" "))
  })
})
