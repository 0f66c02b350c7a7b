/** Pressure: what counts as a reading, windows of triggers in virtual time, and the rules that the kernel would enforce. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { Cgroups, KernFs, Pressure, type PressureTrigger } from "../src/index.ts"
import { Errno, FakeFs, FakeKernel } from "../src/testing.ts"

const usual: PressureTrigger = { group: "app", resource: "memory", line: "some", stallUs: 100_000, windowUs: 1_000_000 }
const tick = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const makeKernel = () => {
  const clock = { nowMs: 0 }
  const kernel = new FakeKernel({ now: () => clock.nowMs })
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  return { clock, kernel }
}

/** Counts the events that a stream has given so far. */
const counting = (stream: Stream.Stream<void, unknown>) =>
  Effect.gen(function* () {
    const count = { events: 0 }
    const fiber = yield* Effect.forkChild(Stream.runForEach(stream, () => Effect.sync(() => void count.events++)))
    yield* tick
    return { count, fiber }
  })

describe("triggers", () => {
  it.effect("fire at the stall within the window, once a window, and not for stall that is spread out", () => {
    const { clock, kernel } = makeKernel()
    return Effect.gen(function* () {
      const { count } = yield* counting(yield* (yield* Pressure).trigger(usual))
      kernel.cgroups.stall("app", "memory", 99_999)
      yield* tick
      assert.strictEqual(count.events, 0)
      kernel.cgroups.stall("app", "memory", 1)
      yield* tick
      assert.strictEqual(count.events, 1)
      clock.nowMs = 500
      kernel.cgroups.stall("app", "memory", 400_000)
      yield* tick
      assert.strictEqual(count.events, 1, "twice in one window")
      clock.nowMs = 1000
      kernel.cgroups.refresh("app")
      yield* tick
      assert.strictEqual(count.events, 2)
      for (let i = 0; i < 20; i++) {
        clock.nowMs += 1001
        kernel.cgroups.stall("app", "memory", 90_000)
        yield* tick
      }
      assert.strictEqual(count.events, 2)
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })

  it.effect("of a group above fire for stall below; those of other resources and lines do not", () => {
    const { kernel } = makeKernel()
    return Effect.gen(function* () {
      const pressure = yield* Pressure
      const machine = yield* counting(yield* pressure.trigger({ ...usual, group: undefined }))
      const io = yield* counting(yield* pressure.trigger({ ...usual, resource: "io" }))
      const full = yield* counting(yield* pressure.trigger({ ...usual, line: "full" }))
      kernel.cgroups.stall("app", "memory", 100_000, 99_999)
      yield* tick
      assert.deepStrictEqual([machine.count.events, io.count.events, full.count.events], [1, 0, 0])
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })

  it.effect("an event that came while nobody waited is not lost; the descriptor is closed with the scope", () => {
    const { kernel } = makeKernel()
    return Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* (yield* Pressure).trigger(usual)
          kernel.cgroups.stall("app", "memory", 100_000)
          kernel.cgroups.stall("app", "memory", 100_000)
          const { count } = yield* counting(events)
          assert.strictEqual(count.events, 1)
        })
      )
      assert.strictEqual(kernel.fs.descriptorCount, 0)
      kernel.cgroups.stall("app", "memory", 1_000_000)
    }).pipe(Effect.provide(kernel.layer))
  })

  it.effect("a group that is removed ends the wait with an error that says so", () => {
    const { kernel } = makeKernel()
    return Effect.gen(function* () {
      const { fiber } = yield* counting(yield* (yield* Pressure).trigger(usual))
      kernel.fs.rmdirSync("/sys/fs/cgroup/app")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.isTrue((error as { readonly isGone?: boolean }).isGone)
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })

  const rules: ReadonlyArray<readonly [part: Partial<PressureTrigger>, message: RegExp]> = [
    [{ windowUs: 499_999, stallUs: 1 }, /choose 500 ms to 10 s$/],
    [{ windowUs: 10_000_001 }, /choose 500 ms to 10 s$/],
    [{ stallUs: 0 }, /choose 1 µs or more$/],
    [{ stallUs: 1_000_001 }, /choose a shorter one$/],
    [{ stallUs: 1.5 }, /round them$/],
    [{ resource: "irq" }, /choose `full`$/]
  ]
  it.effect.each(rules)("%j is refused in one line", ([part, message]) =>
    Effect.gen(function* () {
      const { kernel } = makeKernel()
      const error = yield* Effect.flip(
        Effect.scoped(Effect.flatMap(Pressure, (pressure) => pressure.trigger({ ...usual, ...part }))).pipe(Effect.provide(kernel.layer))
      )
      assert.match(error.message, message)
      assert.deepStrictEqual(kernel.fs.writes, [])
    })
  )

  it.effect("without CAP_SYS_RESOURCE windows are multiples of 2 s", () =>
    Effect.gen(function* () {
      const { kernel } = makeKernel()
      kernel.fs.file("/proc/self/status", "Name:\tnode\nCapEff:\t0000000000000000\n")
      const attempt = (windowUs: number) =>
        Effect.result(
          Effect.scoped(Effect.flatMap(Pressure, (pressure) => pressure.trigger({ ...usual, windowUs }))).pipe(Effect.provide(kernel.layer))
        )
      const refused = yield* attempt(3_000_000)
      assert.match(refused._tag === "Failure" ? refused.failure.message : "", /^[^\n]*CAP_SYS_RESOURCE[^\n]*run as root$/)
      assert.strictEqual((yield* attempt(4_000_000))._tag, "Success")
      kernel.fs.file("/proc/self/status", "Name:\tnode\nCapEff:\t000001ffffffffff\n")
      assert.strictEqual((yield* attempt(3_000_000))._tag, "Success")
    })
  )
})

describe("readings", () => {
  const over = (fs: FakeFs) => Pressure.layer.pipe(Layer.provide(Cgroups.layer), Layer.provide(KernFs.layerOver(fs)))
  const zeros = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

  it.effect("a kernel without PSI, or with PSI switched off, is Off and never zero", () =>
    Effect.gen(function* () {
      const missing = new FakeFs()
      assert.strictEqual(
        (yield* Effect.provide(
          Effect.flatMap(Pressure, (p) => p.machine("memory")),
          over(missing)
        ))._tag,
        "Off"
      )
      assert.strictEqual(
        (yield* Effect.provide(
          Effect.flatMap(Pressure, (p) => p.liveness),
          over(missing)
        ))._tag,
        "Off"
      )
      const disabled = new FakeFs()
      for (const resource of ["cpu", "io", "memory"]) {
        disabled.file(`/proc/pressure/${resource}`, {
          read: () => {
            throw new Errno("EOPNOTSUPP")
          }
        })
      }
      const reading = yield* Effect.provide(
        Effect.flatMap(Pressure, (p) => p.machine("memory")),
        over(disabled)
      )
      assert.match(reading._tag === "Off" ? reading.why : "", /psi=1/)
    })
  )

  it.effect("all zero is not believed; any stall, of whatever kind, is enough", () =>
    Effect.gen(function* () {
      const fs = new FakeFs()
      for (const resource of ["cpu", "io", "memory"]) fs.file(`/proc/pressure/${resource}`, zeros)
      const liveness = Effect.provide(
        Effect.flatMap(Pressure, (p) => p.liveness),
        over(fs)
      )
      assert.strictEqual((yield* liveness)._tag, "Unproven")
      fs.file("/proc/pressure/io", zeros.replace("total=0", "total=1"))
      assert.strictEqual((yield* liveness)._tag, "Counting")
    })
  )
})
