import { assert, describe, it } from "@effect/vitest"
import { KernFs } from "@wmo/core"
import { FakeKernel } from "@wmo/core/testing"
import { Console, Effect } from "effect"
import { TestConsole } from "effect/testing"
import { endOf, runCli } from "../src/cli.ts"
import { kernelWithApp, machineState, v2Mount, wmo } from "./harness.ts"

interface Found {
  readonly id: string
  readonly state: string
  readonly enable?: string
}

const doctor = Effect.fnUntraced(function* (kernel: FakeKernel) {
  const before = machineState(kernel)
  const { code, stderr, stdout } = yield* wmo(["doctor", "--json"], kernel)
  assert.strictEqual(code, 0)
  assert.strictEqual(stderr, "")
  assert.deepStrictEqual(machineState(kernel), before)
  return Object.fromEntries((JSON.parse(stdout) as ReadonlyArray<Found>).map((found) => [found.id, found]))
})

const v1Mount = { mountPoint: "/sys/fs/cgroup/memory", fsType: "cgroup", options: ["rw"], superOptions: ["rw", "memory"] }

describe("wmo doctor", () => {
  it.effect("cgroup v2 with everything", () =>
    Effect.gen(function* () {
      const found = yield* doctor(kernelWithApp(undefined, { options: { workingSet: true } }))
      for (const id of ["cgroup-v2", "memory-controller", "zswap", "swap", "mglru", "working-set"]) {
        assert.strictEqual(found[id]?.state, "yes", id)
      }
    })
  )

  it.effect("cgroup v1", () =>
    Effect.gen(function* () {
      const found = yield* doctor(kernelWithApp(undefined, { mounts: [v1Mount] }))
      assert.strictEqual(found["cgroup-v2"]?.state, "off")
      assert.notStrictEqual(found["memory-controller"]?.state, "yes")
      assert.isNotEmpty(found["memory-controller"]?.enable)
    })
  )

  it.effect("a hybrid, where the memory controller is on v1", () =>
    Effect.gen(function* () {
      const kernel = kernelWithApp(undefined, { mounts: [v1Mount, v2Mount] })
      kernel.fs.file("/sys/fs/cgroup/cgroup.controllers", "cpu\n", 0o444)
      const found = yield* doctor(kernel)
      assert.strictEqual(found["cgroup-v2"]?.state, "yes")
      assert.notStrictEqual(found["memory-controller"]?.state, "yes")
    })
  )

  it.effect("no zswap, no swap, no MGLRU", () =>
    Effect.gen(function* () {
      const found = yield* doctor(kernelWithApp(undefined, { options: { zswap: false, swaps: () => [], mglru: false } }))
      for (const id of ["zswap", "swap", "mglru", "working-set"]) assert.notStrictEqual(found[id]?.state, "yes", id)
    })
  )

  it.effect("prints what each is good for", () =>
    Effect.gen(function* () {
      const { stdout } = yield* wmo(["doctor"])
      assert.match(stdout, /^yes /m)
      assert.match(stdout, /use: /)
    })
  )

  it.effect("this machine, whatever it is", () =>
    Effect.gen(function* () {
      assert.strictEqual(endOf(yield* Effect.exit(runCli(["doctor", "--json"]))).code, 0)
      assert.isAbove(JSON.parse(String((yield* TestConsole.logLines).at(-1))).length, 5)
    }).pipe(Effect.provide(KernFs.layer), Effect.provideServiceEffect(Console.Console, TestConsole.make))
  )
})
