/** `wmo run` and `wmo agent` on fake kernels: what they do, and how they end where they cannot. */
import { assert, describe, it } from "@effect/vitest"
import { Errno, FakeKernel, makeSimpleMemcg } from "@wmo/core/testing"
import { Effect, Fiber } from "effect"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  cgroupRoot,
  coldMemcg,
  fails,
  freshFile,
  journals,
  type KernelChanges,
  kernelWithApp,
  machineState,
  mib,
  stateDirectory,
  passTime,
  v2Mount,
  wmo,
  wmoInTime,
  write
} from "./harness.ts"

const agent = ["agent", "app", "--for", "12s"]
const v1Mount = { mountPoint: "/sys/fs/cgroup/memory", fsType: "cgroup", options: ["rw"], superOptions: ["rw", "memory"] }

/** A mount without the memory controller, as on hybrid machines. */
const withoutMemory = (): FakeKernel => {
  const kernel = kernelWithApp(coldMemcg(), { mounts: [v1Mount, v2Mount] })
  kernel.fs.file(`${cgroupRoot}/cgroup.controllers`, "cpu pids\n", 0o444)
  return kernel
}

const kernel = (changes: KernelChanges) => () => kernelWithApp(coldMemcg(), changes)

const machines: ReadonlyArray<readonly [string, () => FakeKernel, RegExp]> = [
  ["no cgroup v2", kernel({ mounts: [v1Mount] }), /^wmo: no cgroup v2 is mounted here; see `wmo doctor`/],
  ["the memory controller on v1", withoutMemory, /^wmo: the memory controller is not on cgroup v2 here .*boot with/],
  ["a read-only cgroupfs", kernel({ mounts: [{ ...v2Mount, options: ["ro"] }] }), /^wmo: \/sys\/fs\/cgroup is mounted read-only: remount/]
]

describe("a machine that cannot do it: exit code 3", () => {
  for (const [what, make, line] of machines) {
    it.effect(`run with ${what}`, () => fails(["run", "--", "true"], 3, line, make()))
    it.effect(`agent with ${what}`, () => fails(agent, 3, line, make()))
  }

  const withoutAges = () => kernelWithApp(coldMemcg(), { options: { mglru: false } })
  const cannot = /^wmo: policy periodic cannot run here: the kernel tells nothing about page ages .*see `wmo doctor`$/

  it.effect("a policy that needs page ages, without MGLRU", () => fails([...agent, "--policy", "periodic"], 3, cannot, withoutAges()))

  it.effect("the same in run, and no empty recording stays", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* fails(["run", "--policy", "periodic", "--record", file, "--", "true"], 3, cannot, withoutAges())
      assert.isFalse(existsSync(file))
    })
  )
})

describe("wrong groups, commands and files: exit code 1", () => {
  it.effect("a group that does not exist", () => fails(["agent", "nowhere", "--for", "1s"], 1, /^wmo: there is no cgroup nowhere/))

  it.effect("a new group that exists", () =>
    fails(["run", "--group", "app", "--", "true"], 1, /cannot mkdir \/sys\/fs\/cgroup\/app: it exists already; choose another name$/)
  )

  it.effect("CMD not found", () =>
    fails(["run", "--", "no-such-command-9"], 1, /^wmo: cannot run "no-such-command-9": no such command; check its name and your PATH$/)
  )

  it.effect.each(["run -- true", "agent app --for 1s"])("--record onto a file that exists: wmo %s", (command) =>
    Effect.gen(function* () {
      const file = freshFile()
      writeFileSync(file, "mine\n")
      const [verb = "", ...rest] = command.split(" ")
      yield* fails([verb, "--record", file, ...rest], 1, /the file exists; remove it or choose another name$/)
      assert.strictEqual(readFileSync(file, "utf8"), "mine\n")
    })
  )

  it.effect("--record onto an older recording does not sum that one up", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* wmoInTime([...agent, "--record", file], kernelWithApp())
      const { stdout } = yield* fails([...agent, "--record", file, "--json"], 1, /the file exists/)
      assert.strictEqual(stdout, "")
    })
  )

  it.effect("--record into no directory", () => fails(["run", "--record", "/no/where/x.wmo", "--", "true"], 1, /there is no directory/))

  it.effect("no permission", () => {
    const machine = new FakeKernel()
    machine.fs.file(`${cgroupRoot}/cgroup.subtree_control`, {
      read: () => "\n",
      write: () => {
        throw new Errno("EACCES")
      }
    })
    return fails(["run", "--", "true"], 1, /permission denied; run as root$/, machine)
  })

  it.effect("a state directory that cannot be made", () => {
    writeFileSync(`${stateDirectory}-file`, "")
    process.env["WMO_STATE_DIR"] = `${stateDirectory}-file/x`
    return fails(["run", "--", "true"], 1, /^wmo: cannot keep the journal in .*choose another with WMO_STATE_DIR$/).pipe(
      Effect.ensuring(Effect.sync(() => void (process.env["WMO_STATE_DIR"] = stateDirectory)))
    )
  })

  it.effect("a group that vanishes mid-run", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      const fiber = yield* Effect.forkChild(wmo([...agent, "--policy", "senpai"], machine))
      yield* passTime(() => machine.fs.text(`${cgroupRoot}/app/memory.high`) !== "max\n")
      machine.fs.rmdirSync(`${cgroupRoot}/app`)
      yield* passTime(() => fiber.pollUnsafe() !== undefined)
      const { code, complaints, stderr } = yield* Fiber.join(fiber)
      assert.strictEqual(code, 1)
      assert.match(complaints.join("\n"), /^wmo: .*cgroup app.*$/)
      assert.include(stderr, "policy      senpai")
      assert.deepStrictEqual(journals(), [])
    })
  )
})

