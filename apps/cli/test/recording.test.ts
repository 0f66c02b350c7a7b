import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabaseSync } from "node:sqlite"
import { existsSync, mkdtempSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { coldMemcg, fails, freshFile, kernelWithApp, mib, scratch, wmo, wmoInTime } from "./harness.ts"

const freshDirectory = (): string => mkdtempSync(join(scratch, "directory-"))

/** Ten virtual seconds of an agent on the fake, recorded. */
const recorded = Effect.fnUntraced(function* (policy: string, ...more: ReadonlyArray<string>) {
  const file = freshFile()
  const memcg = coldMemcg()
  const args = ["agent", "app", "--policy", policy, "--for", "10s", "--record", file, ...more]
  const ended = yield* wmoInTime(args, kernelWithApp(memcg))
  assert.strictEqual(ended.code, 0, ended.stderr)
  return { file, ended }
})

describe("wmo recording", () => {
  it.effect("summary prints a table, and JSON with units in its keys", () =>
    Effect.gen(function* () {
      const { ended, file } = yield* recorded("periodic", "--set", "cold_age=3s")
      assert.include(ended.stderr, `read it with \`wmo recording summary ${file}\``)
      const table = yield* wmo(["recording", "summary", file])
      assert.strictEqual(table.stderr, "")
      assert.include(table.stdout, "periodic")
      const json = JSON.parse((yield* wmo(["recording", "summary", file, "--json"])).stdout)
      assert.strictEqual(json.duration_seconds, 9)
      assert.strictEqual(json.memory_current_bytes.peak, 100 * mib)
      assert.isBelow(json.memory_current_bytes.mean, 100 * mib)
      assert.strictEqual(json.reclaimed_bytes, 84 * mib)
      assert.deepStrictEqual(json.settings.cold_age, "3s")
    })
  )

  it.effect("--from and --to cut each run", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("periodic", "--set", "cold_age=3s")
      const json = JSON.parse((yield* wmo(["recording", "summary", file, "--json", "--from", "6s", "--to", "9s"])).stdout)
      assert.strictEqual(json.duration_seconds, 3)
      assert.strictEqual(json.samples, 4)
      assert.isBelow(json.memory_current_bytes.peak, 100 * mib)
    })
  )

  it.effect("several files are compared in one table", () =>
    Effect.gen(function* () {
      const files = [(yield* recorded("none")).file, (yield* recorded("periodic", "--set", "cold_age=2s")).file]
      const { stdout } = yield* wmo(["recording", "summary", ...files])
      assert.include(stdout, "none")
      assert.include(stdout, "periodic")
      const json = JSON.parse((yield* wmo(["recording", "summary", ...files, "--json"])).stdout)
      assert.deepStrictEqual(
        json.map(({ policy }: { policy: string }) => policy),
        ["none", "periodic"]
      )
    })
  )

  it.effect("export as CSV has one row a sample, and as JSON one object a line", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("periodic", "--set", "cold_age=3s")
      const [head = "", ...rows] = (yield* wmo(["recording", "export", file])).stdout.trim().split("\n")
      const columns = head.split(",")
      assert.includeMembers(columns, ["run_id", "policy", "at_ms", "memory_current_bytes", "decision"])
      assert.strictEqual(rows.length, 10)
      assert.strictEqual(rows[0]!.split(",")[columns.indexOf("memory_current_bytes")], String(100 * mib))
      const lines = (yield* wmo(["recording", "export", file, "--format", "json"])).stdout.trim().split("\n")
      const objects = lines.map((line) => JSON.parse(line))
      assert.strictEqual(objects.length, 10)
      assert.strictEqual(objects[0].memory_current_bytes, 100 * mib)
      assert.include(objects[3].decision, "reclaim")
    })
  )

  it.effect("list: a line a run, of files and of directories", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("none")
      const table = yield* wmo(["recording", "list", file])
      assert.match(table.stdout, /^file +run +policy +group +from +length +subjects +missed +size\n/)
      assert.match(table.stdout, / 1 +none +app +\S+Z +9\.00 s +1 cgroup +0 +\S+ KiB\n$/)
      const listed = JSON.parse((yield* wmo(["recording", "list", scratch, "--json"])).stdout)
      const ours = listed.find(({ file: name }: { file: string }) => name === file)
      assert.deepInclude(ours, { run_id: 1, policy: "none", group: "app", is_ended: true, subjects: { cgroup: 1 }, missed_ticks: 0 })
      assert.strictEqual(ours.last_ms - ours.first_ms, 9000)
      const empty = freshDirectory()
      assert.strictEqual((yield* wmo(["recording", "list", empty])).stdout, `There is no recording in ${empty}.\n`)
      const text = freshFile()
      writeFileSync(text, "hello\n")
      yield* fails(["recording", "list", text], 1, /is not a wmo recording$/)
    })
  )

  it.effect("trim keeps the time that was asked for, in a new file", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("periodic", "--set", "cold_age=3s")
      const part = freshFile()
      const trimmed = yield* wmo(["recording", "trim", file, "-o", part, "--from", "3s", "--to", "6s"])
      assert.strictEqual(trimmed.stderr, `${part}: 1 run\n`)
      const of = (path: string, ...more: ReadonlyArray<string>) =>
        Effect.map(wmo(["recording", "summary", path, "--json", ...more]), ({ stdout }) => JSON.parse(stdout))
      const inPart = yield* of(part)
      const inWhole = yield* of(file, "--from", "3s", "--to", "6s")
      assert.strictEqual(inPart.duration_seconds, 3)
      for (const key of ["memory_current_bytes", "refaults", "psi_some_us", "actions", "reclaimed_bytes", "settings"]) {
        assert.deepStrictEqual(inPart[key], inWhole[key], key)
      }
      yield* fails(["recording", "trim", file, "-o", part], 1, /the file exists; remove it or choose another name$/)
      const nothing = freshFile()
      yield* fails(["recording", "trim", file, "-o", nothing, "--from", "1h"], 2, /nothing in .* is in that time and those groups$/)
      yield* fails(["recording", "trim", file, "-o", nothing, "--without", "app"], 2, /nothing in .* is in that time/)
      yield* fails(["recording", "trim", file, "-o", nothing, "--group", "other*"], 2, /nothing in .* is in that time/)
      yield* fails(["recording", "trim", file, "-o", nothing, "--from", "soon"], 2, /--from: "soon" is neither a span/)
      yield* fails(["recording", "trim", file, "-o", nothing, "--from", "6s", "--to", "3s"], 2, /--to must be later than --from$/)
      yield* fails(["recording", "trim", file, "-o", `${scratch}/no/such`], 1, /there is no directory/)
      assert.isFalse(existsSync(nothing))
    })
  )

  it.effect("merge puts several files into one, each run once", () =>
    Effect.gen(function* () {
      const files = [(yield* recorded("none")).file, (yield* recorded("periodic", "--set", "cold_age=3s")).file]
      const merged = freshFile()
      assert.strictEqual((yield* wmo(["recording", "merge", ...files, "-o", merged])).stderr, `${merged}: 2 runs\n`)
      const before = yield* wmo(["recording", "summary", ...files])
      assert.strictEqual((yield* wmo(["recording", "summary", merged])).stdout, before.stdout)
      const again = freshFile()
      yield* fails(["recording", "merge", merged, files[0]!, "-o", again], 1, /hold the same time of run none; leave one out$/)
      yield* fails(["recording", "merge", freshDirectory(), "-o", again], 2, /there is no recording in/)
      assert.isFalse(existsSync(again))
    })
  )

  it.effect("export as OpenMetrics, of some groups", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("none")
      const { stdout } = yield* wmo(["recording", "export", file, "--format", "openmetrics", "--group", "a*", "--from", "2s", "--to", "4s"])
      assert.isTrue(stdout.startsWith("# TYPE wmo_"))
      assert.isTrue(stdout.endsWith("# EOF\n"))
      assert.strictEqual(stdout.match(/^wmo_memory_current_bytes\{run="1",policy="none",cgroup="app"\} \d+ \d+\.\d{3}$/gm)?.length, 3)
      yield* fails(["recording", "export", file, "--group", "b*"], 2, /has no group that matches b\*$/)
      yield* fails(["recording", "export", file, "--format", "xml"], 2, /xml/)
    })
  )

  it.effect("summary of groups, in a unit, with plain means", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("periodic", "--set", "cold_age=3s")
      const groups = yield* wmo(["recording", "summary", file, "--group", "**", "--unit", "MiB"])
      assert.match(groups.stdout, /^group +run +mean memory.*\napp +periodic +\d+\.\d MiB +100\.0 MiB/)
      assert.strictEqual((yield* wmo(["recording", "summary", file, "--group", "x"])).stdout, "No group matches x.\n")
      const json = JSON.parse((yield* wmo(["recording", "summary", file, "--json", "--mean", "samples"])).stdout)
      assert.strictEqual(json.memory_current_bytes.mean, json.memory_current_bytes.sample_mean)
    })
  )

  it.effect("import of the original WMO's CSV", () =>
    Effect.gen(function* () {
      const csv = join(scratch, "baseline.csv")
      const head = "memory.stat.anon,memory.current,memory.workingset.node.0.500ms.anon,memory.workingset.node.0.500ms.file,timestamp"
      writeFileSync(csv, `${head}\n0,${mib},1,2,01-00-00-000000\n0,${3 * mib},1,2,01-00-01-000000\n`)
      const out = freshFile()
      const ended = yield* wmo(["recording", "import", csv, "-o", out])
      assert.match(ended.stderr, /: 1 run, 2 samples\nwmo: the file has times of day only/)
      assert.match((yield* wmo(["recording", "summary", out, "--unit", "MiB"])).stdout, /baseline +2\.0 MiB +3\.0 MiB/)
      assert.strictEqual((yield* wmo(["recording", "import", csv, "-o", freshFile(), "--date", "2024-07-21"])).complaints.length, 0)
      yield* fails(["recording", "import", csv, "-o", out], 1, /the file exists/)
      const bad = freshFile()
      writeFileSync(bad, "a,b\n1,2\n")
      const none = freshFile()
      yield* fails(["recording", "import", csv, bad, "-o", none], 1, /cannot import .*it is not a CSV of WMO/)
      yield* fails(["recording", "import", join(scratch, "nowhere.csv"), "-o", none], 1, /there is no such file$/)
      yield* fails(["recording", "import", csv, "-o", none, "--date", "yesterday"], 2, /--date: "yesterday" is not a day/)
      assert.isFalse(existsSync(none))
    })
  )

  it.effect("a run that the file does not have", () =>
    Effect.gen(function* () {
      const { file } = yield* recorded("none")
      yield* fails(["recording", "export", file, "--run", "9"], 2, /has no run 9; it has 1$/)
    })
  )

  it.effect.each(["summary", "export"])("%s of what is not a recording", (verb) =>
    Effect.gen(function* () {
      const text = freshFile()
      writeFileSync(text, "hello\n")
      const sqlite = freshFile()
      new DatabaseSync(sqlite).exec("CREATE TABLE t (x)")
      yield* fails(["recording", verb, text], 1, /is not a wmo recording$/)
      yield* fails(["recording", verb, sqlite], 1, /is not a wmo recording$/)
      yield* fails(["recording", verb, `${scratch}/nowhere`], 1, /there is no such file$/)
      yield* fails(["recording", verb, freshDirectory()], 1, /there is no recording in that directory$/)
    })
  )
})
