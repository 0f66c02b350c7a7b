/** The pure parts of the supervisor and the metrics, one by one. */
import { assert, describe, it } from "@effect/vitest"
import { Mglru } from "@wmo/core"
import { FakeKernel } from "@wmo/core/testing"
import type { Observation } from "@wmo/monitors"
import type { AnyPolicy } from "@wmo/policies"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { DaemonStatus, GroupSummary } from "../src/client.ts"
import { groupsAtMost, renderMetrics } from "../src/server/metrics.ts"
import { backoffMs, failuresAfter } from "../src/supervisor/backoff.ts"
import { decisionProblem } from "../src/supervisor/decisionProblem.ts"
import { calm, judgeMachine, type MachineReading } from "../src/supervisor/emergency.ts"
import { guardPolicy, noMemory } from "../src/supervisor/guardPolicy.ts"
import { withinTime } from "../src/supervisor/interruptible.ts"
import { sharedGenerations } from "../src/supervisor/sharedGenerations.ts"
import { KnownPods } from "../src/supervisor/KnownPods.ts"

const spin = (): never => {
  for (;;);
}

describe("backing off", () => {
  it("doubles from a second to five minutes", () => {
    assert.deepStrictEqual([1, 2, 3, 9, 10, 1000].map(backoffMs), [1000, 2000, 4000, 256_000, 300_000, 300_000])
  })
  it("begins anew after a session that went well for long", () => {
    assert.deepStrictEqual([failuresAfter(4, 1000), failuresAfter(4, 300_000)], [5, 1])
  })
})

describe("what a policy may answer", () => {
  it.each([
    [undefined, "it answered with no decision"],
    [{ actions: [], reason: "" }, "it gave no reason"],
    [{ actions: {}, reason: "x" }, "its actions are no list"],
    [{ actions: [{ _tag: "Explode" }], reason: "x" }, "it asked for an action that there is not (Explode)"],
    [{ actions: [{ _tag: "constructor" }], reason: "x" }, "it asked for an action that there is not (constructor)"],
    [{ actions: [7], reason: "x" }, "it asked for an action that there is not (undefined)"],
    [{ actions: [{ _tag: "Reclaim", bytes: -1 }], reason: "x" }, "it asked for Reclaim with amounts that are none"],
    [{ actions: [{ _tag: "Reclaim", bytes: Infinity }], reason: "x" }, "it asked for Reclaim with amounts that are none"],
    [{ actions: [{ _tag: "Reclaim", bytes: 1, swappiness: 201 }], reason: "x" }, "it asked for Reclaim with amounts that are none"],
    [{ actions: [{ _tag: "SetHigh" }], reason: "x" }, "it asked for SetHigh with amounts that are none"],
    [{ actions: Array.from({ length: 65 }, () => ({ _tag: "Age" })), reason: "x" }, "it asked for 65 actions at once"],
    [
      { actions: [{ _tag: "SetHigh", limit: "max" }, { _tag: "Reclaim", bytes: 0, swappiness: "max" }, { _tag: "Age" }], reason: "x" },
      undefined
    ]
  ])("%j: %s", (decision, problem) => assert.strictEqual(decisionProblem(decision), problem))
})

