/** `wmo arena codecs|bench|stats|demo` and the memory workloads: what is typed wrong, what is printed, in processes of their own where that matters. */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { controlArena, findPredictor, OffHeap, openArena, publishStats } from "@wmo/arena"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fails, scratch, wmo } from "./harness.ts"

const runtimeBefore = process.env["XDG_RUNTIME_DIR"]
process.env["XDG_RUNTIME_DIR"] = mkdtempSync(join(scratch, "runtime-"))
afterAll(() => {
  if (runtimeBefore === undefined) delete process.env["XDG_RUNTIME_DIR"]
  else process.env["XDG_RUNTIME_DIR"] = runtimeBefore
})

const wrong: ReadonlyArray<readonly [string, RegExp]> = [
  ["workload interactive_burst --predictor oracel", /there is no predictor "oracel": tournament, stride, .*, oracle/],
  ["workload interactive_burst --region 4K", /--region must be at least 64 pages/],
  ["workload interactive_burst --idle 1ms", /--active must be at least 1ms and --idle 10ms/],
  ["workload interactive_burst --duration 5s --warmup 5s", /--warmup must be shorter than --duration/],
  ["workload interactive_burst --chunk 5000", /--chunk must be a power of two from 4K to 1M/],
  ["workload interactive_burst --on disk", /"plain" \| "arena"/],
  ["workload anon_streamer --pass 0s", /--pass must be at least 1ms/],
  ["workload random_touch_heap --ops-per-sec 0", /--ops-per-sec must be more than 0/],
  ["workload mmap_churn --map 1K", /--map must be at least one page/],
  ["workload mmap_churn --cpu 101", /--cpu must be 0 to 100/],
  ["workload mmap_churn --corpus /nonexistent", /--corpus \/nonexistent: there is no such file/],
  ["arena bench --workload burst", /"interactive_burst" \| "anon_streamer"/],
  ["arena bench --active 1s", /--active needs --workload/],
  ["arena bench --workload mmap_churn --pass 1s", /mmap_churn has no --pass/],
  ["arena bench --predictor foo", /there is no predictor "foo"/],
  ["arena codecs --codec lz5", /no codec "?lz5"?|lz5/],
  ["arena codecs --codec zstd-40", /zstd has levels/],
  ["arena codecs --data nothing", /--data nothing: neither a file nor one of json, text/],
  ["arena codecs --chunk 2M", /chunks are 1K to 1M/],
  ["arena codecs --readback=-1", /--readback must not be negative/]
]

describe("what was typed wrong is one line with exit code 2", () => {
  it.live.each(wrong)("wmo %s", ([command, line]) => fails(command.split(" "), 2, line))
})

describe("wmo arena", () => {
  it.live("bench says what this machine has no memory for", () =>
    fails(["arena", "bench", "--region", "900T"], 3, /a run needs .*: give a smaller --region$/)
  )

  it.live("codecs prints a table and which is best, and the same as JSON", () =>
    Effect.gen(function* () {
      const args = ["arena", "codecs", "--codec", "lz4-wasm,none", "--data", "json", "--chunk", "64K", "--bytes", "128K"]
      const { code, stderr, stdout } = yield* wmo(args)
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^data +chunk KiB +codec +ratio +raw % +MB\/s in +MB\/s out +fair_score\n/)
      assert.include(stdout, "Best by it: lz4-wasm, in 1 of 1 rows")
      const rows = JSON.parse((yield* wmo([...args, "--json"])).stdout)
      assert.deepStrictEqual(
        rows.map(({ codec }: { codec: string }) => codec),
        ["lz4-wasm", "none"]
      )
    })
  )

  it.live("stats says when there is nothing to say", () =>
    Effect.gen(function* () {
      const none = yield* wmo(["arena", "stats"])
      assert.deepStrictEqual([none.code, none.stdout], [0, ""])
      assert.match(none.stderr, /^no program of this user publishes an arena: call `publishStats/)
      assert.strictEqual((yield* wmo(["arena", "stats", "--json"])).stdout, "[]\n")
      yield* fails(["arena", "stats", "1"], 1, /process 1 publishes no arena; no program of this user does$/)
    })
  )
})

describe("wmo arena stats of a program", () => {
  it.live("shows what it publishes, by region where one is asked for", () =>
    Effect.gen(function* () {
      const arena = yield* openArena()
      const controller = yield* controlArena(arena, { predictor: findPredictor("tournament")! })
      arena.region(2 ** 20, "documents").write(0, new Uint8Array(65_536).fill(1))
      yield* publishStats(arena, { controller, name: "cache", everyMs: 10 })
      yield* Effect.sleep(20)
      const all = yield* wmo(["arena", "stats"])
      assert.strictEqual(all.code, 0, all.stderr)
      assert.match(all.stdout, new RegExp(`^ *${process.pid}  cache +64.0 KiB `, "m"))
      const one = yield* wmo(["arena", "stats", String(process.pid)])
      assert.match(one.stdout, /^documents +– +– +tournament: /m)
      const [published] = JSON.parse((yield* wmo(["arena", "stats", "--json"])).stdout)
      assert.deepStrictEqual([published.pid, published.stats.logicalBytes], [process.pid, 65_536])
    }).pipe(Effect.scoped, Effect.provide(OffHeap.layer))
  )
})

const main = join(import.meta.dirname, "../src/main.ts")
/** A process whose compiler works in the background may hang as it ends (nodejs/node issue 54918). */
const flags = ["--liftoff-only", "--single-threaded"]
const run = async (...args: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const cwd = join(scratch, "elsewhere")
  mkdirSync(cwd, { recursive: true })
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, main, ...args], { cwd })
  return stdout.trim().split("\n")
}
const small = ["--region", "2M", "--duration", "300ms", "--warmup", "50ms", "--json"]

describe.concurrent("as a process", () => {
  it("a workload tells its place first, then its phases, then its result", async () => {
    const lines = await run("workload", "interactive_burst", "--active", "10ms", "--idle", "40ms", ...small)
    const [places, measuring, measured, result] = lines.map((line) => JSON.parse(line))
    assert.strictEqual(places.page_bytes, 4096)
    assert.strictEqual(Number(BigInt(places.end) - BigInt(places.start)), 2 ** 21)
    assert.deepStrictEqual([measuring.event, measured.event], ["measuring", "measured"])
    assert.deepStrictEqual([result.workload, result.on, result.wrong_bytes], ["interactive_burst", "plain", 0])
    assert.isAbove(result.phases.burst_touch.count, 0)
  })

  it("a bench has the figures of its predictor at the top, and all runs", async () => {
    const lines = await run("arena", "bench", "-w", "mmap_churn", "--predictor", "none", "--ops-per-sec", "200", "--map", "64K", ...small)
    const bench = JSON.parse(lines.join("\n"))
    const names = ["accuracy", "coverage", "early_pct", "late_pct", "burst_touch_p99_us", "reactive_touch_p99_us"]
    const figures = ["pss_byte_seconds_saved_share", "wrong_bytes", "cpu_pct", "process_cpu_pct", "operation_mean_us", "rss_mean_bytes"]
    assert.containsAllKeys(bench, [...names, ...figures])
    for (const figure of figures) assert.isNumber(bench[figure], figure)
    assert.deepStrictEqual([bench.workload, bench.predictor, bench.wrong_bytes], ["mmap_churn", "none", 0])
    assert.deepStrictEqual(
      bench.runs.map(({ result }: { result: { on: string } }) => result.on),
      ["plain", "arena"]
    )
  })
})
