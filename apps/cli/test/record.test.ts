/** `wmo record` on fake kernels: what is in the recording, what is said, how it ends. */
import { assert, describe, it } from "@effect/vitest"
import type { FakeKernel } from "@wmo/core/testing"
import { openRecording, openRecordings } from "@wmo/recording"
import { Effect, Stream } from "effect"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { cgroupRoot, coldMemcg, fails, freshFile, journals, kernelWithApp, machineState, mib, wmo, wmoInTime } from "./harness.ts"

const withTree = (options: Parameters<typeof kernelWithApp>[1] = {}): FakeKernel => {
  const kernel = kernelWithApp(coldMemcg(), options)
  for (const group of ["app/web", "other", "other/skip"]) {
    const parent = group.includes("/") ? `/${group.split("/")[0]}` : ""
    kernel.fs.writeSync(kernel.fs.openSync(`${cgroupRoot}${parent}/cgroup.subtree_control`, 1), new TextEncoder().encode("+memory"))
    kernel.fs.mkdirSync(`${cgroupRoot}/${group}`)
  }
  return kernel
}

const read = (file: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecording(file)
      const run = (yield* recording.runs)[0]!
      const subjects = yield* recording.subjects(run.id)
      const cold = Array.from(yield* Stream.runCollect(recording.entries(run.id, "coldAges")))
      const promotions = Array.from(yield* Stream.runCollect(recording.entries(run.id, "promotions")))
      const workingSets = Array.from(yield* Stream.runCollect(recording.entries(run.id, "workingSets")))
      return { run, subjects, cold, promotions, workingSets, points: Array.from(yield* Stream.runCollect(recording.points(run.id))) }
    })
  )

describe("wmo record", () => {
  it.effect("keeps groups, the machine and histograms, and leaves the machine as it was", () =>
    Effect.gen(function* () {
      const kernel = withTree({ options: { damon: false } })
      const before = machineState(kernel)
      const file = freshFile()
      const ended = yield* wmoInTime(
        ["record", "--cgroup", "app/**", "--exclude", "**/skip", "--process", "1", "--histograms-every", "10s", "--for", "30s", "-o", file],
        kernel
      )
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.match(ended.stderr, /page ages from mglru: .*no DAMON/)
      assert.match(ended.stderr, /recorded {4}30\.0 s: 3\d snapshots, 0 missed; 2 cgroups, 1 processes/)
      assert.include(ended.stderr, `wmo recording summary ${file}`)
      const { cold, points, promotions, run, subjects, workingSets } = yield* read(file)
      assert.strictEqual(run.label, "record")
      assert.isDefined(run.endedMs)
      assert.deepStrictEqual(subjects.map(({ kind, name }) => `${kind} ${name}`).toSorted(), [
        "cgroup app",
        "cgroup app/web",
        "machine machine",
        "process 1@1"
      ])
      const web = points.filter(({ subject }) => subject.name === "app")
      assert.isAtLeast(web.length, 30)
      assert.isDefined(web[0]!.values["memory_current_bytes"])
      assert.isDefined(points.find(({ subject }) => subject.kind === "machine")!.values["meminfo_mem_total_bytes"])
      const replayed = yield* Effect.scoped(
        Effect.flatMap(openRecording(file), (recording) =>
          Effect.map(Stream.runCollect(recording.replay(run.id, "app")), (all) => Array.from(all))
        )
      )
      assert.strictEqual(replayed[0]!.machine.swapTotalBytes, 2 ** 30, "a policy sees the machine around the group")
      assert.isAbove(replayed[0]!.machine.memAvailableBytes, 0)
      const ofApp = cold.filter(({ subject }) => subject.name === "app")
      assert.isAtLeast(ofApp.length, 3)
      assert.isTrue(ofApp[0]!.isEstimate)
      assert.strictEqual(ofApp[0]!.bins.find(({ thresholdMs }) => thresholdMs === 30_000)!.bytes, 64 * mib)
      assert.isNotEmpty(promotions)
      assert.isEmpty(workingSets, "nothing is known of 120 s here")
      assert.deepStrictEqual(machineState(kernel), before)
      assert.deepStrictEqual(journals(), [])
    })
  )

  it.effect("with DAMON: it is set up, and given back", () =>
    Effect.gen(function* () {
      const kernel = withTree({ options: { damon: { isProcess: () => true } } })
      const child = kernel.processes.add({ comm: "worker" })
      const { start } = child.map(8 * mib)
      child.touch(start, 8 * mib)
      kernel.cgroups.group("app").processes.add(child.pid)
      const file = freshFile()
      const ended = yield* wmoInTime(["record", "--working-set", "5s", "--for", "20s", "--json", "-o", file], kernel)
      assert.strictEqual(ended.code, 0, ended.stderr)
      const summary = JSON.parse(ended.stdout)
      assert.strictEqual(summary.age_source, "damon-vaddr")
      assert.strictEqual(summary.missed_ticks, 0)
      assert.strictEqual(kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"), "0\n")
      assert.deepStrictEqual(journals(), [])
    })
  )

  it.effect("into a directory, as a daemon", () =>
    Effect.gen(function* () {
      const directory = freshFile()
      mkdirSync(directory)
      const ended = yield* wmoInTime(["record", "--directory", directory, "--age-source", "none", "--for", "5s", "--quiet"], withTree())
      assert.strictEqual(ended.code, 0, ended.stderr)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const recording = yield* openRecordings(directory)
          const [run] = yield* recording.runs
          assert.isAtLeast((yield* recording.subjects(run!.id)).length, 6)
        })
      )
    })
  )
})

