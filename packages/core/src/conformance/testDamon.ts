/** DAMON: the tree, running kdamonds, who owns it, and that it is given back; or, where the kernel lacks it, that it says so. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Damon } from "../damon/Damon.ts"
import { DamonModules } from "../damon/DamonModules.ts"
import { DamonTrace } from "../damon/DamonTrace.ts"
import type { DamonAggregated } from "../damon/DamonTraceEvent.ts"
import type { DamosFilter, Kdamond } from "../damon/DamonTree.ts"
import type { OwnedDamon } from "../damon/OwnedDamon.ts"
import { makeKdamond, makeScheme } from "../damon/makeKdamond.ts"
import { damonPaths } from "../damon/damonUsers.ts"
import { Journal } from "../Journal.ts"
import { KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"

const mib = 2 ** 20
const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-damon-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A journal of the test's own, in a directory that the test sees. */
const makeJournal = Effect.gen(function* () {
  const directory = yield* temporary
  const context = yield* Layer.build(Journal.layer({ directory, command: "conformance" }))
  return { directory, journal: context.mapUnsafe.get(Journal.key) as Journal["Service"] }
})

/** A process that has written `bytes` of memory, and lives as long as the scope. */
const process_ = (bytes: number) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<ReturnType<typeof spawn>>((resolve) => {
          const program = `globalThis.held = Buffer.alloc(${bytes}, "wmo"); console.log("ready"); setInterval(() => {}, 1000)`
          const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] })
          child.stdout!.once("data", () => resolve(child))
        })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) => Effect.map(Effect.flip(effect), (e) => e._tag)
const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly _tag: string; readonly reason?: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason?._tag)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** What is set up, as far as a user sets it: without what the kernel fills in. */
const inputsOf = ({ contexts }: Kdamond) =>
  contexts.map(({ availOperations: _operations, schemes, ...context }) => ({
    ...context,
    schemes: schemes.map(({ stats: _stats, triedRegions: _tried, quotas: { effectiveBytes: _bytes, ...quotas }, ...scheme }) => ({
      ...scheme,
      quotas
    }))
  }))

/** Whether this kernel has a part of the tree: told once a scheme is set up. */
const featuresOf = Effect.fnUntraced(function* (owned: OwnedDamon) {
  yield* owned.stage(makeKdamond({ pids: [process.pid] }))
  const found = new Map((yield* (yield* Damon).features).map(({ isThere, path }) => [path, isThere]))
  return (path: string): boolean => found.get(`contexts/${path}`) === true
})

/** A bit of everything that 6.12 has, without what this kernel lacks. */
const elaborate = (pid: number, has: (path: string) => boolean): Kdamond => {
  const later = {
    ...(has("schemes/apply_interval_us") ? { applyIntervalUs: 100_000 } : {}),
    ...(has("schemes/target_nid") ? { targetNid: -1 } : {})
  }
  const filters: ReadonlyArray<DamosFilter> = [
    { type: "anon", matching: true, memcgPath: "", addrStart: 0n, addrEnd: 0n, targetIndex: 0 },
    { type: "addr", matching: false, memcgPath: "", addrStart: 4096n, addrEnd: 2n ** 64n - 1n, targetIndex: 0 }
  ]
  const goals = [{ metric: "some_mem_psi_us", targetValue: 5000, currentValue: 0 }]
  return makeKdamond({
    pids: [pid],
    regions: [
      { start: 0x1000n, end: 0x7f00_0000_0000n },
      { start: 0x7f00_0000_0000n, end: 0x7fff_ffff_f000n }
    ],
    intervals: { sampleUs: 2000, aggrUs: 50_000, updateUs: 500_000 },
    nrRegions: { min: 5, max: 500 },
    schemes: [
      makeScheme({
        ...later,
        pattern: { sz: { min: 4096, max: Infinity }, nrAccesses: { min: 0, max: 3 }, age: { min: 2, max: 4_000_000 } },
        quotas: {
          ms: 10,
          bytes: 64 * mib,
          resetIntervalMs: 1000,
          weights: { szPermil: 1, nrAccessesPermil: 2, agePermil: 997 },
          ...(has("schemes/quotas/goals") ? { goals } : {})
        },
        watermarks: { metric: "free_mem_rate", intervalUs: 5_000_000, high: 999, mid: 998, low: 1 },
        ...(has("schemes/filters") ? { filters } : {})
      }),
      makeScheme(later)
    ]
  })
}

