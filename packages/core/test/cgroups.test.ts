/** Group files as kernels print them, and what the services make of trees and tables that change under them. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Queue, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import {
  cgroupEvents,
  Cgroups,
  type Codec,
  cpuStat,
  type GroupChange,
  ioStat,
  KernFs,
  lruGen,
  lruGenFull,
  Machine,
  Memcg,
  Mglru,
  reclaimRequest
} from "../src/index.ts"
import { sameSetting, settingAfter, undoingWrites } from "../src/settingText.ts"
import { FakeKernel, makeSimpleMemcg } from "../src/testing.ts"

const read = <A>(codec: Codec<A>, text: string): A => Result.getOrThrow(codec.decode(new TextEncoder().encode(text)))
const problem = <A>(codec: Codec<A>, text: string): string => {
  const result = codec.decode(new TextEncoder().encode(text))
  return Result.isFailure(result) ? result.failure.message : "no problem"
}
const tick = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
const mkdirs = (kernel: FakeKernel, ...groups: ReadonlyArray<string>) => {
  for (const group of groups) kernel.fs.mkdirSync(`/sys/fs/cgroup/${group}`)
}

describe("cpu.stat", () => {
  it("with and without the controller, as 6.12 and 6.1 print it", () => {
    const stat = read(
      cpuStat,
      "usage_usec 4768000\nuser_usec 1316000\nsystem_usec 3452000\nnice_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n"
    )
    assert.strictEqual(stat.usage_usec, 4_768_000n)
    assert.strictEqual(stat.burst_usec, 0n)
    const bare = read(cpuStat, "usage_usec 18446744073709551615\nuser_usec 1\nsystem_usec 2\ncore_sched.force_idle_usec 3\n")
    assert.strictEqual(bare.usage_usec, 2n ** 64n - 1n)
    assert.isUndefined(bare.nr_periods)
    assert.strictEqual(bare["core_sched.force_idle_usec"], 3n)
  })
})

describe("io.stat", () => {
  it("by device, as 6.12 prints it; nothing where there was no I/O", () => {
    const line = "254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n"
    assert.deepStrictEqual(read(ioStat, line), { "254:0": { rbytes: 8192n, wbytes: 4096n, rios: 2n, wios: 1n, dbytes: 0n, dios: 0n } })
    assert.strictEqual(ioStat.encode(read(ioStat, line)), line)
    assert.deepStrictEqual(read(ioStat, ""), {})
  })
  it("two devices on one line, where the first has no numbers", () => {
    assert.deepStrictEqual(read(ioStat, "8:16 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0 \n"), {
      "8:16": {},
      "8:0": { rbytes: 1n, wbytes: 2n, rios: 3n, wios: 4n, dbytes: 5n, dios: 6n },
      "7:0": {}
    })
  })
  it("keeps what io.cost and io.latency add", () => {
    const stat = read(ioStat, "8:0 rbytes=1 cost.usage=77 depth=max avg_lat=9\n")
    assert.deepStrictEqual(stat["8:0"], { rbytes: 1n, other: { "cost.usage": 77n, avg_lat: 9n }, words: { depth: "max" } })
  })
  it("names the line that it does not understand", () => {
    assert.match(problem(ioStat, "8:0 rbytes=1\n8:1 rbytes\n"), /io\.stat line 2/)
    assert.match(problem(ioStat, "rbytes=1\n"), /io\.stat line 1: .*before any device/)
  })
})

describe("requests and limits", () => {
  it("memory.reclaim takes its options in any order, and nothing else", () => {
    assert.deepStrictEqual(read(reclaimRequest, "10M source=zswap"), { bytes: 10 * 2 ** 20, source: "zswap" })
    assert.deepStrictEqual(read(reclaimRequest, "1G source=zswap swappiness=max"), { bytes: 2 ** 30, source: "zswap", swappiness: "max" })
    assert.strictEqual(reclaimRequest.encode({ bytes: 4096, source: "zswap", swappiness: 10 }), "4096 swappiness=10 source=zswap")
    assert.match(problem(reclaimRequest, "1M source=disk"), /source=disk/)
    assert.match(problem(reclaimRequest, "1M swappiness=201"), /0 to 200/)
  })
  it("swap tiers: one a line, undone one a write", () => {
    const path = "/sys/fs/cgroup/a/memory.swap.tiers.max"
    assert.deepStrictEqual(read(Memcg.memorySwapTiersMax, "fast max\nslow 0\n"), { fast: "max", slow: 0 })
    assert.strictEqual(settingAfter(path, "fast max\nslow max", "slow 0"), "fast max\nslow 0")
    assert.deepStrictEqual(undoingWrites(path, "fast max\nslow max", "fast max\nslow 0"), ["slow max"])
    assert.isTrue(sameSetting(path, "fast max\nslow 0\n", "fast max\nslow 0"))
  })
})

describe("watch", () => {
  it.effect("without inotify the tree is listed again from time to time", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel()
      mkdirs(kernel, "app", "app/a", "app/a/deep")
      const deaf = Object.assign(Object.create(kernel.fs) as typeof kernel.fs, {
        watchDirectory: () => {
          throw Object.assign(new Error("no more watches"), { code: "ENOSPC" })
        }
      })
      const changes = yield* Queue.unbounded<GroupChange>()
      const fiber = yield* Effect.flatMap(Cgroups, (cgroups) =>
        Stream.runForEach(cgroups.watch("app", { every: 1000 }), (change) => Queue.offer(changes, change))
      ).pipe(Effect.provide(Cgroups.layer.pipe(Layer.provide(KernFs.layerOver(deaf)))), Effect.forkChild)
      yield* tick
      const taken = Effect.map(Queue.clear(changes), (all) => all.map(({ _tag, group }) => `${_tag} ${group}`))
      assert.deepStrictEqual(yield* taken, ["Appeared app/a", "Appeared app/a/deep"])
      kernel.fs.rmdirSync("/sys/fs/cgroup/app/a/deep")
      kernel.fs.rmdirSync("/sys/fs/cgroup/app/a")
      mkdirs(kernel, "app/b")
      yield* TestClock.adjust(Duration.millis(999))
      yield* tick
      assert.deepStrictEqual(yield* taken, [])
      yield* TestClock.adjust(Duration.millis(1))
      yield* tick
      assert.deepStrictEqual(yield* taken, ["Gone app/a/deep", "Gone app/a", "Appeared app/b"])
      yield* Fiber.interrupt(fiber)
    })
  )
})

describe("watchFile", () => {
  it.effect("tells of memory.events what changed, once a change, and bursts as one", () => {
    const kernel = new FakeKernel()
    kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
    mkdirs(kernel, "app")
    const model = kernel.cgroups.group("app").model as ReturnType<typeof makeSimpleMemcg>
    return Effect.gen(function* () {
      const seen: Array<bigint | undefined> = []
      const cgroups = yield* Cgroups
      yield* cgroups.watchFile("app", Memcg.memoryEvents).pipe(
        Stream.runForEach(({ high }) => Effect.sync(() => void seen.push(high))),
        Effect.forkChild
      )
      yield* tick
      kernel.cgroups.refresh("app")
      yield* tick
      assert.deepStrictEqual(seen, [0n])
      for (const high of [1n, 2n, 3n]) {
        model.state.events = { ...model.state.events, high }
        kernel.cgroups.refresh("app")
      }
      yield* tick
      assert.deepStrictEqual(seen, [0n, 3n])
      assert.strictEqual(yield* Effect.map(cgroups.read("app", cgroupEvents), ({ populated }) => populated), 0n)
    }).pipe(Effect.provide(kernel.layer))
  })
})

describe("node reclaim", () => {
  const reclaim = (kernel: FakeKernel) =>
    Effect.flatMap(Machine, (machine) => machine.reclaimNode(0, { bytes: 2 ** 20, swappiness: 60 })).pipe(Effect.provide(kernel.layer))

  it.effect("met, partial, and NotFound where the kernel has none", () =>
    Effect.gen(function* () {
      const root = makeSimpleMemcg({ reclaimable: 1.5 * 2 ** 20 })
      const kernel = new FakeKernel({ nodeReclaim: true, memcg: (_, limits) => Object.assign(makeSimpleMemcg({}, limits), root) })
      assert.strictEqual(yield* reclaim(kernel), "met")
      assert.strictEqual(yield* reclaim(kernel), "partial")
      const error = yield* Effect.flip(reclaim(new FakeKernel()))
      assert.strictEqual(error.reason._tag, "NotFound")
      assert.deepStrictEqual(yield* Effect.flatMap(Machine, ({ nodes }) => nodes).pipe(Effect.provide(kernel.layer)), [0])
    })
  )
})

describe("lru_gen_full", () => {
  it.each(["debian-6.12", "debian-6.1"])("%s: read and printed again it is the same text", (name) => {
    const text = readFileSync(new URL(`../../../fixtures/${name}/root/sys/kernel/debug/lru_gen_full`, import.meta.url), "utf8")
    const memcgs = read(lruGenFull, text)
    assert.strictEqual(lruGenFull.encode(memcgs), text)
    // The same generations as the other codec sees.
    assert.deepStrictEqual(
      memcgs.map(({ id, nodes, path }) => ({
        id,
        path,
        nodes: nodes.map(({ generations, node }) => ({
          node,
          generations: generations.map(({ ageMs, anonPages = 0, filePages = 0, seq }) => ({ seq, ageMs, anonPages, filePages }))
        }))
      })),
      read(lruGen, text)
    )
    const youngest = memcgs[0]!.nodes[0]!.generations.at(-1)!
    assert.deepStrictEqual(
      youngest.tiers.map(({ tier }) => tier),
      [0, 1, 2, 3]
    )
    assert.strictEqual(
      youngest.tiers[0]!.counts.map(({ mark }) => mark)
        .join("")
        .replaceAll(" ", "x"),
      "RTxRTx"
    )
    assert.match(youngest.walks.map(({ mark }) => mark).join(""), /^(?:TYFA|LOYNFA)$/)
  })
})

describe("Mglru and a kernel that goes on meanwhile", () => {
  const row = (seq: number) => `${String(seq).padStart(11)}       9000         10          0 \n`
  const table = (id: number, first: number) => `memcg ${id} /app\n node     0\n${[0, 1, 2, 3].map((i) => row(first + i)).join("")}`
  /** A table that moves on with every command, which gets an answer of its own. */
  const racing = (tables: ReadonlyArray<string>, answers: ReadonlyArray<string | undefined>) => {
    const kernel = new FakeKernel()
    const commands: Array<string> = []
    kernel.fs.file("/sys/kernel/debug/lru_gen", {
      read: () => tables[Math.min(commands.length, tables.length - 1)]!,
      write: (text) => {
        const answer = answers[commands.push(text) - 1]
        if (answer !== undefined) throw Object.assign(new Error(answer), { code: answer })
      }
    })
    const run = <A, E>(use: (mglru: Mglru["Service"]) => Effect.Effect<A, E>) =>
      Effect.flatMap(Mglru, use).pipe(Effect.provide(kernel.layer), Effect.result)
    return { commands, run }
  }

  it.effect("age: somebody aged first (EEXIST on newer kernels), which is what was wanted", () =>
    Effect.gen(function* () {
      const { commands, run } = racing([table(7, 4), table(7, 5)], ["EEXIST"])
      assert.strictEqual((yield* run((mglru) => mglru.age("app")))._tag, "Success")
      assert.deepStrictEqual(commands, ["+ 7 0 7"])
    })
  )

  it.effect("age: a group made again under its name is found again", () =>
    Effect.gen(function* () {
      const { commands, run } = racing([table(7, 4), table(9, 0)], ["EINVAL"])
      assert.strictEqual((yield* run((mglru) => mglru.age("app")))._tag, "Success")
      assert.deepStrictEqual(commands, ["+ 7 0 7", "+ 9 0 3"])
    })
  )

  it.effect("evict: reads the table again, and the generations that were asked for only", () =>
    Effect.gen(function* () {
      const moved = racing([table(7, 4), table(7, 5)], ["EINVAL"])
      assert.strictEqual((yield* moved.run((mglru) => mglru.evict("app", { seq: 99, pages: 5 })))._tag, "Success")
      assert.deepStrictEqual(moved.commands, ["- 7 0 5 60 5", "- 7 0 6 60 5"])
      const other = racing([table(7, 4), table(9, 4)], ["EINVAL"])
      assert.strictEqual((yield* other.run((mglru) => mglru.evict("app", { seq: 99 })))._tag, "Success")
      assert.deepStrictEqual(other.commands, ["- 7 0 5"])
    })
  )

  it.effect("a refusal of the same command stays one, a kernel that never stands still is given up, a group that is gone is NotFound", () =>
    Effect.gen(function* () {
      const refused = racing([table(7, 4)], ["EINVAL"])
      const failed = yield* refused.run((mglru) => mglru.evict("app", { seq: 4 }))
      assert.strictEqual(failed._tag === "Failure" && failed.failure._tag === "KernFsError" && failed.failure.reason._tag, "Invalid")
      assert.lengthOf(refused.commands, 1)
      const restless = racing(
        [4, 5, 6, 7, 8, 9, 10].map((first) => table(7, first)),
        Array.from({ length: 9 }, () => "EINVAL")
      )
      assert.strictEqual((yield* restless.run((mglru) => mglru.evict("app", { seq: 99 })))._tag, "Failure")
      assert.lengthOf(restless.commands, 4)
      const gone = racing([table(7, 4), "memcg     1 /\n"], ["EINVAL"])
      const missing = yield* gone.run((mglru) => mglru.age("app"))
      assert.strictEqual(missing._tag === "Failure" && missing.failure._tag === "KernFsError" && missing.failure.reason._tag, "NotFound")
    })
  )
})
