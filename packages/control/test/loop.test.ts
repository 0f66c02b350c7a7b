import { assert, describe, it } from "@effect/vitest"
import { Journal } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
import { GroupGone } from "@wmo/monitors"
import { type AnyPolicy, cacheCap, decodeSettings, definePolicy, none, periodic, senpai } from "@wmo/policies"
import { openRecording, Recorder, summarize } from "@wmo/recording"
import { Clock, Deferred, Duration, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { defaultGuardRails, makeLoop, PolicyCannotRun, runSession, type SessionOptions } from "../src/index.ts"

const mib = 2 ** 20
const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let files = 0

const generations = [
  { seq: 1, ageMs: 60_000, anonPages: 64 * 256, filePages: 0 },
  { seq: 2, ageMs: 30_000, anonPages: 0, filePages: 0 },
  { seq: 3, ageMs: 100, anonPages: 36 * 256, filePages: 0 }
]

/** A group whose generations stay as they are: two thirds of it idle for half a minute. */
const withColdMemory = (initial: Parameters<typeof makeSimpleMemcg>[0] = {}): SimpleMemcg => ({
  ...makeSimpleMemcg({ nodes: [{ node: 0, generations }], ...initial }),
  age: () => undefined
})

const kernelWith = (memcg: SimpleMemcg, options: ConstructorParameters<typeof FakeKernel>[0] = {}) => {
  const kernel = new FakeKernel({ ...options, memcg: (name, limits) => (name === "app" ? memcg : makeSimpleMemcg({}, limits)) })
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  return kernel
}

const optionsFor = (policy: AnyPolicy, changes: Partial<SessionOptions> = {}): SessionOptions => ({
  group: "app",
  policy,
  settings: Result.getOrThrow(decodeSettings(policy.name, policy.settings, {})),
  everyMs: 1000,
  rails: defaultGuardRails,
  dryRun: false,
  pageAge: "auto",
  label: policy.name,
  clock: "simulated",
  ...changes
})

const environment = (kernel: FakeKernel) =>
  Layer.provideMerge(Journal.layer({ directory: join(scratch, `state-${files++}`), command: "test" }), kernel.layer)

/** Runs a session for so many virtual seconds on the fake, then reads back what it recorded. */
const session = Effect.fnUntraced(function* (kernel: FakeKernel, options: SessionOptions, seconds: number) {
  const file = join(scratch, `run-${files++}.wmo`)
  const result = yield* Effect.gen(function* () {
    const stop = yield* Deferred.make<{ exitCode: number }>()
    const fiber = yield* Effect.forkChild(Effect.result(Effect.scoped(runSession(options, Deferred.await(stop)))))
    for (let i = 0; i < seconds * 2; i++) yield* TestClock.adjust("500 millis")
    yield* Deferred.succeed(stop, { exitCode: 0 })
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(Recorder.layerFile(file)), Effect.provide(environment(kernel)))
  const recording = yield* openRecording(file)
  const run = (yield* recording.runs)[0]!
  const observations = yield* recording.observations(run.id)
  const actions = yield* recording.actions(run.id)
  return {
    result,
    run,
    observations,
    actions,
    decisions: yield* recording.decisions(run.id),
    summary: summarize(run, observations, actions)
  }
})

describe("the loop on the fake kernel", () => {
  it.effect("periodic reclaims what is cold, once, and records why", () => {
    const memcg = withColdMemory()
    return Effect.gen(function* () {
      const { actions, decisions, observations, run, summary } = yield* session(kernelWith(memcg), optionsFor(periodic), 12)
      assert.isAtLeast(observations.length, 12)
      assert.deepStrictEqual(memcg.state.reclaims, [{ bytes: 32 * mib }, { bytes: 32 * mib }])
      const reclaims = actions.filter(({ asked }) => asked.includes("Reclaim"))
      assert.deepStrictEqual(
        reclaims.map(({ reclaimedBytes, status }) => [status, reclaimedBytes]),
        [["done", 64 * mib]]
      )
      assert.include(decisions.find(({ reason }) => reason.includes("→ reclaim"))?.reason ?? "", "64.0 MiB anon")
      assert.deepStrictEqual(run.settings, { cold_age: "10s", interval: "5s", least: "4M", pressure_limit: "10%" })
      assert.strictEqual(summary.memory_current_bytes.peak, 100 * mib)
      assert.strictEqual(run.exitCode, 0)
    }).pipe(Effect.scoped)
  })

  it.effect("with working-set reports it switches them on, with an edge at the cold age, and off again", () => {
    const memcg = withColdMemory()
    const kernel = kernelWith(memcg, { workingSet: true })
    const files = [
      "/sys/fs/cgroup/app/memory.workingset.refresh_interval",
      "/sys/devices/system/node/node0/workingset_report/page_age_intervals"
    ]
    const before = files.map((file) => kernel.fs.text(file))
    return Effect.gen(function* () {
      const { actions, decisions } = yield* session(kernel, optionsFor(periodic), 12)
      const written = (part: string) => kernel.fs.writes.filter(({ path }) => path.endsWith(part)).map(({ text }) => text)
      assert.include(written("page_age_intervals")[0]!.split(","), "10000")
      assert.strictEqual(written("refresh_interval")[0], "N0=3333")
      assert.include(decisions.find(({ reason }) => reason.includes("→ reclaim"))?.reason ?? "", "64.0 MiB anon")
      assert.isTrue(actions.every(({ asked }) => asked.includes("Reclaim")))
      assert.deepStrictEqual(
        files.map((file) => kernel.fs.text(file)),
        before
      )
    }).pipe(Effect.scoped)
  })

  it.effect("dry run decides and records, and changes nothing", () => {
    const memcg = withColdMemory()
    const kernel = kernelWith(memcg)
    return Effect.gen(function* () {
      const writesBefore = kernel.fs.writes.length
      const { actions } = yield* session(kernel, optionsFor(periodic, { dryRun: true }), 12)
      assert.deepStrictEqual(memcg.state.reclaims, [])
      assert.strictEqual(kernel.fs.writes.length, writesBefore)
      assert.isTrue(actions.every(({ status }) => status === "dry-run"))
      assert.isAbove(actions.length, 2)
    }).pipe(Effect.scoped)
  })

  it.effect("senpai's memory.high is put back when the session ends", () => {
    const memcg = makeSimpleMemcg({ current: 200 * mib, reclaimable: 200 * mib })
    const kernel = kernelWith(memcg)
    return Effect.gen(function* () {
      const { actions } = yield* session(kernel, optionsFor(senpai), 8)
      assert.isAtLeast(actions.filter(({ status }) => status === "done").length, 2)
      assert.strictEqual(kernel.fs.text("/sys/fs/cgroup/app/memory.high"), "max\n")
    }).pipe(Effect.scoped)
  })

  it.effect("EAGAIN is a partial success, and ends the request", () => {
    const memcg = withColdMemory({ reclaimable: 40 * mib })
    return Effect.gen(function* () {
      const { actions } = yield* session(kernelWith(memcg), optionsFor(periodic), 11)
      const reclaims = actions.filter(({ asked }) => asked.includes("Reclaim"))
      assert.deepStrictEqual(
        reclaims.map(({ reclaimedBytes, status }) => [status, reclaimedBytes]),
        [["partial", 40 * mib]]
      )
    }).pipe(Effect.scoped)
  })

  it.live("the end of the workload waits for the write that is under way, and for no other", () => {
    const memcg = makeSimpleMemcg({ current: 1024 * mib, reclaimable: 1024 * mib })
    const kernel = kernelWith(memcg)
    const stop = Deferred.makeUnsafe<{ exitCode: number }>()
    const write = kernel.fs.write.bind(kernel.fs)
    kernel.fs.write = (fd, buffer, callback) => {
      const isReclaim = new TextDecoder().decode(buffer) === String(32 * mib)
      if (isReclaim) Deferred.doneUnsafe(stop, Effect.succeed({ exitCode: 0 }))
      setTimeout(() => write(fd, buffer, callback), isReclaim ? 20 : 0)
    }
    const greedy = definePolicy({
      ...none,
      name: "greedy",
      decide: () => ({ actions: [{ _tag: "Reclaim" as const, bytes: 1000 * mib }], reason: "all of it", state: undefined })
    })
    const rails = { ...defaultGuardRails, stepBytes: 1024 * mib }
    return Effect.gen(function* () {
      yield* Effect.scoped(runSession(optionsFor(greedy, { rails }), Deferred.await(stop)))
      assert.strictEqual(memcg.state.reclaims.length, 1)
    }).pipe(Effect.provide(Layer.provideMerge(Recorder.layerFile(join(scratch, `run-${files++}.wmo`)), environment(kernel))))
  })

  it.effect("a group that vanishes ends the session with GroupGone, and the record is closed", () => {
    const kernel = kernelWith(makeSimpleMemcg())
    const vanishing = {
      ...none,
      decide: () => (kernel.fs.rmdirSync("/sys/fs/cgroup/app"), { actions: [], reason: "gone", state: undefined })
    }
    return Effect.gen(function* () {
      const { observations, result, run } = yield* session(kernel, optionsFor(vanishing), 3)
      assert.instanceOf(Result.isFailure(result) ? result.failure : undefined, GroupGone)
      assert.strictEqual(observations.length, 1)
      assert.isDefined(run.endedMs)
    }).pipe(Effect.scoped)
  })

  it.effect("a policy that throws does nothing, and says so", () => {
    const broken = definePolicy({
      ...none,
      name: "broken",
      decide: (): never => {
        throw new Error("oops")
      }
    })
    return Effect.gen(function* () {
      const { decisions } = yield* session(kernelWith(makeSimpleMemcg()), optionsFor(broken), 2)
      assert.strictEqual(decisions[0]?.reason, "policy broken failed: oops")
      assert.isAtLeast(decisions.length, 2)
    }).pipe(Effect.scoped)
  })

  it.effect("a policy that needs what the kernel lacks does not start", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(makeLoop(optionsFor(periodic))))
      assert.instanceOf(error, PolicyCannotRun)
      assert.include(error.message, "page ages")
    }).pipe(Effect.provide(environment(kernelWith(makeSimpleMemcg(), { mglru: false }))))
  )

  it.effect("cache-cap does not start where memory.reclaim cannot be asked for file pages alone (Linux before 6.11)", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(makeLoop(optionsFor(cacheCap))))
      assert.include(error.message, "swappiness= needs Linux 6.11")
    }).pipe(Effect.provide(environment(kernelWith(makeSimpleMemcg(), { reclaimSwappiness: "none" }))))
  )

  it.effect("a group that does not exist is one clear line", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(makeLoop(optionsFor(none, { group: "nowhere" }))))
      assert.include(error.message, "there is no cgroup nowhere")
    }).pipe(Effect.provide(environment(kernelWith(makeSimpleMemcg()))))
  )

  it.effect("during warm-up it observes and does not ask the policy", () => {
    const memcg = withColdMemory()
    return Effect.gen(function* () {
      const { decisions, observations } = yield* session(kernelWith(memcg), optionsFor(periodic, { warmupMs: 60_000 }), 12)
      assert.deepStrictEqual(memcg.state.reclaims, [])
      assert.isAtLeast(observations.length, 12)
      assert.include(decisions[0]?.reason ?? "", "warming up")
    }).pipe(Effect.scoped)
  })

  it.effect("ticks keep their rhythm, and missed ones are counted", () => {
    let now = 0
    const slow = definePolicy({ ...none, name: "slow" })
    return Effect.gen(function* () {
      const loop = yield* makeLoop(
        optionsFor(slow, { onTick: () => Effect.suspend(() => (now++ === 2 ? Effect.sleep("2500 millis") : Effect.void)) })
      )
      const seen: Array<number> = []
      const fiber = yield* Effect.forkChild(
        loop.run({
          tick: ({ observation }) => Effect.sync(() => void seen.push(observation.atMs)),
          snapshot: () => Effect.void,
          end: () => Effect.void
        })
      )
      for (let i = 0; i < 20; i++) yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, [0, 1000, 2000, 5000, 6000, 7000, 8000, 9000, 10_000])
      assert.strictEqual(loop.missedTicks(), 2)
    }).pipe(Effect.scoped, Effect.provide(environment(kernelWith(makeSimpleMemcg()))))
  })

  it.effect("waits no longer than a tick where the clock was set back (regression: it waited for the whole hour)", () => {
    let nowMs = Date.UTC(2026, 10, 21)
    const slept: Array<number> = []
    return Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const settable: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => nowMs,
        currentTimeMillis: Effect.sync(() => nowMs),
        sleep: (duration) =>
          Effect.sync(() => {
            const ms = Duration.toMillis(duration)
            slept.push(ms)
            nowMs += slept.length === 2 ? ms - 3_600_000 : ms
          })
      }
      let ticks = 0
      yield* Effect.gen(function* () {
        const loop = yield* makeLoop(optionsFor(none, { onTick: () => (++ticks < 5 ? Effect.void : Effect.interrupt) }))
        const nothing = { tick: () => Effect.void, snapshot: () => Effect.void, end: () => Effect.void }
        yield* Effect.exit(loop.run(nothing))
      }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, settable))
      assert.strictEqual(ticks, 5)
      assert.deepStrictEqual(slept, [1000, 1000, 1000, 1000])
    }).pipe(Effect.provide(environment(kernelWith(withColdMemory()))))
  })
})