describe("somebody beside a policy", () => {
  const policy: AnyPolicy = {
    name: "counter",
    summary: "Counts.",
    source: "this test",
    settings: {},
    needs: [],
    initialState: 0,
    decide: (_, state: number) => ({ actions: [{ _tag: "Age" }], reason: `asked ${state + 1} times`, state: state + 1 })
  }
  const inputAt = (seconds: number, tookMs = 0) => ({
    observation: { atMs: seconds * 1000 } as Observation,
    settings: {},
    floorBytes: 0,
    budgetBytes: 0,
    before: [{ action: { _tag: "Age" } as const, reclaimedBytes: undefined, tookMs }]
  })
  const options = { stopped: () => undefined, cpuPercent: undefined, limitMs: undefined }

  it("is not asked while its group has had its share of CPU in the last minute", () => {
    const guarded = guardPolicy(policy, noMemory(), { ...options, cpuPercent: 1 })
    assert.strictEqual(guarded.decide(inputAt(0, 600), 0).reason, "asked 1 times")
    const waiting = guarded.decide(inputAt(1, 1), 1)
    assert.deepStrictEqual(waiting, {
      actions: [],
      reason: "reclaiming took 601 ms of the last minute, more than 1 % of a CPU: wait",
      state: 1
    })
    assert.strictEqual(guarded.decide(inputAt(59.9), 1).actions.length, 0)
    assert.strictEqual(guarded.decide(inputAt(60), 1).reason, "asked 2 times")
  })

  it("is not asked while everything is stopped", () => {
    const guarded = guardPolicy(policy, noMemory(), { ...options, stopped: () => "paused" })
    assert.deepStrictEqual(guarded.decide(inputAt(0), 7), { actions: [], reason: "paused", state: 7 })
  })

  it("goes on with what it learned; a fault's state is not kept", () => {
    const memory = noMemory()
    const first = guardPolicy(policy, memory, options)
    first.decide(inputAt(0), first.initialState)
    const second = guardPolicy(policy, memory, options)
    assert.strictEqual(second.decide(inputAt(1), second.initialState).reason, "asked 2 times")
    const bad = { ...policy, decide: () => ({ actions: [], reason: "", state: 9 }) }
    assert.throws(() => guardPolicy(bad, memory, options).decide(inputAt(2), 2), "it gave no reason")
    assert.strictEqual(memory.fault, "it gave no reason")
    assert.strictEqual(guardPolicy(policy, memory, options).initialState, 0)
  })

  it.each([
    [
      "an answer whose fields are code that spins",
      () => ({
        get actions() {
          return spin()
        },
        reason: "x",
        state: 0
      }),
      "it took longer than 100 ms"
    ],
    [
      "an action whose tag is",
      () => ({
        actions: [
          {
            get _tag() {
              return spin()
            }
          }
        ],
        reason: "x",
        state: 0
      }),
      "it took longer than 100 ms"
    ],
    [
      "an error whose text is",
      () => {
        throw { toString: spin }
      },
      "it took longer than 100 ms"
    ],
    [
      "an error without a text",
      () => {
        throw {
          toString: () => {
            throw new Error("worse")
          }
        }
      },
      "it threw what cannot be told"
    ],
    ["an answer that is no plain data", () => ({ actions: [() => 7], reason: "x", state: 0 }), "() => 7 could not be cloned."]
  ] as const)("of a third party's policy, %s ends it as well (regression: it hung all of wmod)", (_, decide, problem) => {
    const memory = noMemory()
    const guarded = guardPolicy({ ...policy, decide: decide as never }, memory, { ...options, limitMs: 100 })
    assert.throws(() => guarded.decide(inputAt(1), 0), problem)
    assert.strictEqual(memory.fault, problem)
  })
})

describe("the file with the list of pods", () => {
  const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const file = join(scratch, "pods.json")
  const write = (name: string) => writeFileSync(file, JSON.stringify({ items: [{ metadata: { uid: "u", name, namespace: "n" } }] }))

  it.effect("is read when it has changed; one that is broken or gone leaves what was known", () =>
    Effect.gen(function* () {
      const pods = new KnownPods()
      const name = () => pods.pods.get("u")?.name
      write("first")
      yield* pods.look({ file })
      assert.strictEqual(name(), "first")
      write("second, longer")
      yield* pods.look({ file })
      assert.strictEqual(name(), "second, longer")
      writeFileSync(file, "{")
      yield* pods.look({ file })
      rmSync(file)
      yield* pods.look({ file })
      assert.strictEqual(name(), "second, longer")
      yield* pods.look(undefined)
      assert.isUndefined(name())
    })
  )
})

describe("the table of generations", () => {
  it.effect("is read once for all who look within a moment, and anew after it", () => {
    const kernel = new FakeKernel()
    kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
    kernel.fs.mkdirSync("/sys/fs/cgroup/a")
    return Effect.gen(function* () {
      const { age, group, table } = yield* Mglru
      const paths = Effect.map(table, (memcgs) => memcgs.map(({ path }) => path))
      assert.include(yield* paths, "/a")
      kernel.fs.mkdirSync("/sys/fs/cgroup/b")
      assert.notInclude(yield* paths, "/b")
      assert.isUndefined(yield* group("b"))
      // What acts on a group that is not in it looks for itself.
      yield* age("b")
      assert.strictEqual((yield* group("b"))?.path, "/b")
      yield* TestClock.adjust("50 millis")
      assert.include(yield* paths, "/b")
    }).pipe(Effect.provide(Layer.provide(sharedGenerations, kernel.layer)))
  })
})

describe("code of others", () => {
  it("answers, throws, or is ended", () => {
    assert.strictEqual(
      withinTime(1000, () => 7),
      7
    )
    assert.throws(
      () =>
        withinTime(1000, () => {
          throw new RangeError("its own")
        }),
      RangeError,
      "its own"
    )
    assert.throws(
      () =>
        withinTime(20, () => {
          for (;;);
        }),
      "it took longer than 20 ms"
    )
  })
})

