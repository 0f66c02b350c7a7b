/** `wmod demo`: its machine, its configuration, and what it refuses; `page.test.ts` looks at its page. */
import { assert, describe, it } from "@effect/vitest"
import { loadConfig } from "@wmo/daemon"
import { Clock, Effect } from "effect"
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { demoFiles } from "../src/demo/demo.ts"
import { demoMachine, machineWith, smallService } from "../src/demo/machine.ts"
import { atPace } from "../src/demo/pace.ts"

describe("wmod demo", () => {
  it("refuses what makes no sense: exit code 2, and one line that says why", () => {
    const main = join(import.meta.dirname, "../src/main.ts")
    const ask = (...args: ReadonlyArray<string>) => {
      const { status, stderr } = spawnSync(process.execPath, ["--liftoff-only", main, "demo", ...args], { encoding: "utf8" })
      return { status, stderr }
    }
    assert.deepStrictEqual(ask("--speed", "0"), { status: 2, stderr: "wmod: --speed must be between 0.1 and 100\n" })
  })

  it.effect("has a configuration that is in order, and leaves no files", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.scoped(
        Effect.gen(function* () {
          const { directory, file, stateDirectory } = yield* demoFiles("127.0.0.1:0")
          const { httpNames, rules } = yield* loadConfig(file, { stateDirectory })
          assert.deepStrictEqual([rules.length, httpNames], [6, []])
          return directory
        })
      )
      assert.isFalse(existsSync(directory))
    })
  )

  it("has as many further groups as were asked for", () => {
    const names = [...demoMachine(3).kernel.cgroups.groups.keys()]
    assert.includeMembers(names, ["system.slice/web.service", "system.slice/app-001.service", "system.slice/app-003.service"])
    assert.notInclude(names, "system.slice/app-004.service")
  })
})

describe("a simulation at a pace", () => {
  it.live("follows a clock that runs faster, and stays where it is afterwards", () =>
    Effect.gen(function* () {
      const simulation = machineWith([{ group: "a", workload: smallService(1) }], 2 ** 28)
      const seenMs = yield* Effect.gen(function* () {
        const start = yield* Clock.currentTimeMillis
        while (simulation.nowMs < 2000) yield* Effect.sleep(500)
        return (yield* Clock.currentTimeMillis) - start
      }).pipe(atPace(simulation, 20))
      assert.isAtLeast(seenMs, 2000)
      const endMs = simulation.nowMs
      yield* Effect.sleep(250)
      assert.strictEqual(simulation.nowMs, endMs)
    })
  )
})
