/** The rhythm of sampling: in virtual time, with samplers that are slow, that fail, and that wake. */
import { assert, describe, it } from "@effect/vitest"
import { KernFsError, type KernelError } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg } from "@wmo/core/testing"
import { Clock, Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import { machineSubject, makeSampleLoop, pressureSampler, type Sampler, type SampleSnapshot } from "../src/index.ts"

const metrics = ["n"]

/** Takes so long for its n-th sample. */
const slow = (ms: (n: number) => number): Sampler => ({
  name: "slow",
  needs: ["time"],
  kinds: ["test"],
  make: Effect.sync(() => {
    let n = 0
    return {
      sample: Effect.suspend(() => Effect.as(Effect.sleep(ms(n++)), [{ subject: { kind: "test", name: "one" }, metrics, values: [n] }]))
    }
  })
})

const runFor = Effect.fnUntraced(function* (samplers: ReadonlyArray<Sampler>, everyMs: number, ms: number) {
  const seen: Array<SampleSnapshot> = []
  const loop = yield* makeSampleLoop({ samplers, everyMs })
  const start = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(loop.run((snapshot) => Effect.sync(() => void seen.push(snapshot))))
  yield* TestClock.adjust(ms)
  yield* Fiber.interrupt(fiber)
  return { at: seen.map(({ atMs }) => atMs - start), missed: seen.map(({ missedTicks }) => missedTicks), total: loop.missedTicks(), seen }
})

describe("sample loop", () => {
  it.effect("does not drift: an hour of samples that take 0.3 s each are on the second", () =>
    Effect.gen(function* () {
      const { at, total } = yield* runFor([slow(() => 300)], 1000, 3_600_500)
      assert.lengthOf(at, 3601)
      assert.isTrue(at.every((ms, i) => ms === i * 1000))
      assert.strictEqual(total, 0)
    })
  )

  it.effect("counts the turns that a slow sample costs, with the turn after it, and keeps the rhythm", () =>
    Effect.gen(function* () {
      const { at, missed, total } = yield* runFor([slow((n) => (n === 1 ? 3500 : 10))], 1000, 8500)
      assert.deepStrictEqual(at, [0, 1000, 5000, 6000, 7000, 8000])
      assert.deepStrictEqual(missed, [0, 0, 3, 0, 0, 0])
      assert.strictEqual(total, 3)
    })
  )

  it.effect("slow samplers together: the turn begins when it begins, for all of them", () =>
    Effect.gen(function* () {
      const { at, seen } = yield* runFor([slow(() => 400), slow(() => 500)], 1000, 3000)
      assert.deepStrictEqual(at, [0, 1000, 2000])
      assert.isTrue(seen.every(({ samples }) => samples.length === 2))
    })
  )

  it.effect("one that fails is told of, and its kinds are not complete; the others are sampled", () =>
    Effect.gen(function* () {
      const error = new KernFsError({ operation: "read", path: "/x", reason: { _tag: "NotFound" } })
      const broken: Sampler = {
        name: "broken",
        needs: ["luck"],
        kinds: ["other"],
        make: Effect.succeed({ sample: Effect.fail<KernelError>(error) })
      }
      const problems: Array<string> = []
      const loop = yield* makeSampleLoop({
        samplers: [broken, slow(() => 0)],
        everyMs: 1000,
        onProblem: (sampler, { message }) => Effect.sync(() => void problems.push(`${sampler}: ${message}`))
      })
      const { complete, samples } = yield* loop.take
      assert.deepStrictEqual(complete, ["test"])
      assert.lengthOf(samples, 1)
      assert.lengthOf(problems, 1)
      assert.match(problems[0]!, /^broken: /)
    })
  )

  it.effect("machine samples of several samplers are one, with one array of names", () =>
    Effect.gen(function* () {
      const machine = (name: string): Sampler => ({
        name,
        needs: ["a machine"],
        kinds: ["machine"],
        make: Effect.succeed({ sample: Effect.sync(() => [{ subject: machineSubject, metrics: [name], values: [1] }]) })
      })
      const loop = yield* makeSampleLoop({ samplers: [machine("a"), machine("b")], everyMs: 1000 })
      const [first, second] = [yield* loop.take, yield* loop.take]
      assert.deepStrictEqual(first.samples[0]!.metrics, ["a", "b"])
      assert.lengthOf(first.samples, 1)
      assert.strictEqual(first.samples[0]!.metrics, second.samples[0]!.metrics)
    })
  )

  it.effect("a wake takes a sample at once, out of turn, not more than five a second, and the rhythm stays", () =>
    Effect.gen(function* () {
      const wakes = yield* Queue.sliding<void>(1)
      const waking: Sampler = {
        name: "waking",
        needs: ["a bell"],
        kinds: ["test"],
        make: Effect.succeed({ sample: Effect.succeed([]), wake: Queue.take(wakes) })
      }
      const ring = Effect.gen(function* () {
        yield* Effect.sleep(1500)
        yield* Queue.offer(wakes, undefined)
        yield* Effect.sleep(1700)
        for (let i = 0; i < 50; i++) {
          yield* Queue.offer(wakes, undefined)
          yield* Effect.sleep(10)
        }
      })
      yield* Effect.forkChild(ring)
      const { at, missed, seen } = yield* runFor([waking], 1000, 4000)
      assert.deepStrictEqual(
        seen.filter(({ isExtra }) => !isExtra).map((_, i) => i * 1000),
        at.filter((ms) => ms % 1000 === 0)
      )
      const extra = at.filter((ms) => ms % 1000 !== 0)
      assert.strictEqual(extra[0], 1500)
      assert.strictEqual(extra[1], 3200)
      assert.isTrue(extra.every((ms, i) => i === 0 || ms - extra[i - 1]! >= 200))
      assert.isTrue(missed.every((count) => count === 0))
    })
  )

  it.effect("pressure wakes it: a trigger of the kernel, on the fake", () => {
    const root = makeSimpleMemcg()
    const kernel = new FakeKernel({ memcg: () => root })
    const trigger = { resource: "memory", line: "some", stallUs: 100_000, windowUs: 1_000_000 } as const
    return Effect.gen(function* () {
      const seen: Array<SampleSnapshot> = []
      const loop = yield* makeSampleLoop({ samplers: [pressureSampler({ triggers: [trigger] })], everyMs: 60_000 })
      const fiber = yield* Effect.forkChild(loop.run((snapshot) => Effect.sync(() => void seen.push(snapshot))))
      yield* TestClock.adjust("1 second")
      assert.lengthOf(seen, 1)
      root.state.pressureTotalUs = 500_000n
      kernel.cgroups.pressure("", "memory").check()
      for (let i = 0; i < 50 && seen.length < 2; i++) {
        yield* Effect.promise(() => new Promise(setImmediate))
        yield* TestClock.adjust("10 millis")
      }
      assert.lengthOf(seen, 2)
      assert.isTrue(seen[1]!.isExtra)
      const { metrics, values } = seen[1]!.samples[0]!
      assert.strictEqual(values[metrics.indexOf("pressure_memory_some_us")], 500_000n)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })
})
