/** DAMON beyond what the suite holds every kernel to: tuned intervals, newer files, locks that are taken, crashes, JSON, real text. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema } from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  accessRate,
  ageOf,
  ageUs,
  capture,
  cgroupPathFile,
  Damon,
  DamonModules,
  Journal,
  kdamondPid,
  kdamondsJson,
  makeKdamond,
  makeScheme,
  signedFile,
  signedList,
  uintLimitFile,
  ulongFile,
  wordLines
} from "../src/index.ts"
import { codecForPath, FakeKernel, type FakeKernelOptions, loadFixture } from "../src/testing.ts"

const admin = "/sys/kernel/mm/damon/admin"
const context0 = `${admin}/kdamonds/0/contexts/0`

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-damon-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A fake kernel, and what runs on it with a journal; the scope is the run of the program. */
const makeKernel = (damon: Exclude<FakeKernelOptions["damon"], false> = {}) => {
  const kernel = new FakeKernel({ damon: { isProcess: (pid) => pid < 1000, ...damon } })
  const run = <A, E>(directory: string, program: Effect.Effect<A, E, Damon | DamonModules | Journal | import("effect").Scope.Scope>) =>
    Effect.scoped(
      program.pipe(Effect.provide(Layer.provideMerge(Journal.layer({ directory, command: "wmo test" }), kernel.layer)))
    ) as Effect.Effect<A, E>
  return { kernel, run, fake: kernel.damon! }
}
const write = ({ fs }: FakeKernel, path: string, text: string) => {
  const fd = fs.openSync(path, 1)
  fs.writeSync(fd, new TextEncoder().encode(text))
  fs.closeSync(fd)
}
const decode = <A>(codec: { decode: (bytes: Uint8Array) => Result.Result<A, unknown> }, text: string) =>
  Result.getOrThrow(codec.decode(new TextEncoder().encode(text)))

describe("DAMON's files", () => {
  it("say what kernels say (literal text of 6.12 and 6.18)", () => {
    assert.strictEqual(decode(ulongFile("max"), "18446744073709551615\n"), Infinity)
    assert.strictEqual(ulongFile("max").encode(Infinity), "18446744073709551615\n")
    assert.strictEqual(decode(ulongFile("max"), "18446744073709547520\n"), 2 ** 64 - 4096)
    for (const text of ["4294967295\n", "18446744073709551615\n"]) assert.strictEqual(decode(uintLimitFile("max"), text), Infinity)
    assert.strictEqual(uintLimitFile("max").encode(Infinity), "4294967295\n")
    assert.strictEqual(uintLimitFile("max").encode(2 ** 40), "4294967295\n")
    assert.strictEqual(decode(kdamondPid("pid"), "-1\n"), undefined)
    assert.strictEqual(decode(kdamondPid("pid"), "77\n"), 77)
    assert.strictEqual(decode(signedFile("target_nid"), "-1\n"), -1)
    for (const text of ["\n", "\n\n"]) assert.strictEqual(decode(cgroupPathFile("memcg_path"), text), "")
    assert.strictEqual(decode(cgroupPathFile("memcg_path"), "/foo\n\n"), "/foo")
    assert.deepStrictEqual(decode(wordLines("avail_operations"), "vaddr\nfvaddr\npaddr\n"), ["vaddr", "fvaddr", "paddr"])
    assert.deepStrictEqual(decode(signedList("memory_idle_ms_percentiles"), "-5000,-10,0,20\n"), [-5000, -10, 0, 20])
  })

  it("have a codec by path, those inside lists too", () => {
    const scheme = `${context0}/schemes/12`
    for (const path of [
      `${admin}/kdamonds/nr_kdamonds`,
      `${admin}/kdamonds/3/state`,
      `${scheme}/quotas/goals/0/target_metric`,
      `${scheme}/tried_regions/total_bytes`,
      `${scheme}/tried_regions/99/sz_filter_passed`,
      `${scheme}/ops_filters/1/memcg_path`,
      `${context0}/targets/0/regions/7/end`,
      "/sys/module/damon_stat/parameters/memory_idle_ms_percentiles"
    ]) {
      assert.isDefined(codecForPath(path), path)
    }
    assert.isUndefined(codecForPath(`${scheme}/quotas/none`))
  })
})

