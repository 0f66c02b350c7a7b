/** Pressure: readings, whether they can be believed, triggers that fire, and those that are refused. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, Fiber, type Layer, Option, type Scope, Stream } from "effect"
import { cgroupPressure } from "../cgroups/groupFiles.ts"
import { Cgroups } from "../Cgroups.ts"
import { KernFs, type KernelError } from "../KernFs.ts"
import { memoryEvents, memoryHigh } from "../Memcg.ts"
import { Pressure, type PressureTrigger } from "../pressure/Pressure.ts"
import { charge, type ConformanceOptions, makeGroup, scratchName } from "./scratch.ts"

const mib = 2 ** 20
const encoder = new TextEncoder()
const patience = Duration.seconds(60)

export interface PressureOptions extends ConformanceOptions {
  /** Makes tasks of the group stall on memory until the scope closes; by default a process that is held below what it uses. */
  readonly stall?: (group: string) => Effect.Effect<void, KernelError, Scope.Scope>
}

/** A process that touches 96 MiB over and over in a group that may have 48. */
const thrash = (group: string): Effect.Effect<void, KernelError, Scope.Scope | KernFs | Cgroups> =>
  Effect.gen(function* () {
    const cgroups = yield* Cgroups
    yield* charge(group, 96 * mib, { touchesOn: true })
    yield* Effect.forkScoped(Effect.ignore(cgroups.write(group, memoryHigh, 48 * mib)))
  })

/** Needs PSI, and on a real kernel `memory` in the root's `cgroup.subtree_control`, and swap. */
export const testPressure = <E>(name: string, layer: Layer.Layer<KernFs | Cgroups | Pressure, E>, options?: PressureOptions): void => {
  const scratch = scratchName(options, "psi")
  const stall: (group: string) => Effect.Effect<void, KernelError, Scope.Scope | KernFs | Cgroups> = options?.stall ?? thrash
  const usual: PressureTrigger = { group: scratch, resource: "memory", line: "some", stallUs: 50_000, windowUs: 1_000_000 }

  withLayer(layer, { excludeTestServices: true })(`Pressure on ${name}`, (it) => {
    it.effect("of the machine and of a group is counting", () =>
      Effect.gen(function* () {
        const pressure = yield* Pressure
        yield* makeGroup(scratch)
        for (const resource of ["memory", "cpu", "io"] as const) {
          for (const reading of [yield* pressure.machine(resource), yield* pressure.group(scratch, resource)]) {
            assert.strictEqual(reading._tag, "Counting", resource)
            assert.strictEqual(reading._tag === "Counting" && typeof reading.stall.some?.totalUs, "bigint")
          }
        }
        // Debian's kernels are built without CONFIG_IRQ_TIME_ACCOUNTING: that is an answer, and not "none".
        assert.strictEqual((yield* pressure.machine("irq"))._tag, "Off")
        assert.strictEqual((yield* pressure.group(scratch, "irq"))._tag, "Off")
        assert.notStrictEqual((yield* pressure.liveness)._tag, "Off")
        const error = yield* Effect.flip(pressure.group(`${scratch}-none`, "memory"))
        assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "NotFound")
      })
    )

    it.effect("switched off for a group it is Off, never zero", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const pressure = yield* Pressure
        yield* makeGroup(scratch)
        yield* cgroups.write(scratch, cgroupPressure, false)
        const reading = yield* pressure.group(scratch, "memory")
        assert.strictEqual(reading._tag, "Off")
        yield* cgroups.write(scratch, cgroupPressure, true)
        assert.strictEqual((yield* pressure.group(scratch, "memory"))._tag, "Counting")
      })
    )

    it.effect("triggers that make no sense are refused before and by the kernel", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const pressure = yield* Pressure
        const path = (yield* Cgroups).path(yield* makeGroup(scratch), "memory.pressure")
        const bad: ReadonlyArray<Partial<PressureTrigger>> = [
          { stallUs: 0 },
          { stallUs: 1_000_001 },
          { windowUs: 11_000_000 },
          { stallUs: 0.5 },
          { windowUs: 499_999, stallUs: 1 }
        ]
        for (const part of bad) {
          const error = yield* Effect.flip(Effect.scoped(pressure.trigger({ ...usual, ...part })))
          assert.strictEqual(error._tag, "PressureTriggerError", JSON.stringify(part))
          assert.notInclude(error.message, "\n")
        }
        for (const text of ["some 0 1000000\0", "some 1000001 1000000\0", "some 1 11000000\0", "any 1 1000000\0", "x\0"]) {
          const file = yield* fs.open(path, "readWrite")
          const error = yield* Effect.flip(Effect.fromResult(file.write(encoder.encode(text))))
          assert.strictEqual(error.reason._tag, "Invalid", text)
        }
        const file = yield* fs.open(path, "readWrite")
        yield* Effect.fromResult(file.write(encoder.encode("some 50000 1000000\0")))
        const second = yield* Effect.flip(Effect.fromResult(file.write(encoder.encode("some 50000 1000000\0"))))
        assert.strictEqual(second.reason._tag, "Busy")
      })
    )

    it.effect(
      "a trigger fires when tasks stall, again and again, and the group's memory.events say so too",
      () =>
        Effect.gen(function* () {
          const cgroups = yield* Cgroups
          const pressure = yield* Pressure
          yield* makeGroup(scratch)
          const events = yield* pressure.trigger(usual)
          const full = yield* pressure.trigger({ ...usual, line: "full", windowUs: 2_000_000 })
          const machine = yield* pressure.trigger({ resource: "memory", line: "some", stallUs: 20_000, windowUs: 1_000_000 })
          const first = (stream: typeof events) => Effect.forkChild(Stream.runDrain(Stream.take(stream, 1)))
          const waiting = [yield* Effect.forkChild(Stream.runDrain(Stream.take(events, 2))), yield* first(full), yield* first(machine)]
          const highs = yield* cgroups.watchFile(scratch, memoryEvents).pipe(
            Stream.takeUntil(({ high }) => high! > 0n),
            Stream.runCount,
            Effect.forkChild
          )
          yield* Effect.sleep(Duration.millis(50))
          for (const fiber of waiting) assert.isUndefined(fiber.pollUnsafe(), "fired without a stall")
          yield* stall(scratch)
          for (const fiber of waiting)
            assert.isTrue(Option.isSome(yield* Effect.timeoutOption(Fiber.join(fiber), patience)), "did not fire")
          assert.isAtLeast(yield* Fiber.join(highs).pipe(Effect.timeout(patience)), 2)
          const reading = yield* pressure.group(scratch, "memory")
          assert.isTrue(reading._tag === "Counting" && reading.stall.some!.totalUs >= 50_000n)
        }),
      180_000
    )

    it.effect("a trigger whose group is removed fails: the group is gone", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        const pressure = yield* Pressure
        yield* fs.mkdir(cgroups.path(scratch))
        const events = yield* pressure.trigger(usual)
        const waiting = yield* Effect.forkChild(Effect.flip(Stream.runDrain(events)))
        yield* Effect.sleep(Duration.millis(50))
        yield* fs.rmdir(cgroups.path(scratch))
        const error = yield* Fiber.join(waiting).pipe(Effect.timeout(patience))
        assert.isTrue(error.isGone)
      })
    )
  })
}