describe("what cannot be recorded is one line", () => {
  const record = (...args: ReadonlyArray<string>) => ["record", "--for", "1s", ...args]
  it.effect.each([
    [["--every", "5ms"], /--every must be at least 10ms$/],
    [["--histograms-every", "10ms"], /--histograms-every must not be shorter than --every$/],
    [["--age-every", "10ms"], /--age-every must be at least 100ms$/],
    [["--on-pressure", "2s"], /--on-pressure is a time within a second: at most 1s$/],
    [["-o", "a", "--directory", "b"], /choose one of --output and --directory$/],
    [["--keep-for", "1h"], /--keep-for and --keep-size are for --directory$/],
    [["--age-source", "tea-leaves"], /"auto" \| "working-set" \| "mglru" \| "damon" \| "idle" \| "none"/],
    [["--process", "x"], /--process: "x"/]
  ] as const)("usage: %j", ([args, line]) => fails(record(...args), 2, line))

  it.effect("a group that is not there", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* fails(record("--cgroup", "nowhere", "-o", file), 1, /^wmo: there is no cgroup nowhere/)
      assert.isFalse(existsSync(file))
    })
  )

  it.effect("a file that is there is not overwritten", () =>
    Effect.gen(function* () {
      const file = freshFile()
      writeFileSync(file, "mine")
      yield* fails(record("-o", file), 1, /the file exists; remove it or choose another name$/)
    })
  )

  it.effect.each([
    ["damon", { damon: false }, /no DAMON in sysfs.*see `wmo doctor`$/],
    ["idle", {}, /no idle page tracking.*see `wmo doctor`$/],
    ["mglru", { mglru: false }, /MGLRU is off, or not there; see `wmo doctor`$/]
  ] as const)("a source of page ages that this kernel lacks: %s", ([source, options, line]) =>
    Effect.gen(function* () {
      const file = freshFile()
      const kernel = withTree({ options })
      const ended = yield* wmo(record("--age-source", source, "-o", file), kernel)
      assert.strictEqual(ended.code, 3, ended.stderr)
      assert.match(ended.complaints.join("\n"), line)
      assert.isFalse(existsSync(file), "no empty recording stays")
    })
  )
})

describe("--age-source of run and agent", () => {
  const agent = (...args: ReadonlyArray<string>) => ["agent", "app", "--policy", "periodic", "--set", "cold_age=5s", ...args]
  const withWorker = (isCold: boolean): FakeKernel => {
    const kernel = kernelWithApp(coldMemcg(), {
      options: {
        mglru: false,
        damon: {
          isProcess: () => true,
          regions: ({ targets }) =>
            targets.flatMap(({ regions }) => regions.map((range) => ({ ...range, nrAccesses: isCold ? 0 : 1, age: 20, szFilterPassed: 0 })))
        }
      }
    })
    kernel.fs.remove("/sys/kernel/tracing/events/damon")
    const child = kernel.processes.add({ comm: "worker" })
    const { start } = child.map(64 * mib)
    child.touch(start, 64 * mib)
    kernel.cgroups.group("app").processes.add(child.pid)
    return kernel
  }

  it.effect("damon: a policy sees its ages where there are no others, and DAMON is given back", () =>
    Effect.gen(function* () {
      for (const isCold of [true, false]) {
        const kernel = withWorker(isCold)
        const ended = yield* wmoInTime(agent("--age-source", "damon", "--for", "60s"), kernel)
        assert.strictEqual(ended.code, 0, ended.stderr)
        assert.strictEqual(/→ reclaim/.test(ended.stderr), isCold, ended.stderr)
        assert.strictEqual(kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"), "0\n")
        assert.deepStrictEqual(journals(), [])
      }
    })
  )

  it.effect("--page-age is its old name", () =>
    fails(agent("--page-age", "damon", "--for", "1s"), 3, /no DAMON in sysfs/, kernelWithApp(coldMemcg(), { options: { damon: false } }))
  )
})