describe("makeKdamond", () => {
  it("needs little, and is JSON and back", () => {
    const value = makeKdamond({
      pids: [42],
      regions: [{ start: 2n ** 63n, end: 2n ** 64n - 1n }],
      schemes: [makeScheme({ action: "pageout", quotas: { bytes: 2 ** 30 } })]
    })
    assert.strictEqual(value.contexts[0]!.operations, "fvaddr")
    assert.strictEqual(value.contexts[0]!.schemes[0]!.quotas.resetIntervalMs, 0)
    const json = JSON.stringify(Schema.encodeSync(kdamondsJson)([value]))
    assert.include(json, '"18446744073709551615"')
    assert.include(json, '"Infinity"')
    assert.deepStrictEqual(Schema.decodeUnknownSync(kdamondsJson)(JSON.parse(json)), [value])
    assert.throws(() => Schema.decodeUnknownSync(kdamondsJson)([{ contexts: [{ operations: 3 }] }]))
  })

  it("converts ages and accesses", () => {
    const intervals = { sampleUs: 5000, aggrUs: 100_000 }
    assert.strictEqual(ageUs(12, intervals), 1_200_000)
    assert.strictEqual(ageOf(1_200_001, intervals), 13)
    assert.strictEqual(accessRate(5, intervals), 0.25)
  })
})

