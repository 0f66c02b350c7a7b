import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabaseSync } from "node:sqlite"
import { writeFileSync } from "node:fs"
import { coldMemcg, fails, freshFile, kernelWithApp, mib, scratch, wmo, wmoInTime } from "./harness.ts"

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
      yield* fails(["recording", verb, scratch], 1, /cannot open recording/)
    })
  )
})