describe("wmo agent on the fake kernel", () => {
  it.effect("says what it does, sums up, and puts back what it set", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      const before = machineState(machine)
      const { code, complaints, stderr, stdout } = yield* wmoInTime([...agent, "--policy", "senpai"], machine)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(complaints, [])
      assert.match(stderr, /^wmo: +0 s +100 MiB {2}start at the current 100 MiB → memory\.high 100 MiB/m)
      assert.match(stderr, /^memory +mean /m)
      assert.strictEqual(stdout, "")
      assert.deepStrictEqual(machineState(machine), before)
      assert.deepStrictEqual(journals(), [])
    })
  )

  it.effect("--json prints the summary on stdout, and --quiet nothing else", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* wmoInTime([...agent, "--policy", "senpai", "--json", "--quiet"], kernelWithApp())
      assert.strictEqual(stderr, "")
      assert.strictEqual(JSON.parse(stdout).duration_seconds, 11)
    })
  )

  it.effect.each(["periodic", "senpai"])("--dry-run of %s changes nothing", (policy) =>
    Effect.gen(function* () {
      const memcg = coldMemcg()
      const machine = kernelWithApp(memcg)
      const writes = machine.fs.writes.length
      const { code, stderr } = yield* wmoInTime([...agent, "--policy", policy, "--dry-run"], machine)
      assert.strictEqual(code, 0)
      assert.include(stderr, "[dry-run]")
      assert.strictEqual(machine.fs.writes.length, writes)
      assert.deepStrictEqual(memcg.state.reclaims, [])
    })
  )

  it.effect("a memory.high that somebody else has set is left alone", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      write(machine, `${cgroupRoot}/app/memory.high`, "512M")
      const { stderr } = yield* wmoInTime([...agent, "--policy", "senpai"], machine)
      assert.include(stderr, "set by somebody else; it is left alone")
      assert.strictEqual(machine.fs.text(`${cgroupRoot}/app/memory.high`), `${512 * mib}\n`)
    })
  )

  it.effect("--take-over changes it all the same, and puts it back", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      write(machine, `${cgroupRoot}/app/memory.high`, "512M")
      const writes = machine.fs.writes.length
      const { code, stderr } = yield* wmoInTime([...agent, "--policy", "senpai", "--take-over"], machine)
      assert.strictEqual(code, 0)
      assert.match(stderr, /→ memory\.high/)
      assert.isAbove(machine.fs.writes.slice(writes).filter(({ path }) => path.endsWith("/memory.high")).length, 1)
      assert.strictEqual(machine.fs.text(`${cgroupRoot}/app/memory.high`), `${512 * mib}\n`)
    })
  )

  it.effect("a group on which another wmo acts is refused, with who that is; looking on is not", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      const pid = 4_190_000
      machine.fs.file(`/proc/${pid}/stat`, `${pid} (wmo) S ${"0 ".repeat(18)}77 0 0\n`, 0o444)
      const bootId = machine.fs.text("/proc/sys/kernel/random/boot_id").trim()
      const lines = [
        { version: 1, pid, startTime: "77", bootId, command: "agent app --policy periodic" },
        { kind: "claim", path: `${cgroupRoot}/app` }
      ]
      mkdirSync(stateDirectory, { recursive: true })
      const journal = join(stateDirectory, `journal-${pid}-77.jsonl`)
      writeFileSync(journal, lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(journal)))
      const refused = yield* wmoInTime([...agent, "--policy", "senpai"], machine)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, `${cgroupRoot}/app is in the hands of pid ${pid} (agent app --policy periodic)`)
      assert.strictEqual((yield* wmoInTime([...agent, "--policy", "senpai", "--dry-run"], machine)).code, 0)
      assert.strictEqual((yield* wmoInTime([...agent, "--policy", "none"], machine)).code, 0)
    })
  )

  it.effect("without swap it says that anonymous memory cannot be reclaimed", () =>
    Effect.gen(function* () {
      const memcg = coldMemcg()
      const { code, complaints } = yield* wmoInTime(
        [...agent, "--policy", "periodic"],
        kernelWithApp(memcg, {
          options: { swaps: () => [], memcg: (name, limits) => (name === "app" ? memcg : makeSimpleMemcg({}, limits)) }
        })
      )
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(complaints, [
        "wmo: note: there is no swap here: anonymous memory cannot be reclaimed, only file pages; see `wmo doctor`"
      ])
      assert.deepStrictEqual(memcg.state.reclaims, [])
    })
  )

  it.effect("a group that may not swap is named", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      write(machine, `${cgroupRoot}/app/memory.swap.max`, "0")
      const { complaints } = yield* wmoInTime([...agent, "--policy", "periodic"], machine)
      assert.match(complaints.join("\n"), /^wmo: note: memory\.swap\.max of app is 0: anonymous memory cannot be reclaimed/)
    })
  )
})

