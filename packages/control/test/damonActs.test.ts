/** DAMON actions on the fake kernel: what is staged, when it is told anew, what is refused, and that nothing stays. */
import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Damon, Journal } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg } from "@wmo/core/testing"
import { type Action, type AnyPolicy, damonReclaim, darc, decodeSettings, parseAction, prcl } from "@wmo/policies"
import { anObservation } from "@wmo/policies/testing"
import { openRecording, Recorder } from "@wmo/recording"
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { defaultGuardRails, type GuardRails, judge, makeLoop, nothingSpent, PolicyCannotRun } from "../src/index.ts"

const mib = 2 ** 20
const scratch = mkdtempSync(join(tmpdir(), "wmo-damon-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let files = 0
const admin = "/sys/kernel/mm/damon/admin/kdamonds"
const scheme = `${admin}/0/contexts/0/schemes/0`

const kernelWith = (memcg = makeSimpleMemcg({ current: 200 * mib }), options: ConstructorParameters<typeof FakeKernel>[0] = {}) => {
  const kernel = new FakeKernel({ ...options, memcg: (name, limits) => (name === "app" ? memcg : makeSimpleMemcg({}, limits)) })
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  return kernel
}

const on = <A, E>(kernel: FakeKernel, effect: Effect.Effect<A, E, any>) =>
  effect.pipe(
    Effect.provide(Layer.provideMerge(Journal.layer({ directory: join(scratch, `state-${files++}`), command: "test" }), kernel.layer)),
    Effect.scoped
  ) as Effect.Effect<A, E>

const loopFor = (policy: AnyPolicy, given: Record<string, string> = {}, rails: Partial<GuardRails> = {}, dryRun = false) =>
  makeLoop({
    group: "app",
    policy,
    settings: Result.getOrThrow(decodeSettings(policy.name, policy.settings, given)),
    everyMs: 1000,
    rails: { ...defaultGuardRails, ...rails },
    dryRun,
    pageAge: "none"
  })

const first = (policy: AnyPolicy, given: Record<string, string> = {}): Action =>
  policy.decide(
    {
      observation: anObservation(),
      settings: Result.getOrThrow(decodeSettings(policy.name, policy.settings, given)),
      floorBytes: 0,
      budgetBytes: Infinity
    },
    policy.initialState
  ).actions[0]!

describe("guard rails of DAMON actions", () => {
  const usage = anObservation().usage
  const schemesOf = (action: Action | undefined) => (action?._tag === "SetSchemes" ? action.schemes : undefined)

  it("cut a quota to the budget of a minute, spread evenly; without one, set it", () => {
    const rails = { ...defaultGuardRails, perMinuteBytes: 600 * mib }
    const bare = judge(first(darc), anObservation(), rails, nothingSpent)
    assert.strictEqual(schemesOf(bare.allowed)![0]!.quotas.bytes, 10 * mib)
    assert.include("note" in bare ? bare.note : "", "cut to 10.0 MiB in 1.00 s")
    const slow = judge(first(darc, { quota_bytes: "1G", quota_reset: "6s" }), anObservation(), rails, nothingSpent)
    assert.strictEqual(schemesOf(slow.allowed)![0]!.quotas.bytes, 60 * mib)
    const small = first(darc, { quota_bytes: "4M" })
    assert.deepStrictEqual(judge(small, anObservation(), rails, nothingSpent), { allowed: small, note: undefined })
    const module = judge(first(damonReclaim), anObservation(), rails, nothingSpent).allowed
    assert.strictEqual(module?._tag === "SetDamonModule" && module.parameters !== "off" && module.parameters.quotaBytes, 10 * mib)
  })

  it("take off what takes memory at the floor, or at a protection", () => {
    for (const observation of [
      anObservation({ usage: { ...usage, currentBytes: 16 * mib } }),
      anObservation({ usage: { ...usage, low: 400 * mib } })
    ]) {
      assert.deepStrictEqual(schemesOf(judge(first(darc), observation, defaultGuardRails, nothingSpent).allowed), [])
      const module = judge(first(damonReclaim), observation, defaultGuardRails, nothingSpent).allowed
      assert.strictEqual(module?._tag === "SetDamonModule" && module.parameters, "off")
    }
  })

  it("refuse once the minute's budget is used up, but never to take schemes off", () => {
    const spent = { ...nothingSpent, reclaims: [{ atMs: anObservation().atMs, bytes: defaultGuardRails.perMinuteBytes }] }
    const asked = first(prcl) as Extract<Action, { _tag: "SetSchemes" }>
    assert.include(JSON.stringify(judge(asked, anObservation(), defaultGuardRails, spent)), "the budget of this minute is used up")
    const off = { ...asked, schemes: [] }
    assert.deepStrictEqual(judge(off, anObservation(), defaultGuardRails, spent), { allowed: off })
  })
})

describe("DAMON actions on the fake kernel", () => {
  it.effect("schemes on physical memory are kept to the group, stay as they are when asked again, and are gone at the end", () => {
    const kernel = kernelWith()
    return Effect.gen(function* () {
      yield* on(
        kernel,
        Effect.gen(function* () {
          const { tick } = yield* loopFor(darc, { refresh: "1s" })
          const [set] = (yield* tick).outcomes
          assert.strictEqual(set?.status, "done", set?.detail)
          assert.include(set?.detail ?? "", "set up for physical memory")
          assert.strictEqual(kernel.fs.text(`${admin}/0/state`).trim(), "on")
          assert.strictEqual(kernel.fs.text(`${scheme}/action`).trim(), "pageout")
          assert.strictEqual(kernel.fs.text(`${scheme}/filters/0/memcg_path`).trim(), "/app")
          assert.strictEqual(kernel.fs.text(`${scheme}/filters/0/matching`).trim(), "N")
          assert.strictEqual(kernel.fs.text(`${scheme}/access_pattern/age/min`).trim(), "100")
          yield* TestClock.adjust("1 second")
          const writes = kernel.fs.writes.length
          const [again] = (yield* tick).outcomes
          assert.include(again?.detail ?? "", "in force already")
          // To learn what came of it the kernel is told to update its statistics: nothing else is written.
          assert.deepStrictEqual([...new Set(kernel.fs.writes.slice(writes).map(({ text }) => text.trim()))], ["update_schemes_stats"])
        })
      )
      assert.strictEqual(kernel.fs.text(`${admin}/nr_kdamonds`).trim(), "0")
    })
  })

  it.effect("several groups below are let in one by one, where the kernel can (6.14)", () => {
    const outcome = (kernelVersion: readonly [number, number]) => {
      const kernel = kernelWith(undefined, { damon: { kernel: kernelVersion } })
      kernel.fs.mkdirSync("/sys/fs/cgroup/app/part")
      return on(
        kernel,
        Effect.gen(function* () {
          const { tick } = yield* loopFor(darc)
          const [set] = (yield* tick).outcomes
          const path = (i: number) => kernel.fs.text(`${scheme}/filters/${i}/memcg_path`).trim()
          return { set, paths: set?.status === "done" ? [path(0), path(1)] : [], count: kernel.fs.text(`${admin}/nr_kdamonds`).trim() }
        })
      )
    }
    return Effect.gen(function* () {
      assert.deepStrictEqual((yield* outcome([6, 14])).paths, ["/app", "/app/part"])
      const old = yield* outcome([6, 12])
      assert.strictEqual(old.set?.status, "failed")
      assert.include(old.set?.detail ?? "", "since Linux 6.14")
      assert.strictEqual(old.count, "0", "what could not be set up does not stay half way")
    })
  })

  it.effect("what somebody else has set up is left alone, unless it is taken over; then it is put back", () => {
    const kernel = kernelWith()
    const theirs = () => kernel.fs.writeSync(kernel.fs.openSync(`${admin}/nr_kdamonds`, 1), new TextEncoder().encode("2"))
    return Effect.gen(function* () {
      theirs()
      const run = (takeOver: boolean) =>
        on(
          kernel,
          Effect.gen(function* () {
            const { tick } = yield* loopFor(darc, {}, { takeOver })
            const [outcome] = (yield* tick).outcomes
            return { outcome, count: kernel.fs.text(`${admin}/nr_kdamonds`).trim() }
          })
        )
      const refused = yield* run(false)
      assert.strictEqual(refused.outcome?.status, "failed")
      assert.include(refused.outcome?.detail ?? "", "DAMON is in use by somebody: kdamond 0 (off), kdamond 1 (off)")
      assert.strictEqual(refused.count, "2")
      const taken = yield* run(true)
      assert.strictEqual(taken.outcome?.status, "done", taken.outcome?.detail)
      assert.strictEqual(taken.count, "1")
      assert.strictEqual(kernel.fs.text(`${admin}/nr_kdamonds`).trim(), "2")
    })
  })

  it.effect("the group at its floor has its schemes taken off before the policy is asked", () => {
    const memcg = makeSimpleMemcg({ current: 200 * mib })
    const kernel = kernelWith(memcg)
    return on(
      kernel,
      Effect.gen(function* () {
        const { tick } = yield* loopFor(darc, {}, { floorBytes: 100 * mib })
        yield* tick
        assert.strictEqual((yield* (yield* Damon).users).length, 1)
        memcg.state.current = 90 * mib
        yield* TestClock.adjust("1 second")
        const [off] = (yield* tick).outcomes
        assert.deepInclude(off!, { status: "done", detail: "the group is at its floor of 100 MiB" })
        assert.deepStrictEqual(yield* (yield* Damon).users, [])
      })
    )
  })

  it.effect(
    "schemes on processes follow them: who comes is added while it runs, who goes has it started anew, in vain while nobody is there",
    () => {
      const kernel: FakeKernel = kernelWith(undefined, { damon: { isProcess: (pid) => kernel.processes.processes.has(pid) } })
      const join = (mebibytes: number) => {
        const process = kernel.processes.add()
        process.touch(process.map(mebibytes * mib).start, mebibytes * mib)
        kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/app/cgroup.procs", 1), new TextEncoder().encode(String(process.pid)))
        return process
      }
      const pids = () =>
        [0, 1].flatMap((i) => {
          const path = `${admin}/0/contexts/0/targets/${i}/pid_target`
          return kernel.fs.existsSync(path) ? [Number(kernel.fs.text(path))] : []
        })
      return on(
        kernel,
        Effect.gen(function* () {
          const { tick } = yield* loopFor(prcl, { refresh: "1s" })
          const step = Effect.gen(function* () {
            const [outcome] = (yield* tick).outcomes
            yield* TestClock.adjust("1 second")
            return [outcome?.status, outcome?.detail]
          })
          const small = join(1)
          assert.deepStrictEqual(yield* step, ["done", "set up for 1 process"])
          const large = join(4)
          assert.deepStrictEqual(yield* step, ["done", "changed for 2 processes"])
          // The one that was there keeps its place, though the other is larger.
          assert.deepStrictEqual(pids(), [small.pid, large.pid])
          assert.deepStrictEqual(yield* step, ["done", "in force already"])
          kernel.processes.end(small)
          assert.deepStrictEqual(yield* step, ["done", "started anew for 1 process"])
          assert.deepStrictEqual(pids(), [large.pid])
          kernel.processes.end(large)
          assert.deepStrictEqual(yield* step, ["failed", "app has no processes to watch"])
          assert.strictEqual(kernel.fs.text(`${admin}/nr_kdamonds`).trim(), "0")
        })
      )
    }
  )

  it.effect("what went to swap since the schemes are in force counts, and takes them off when it is the budget of a minute", () => {
    const memcg = makeSimpleMemcg({ current: 200 * mib })
    const kernel: FakeKernel = kernelWith(memcg, { damon: { isProcess: (pid) => kernel.processes.processes.has(pid) } })
    const process = kernel.processes.add()
    process.touch(process.map(mib).start, mib)
    kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/app/cgroup.procs", 1), new TextEncoder().encode(String(process.pid)))
    return on(
      kernel,
      Effect.gen(function* () {
        const { tick } = yield* loopFor(prcl, { refresh: "2s" }, { perMinuteBytes: 50 * mib })
        assert.strictEqual((yield* tick).outcomes[0]?.status, "done")
        memcg.state.swapCurrent = 60 * mib
        yield* TestClock.adjust("1 second")
        assert.deepInclude((yield* tick).outcomes[0]!, { status: "done", detail: "the budget of this minute is used up" })
        yield* TestClock.adjust("1 second")
        assert.deepInclude((yield* tick).outcomes[0]!, { status: "refused", detail: "the budget of this minute is used up" })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* tick).outcomes[0]?.status, "done")
      })
    )
  })

  it.effect("a group without processes has nothing to watch, and nothing is set up", () => {
    const kernel = kernelWith()
    return on(
      kernel,
      Effect.gen(function* () {
        const { tick } = yield* loopFor(prcl)
        const [outcome] = (yield* tick).outcomes
        assert.deepInclude(outcome!, { status: "failed", detail: "app has no processes to watch" })
        assert.strictEqual(kernel.fs.text(`${admin}/nr_kdamonds`).trim(), "0")
      })
    )
  })

  it.effect("the module gets its parameters, and is as it was at the end", () => {
    const kernel = kernelWith()
    const parameters = "/sys/module/damon_reclaim/parameters"
    const read = (name: string) => kernel.fs.text(`${parameters}/${name}`).trim()
    const before = ["enabled", "min_age", "quota_sz", "wmarks_high"].map(read)
    return Effect.gen(function* () {
      yield* on(
        kernel,
        Effect.gen(function* () {
          const { tick } = yield* loopFor(damonReclaim, { min_age: "30s", refresh: "1s" })
          const [set] = (yield* tick).outcomes
          assert.strictEqual(set?.status, "done", set?.detail)
          assert.deepStrictEqual([read("enabled"), read("min_age")], ["Y", "30000000"])
          yield* TestClock.adjust("1 second")
          assert.include((yield* tick).outcomes[0]?.detail ?? "", "in force already")
        })
      )
      assert.deepStrictEqual(["enabled", "min_age", "quota_sz", "wmarks_high"].map(read), before)
    })
  })

  it.effect("a dry run sets nothing up", () => {
    const kernel = kernelWith()
    return on(
      kernel,
      Effect.gen(function* () {
        const writes = kernel.fs.writes.length
        for (const policy of [darc, damonReclaim]) {
          const { tick } = yield* loopFor(policy, {}, {}, true)
          assert.strictEqual((yield* tick).outcomes[0]?.status, "dry-run")
        }
        assert.strictEqual(kernel.fs.writes.length, writes)
      })
    )
  })

  it.effect("recordings keep them whole", () => {
    const kernel = kernelWith()
    const file = join(scratch, "run.wmo")
    return Effect.gen(function* () {
      const outcomes = yield* on(
        kernel,
        Effect.gen(function* () {
          const loop = yield* loopFor(darc)
          const taken = yield* loop.tick
          const run = yield* (yield* Recorder).start({
            label: "darc",
            group: "app",
            policy: "darc",
            settings: {},
            kernel: "fake",
            clock: "simulated",
            everyMs: 1000,
            dryRun: false,
            startedMs: 0
          })
          yield* run.tick(taken)
          return taken.outcomes
        }).pipe(Effect.provide(Recorder.layerFile(file)))
      )
      const recording = yield* openRecording(file)
      const [row] = yield* recording.actions((yield* recording.runs)[0]!.id)
      assert.deepStrictEqual(parseAction(row!.asked), outcomes[0]!.asked)
      assert.deepStrictEqual(parseAction(row!.allowed!), outcomes[0]!.allowed)
    }).pipe(Effect.scoped)
  })

  it.effect("a kernel without DAMON is told of before anything is changed", () => {
    const kernel = kernelWith(undefined, { damon: { modules: [] } })
    return on(
      kernel,
      Effect.gen(function* () {
        yield* Cgroups
        const error = yield* Effect.flip(loopFor(damonReclaim))
        assert.instanceOf(error, PolicyCannotRun)
        assert.include(error.message, "no module damon_reclaim")
      })
    )
  })
})