describe("Damon", () => {
  it.live("tune keeps the intervals that the kernel has come to (a commit of the old ones would begin anew)", () =>
    Effect.gen(function* () {
      const { fake, run } = makeKernel({ kernel: [6, 18], tuned: { sampleUs: 40_000, aggrUs: 800_000 } })
      const goal = { accessBp: 400, aggrs: 3, minSampleUs: 5000, maxSampleUs: 10_000_000 }
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const owned = yield* (yield* Damon).acquire()
          yield* owned.stage(makeKdamond({ pids: [42], intervals: { goal } }))
          yield* owned.start()
          yield* owned.tune({ contexts: [{ schemes: [{ quotas: { bytes: 4096 } }] }] })
          assert.strictEqual(fake.running(0)?.intervals.sampleUs, 40_000)
          assert.strictEqual(fake.running(0)?.schemes[0]!.quotas.bytes, 4096)
          assert.deepStrictEqual(yield* owned.updateTunedIntervals(), { sampleUs: 40_000, aggrUs: 800_000, updateUs: 60_000_000, goal })
        })
      )
    })
  )

  it.live("writes counts only where they change: entries that stay keep what the kernel has in them", () =>
    Effect.gen(function* () {
      const { kernel, run } = makeKernel()
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const owned = yield* (yield* Damon).acquire()
          yield* owned.stage(makeKdamond({ pids: [42] }))
          yield* owned.start()
          yield* owned.snapshot()
          kernel.fs.writes.length = 0
          yield* owned.stage(makeKdamond({ pids: [43] }))
          assert.deepStrictEqual(
            kernel.fs.writes.filter(({ path }) => path.includes("/nr_") && !/nr_accesses|nr_regions\/m/.test(path)),
            []
          )
          assert.isAbove((yield* owned.read()).contexts[0]!.schemes[0]!.triedRegions!.regions.length, 0)
        })
      )
    })
  )

  it.live("tries again while the kernel's lock is taken", () =>
    Effect.gen(function* () {
      const { fake, run } = makeKernel()
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const owned = yield* (yield* Damon).acquire()
          fake.busyFor = 2
          yield* owned.stage(makeKdamond({ pids: [42] }))
          fake.busyFor = 3
          yield* owned.start()
          fake.busyFor = 3
          assert.strictEqual((yield* owned.read()).state, "on")
          fake.busyFor = 3
          yield* owned.updateStats()
          fake.busyFor = 3
        })
      )
      assert.strictEqual(fake.busyFor, 0)
      assert.isUndefined(fake.running(0))
    })
  )

  it.live("on a kernel of 6.1 with DAMON: no snapshots, and what else is missing has its name and kernel", () =>
    Effect.gen(function* () {
      const { run } = makeKernel({ kernel: [6, 1] })
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const owned = yield* (yield* Damon).acquire()
          yield* owned.stage(makeKdamond({ pids: [42] }))
          yield* owned.start()
          const noSnapshot = yield* Effect.flip(owned.snapshot())
          assert.strictEqual(
            noSnapshot.message,
            "this kernel's DAMON has no update_schemes_tried_regions: it is there since Linux 6.2; leave it out, or use a newer kernel"
          )
          const noFilter = yield* Effect.flip(
            owned.tune({ contexts: [{ schemes: [{ filters: [{ type: "anon", matching: true, memcgPath: "" }] }] }] })
          )
          assert.include(noFilter.message, "kdamonds/0/contexts/0/schemes/0/filters (asked for entries): it is there since Linux 6.3")
          const noNode = yield* Effect.flip(owned.tune({ contexts: [{ schemes: [{ targetNid: 1 }] }] }))
          assert.include(noNode.message, "target_nid (asked for 1): it is there since Linux 6.11")
          yield* owned.tune({ contexts: [{ schemes: [{ targetNid: -1, filters: [], applyIntervalUs: 0 }] }] })
          const { triedRegions, quotas } = (yield* owned.read()).contexts[0]!.schemes[0]!
          assert.isUndefined(triedRegions)
          assert.isUndefined(quotas.goals)
          assert.lengthOf(yield* owned.updateStats(), 1)
        })
      )
    })
  )

  it.live("split filters of 6.15 and later: each layer takes its own types", () =>
    Effect.gen(function* () {
      const { fake, run } = makeKernel({ kernel: [6, 18] })
      const anon = { type: "anon", matching: true, allow: true, memcgPath: "", addrStart: 0n, addrEnd: 0n, targetIndex: 0, min: 0, max: 0 }
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const owned = yield* (yield* Damon).acquire()
          const value = makeKdamond({ pids: [42], schemes: [makeScheme({ opsFilters: [anon], dests: [{ id: 0, weight: 3 }] })] })
          yield* owned.stage(value)
          yield* owned.start()
          assert.deepStrictEqual(fake.running(0)?.schemes[0]!.opsFilters, [anon])
          const error = yield* Effect.flip(owned.tune({ contexts: [{ schemes: [{ coreFilters: [anon] }] }] }))
          assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "Invalid")
        })
      )
    })
  )

  it.live("keeps what it took over on record until it is put back, and lets a third one be", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const { fake, kernel, run } = makeKernel()
      const set = (path: string, text: string) => write(kernel, path, text)
      set(`${admin}/kdamonds/nr_kdamonds`, "1")
      set(`${admin}/kdamonds/0/contexts/nr_contexts`, "1")
      set(`${context0}/targets/nr_targets`, "1")
      set(`${context0}/targets/0/pid_target`, "42")
      set(`${context0}/monitoring_attrs/intervals/sample_us`, "1234")
      set(`${admin}/kdamonds/0/state`, "on")
      let journal = ""
      yield* run(
        directory,
        Effect.gen(function* () {
          const damon = yield* Damon
          const error = yield* Effect.flip(damon.acquire())
          assert.strictEqual(error._tag, "DamonInUse")
          assert.strictEqual(fake.running(0)?.intervals.sampleUs, 1234)
          const owned = yield* damon.acquire({ takeOver: true, count: 3 })
          yield* owned.stage(makeKdamond({ pids: [43] }), 2)
          yield* owned.start(2)
          journal = readFileSync(`${directory}/${readdirSync(directory)[0]!}`, "utf8")
        })
      )
      assert.strictEqual(fake.running(0)?.intervals.sampleUs, 1234)
      assert.deepStrictEqual(readdirSync(directory), [])
      assert.include(journal, '"kind":"replay"')
      // The crash, but somebody has started a kdamond of his own in the meantime.
      const dead = journal.replace(`"pid":${process.pid}`, '"pid":4190000')
      writeFileSync(`${directory}/journal-4190000-77.jsonl`, dead)
      const recover = Journal.recover(directory).pipe(Effect.provide(kernel.layer))
      const [recovery] = yield* recover
      assert.deepInclude(recovery?.undone.at(-1), { path: `${admin}/kdamonds`, result: "kept" })
      assert.include(recovery?.undone.at(-1)?.why, "kdamonds/0/state is on now")
      assert.strictEqual(fake.running(0)?.intervals.sampleUs, 1234)
    })
  )

  it.live("who has it already keeps it, when somebody else in the same process asks (regression: all was given back)", () =>
    Effect.gen(function* () {
      const { fake, run } = makeKernel()
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const damon = yield* Damon
          const owned = yield* damon.acquire()
          yield* owned.stage(makeKdamond({ pids: [42] }))
          yield* owned.start()
          for (const takeOver of [false, true]) {
            const error = yield* Effect.flip(Effect.scoped(damon.acquire({ takeOver })))
            assert.strictEqual(error._tag, "DamonInUse")
          }
          assert.isDefined(fake.running(0))
          // A module that is refused beside it changes nothing either.
          assert.strictEqual((yield* Effect.flip((yield* DamonModules).enable("damon_reclaim", { minAgeUs: 1 })))._tag, "DamonInUse")
          assert.strictEqual((yield* (yield* DamonModules).read("damon_reclaim"))?.minAgeUs, 120_000_000)
        })
      )
    })
  )

  it.live("a module that refuses a parameter has its old ones again", () =>
    Effect.gen(function* () {
      const { kernel, run } = makeKernel()
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const modules = yield* DamonModules
          const error = yield* Effect.flip(modules.enable("damon_reclaim", { minAgeUs: 1, minNrRegions: 5000 }))
          assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "Invalid")
          assert.strictEqual(kernel.fs.text("/sys/module/damon_reclaim/parameters/min_age"), "120000000\n")
          assert.strictEqual(kernel.fs.text("/sys/module/damon_reclaim/parameters/min_nr_regions"), "10\n")
        })
      )
    })
  )

  it.live("a replay in a damaged journal is passed over, and one that cannot be made now is tried again", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const { kernel } = makeKernel()
      const header = { version: 1, pid: 4_190_000, startTime: "77", bootId: "00000000-0000-4000-8000-000000000000", command: "wmo run" }
      const leave = (...lines: ReadonlyArray<unknown>) => {
        rmSync(`${directory}/journal-4190000-77.jsonl.copy`, { force: true })
        writeFileSync(`${directory}/journal-4190000-77.jsonl`, [header, ...lines].map((line) => `${JSON.stringify(line)}\n`).join(""))
      }
      const recover = Journal.recover(directory).pipe(Effect.provide(kernel.layer))
      const countPath = `${admin}/kdamonds/nr_kdamonds`
      leave(
        { kind: "replay", path: admin, expects: "x", writes: [] },
        { kind: "replay", path: admin, expects: [], writes: [["only a path"]] },
        { kind: "replay", path: admin, expects: [] }
      )
      assert.deepStrictEqual(yield* recover, [])
      assert.deepStrictEqual(kernel.fs.writes, [])
      leave({ kind: "replay", path: admin, expects: [[countPath, "0"]], writes: [[countPath, "-5"]] })
      const [refused] = yield* recover
      assert.strictEqual(refused?.undone[0]?.result, "kept")
      assert.include(readdirSync(directory), "journal-4190000-77.jsonl")
      leave({ kind: "replay", path: admin, expects: [[countPath, "0"]], writes: [[countPath, "2"]] })
      assert.deepStrictEqual((yield* recover)[0]?.undone, [{ path: admin, result: "restored" }])
      assert.strictEqual(kernel.fs.text(countPath), "2\n")
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )

  it.live("a module that somebody runs is changed only if taken over, and gets its parameters back", () =>
    Effect.gen(function* () {
      const { kernel, run } = makeKernel()
      const parameters = "/sys/module/damon_reclaim/parameters"
      write(kernel, `${parameters}/min_age`, "7000000")
      write(kernel, `${parameters}/enabled`, "Y")
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const modules = yield* DamonModules
          assert.strictEqual((yield* Effect.flip(modules.enable("damon_reclaim", { minAgeUs: 1 })))._tag, "DamonInUse")
          yield* modules.enable("damon_reclaim", { minAgeUs: 5 }, { takeOver: true })
          assert.strictEqual(kernel.fs.text(`${parameters}/min_age`), "5\n")
          const owned = yield* (yield* Damon).acquire({ takeOver: true })
          assert.strictEqual(kernel.fs.text(`${parameters}/enabled`), "N\n")
          yield* owned.stage(makeKdamond({ pids: [42] }))
          yield* owned.start()
        })
      )
      assert.strictEqual(kernel.fs.text(`${parameters}/min_age`), "7000000\n")
      assert.strictEqual(kernel.fs.text(`${parameters}/enabled`), "Y\n")
      assert.deepStrictEqual(
        kernel.fs.writes.slice(-3).map(({ path, text }) => [path.slice(parameters.length + 1), text]),
        [
          ["enabled", "Y"],
          ["min_age", "7000000"],
          ["commit_inputs", "Y"]
        ]
      )
    })
  )

  it.live("is captured whole, modules too, and understood", () =>
    Effect.gen(function* () {
      const { kernel, run } = makeKernel({ kernel: [6, 18] })
      const out = yield* temporary
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const owned = yield* (yield* Damon).acquire()
          yield* owned.stage(
            makeKdamond({ pids: [42], schemes: [makeScheme({ opsFilters: [{ type: "young", matching: true, memcgPath: "" }] })] })
          )
          yield* owned.start()
          yield* owned.snapshot()
          const { files } = yield* capture({ cgroups: [], out }).pipe(Effect.provide(kernel.layer))
          const damonFiles = files.filter(({ path }) => /damon/.test(path))
          assert.isAbove(damonFiles.length, 150)
          assert.isTrue(damonFiles.some(({ path }) => path === "/sys/module/damon_stat/parameters/memory_idle_ms_percentiles"))
          const { fs } = loadFixture(out)
          for (const { path } of damonFiles) {
            const codec = codecForPath(path)
            assert.isDefined(codec, path)
            decode(codec!, fs.text(path))
          }
        })
      )
    })
  )

  it.live("damon_stat: percentiles may be negative", () =>
    Effect.gen(function* () {
      const { run } = makeKernel({ kernel: [6, 18] })
      yield* run(
        yield* temporary,
        Effect.gen(function* () {
          const stat = (yield* (yield* DamonModules).read("damon_stat"))!
          assert.lengthOf(stat.memoryIdleMsPercentiles!, 101)
          assert.strictEqual(stat.memoryIdleMsPercentiles![0], -500)
          assert.strictEqual(stat.estimatedMemoryBandwidth, 0n)
        })
      )
    })
  )
})
