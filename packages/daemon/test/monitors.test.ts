/** Monitors of third parties: loaded, sampled, recorded, shown; what they do wrong is their own. */
import { assert, describe, it } from "@effect/vitest"
import { Machine } from "@wmo/core"
import { FakeKernel } from "@wmo/core/testing"
import { Recorder, openRecording } from "@wmo/recording"
import { machineMemorySampler } from "@wmo/monitors"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { connectDaemon } from "../src/client.ts"
import { loadConfig, type Monitor, runDaemon } from "../src/index.ts"
import { renderMonitored } from "../src/server/metrics.ts"
import { MonitorRecord, runMonitor } from "../src/supervisor/runMonitor.ts"
import { samplesProblem, valuesAtMost } from "../src/supervisor/samplesProblem.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const fixture = (name: string) => join(import.meta.dirname, "fixtures", name)

const loading = (monitors: string) => {
  const file = join(scratch, "wmod.yaml")
  writeFileSync(file, `monitors: ${monitors}`)
  return loadConfig(file, { stateDirectory: "/run/wmo" })
}

describe("monitors in a configuration", () => {
  it.effect("are found by path, each with its interval", () =>
    Effect.gen(function* () {
      const { monitors } = yield* loading(`[{ module: ${fixture("monitors.mjs")}, every: 2s }]`)
      assert.deepStrictEqual(
        monitors.map(({ everyMs, monitor }) => [monitor.name, everyMs]),
        ["mail", "odd", "thrower", "spinner"].map((name) => [name, 2000])
      )
      assert.strictEqual((yield* loading(`[${fixture("monitors.mjs")}]`)).monitors[0]?.everyMs, 10_000)
    })
  )

  it.effect("what cannot be loaded, or is no monitor, is a problem with a line", () =>
    Effect.gen(function* () {
      const twice = fixture("monitors.mjs")
      const list = [fixture("nowhere.mjs"), fixture("noMonitor.mjs"), fixture("goodPolicies.mjs"), twice, twice]
      const answer = yield* Effect.result(loading(`\n${list.map((name) => `  - ${name}\n`).join("")}`))
      const lines = Result.isFailure(answer) ? answer.failure.lines : []
      assert.match(lines[0]!, /wmod\.yaml:2:5: .*nowhere\.mjs cannot be loaded: ENOENT/)
      assert.match(lines[1]!, /:3:5: .*noMonitor\.mjs is no module of monitors: half has neither a function open nor an Effect make/)
      assert.match(lines[2]!, /:4:5: .*is no module of monitors: quiet has no list kinds/)
      assert.match(lines[3]!, /:6:5: .*there is a monitor "mail" already; give it another name/)
    })
  )
})

/** Runs one for so many seconds of the test's clock. */
const running = (monitor: Monitor, seconds: number) =>
  Effect.gen(function* () {
    const record = new MonitorRecord({ monitor, everyMs: 1000 })
    const fiber = yield* Effect.forkChild(runMonitor(record))
    for (let i = 0; i < seconds; i++) {
      // Its promises are settled between turns of the clock.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("1 second")
    }
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    yield* Fiber.interrupt(fiber)
    return record
  })

