/** All samplers pass the suite on the fake kernel; and what is particular to each. */
import { assert, describe, it } from "@effect/vitest"
import type { Cgroups, Machine, Pressure, Processes, Zram, Zswap } from "@wmo/core"
import { FakeKernel, type FakeKernelOptions, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
import { Effect, type Layer } from "effect"
import {
  cgroupTreeSampler,
  compressedMemorySampler,
  groupMatcher,
  machineMemorySampler,
  pressureSampler,
  processSampler,
  type Sample
} from "../src/index.ts"
import { testSampler } from "../src/testing.ts"

const mib = 2 ** 20
const write = (kernel: FakeKernel, path: string, text: string) => {
  const fd = kernel.fs.openSync(path, 1)
  kernel.fs.writeSync(fd, new TextEncoder().encode(text))
  kernel.fs.closeSync(fd)
}
const mount = "/sys/fs/cgroup"

const kernelWith = (groups: ReadonlyArray<string>, options: FakeKernelOptions = {}): FakeKernel => {
  const kernel = new FakeKernel(options)
  write(kernel, `${mount}/cgroup.subtree_control`, "+memory")
  for (const group of groups) {
    kernel.fs.mkdirSync(`${mount}/${group}`)
    write(kernel, `${mount}/${group}/cgroup.subtree_control`, "+memory")
  }
  return kernel
}

type Everything = Cgroups | Machine | Pressure | Processes | Zram | Zswap
const layerOf = (kernel: FakeKernel) => kernel.layer as Layer.Layer<Everything>
const valueOf = ({ metrics, values }: Sample, name: string) => values[metrics.indexOf(name)]
const named = (samples: ReadonlyArray<Sample>, name: string) => samples.find(({ subject }) => subject.name === name)
const namesOf = (samples: ReadonlyArray<Sample>) => samples.map(({ subject }) => subject.name).toSorted()

const withProcess = () => {
  const kernel = kernelWith(["app"])
  const child = kernel.processes.add({ comm: "worker" })
  const { start } = child.map(8 * mib)
  child.touch(start, 8 * mib)
  kernel.cgroups.group("app").processes.add(child.pid)
  return { kernel, child }
}

testSampler("cgroups", { sampler: cgroupTreeSampler(), layer: () => layerOf(kernelWith(["app", "app/web"])), expects: ["cgroup"] })
testSampler("machine", { sampler: machineMemorySampler(), layer: () => layerOf(kernelWith([])), expects: ["machine"] })
testSampler("pressure", { sampler: pressureSampler(), layer: () => layerOf(kernelWith([])), expects: ["machine"] })
testSampler("compressed", {
  sampler: compressedMemorySampler(),
  layer: () => layerOf(kernelWith([], { zram: true })),
  expects: ["zram", "machine"]
})
testSampler("processes of a group", {
  sampler: processSampler({ groups: ["app"], rollup: true }),
  layer: () => layerOf(withProcess().kernel),
  expects: ["process"]
})

describe("globs", () => {
  it.each([
    [{}, "", true],
    [{}, "a/b/c", true],
    [{ include: ["/"] }, "", true],
    [{ include: ["/"] }, "a", false],
    [{ include: ["a/*"] }, "a/b", true],
    [{ include: ["a/*"] }, "a/b/c", false],
    [{ include: ["a/*"] }, "a", false],
    [{ include: ["/a/**/"] }, "a", true],
    [{ include: ["a/**"] }, "a/b/c", true],
    [{ include: ["a/**"] }, "ab", false],
    [{ include: ["**/{web,db}.service"] }, "x/y/db.service", true],
    [{ include: ["**"], exclude: ["user.slice/**"] }, "user.slice/u", false],
    [{ include: ["**"], exclude: ["user.slice/**"] }, "system.slice", true],
    [{ include: ["*/.hidden"] }, "a/.hidden", true]
  ] as const)("%j %s: %s", (choice, name, expected) => assert.strictEqual(groupMatcher(choice)(name), expected))
})

describe("cgroup tree", () => {
  it.effect("has the groups that match, as they come and go, with every number that their files have", () => {
    const memcg = makeSimpleMemcg({ current: 64 * mib, stat: { anon: 60 * mib, pgmajfault: 2n ** 60n } })
    const kernel = kernelWith(["app", "app/web", "other"], {
      memcg: (name, limits) => (name === "app/web" ? memcg : makeSimpleMemcg({}, limits))
    })
    return Effect.gen(function* () {
      const { groups, sample } = yield* cgroupTreeSampler({ include: ["app/**"], exclude: ["**/skip"] }).make
      const first = yield* sample
      assert.deepStrictEqual(namesOf(first), ["app", "app/web"])
      const web = named(first, "app/web")!
      assert.strictEqual(valueOf(web, "memory_current_bytes"), 64 * mib)
      assert.strictEqual(valueOf(web, "memory_stat_anon_bytes"), 60 * mib)
      assert.strictEqual(valueOf(web, "memory_stat_pgmajfault"), 2n ** 60n)
      assert.strictEqual(valueOf(web, "memory_max_bytes"), undefined)
      assert.include(web.metrics, "memory_max_bytes")
      assert.strictEqual(named(yield* sample, "app/web"), web, "nothing changed: the same sample")
      memcg.state.current = 32 * mib
      assert.strictEqual(valueOf(named(yield* sample, "app/web")!, "memory_current_bytes"), 32 * mib)

      kernel.fs.mkdirSync(`${mount}/app/skip`)
      kernel.fs.mkdirSync(`${mount}/app/late`)
      // The watcher tells of it in its own time.
      for (let i = 0; i < 100 && !groups().includes("app/late"); i++) yield* Effect.promise(() => new Promise(setImmediate))
      assert.deepStrictEqual(namesOf(yield* sample), ["app", "app/late", "app/web"])
      kernel.fs.rmdirSync(`${mount}/app/late`)
      assert.deepStrictEqual(namesOf(yield* sample), ["app", "app/web"])
    }).pipe(Effect.scoped, Effect.provide(layerOf(kernel)))
  })

  it.effect("limits are read every few turns, and then as they are; all else in every one", () => {
    const kernel = kernelWith(["app"])
    return Effect.gen(function* () {
      const { sample } = yield* cgroupTreeSampler({ include: ["app"], limitsEvery: 3 }).make
      const high = Effect.map(sample, ([app]) => valueOf(app!, "memory_high_bytes"))
      assert.isUndefined(yield* high)
      const seen: Array<unknown> = []
      for (let i = 1; i <= 7; i++) {
        write(kernel, `${mount}/app/memory.high`, String(i * mib))
        seen.push(yield* high)
      }
      const known = seen.filter((value) => value !== undefined)
      assert.isAtLeast(new Set(known).size, 2)
      assert.isAtMost(new Set(known).size, 3)
      assert.isTrue(seen.every((value, i) => value === undefined || value === (i + 1) * mib || value === seen[i - 1]))
    }).pipe(Effect.scoped, Effect.provide(layerOf(kernel)))
  })

  it.effect("a group that was removed and made again between two samples is read anew", () => {
    const made: Array<SimpleMemcg> = []
    const kernel = kernelWith([], {
      memcg: (_, limits) => {
        made.push(makeSimpleMemcg({ current: made.length * mib }, limits))
        return made.at(-1)!
      }
    })
    kernel.fs.mkdirSync(`${mount}/app`)
    return Effect.gen(function* () {
      const { sample } = yield* cgroupTreeSampler({ include: ["app"] }).make
      const before = valueOf((yield* sample)[0]!, "memory_current_bytes")
      kernel.fs.rmdirSync(`${mount}/app`)
      kernel.fs.mkdirSync(`${mount}/app`)
      yield* sample
      assert.strictEqual(valueOf((yield* sample)[0]!, "memory_current_bytes"), Number(before) + mib)
    }).pipe(Effect.scoped, Effect.provide(layerOf(kernel)))
  })
})

describe("processes", () => {
  it.effect("are those of the list and of the groups; gone ones are left out, and a reused pid is another subject", () => {
    const { child, kernel } = withProcess()
    return Effect.gen(function* () {
      const { sample } = yield* processSampler({ pids: [1, 999_999], groups: ["app", "nowhere"], rollup: true }).make
      const first = yield* sample
      const worker = first.find(({ subject }) => subject.detail?.["comm"] === "worker")!
      assert.lengthOf(first, 2)
      assert.strictEqual(worker.subject.name, `${child.pid}@${child.startTime}`)
      assert.strictEqual(worker.subject.detail?.["cgroup"], "app")
      assert.strictEqual(valueOf(worker, "process_rss_bytes"), 8 * mib)
      assert.strictEqual(valueOf(worker, "process_pss_bytes"), 8 * mib)
      assert.strictEqual(valueOf(worker, "process_minor_faults"), 2048n)
      kernel.processes.end(child)
      assert.lengthOf(yield* sample, 1)
      const next = kernel.processes.add({ pid: child.pid, startTime: 99_999n })
      const page = next.map(mib)
      next.touch(page.start, mib)
      kernel.cgroups.group("app").processes.add(next.pid)
      assert.include(namesOf(yield* sample), `${child.pid}@99999`)
    }).pipe(Effect.scoped, Effect.provide(layerOf(kernel)))
  })
})