describe("wmo run on the fake kernel", () => {
  it.live("passes the exit code on, and leaves nothing", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      const before = machineState(machine)
      const { code, complaints, stderr } = yield* wmo(["run", "--", "sh", "-c", "exit 7"], machine)
      assert.strictEqual(code, 7)
      assert.deepStrictEqual(complaints, [])
      assert.include(stderr, "policy      none")
      assert.deepStrictEqual(machineState(machine), before)
      assert.deepStrictEqual(journals(), [])
    })
  )

  it.live("a command that a signal ends: 128 and the signal", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* wmo(["run", "--quiet", "--", "sh", "-c", "kill -USR1 $$"])).code, 128 + 10)
    })
  )

  it.live("a command that cannot be executed is one line", () =>
    Effect.gen(function* () {
      const { code, complaints } = yield* wmo(["run", "--", "sh", "-c", "x".repeat(200_000)])
      assert.strictEqual(code, 1)
      assert.match(complaints.join("\n"), /^wmo: cannot run "sh": .*E2BIG$/)
    })
  )

  it.live("the policy works while the command runs, in a group with the name that was asked for", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      const before = machineState(machine)
      const { code, stderr } = yield* wmo(
        ["run", "--policy", "senpai", "--every", "50ms", "--group", "a/b/c", "--", "sleep", "0.3"],
        machine
      )
      assert.strictEqual(code, 0)
      assert.isTrue(machine.fs.writes.some(({ path, text }) => path === `${cgroupRoot}/a/b/c/memory.high` && text !== "max"))
      assert.include(stderr, "memory.high 100 MiB")
      assert.deepStrictEqual(machineState(machine), before)
    })
  )

  it.live("--dry-run makes the group, and touches nothing in it", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      const { code, stderr } = yield* wmo(["run", "--policy", "senpai", "--dry-run", "--", "sleep", "0.1"], machine)
      assert.strictEqual(code, 0)
      assert.include(stderr, "[dry-run]")
      assert.isFalse(machine.fs.writes.some(({ path }) => path.endsWith("memory.high")))
    })
  )

  it.live.each([
    "",
    "not json",
    "[1]",
    '"text"',
    "null",
    '{"operations_per_second": "many", "p99_us": {}, "wrong_bytes": [], "more": true}'
  ])("a WMO_RESULT of %s is tolerated", (result) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* wmo(["run", "--json", "--", "sh", "-c", `printf '%s' '${result}' > "$WMO_RESULT"`])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(JSON.parse(stdout).result, result.startsWith("{") ? { more: true } : null)
    })
  )
})

describe("after a crash", () => {
  it.effect("the next start of any command restores, and says so", () =>
    Effect.gen(function* () {
      const machine = kernelWithApp()
      write(machine, `${cgroupRoot}/app/memory.high`, "64M")
      mkdirSync(stateDirectory, { recursive: true })
      const header = { version: 1, pid: 999_999_999, startTime: "1", bootId: "00000000-0000-4000-8000-000000000000", command: "run -- x" }
      const change = { kind: "write", path: `${cgroupRoot}/app/memory.high`, was: "max", is: String(64 * mib) }
      writeFileSync(`${stateDirectory}/journal-999999999-1.jsonl`, `${JSON.stringify(header)}\n${JSON.stringify(change)}\n`)
      const { code, complaints, stdout } = yield* wmo(["policy", "list", "--json"], machine)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(complaints, [
        "wmo: an earlier run could not clean up behind itself (pid 999999999: run -- x)",
        `wmo:   restored ${cgroupRoot}/app/memory.high to max`
      ])
      assert.isArray(JSON.parse(stdout))
      assert.strictEqual(machine.fs.text(`${cgroupRoot}/app/memory.high`), "max\n")
      assert.deepStrictEqual(journals(), [])
      assert.strictEqual((yield* wmo(["policy", "list"], machine)).stderr, "")
    })
  )
})