describe("a monitor at work", () => {
  const named = (name: string) =>
    Effect.map(loading(`[${fixture("monitors.mjs")}]`), ({ monitors }) => monitors.find(({ monitor }) => monitor.name === name)!.monitor)

  it.effect("is sampled every so often, recorded, and closed at the end", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(scratch, "recording-"))
      const record = yield* Effect.provide(running(yield* named("mail"), 4), Recorder.layerDirectory({ directory }))
      assert.strictEqual(record.taken, 5)
      assert.isTrue((globalThis as { mailIsClosed?: boolean }).mailIsClosed)
      const name = readdirSync(directory).find((each) => each.endsWith(".wmo"))
      const { points, runs } = yield* Effect.scoped(
        Effect.gen(function* () {
          const recording = yield* openRecording(join(directory, name!))
          const all = yield* recording.runs
          return { runs: all, points: yield* recording.subjects(all[0]!.id) }
        })
      )
      assert.strictEqual(runs[0]?.label, "monitor mail")
      assert.deepInclude(points[0], { kind: "queue", name: 'in "box"' })
    })
  )

  it.effect.each([
    ["odd", "queue x: queue_length is 1.5: values are whole numbers, with the unit in the name"],
    ["thrower", "no mail server here"],
    ["spinner", "it took longer than 250 ms"]
  ] as const)("%s is told of, and tried again", ([name, problem]) =>
    Effect.gen(function* () {
      const record = yield* Effect.provide(running(yield* named(name), 2), Recorder.layerNone)
      assert.deepInclude(record.status, { name, taken: 0, subjects: 0, problem })
    })
  )

  it.effect("may be a sampler of @wmo/monitors", () =>
    Effect.gen(function* () {
      const record = yield* running(machineMemorySampler(), 2)
      assert.isUndefined(record.problem)
      assert.isAtLeast(record.taken, 2)
    }).pipe(Effect.provide(Recorder.layerNone), Effect.provide(Machine.layer), Effect.provide(new FakeKernel().layer))
  )
})

describe("samples", () => {
  const sample = (changes: object) => ({ subject: { kind: "queue", name: "q" }, metrics: ["a"], values: [1], ...changes })
  it.each([
    ["no list", 7, "sample must give a list"],
    ["no subject", [{}], "a sample must have subject, metrics and values"],
    ["another kind", [sample({ subject: { kind: "x", name: "q" } })], "a sample is of kind x, which is none of queue"],
    ["two of one", [sample({}), sample({})], "queue q has two samples"],
    ["lengths", [sample({ values: [] })], "queue q: metrics and values must be lists of the same length"],
    ["a name", [sample({ metrics: ["A b"] })], 'queue q: "A b" is no name of a metric: a-z, 0-9 and _, 64 at most'],
    [
      "too many",
      Array.from({ length: valuesAtMost + 1 }, (_, i) => sample({ subject: { kind: "queue", name: `q${i}` } })),
      "it gives 1001 values a turn, more than 1000"
    ]
  ])("%s", (_, samples, problem) => assert.strictEqual(samplesProblem(samples, ["queue"]), problem))

  it("are untyped series, a name once", () => {
    const samples = ["q1", "q2"].map((name) => ({ subject: { kind: "queue", name }, metrics: ["length", "age"], values: [1n, undefined] }))
    assert.strictEqual(
      renderMonitored([{ monitor: "mail", samples }]),
      `# TYPE wmo_monitor_length untyped\nwmo_monitor_length{monitor="mail",kind="queue",subject="q1"} 1\nwmo_monitor_length{monitor="mail",kind="queue",subject="q2"} 1\n`
    )
  })
})

describe("wmod with a monitor", () => {
  it.live("shows its status; a reload without it ends it", () =>
    Effect.gen(function* () {
      const file = join(scratch, "live.yaml")
      const rest = "every: 20ms\nemergency_stop: off\nserver: { http: off }\n"
      writeFileSync(file, `${rest}monitors: [${fixture("monitors.mjs")}]`)
      const stateDirectory = join(scratch, "state")
      const kernel = new FakeKernel()
      kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
      yield* runDaemon({ file, stateDirectory, command: "wmod", version: "1" }, () =>
        Effect.gen(function* () {
          const client = yield* connectDaemon(join(stateDirectory, "wmod.sock"))
          yield* Effect.sleep(700)
          const { monitors = [] } = yield* client.Status()
          assert.deepStrictEqual(
            monitors.map(({ name, problem, taken }) => [name, taken, problem !== undefined]),
            [
              ["mail", 1, false],
              ["odd", 0, true],
              ["thrower", 0, true],
              ["spinner", 0, true]
            ]
          )
          writeFileSync(file, rest)
          yield* client.Reload()
          yield* Effect.sleep(100)
          assert.isUndefined((yield* client.Status()).monitors)
        })
      ).pipe(Effect.scoped, Effect.provide(kernel.layer))
    })
  )
})
