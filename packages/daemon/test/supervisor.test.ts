import { assert, describe, it } from "@effect/vitest"
import { Journal } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg } from "@wmo/core/testing"
import { type AnyPolicy, policies } from "@wmo/policies"
import { openRecording, Recorder, type RecordingError } from "@wmo/recording"
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { SetRequest } from "../src/supervisor/setOverride.ts"
import { checkConfig, type Config, ConfigRejected, makeSupervisor, steadyRecorder, type Supervisor } from "../src/index.ts"
import { OwnCost } from "../src/supervisor/ownCost.ts"

const mib = 2 ** 20
const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let places = 0
const place = () => join(scratch, `place-${places++}`)

const policyThat = (name: string, decide: AnyPolicy["decide"]): AnyPolicy => ({
  name,
  summary: "A policy of this test.",
  source: "this test",
  settings: {},
  needs: [],
  initialState: 0,
  decide
})

/** Sets memory.high, and counts how often it was asked. */
const setter = policyThat("setter", (_, state: number) => ({
  actions: [{ _tag: "SetHigh", limit: 64 * mib }],
  reason: `asked ${state + 1} times`,
  state: state + 1
}))
const thrower = policyThat("thrower", () => {
  throw new Error("it broke\nin two lines")
})
const spinner = policyThat("spinner", () => {
  for (;;);
})
const babbler = policyThat("babbler", (_, state) => ({ actions: [{ _tag: "Reclaim", bytes: Number.NaN }], reason: "more", state }))
const known = [...policies, setter, thrower, spinner, babbler]

const check = (text: string) => checkConfig(text, { file: "/etc/wmod.yaml", policies: known, stateDirectory: "/run/wmo" })
const configOf = (text: string): Config => Result.getOrThrow(check(text))
const loading = (text: string) => Effect.fromResult(check(text))

class Machine {
  availableBytes = 2 ** 31
  readonly kernel = new FakeKernel({
    memAvailableBytes: () => this.availableBytes,
    memcg: (_, limits) => makeSimpleMemcg({ current: 100 * mib }, limits)
  })

  constructor(groups: ReadonlyArray<string>) {
    this.write("cgroup.subtree_control", "+memory")
    for (const group of groups) this.add(group)
  }

  add(group: string): void {
    this.kernel.fs.mkdirSync(`/sys/fs/cgroup/${group}`)
    this.write(`${group}/cgroup.subtree_control`, "+memory")
  }

  remove(group: string): void {
    this.kernel.fs.rmdirSync(`/sys/fs/cgroup/${group}`)
  }

  write(file: string, text: string): void {
    this.kernel.fs.writeSync(this.kernel.fs.openSync(`/sys/fs/cgroup/${file}`, 1), new TextEncoder().encode(text))
  }

  high(group: string): string {
    return this.read(`/sys/fs/cgroup/${group}/memory.high`)
  }

  read(path: string): string {
    return this.kernel.fs.text(path).trim()
  }
}

const ours = String(64 * mib)
const seconds = (count: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < count * 2; i++) {
      yield* TestClock.adjust("500 millis")
      yield* Effect.yieldNow
    }
  })

/** The supervisor, and a few turns of it, on a fake machine. */
const supervising = <A, E>(
  machine: Machine,
  text: string,
  use: (supervisor: Supervisor) => Effect.Effect<A, E, never>,
  {
    directory = place(),
    recorder = Recorder.layerNone,
    ownCost = () => ({ cpuMs: 0, rssBytes: 0 })
  }: {
    readonly directory?: string
    readonly recorder?: Layer.Layer<Recorder, RecordingError>
    readonly ownCost?: typeof OwnCost.Service
  } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const supervisor = yield* makeSupervisor(configOf(text))
      yield* seconds(2)
      return yield* use(supervisor)
    })
  ).pipe(
    // A test's process is larger than a wmod.
    Effect.provideService(OwnCost, ownCost),
    Effect.provide(recorder),
    Effect.provide(Layer.provideMerge(Journal.layer({ directory, command: "test" }), machine.kernel.layer))
  )

const groupOf = (supervisor: Supervisor, group: string) =>
  Effect.map(supervisor.status, ({ groups }) => groups.find((each) => each.group === group))
const rule = (policy: string, match = "a*") => `{ match: "${match}", policy: ${policy} }`
const settingHigh = `every: 1s\nemergency_stop: off\nrules: [${rule("setter")}]`