describe("the emergency stop", () => {
  const stop = { pressurePercent: 40, available: { percent: 10 }, resumeAfterMs: 10_000 }
  const reading = (seconds: number, stallMs: number, availableBytes = 50): MachineReading => ({
    atMs: seconds * 1000,
    stallUs: BigInt(stallMs * 1000),
    availableBytes,
    totalBytes: 100
  })
  const whys = (readings: ReadonlyArray<MachineReading>, by: typeof stop | undefined = stop) => {
    let state = calm
    return readings.map((now) => (state = judgeMachine(by, now, state)).why)
  }

  it("looks at the stall of the last tick, and lets go after a while without", () => {
    const said = whys([reading(0, 5000), reading(1, 5400), reading(2, 5801), reading(11, 5801), reading(12, 5801)])
    assert.deepStrictEqual(
      said.map((why) => why !== undefined),
      [false, false, true, true, false]
    )
    assert.strictEqual(said[2], "some task was stalled on memory 40 % of 1.00 s, above 40 %")
  })
  it("looks at what is available", () => {
    assert.deepStrictEqual(whys([reading(0, 0, 10), reading(1, 0, 9)]), [undefined, "9 B of memory available, less than 10 B"])
  })
  it("knows nothing where the kernel says nothing, and does nothing where it is off", () => {
    assert.deepStrictEqual(whys([{ atMs: 0, stallUs: undefined, availableBytes: undefined, totalBytes: undefined }]), [undefined])
    assert.deepStrictEqual(
      [reading(0, 0, 1)].map((now) => judgeMachine(undefined, now, calm).why),
      [undefined]
    )
  })
})

describe("metrics", () => {
  const group = (name: string, current_bytes: number): GroupSummary => ({
    group: name,
    policy: "slo",
    state: "acting",
    why: "rule at line 1",
    current_bytes,
    reclaimed_bytes: 3,
    ticks: 2,
    missed_ticks: 0,
    actions: { "Reclaim done": 1 },
    failures: 0
  })
  const status = (groups: ReadonlyArray<GroupSummary>): DaemonStatus => ({
    version: "1",
    pid: 1,
    host: "here",
    now_ms: 3000,
    started_ms: 1000,
    config: "/etc/wmod.yaml",
    loaded_ms: 2000,
    dry_run: false,
    mode: "paused",
    emergency_stops: 0,
    reloads: 1,
    reloads_refused: 0,
    groups_seen: 5,
    rss_bytes: 7,
    cpu_seconds: 0.5,
    lateness: { bounds_ms: [1, 200], counts: [5, 2, 1], sum_ms: 900, most_ms: 700 },
    budget: { cpu_percent: 3, cpu_percent_most: 10, stride: 2, histories_dropped: false },
    groups
  })
  /** A line of the exposition format. */
  const line = /^(?:# (?:HELP|TYPE) .+|[a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? -?[0-9.e+]+)$/

  it("are well-formed, whatever groups are called", () => {
    const text = [...renderMetrics(status([group('odd "name"\\\n', 5)]))].join("")
    assert.isTrue(text.endsWith("\n"))
    for (const each of text.trimEnd().split("\n")) assert.match(each, line)
    assert.include(text, 'wmo_group_actions_total{group="odd \\"name\\"\\\\\\n",action="Reclaim",result="done"} 1\n')
    assert.notInclude(text, "wmo_recording_healthy")
    const buckets = [...text.matchAll(/^wmo_tick_lateness_seconds_(.+)$/gm)].map(([, rest]) => rest)
    assert.deepStrictEqual(buckets, ['bucket{le="0.001"} 5', 'bucket{le="0.2"} 7', 'bucket{le="+Inf"} 8', "sum 0.9", "count 8"])
    assert.include(text, "\nwmo_own_cpu_ratio 0.03\n")
  })

  it("have series for the largest groups only", () => {
    const groups = Array.from({ length: groupsAtMost + 5 }, (_, i) => group(`g${i}`, i))
    const lines = [...renderMetrics(status(groups))].join("").split("\n")
    const shown = lines.filter((each) => each.startsWith("wmo_group_memory_current_bytes{"))
    assert.lengthOf(shown, groupsAtMost)
    assert.isFalse(shown.some((each) => each.includes('"g4"')))
    assert.include(lines, "wmo_groups_without_series 5")
    assert.include(lines, `wmo_groups{state="acting"} ${groupsAtMost + 5}`)
  })
})