/** Whatever the kernel: where it has no DAMON the suite holds it to saying so. Needs DAMON to be free, and root. */
export const testDamon = <E>(name: string, layer: Layer.Layer<KernFs | Damon | DamonModules | DamonTrace, E>): void => {
  withLayer(layer, { excludeTestServices: true })(`DAMON on ${name}`, (it) => {
    /** Runs where the kernel has DAMON; where it has not, sees that everything says so. */
    const test = <A, E2, R>(
      title: string,
      run: (tools: { readonly directory: string; readonly journal: Journal["Service"] }) => Effect.Effect<A, E2, R | Journal>
    ) =>
      it.effect(
        title,
        () =>
          Effect.gen(function* () {
            const damon = yield* Damon
            const tools = yield* makeJournal
            if (yield* damon.isPresent) return yield* run(tools).pipe(Effect.provideService(Journal, tools.journal))
            assert.deepStrictEqual(yield* damon.users, [])
            assert.strictEqual(yield* reasonOf(damon.read), "NotFound")
            assert.strictEqual(yield* reasonOf(damon.acquire().pipe(Effect.provideService(Journal, tools.journal))), "NotFound")
            assert.isUndefined(yield* (yield* DamonModules).read("damon_reclaim"))
            assert.deepStrictEqual(yield* (yield* DamonTrace).tracepoints, [])
            return
          }) as Effect.Effect<unknown, any, any>,
        60_000
      )

    test("reads back what was staged, everything of it", () =>
      Effect.gen(function* () {
        const damon = yield* Damon
        assert.deepStrictEqual(yield* damon.users, [])
        const owned = yield* damon.acquire()
        const has = yield* featuresOf(owned)
        const value = elaborate(process.pid, has)
        yield* owned.stage(value)
        const read = yield* owned.read()
        assert.strictEqual(read.state, "off")
        assert.isUndefined(read.pid)
        assert.include(read.contexts[0]?.availOperations ?? [], "vaddr")
        // What newer kernels have beside it is at its initial value.
        const known = inputsOf(value)[0]! as any
        const strip = (is: any, was: any): any =>
          Array.isArray(was)
            ? (assert.lengthOf(is, was.length), was.map((part, i) => strip(is[i], part)))
            : typeof was === "object"
              ? Object.fromEntries(Object.entries(was).map(([key, part]) => [key, strip(is[key], part)]))
              : is
        assert.deepStrictEqual(strip(inputsOf(read)[0], known), known)
        // Staging less sets the rest back.
        yield* owned.stage(makeKdamond({ pids: [process.pid] }))
        const fresh = (yield* owned.read()).contexts[0]!
        assert.deepStrictEqual(fresh.intervals.sampleUs, 5000)
        assert.lengthOf(fresh.schemes, 1)
        assert.deepStrictEqual(fresh.schemes[0]!.filters, has("schemes/filters") ? [] : undefined)
        assert.deepStrictEqual(fresh.schemes[0]!.watermarks.metric, "none")
        assert.deepStrictEqual(fresh.schemes[0]!.pattern, makeScheme().pattern)
        assert.strictEqual(fresh.schemes[0]!.quotas.bytes, 0)
      }))

    test("refuses what this kernel lacks by name, and words that it does not know", () =>
      Effect.gen(function* () {
        const damon = yield* Damon
        const owned = yield* damon.acquire()
        yield* owned.stage(makeKdamond({ pids: [process.pid] }))
        for (const { isThere, path, since } of yield* damon.features) {
          if (isThere !== false || path !== "contexts/addr_unit") continue
          const error = yield* Effect.flip(owned.stage(makeKdamond({ regions: [{ start: 0n, end: 4096n }], addrUnit: 4096 })))
          assert.strictEqual(error._tag, "DamonUnsupported")
          assert.include(error.message, "addr_unit")
          assert.include(error.message, since.join("."))
          assert.include(error.message, "4096")
        }
        const unknown = yield* Effect.flip(owned.stage(makeKdamond({ pids: [1], schemes: [makeScheme({ action: "bogus" })] })))
        assert.strictEqual(unknown._tag === "KernFsError" && unknown.reason._tag, "Invalid")
        assert.include(unknown.message, "bogus")
      }))

    test("monitors a process: regions, statistics, quotas; tells what it cannot do while off", () =>
      Effect.gen(function* () {
        const damon = yield* Damon
        const child = yield* process_(32 * mib)
        const owned = yield* damon.acquire()
        const has = yield* featuresOf(owned)
        yield* owned.stage(makeKdamond({ pids: [child.pid!], intervals: { sampleUs: 5000, aggrUs: 100_000 } }))
        assert.strictEqual(yield* tagOf(owned.updateStats()), "DamonNotRunning")
        assert.strictEqual(yield* tagOf(owned.commit()), "DamonNotRunning")
        yield* owned.start()
        const { pid, state } = yield* owned.read()
        assert.strictEqual(state, "on")
        assert.isAbove(pid ?? 0, 1)
        const [user] = yield* damon.users
        assert.deepStrictEqual(user, { kind: "kdamond", index: 0, state: "on", pid })
        yield* Effect.sleep(Duration.millis(500))
        if (has("schemes/tried_regions")) {
          const { regions, totalBytes } = yield* owned.snapshot()
          assert.isAtLeast(regions.length, 3)
          const sizes = regions.map(({ end, start }) => Number(end - start))
          assert.isTrue(sizes.every((size) => size > 0))
          assert.isTrue(regions.every(({ start }, i) => i === 0 || start >= regions[i - 1]!.end))
          const sum = sizes.reduce((bytes, size) => bytes + size, 0)
          assert.isAtLeast(sum, 32 * mib)
          if (has("schemes/tried_regions/total_bytes")) assert.strictEqual(totalBytes, sum)
          assert.isTrue(regions.every(({ nrAccesses }) => nrAccesses <= 20))
          yield* owned.clearTriedRegions()
          assert.deepStrictEqual((yield* owned.read()).contexts[0]!.schemes[0]!.triedRegions?.regions, [])
        }
        const [first] = yield* owned.updateStats()
        assert.isAbove(Number(first!.nrTried), 0)
        yield* Effect.sleep(Duration.millis(300))
        const [second] = yield* owned.updateStats()
        assert.isAbove(Number(second!.szTried), Number(first!.szTried))
        // Each works, or says since when it would.
        const later: ReadonlyArray<readonly [path: string, Effect.Effect<unknown, { readonly _tag: string }>]> = [
          ["schemes/tried_regions", owned.snapshot()],
          ["schemes/tried_regions", owned.clearTriedRegions()],
          ["schemes/tried_regions/total_bytes", owned.updateTriedBytes()],
          ["schemes/quotas/goals", owned.commitQuotaGoals()],
          ["schemes/quotas/effective_bytes", owned.updateEffectiveQuotas()],
          ["monitoring_attrs/intervals/intervals_goal", owned.updateTunedIntervals()]
        ]
        for (const [path, command] of later) {
          const result = yield* Effect.result(command)
          assert.strictEqual(result._tag === "Success" ? "there" : result.failure._tag, has(path) ? "there" : "DamonUnsupported", path)
        }
        yield* owned.stop()
        yield* owned.stop()
        assert.strictEqual((yield* owned.read()).state, "off")
        assert.strictEqual(yield* tagOf(owned.snapshot()), "DamonNotRunning")
      }))

    test("tune changes what is named and nothing else; what is refused leaves all as it was", () =>
      Effect.gen(function* () {
        const damon = yield* Damon
        const child = yield* process_(8 * mib)
        const owned = yield* damon.acquire()
        yield* owned.stage({
          contexts: elaborate(child.pid!, yield* featuresOf(owned)).contexts.map((context) => ({
            ...context,
            targets: [{ pid: child.pid!, regions: [] }],
            operations: "vaddr"
          }))
        })
        yield* owned.start()
        const before = inputsOf(yield* owned.read())
        yield* owned.tune({ contexts: [{ schemes: { 0: { quotas: { bytes: 32 * mib }, pattern: { age: { min: 7 } } } } }] })
        const after = inputsOf(yield* owned.read())
        const [scheme] = before[0]!.schemes
        assert.deepStrictEqual(after[0]!.schemes[0], {
          ...scheme!,
          quotas: { ...scheme!.quotas, bytes: 32 * mib },
          pattern: { ...scheme!.pattern, age: { min: 7, max: 4_000_000 } }
        })
        assert.deepStrictEqual({ ...after[0]!, schemes: [] }, { ...before[0]!, schemes: [] })
        assert.deepStrictEqual(after[0]!.schemes[1], before[0]!.schemes[1])
        assert.strictEqual((yield* owned.read()).state, "on")
        // One more entry, and those that were there keep what they had.
        yield* owned.tune({ contexts: [{ schemes: { 2: { action: "stat", pattern: { sz: { max: Infinity } } } } }] })
        const grown = inputsOf(yield* owned.read())
        assert.deepStrictEqual(grown[0]!.schemes.slice(0, 2), after[0]!.schemes)
        assert.lengthOf(grown[0]!.schemes, 3)
        // 6.12 would end the kdamond without an error if it were asked to commit this.
        const error = yield* Effect.flip(owned.tune({ contexts: [{ intervals: { sampleUs: 1000 }, nrRegions: { min: 2000 } }] }))
        assert.strictEqual(error._tag, "DamonRejected")
        assert.include(error.message, "at least 2000 regions, but at most 500")
        assert.deepStrictEqual(inputsOf(yield* owned.read()), grown)
        assert.strictEqual((yield* owned.read()).state, "on")
        assert.strictEqual(
          yield* reasonOf(owned.tune({ contexts: [{ intervals: { sampleUs: 1000 }, schemes: { 1: { action: "bogus" } } }] })),
          "Invalid"
        )
        assert.deepStrictEqual(inputsOf(yield* owned.read()), grown)
        yield* owned.commit()
      }))

    test("says why a kdamond does not start, and notices one that has ended", () =>
      Effect.gen(function* () {
        const damon = yield* Damon
        const owned = yield* damon.acquire()
        const has = yield* featuresOf(owned)
        const good = makeKdamond({ pids: [process.pid] })
        const wrong: ReadonlyArray<readonly [Kdamond, string]> = [
          [{ contexts: [] }, "a kdamond runs one context, not 0"],
          [makeKdamond({ pids: [process.pid], intervals: { sampleUs: 200_000 } }), "more often than it samples"],
          [makeKdamond({ pids: [process.pid], nrRegions: { min: 2, max: 10 } }), "at least 3 regions are needed"],
          [makeKdamond({ pids: [0] }), "target 0 has no process"],
          [makeKdamond({ pids: [3_999_999] }), "such as a process or cgroup that is gone"],
          [makeKdamond({ regions: [{ start: 8192n, end: 8192n }] }), "region 0 of target 0 holds nothing"],
          [
            makeKdamond({
              regions: [
                { start: 4096n, end: 12_288n },
                { start: 8192n, end: 16_384n }
              ]
            }),
            "begins before the one ahead of it ends"
          ],
          ...(has("schemes/filters")
            ? [
                [
                  makeKdamond({
                    pids: [process.pid],
                    schemes: [makeScheme({ filters: [{ type: "memcg", matching: true, memcgPath: "/wmo-not-there" }] })]
                  }),
                  "such as a process or cgroup that is gone"
                ] as const
              ]
            : [])
        ]
        for (const [value, why] of wrong) {
          yield* owned.stage(value)
          const error = yield* Effect.flip(owned.start())
          assert.strictEqual(error._tag, "DamonRejected", error.message)
          assert.include(error.message, why)
          // The kernel is of the same mind.
          const { kdamonds } = damonPaths(yield* KernelRoots)
          const refused = yield* Effect.flip((yield* KernFs).writeBlocking(`${kdamonds}/0/state`, "on"))
          assert.isFalse(refused.isRetryable, refused.message)
        }
        const child = yield* process_(mib)
        yield* owned.stage(good)
        yield* owned.tune({ contexts: [{ targets: [{ pid: child.pid! }] }] })
        yield* owned.start()
        assert.strictEqual(yield* reasonOf(owned.start()), "Busy")
        child.kill("SIGKILL")
        for (let tries = 0; tries < 100 && (yield* owned.read()).state === "on"; tries++) yield* Effect.sleep(Duration.millis(100))
        assert.strictEqual((yield* owned.read()).state, "off")
        assert.strictEqual(yield* tagOf(owned.snapshot()), "DamonNotRunning")
      }))

    test("gives the machine back: at the end of the scope, and after a crash", ({ directory }) =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const damon = yield* Damon
        const { count, kdamonds } = damonPaths(yield* KernelRoots)
        const run = Effect.gen(function* () {
          const owned = yield* damon.acquire({ count: 2 })
          for (const index of [0, 1]) {
            yield* owned.stage(makeKdamond({ pids: [process.pid] }), index)
            yield* owned.start(index)
          }
          assert.lengthOf(yield* damon.users, 2)
        })
        yield* Effect.scoped(run)
        assert.deepStrictEqual(yield* damon.users, [])
        assert.deepStrictEqual(readdirSync(directory), [])
        // As a process that was killed leaves it: kdamonds that run, and its journal.
        yield* fs.write(count, "1")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* fs.write(`${kdamonds}/0/contexts/nr_contexts`, "1")
            yield* fs.write(`${kdamonds}/0/contexts/0/targets/nr_targets`, "1")
            yield* fs.write(`${kdamonds}/0/contexts/0/targets/0/pid_target`, String(process.pid))
            yield* fs.writeBlocking(`${kdamonds}/0/state`, "on")
          })
        )
        const lines = [
          { kind: "claim", path: damonPaths(yield* KernelRoots).admin },
          { kind: "write", path: count, was: "0", is: "1" },
          { kind: "write", path: `${kdamonds}/0/state`, was: "off", is: "on" }
        ]
        yield* leaveJournal(directory, lines)
        const [recovery] = yield* Journal.recover(directory)
        assert.deepStrictEqual(
          recovery?.undone.map(({ result }) => result),
          ["restored", "restored"]
        )
        assert.deepStrictEqual(yield* damon.users, [])
        assert.strictEqual(text(yield* fs.read(count)), "0\n")
      }))

    test("leaves what is somebody else's alone, or puts it back: at the end, and after a crash", ({ directory }) =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const damon = yield* Damon
        const child = yield* process_(mib)
        // Somebody else's, with a journal of its own that we do not see.
        const other = yield* makeJournal
        const theirs = yield* damon.acquire({ count: 2 }).pipe(Effect.provideService(Journal, other.journal))
        yield* theirs.stage(elaborate(child.pid!, yield* featuresOf(theirs)), 0)
        yield* theirs.stage(makeKdamond({ pids: [child.pid!] }), 1)
        yield* theirs.start(1)
        const inputs = Effect.map(damon.read, (kdamonds) => kdamonds.map((kdamond) => [kdamond.state, inputsOf(kdamond)]))
        const before = yield* inputs
        const refused = yield* Effect.flip(damon.acquire())
        assert.strictEqual(refused._tag, "DamonInUse")
        assert.match(refused.message, /kdamond 0 \(off\), kdamond 1 \(on, pid \d+\); .*--take-over/)
        assert.deepStrictEqual(yield* inputs, before)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const owned = yield* damon.acquire({ takeOver: true })
            yield* owned.stage(makeKdamond({ pids: [process.pid] }))
            yield* owned.start()
            assert.lengthOf(yield* damon.read, 1)
            // A crash now: the next start finds this.
            const name = readdirSync(directory)[0]!
            yield* copyJournal(`${directory}/${name}`, other.directory)
          })
        )
        assert.deepStrictEqual(yield* inputs, before)
        // The same, by the journal of the dead one, while nothing of theirs has changed: it is all in place.
        const { count, kdamonds } = damonPaths(yield* KernelRoots)
        yield* theirs.stop(1)
        yield* fs.write(count, "1")
        yield* fs.write(`${kdamonds}/0/contexts/nr_contexts`, "1")
        const [recovery] = yield* Journal.recover(other.directory)
        assert.deepStrictEqual(
          recovery?.undone.map(({ result }) => result),
          ["restored", "restored", "restored"]
        )
        assert.deepStrictEqual(yield* inputs, before)
        assert.strictEqual((yield* damon.users)[1]?.kind, "kdamond")
        yield* theirs.stop(1)
      }))

    test("a module is somebody's use of DAMON; its parameters are set, committed and put back", () =>
      Effect.gen(function* () {
        const damon = yield* Damon
        const modules = yield* DamonModules
        const parameters = (yield* modules.read("damon_reclaim"))!
        assert.isFalse(parameters.enabled)
        assert.strictEqual(parameters.minAgeUs, 120_000_000)
        assert.isUndefined(parameters.kdamondPid)
        yield* modules.enable("damon_reclaim", { minAgeUs: 30_000_000, quotaBytes: mib })
        const on = (yield* modules.read("damon_reclaim"))!
        assert.isTrue(on.enabled)
        assert.strictEqual(on.minAgeUs, 30_000_000)
        assert.isAbove(on.kdamondPid ?? 0, 1)
        const refused = yield* Effect.flip(damon.acquire())
        assert.strictEqual(refused._tag, "DamonInUse")
        assert.match(refused.message, /module damon_reclaim \(on, pid \d+\)/)
        assert.strictEqual(yield* tagOf(modules.enable("damon_lru_sort")), "DamonInUse")
        yield* modules.enable("damon_reclaim", { minAgeUs: 40_000_000 })
        for (let tries = 0; tries < 100 && (yield* modules.read("damon_reclaim"))!.commitInputs === true; tries++) {
          yield* Effect.sleep(Duration.millis(100))
        }
        const committed = (yield* modules.read("damon_reclaim"))!
        assert.deepStrictEqual([committed.enabled, committed.commitInputs, committed.minAgeUs], [true, false, 40_000_000])
        yield* modules.disable("damon_reclaim")
        assert.deepStrictEqual(yield* modules.read("damon_reclaim"), parameters)
        assert.deepStrictEqual(yield* damon.users, [])
        const lruSort = (yield* modules.read("damon_lru_sort"))!
        assert.strictEqual(lruSort.hotThresAccessFreqPermil, 500)
        assert.strictEqual(lruSort.nrHotQuotaExceeds, 0n)
      }))

    test("streams what is aggregated, and leaves no trace instance behind", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const damon = yield* Damon
        const trace = yield* DamonTrace
        const { tracing } = yield* KernelRoots
        assert.include(yield* trace.tracepoints, "damon_aggregated")
        const child = yield* process_(8 * mib)
        const events = yield* Effect.scoped(
          Effect.gen(function* () {
            const owned = yield* damon.acquire()
            yield* owned.stage(makeKdamond({ pids: [child.pid!], intervals: { sampleUs: 5000, aggrUs: 50_000 } }))
            const stream = yield* trace.open({ pollMs: 10 })
            yield* owned.start()
            return yield* Stream.runCollect(Stream.take(stream, 40))
          })
        )
        assert.lengthOf(events, 40)
        for (const event of events) {
          assert.strictEqual(event.event, "damon_aggregated")
          const { age, cpu, end, nrAccesses, nrRegions, start, task, time } = event as DamonAggregated
          assert.isTrue(start < end)
          assert.strictEqual(task, "kdamond.0")
          assert.isAtLeast(cpu, 0)
          assert.isAbove(time, 0)
          assert.isAtLeast(nrRegions, 3)
          assert.isAtMost(nrAccesses, 10)
          assert.isAtLeast(age ?? -1, 0)
        }
        assert.deepStrictEqual(
          (yield* fs.list(`${tracing}/instances`)).filter((instance) => instance.startsWith("wmo-")),
          []
        )
        const missing = yield* Effect.flip(trace.open({ tracepoints: ["damos_stat_after_apply_interval"] }))
        assert.include(missing.message, "since Linux 7.0")
      }))
  })
}

const deadHeader = { version: 1, pid: 4_194_000, startTime: "1", command: "gone" }

const leaveJournal = Effect.fnUntraced(function* (directory: string, lines: ReadonlyArray<unknown>) {
  const fs = yield* KernFs
  const { proc } = yield* KernelRoots
  const bootId = text(yield* fs.read(`${proc}/sys/kernel/random/boot_id`)).trim()
  writeFileSync(
    `${directory}/journal-4194000-1.jsonl`,
    [{ ...deadHeader, bootId }, ...lines].map((line) => `${JSON.stringify(line)}\n`).join("")
  )
})

/** The changes of a journal, as those of a dead process. */
const copyJournal = Effect.fnUntraced(function* (file: string, directory: string) {
  const { readFileSync } = yield* Effect.promise(() => import("node:fs"))
  const [, ...lines] = readFileSync(file, "utf8").trim().split("\n")
  yield* leaveJournal(
    directory,
    lines.map((line) => JSON.parse(line) as unknown)
  )
})