describe("the supervisor", () => {
  it.effect("looks after groups that come and go, and puts all back at the end", () => {
    const machine = new Machine(["a1", "b"])
    return Effect.gen(function* () {
      yield* supervising(machine, settingHigh, (supervisor) =>
        Effect.gen(function* () {
          assert.deepStrictEqual([machine.high("a1"), machine.high("b")], [ours, "max"])
          machine.add("a2")
          yield* seconds(70)
          assert.strictEqual(machine.high("a2"), ours)
          machine.remove("a1")
          yield* seconds(70)
          const { groups, groupsSeen } = yield* supervisor.status
          assert.deepStrictEqual(
            groups.map(({ group, policy, state }) => ({ group, policy, state })),
            [{ group: "a2", policy: "setter", state: "acting" }]
          )
          assert.strictEqual(groupsSeen, 2)
        })
      )
      assert.strictEqual(machine.high("a2"), "max")
    })
  })

  it.effect.each([
    ["thrower", "policy thrower failed: it broke"],
    ["spinner", "policy spinner failed: it took longer than 250 ms"],
    ["babbler", "policy babbler failed: it asked for Reclaim with amounts that are none"]
  ] as const)("%s is ended, told, and tried again after a while that doubles; others go on", ([policy, problem]) => {
    const machine = new Machine(["a1", "bad"])
    const text = `emergency_stop: off\nrules: [${rule("setter")}, ${rule(policy, "bad")}]`
    return supervising(machine, text, (supervisor) =>
      Effect.gen(function* () {
        const first = yield* groupOf(supervisor, "bad")
        assert.deepInclude(first, { state: "backing-off", problem })
        const before = (yield* groupOf(supervisor, "a1"))!.ticks
        yield* seconds(6)
        const later = yield* groupOf(supervisor, "bad")
        assert.deepInclude(later, { state: "backing-off", problem })
        // At 0, 1, 3 and 7 s; the fifth comes at 15 s.
        assert.strictEqual(later!.failures, 4)
        assert.isAtLeast((yield* groupOf(supervisor, "a1"))!.ticks, before + 5)
      })
    )
  })

  it.effect("stops and puts back within one tick when memory is short, and goes on after a while", () => {
    const machine = new Machine(["a1"])
    const text = settingHigh.replace("emergency_stop: off", "emergency_stop: { available: 100M, resume_after: 10s }")
    return supervising(machine, text, (supervisor) =>
      Effect.gen(function* () {
        assert.strictEqual(machine.high("a1"), ours)
        machine.availableBytes = 50 * mib
        yield* seconds(1)
        assert.strictEqual(machine.high("a1"), "max")
        assert.deepInclude(yield* supervisor.status, {
          mode: "emergency",
          why: "50.0 MiB of memory available, less than 100 MiB",
          emergencyStops: 1
        })
        machine.availableBytes = 2 ** 31
        yield* seconds(8)
        assert.strictEqual(machine.high("a1"), "max")
        yield* seconds(4)
        assert.strictEqual(machine.high("a1"), ours)
        assert.deepInclude(yield* supervisor.status, { mode: "running", why: undefined })
      })
    )
  })

  it.effect("above its own budget it looks less often at groups in which nothing moves, too", () => {
    const ticksIn100s = (percentAtFirst: number) => {
      let [readings, cpuMs] = [0, 0]
      const ownCost = () => ({ cpuMs: (cpuMs += 50 * (readings++ < 5 ? percentAtFirst : 9)), rssBytes: 0 })
      const text = `every: 1s\nidle_every: 8s\nemergency_stop: off\nself: { cpu: 10% }\nrules: [${rule("none")}]`
      const looks = (supervisor: Supervisor) =>
        Effect.gen(function* () {
          yield* seconds(98)
          const before = (yield* groupOf(supervisor, "a1"))!.ticks
          yield* seconds(100)
          return (yield* groupOf(supervisor, "a1"))!.ticks - before
        })
      return supervising(new Machine(["a1"]), text, looks, { ownCost })
    }
    return Effect.gen(function* () {
      assert.approximately(yield* ticksIn100s(9), 100 / 8, 1)
      assert.approximately(yield* ticksIn100s(25), 100 / (8 * 3), 1)
    })
  })

  it.effect("pauses and goes on; what a policy has learned stays", () => {
    const machine = new Machine(["a1"])
    return supervising(machine, settingHigh, (supervisor) =>
      Effect.gen(function* () {
        yield* supervisor.pause
        assert.strictEqual(machine.high("a1"), "max")
        const paused = yield* supervisor.explain("a1")
        assert.deepInclude(paused?.summary, { state: "stopped", why: "paused" })
        yield* seconds(5)
        assert.strictEqual((yield* supervisor.explain("a1"))?.decisions.length, paused?.decisions.length)
        yield* supervisor.resume
        yield* seconds(2)
        assert.strictEqual(machine.high("a1"), ours)
        const reasons = (yield* supervisor.explain("/a1"))!.decisions.map(({ reason }) => reason)
        assert.deepStrictEqual(
          reasons,
          reasons.map((_, i) => `asked ${i + 1} times`)
        )
        assert.isAbove(reasons.length, paused!.decisions.length)
      })
    )
  })

  it.effect("a reload changes what has changed, and nothing else", () => {
    const machine = new Machine(["a1", "a2"])
    return supervising(machine, settingHigh, (supervisor) =>
      Effect.gen(function* () {
        yield* supervisor.reload(
          loading(`emergency_stop: off\nrules: [${rule("setter")}, { match: a2, policy: none }, { match: a1, floor: 16M }]`)
        )
        yield* seconds(2)
        assert.deepStrictEqual([machine.high("a1"), machine.high("a2")], [ours, "max"])
        const reasons = (yield* supervisor.explain("a1"))!.decisions.map(({ reason }) => reason)
        assert.deepStrictEqual(
          reasons,
          reasons.map((_, i) => `asked ${i + 1} times`)
        )
        assert.strictEqual((yield* supervisor.status).reloads, 1)
      })
    )
  })

  it.effect("a bad configuration, or one that takes a new start, changes nothing", () => {
    const machine = new Machine(["a1"])
    return supervising(machine, settingHigh, (supervisor) =>
      Effect.gen(function* () {
        const before = (yield* supervisor.status).config
        const bad = yield* Effect.flip(supervisor.reload(loading("rules: 7")))
        assert.instanceOf(bad, ConfigRejected)
        const moved = yield* Effect.flip(supervisor.reload(loading(`${settingHigh}\nstate_directory: /elsewhere\nserver: { http: off }`)))
        assert.match(moved.message, /^state_directory, server\.socket, server\.http cannot change while wmod runs: restart it/)
        const after = yield* supervisor.status
        assert.strictEqual(after.config, before)
        assert.strictEqual(after.reloadsRefused, 2)
        assert.strictEqual(machine.high("a1"), ours)
      })
    )
  })

  it.effect("takes settings by hand, all or none, until they are unset, their time is up, or the configuration is read anew", () => {
    const machine = new Machine(["a1", "a2", "b"])
    const text = `every: 1s\nemergency_stop: off\nprotected: [a2]\nrules: [{ match: "a*", policy: periodic, settings: { cold_age: 7s } }]`
    return supervising(machine, text, (supervisor) =>
      Effect.gen(function* () {
        const now = () =>
          Effect.map(supervisor.explain("a1"), (said) => {
            const { cold_age, interval } = said!.settings
            return [said!.summary.policy, cold_age, interval, said!.summary.override?.settings]
          })
        const refused = (request: SetRequest) => Effect.map(Effect.flip(supervisor.set(request)), ({ message }) => message)
        const before = yield* now()
        assert.deepStrictEqual(before.slice(0, 2), ["periodic", "7s"])

        const { summary } = yield* supervisor.set({ group: "/a1", settings: { interval: "3s" } })
        assert.deepStrictEqual(summary.override, { settings: { interval: "3s" } })
        assert.deepStrictEqual(yield* now(), ["periodic", "7s", "3s", { interval: "3s" }])
        yield* supervisor.set({ group: "a1", settings: { cold_age: "9s" } })
        assert.deepStrictEqual(yield* now(), ["periodic", "9s", "3s", { interval: "3s", cold_age: "9s" }])

        const held = yield* now()
        const nothing = { settings: {} }
        assert.strictEqual(
          yield* refused({ group: "a1", settings: { interval: "1s", cold_ages: "1s" } }),
          'policy periodic has no setting "cold_ages"; did you mean cold_age?'
        )
        assert.match(yield* refused({ group: "a1", settings: { interval: "soon" } }), /^setting interval of policy periodic: "soon"/)
        assert.strictEqual(
          yield* refused({ group: "a1", policy: "setting", ...nothing }),
          'there is no policy "setting"; did you mean setter?'
        )
        assert.strictEqual(yield* refused({ group: "a1", ...nothing }), "nothing to set: name a setting (KEY=VALUE) or a policy")
        assert.match(yield* refused({ group: "a2", policy: "setter", ...nothing }), /^a2 is left alone: protected/)
        assert.match(yield* refused({ group: "b", policy: "setter", ...nothing }), /^no rule picks b; `wmo status`/)
        assert.deepStrictEqual(yield* now(), held)

        // Settings of another policy begin anew.
        yield* supervisor.set({ group: "a1", policy: "setter", ...nothing, forMs: 20_000 })
        yield* seconds(2)
        assert.deepStrictEqual(yield* now(), ["setter", undefined, undefined, {}])
        assert.strictEqual(machine.high("a1"), ours)
        yield* seconds(30)
        assert.deepStrictEqual(yield* now(), before)
        assert.strictEqual(machine.high("a1"), "max")

        yield* supervisor.set({ group: "a1", settings: { cold_age: "9s" } })
        yield* Effect.flip(supervisor.reload(loading("rules: 7")))
        assert.strictEqual((yield* now())[1], "9s")
        yield* supervisor.unset("a1")
        assert.deepStrictEqual(yield* now(), before)
        assert.match((yield* Effect.flip(supervisor.unset("a1"))).message, /^nothing was set for a1/)

        yield* supervisor.set({ group: "a1", settings: { cold_age: "9s" } })
        yield* supervisor.reload(loading(text))
        assert.deepStrictEqual(yield* now(), before)
        yield* supervisor.set({ group: "a1", settings: { cold_age: "9s" } })
        machine.remove("a1")
        yield* seconds(70)
        machine.add("a1")
        yield* seconds(70)
        assert.deepStrictEqual(yield* now(), before)
      })
    )
  })

  it.effect("a dry run changes nothing and shows what it would have done", () => {
    const machine = new Machine(["a1"])
    return supervising(machine, `dry_run: true\n${settingHigh}`, (supervisor) =>
      Effect.gen(function* () {
        assert.strictEqual(machine.high("a1"), "max")
        const { decisions } = (yield* supervisor.explain("a1"))!
        assert.deepStrictEqual(decisions.at(-1)?.outcomes, ["set memory.high to 64.0 MiB [dry-run]"])
        assert.isUndefined(yield* supervisor.explain("b"))
      })
    )
  })

  it.effect("records all groups into one recording; one that cannot be written stops nothing", () => {
    const machine = new Machine(["a1", "a2"])
    const directory = place()
    mkdirSync(directory)
    const health = { problem: undefined as string | undefined }
    const recorder = steadyRecorder(Recorder.layerDirectory({ directory, fileMs: 5000 }), health)
    return Effect.gen(function* () {
      yield* supervising(
        machine,
        settingHigh,
        (supervisor) =>
          Effect.gen(function* () {
            // The next file cannot be made.
            const before = (yield* groupOf(supervisor, "a1"))!.ticks
            rmSync(directory, { recursive: true })
            yield* seconds(8)
            assert.match(health.problem ?? "", /unable to open|no such file|cannot|ENOENT/i)
            assert.isAtLeast((yield* groupOf(supervisor, "a1"))!.ticks, before + 7)
            mkdirSync(directory)
            yield* seconds(4)
            assert.isUndefined(health.problem)
          }),
        { recorder }
      )
      const groups = new Set<string>()
      for (const name of readdirSync(directory)) {
        const recording = yield* Effect.scoped(Effect.flatMap(openRecording(join(directory, name)), ({ runs }) => runs))
        for (const { group } of recording) groups.add(group)
      }
      assert.deepStrictEqual([...groups].toSorted(), ["a1", "a2"])
    })
  })

  it.effect("a group that another wmo has is left to it, and tried again", () => {
    const machine = new Machine(["a1", "b"])
    const directory = place()
    // The first process of the fake lives.
    const header = { version: 1, pid: 1, startTime: "1", bootId: machine.read("/proc/sys/kernel/random/boot_id"), command: "agent a1" }
    const claim = { kind: "claim", path: "/sys/fs/cgroup/a1" }
    const journal = join(directory, "journal-1-1.jsonl")
    mkdirSync(directory, { mode: 0o700 })
    writeFileSync(journal, `${JSON.stringify(header)}\n${JSON.stringify(claim)}\n`)
    return supervising(
      machine,
      `emergency_stop: off\nrules: [${rule("setter")}]`,
      (supervisor) =>
        Effect.gen(function* () {
          const held = yield* groupOf(supervisor, "a1")
          assert.deepInclude(held, { state: "backing-off", failures: 2 })
          assert.match(held!.problem!, /a1 is in the hands of pid 1 \(agent a1\)/)
          assert.strictEqual(machine.high("a1"), "max")
          rmSync(journal)
          yield* seconds(4)
          assert.deepInclude(yield* groupOf(supervisor, "a1"), { state: "acting" })
          assert.strictEqual(machine.high("a1"), ours)
        }),
      { directory }
    )
  })
})
