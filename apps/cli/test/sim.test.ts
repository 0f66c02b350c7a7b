import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, writeFileSync } from "node:fs"
import { heatRecording } from "./heatRecording.ts"
import { fails, freshFile, wmo } from "./harness.ts"

const short = ["--duration", "5m", "--learning", "3m"]
const compare = ["sim", "compare", "--jobs", "1", ...short, "-p", "none,periodic:cold_age=30s"]

describe("wmo sim compare", () => {
  it.live("rows with the bound, costs and intervals", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* wmo([...compare, "--seeds", "2", "-w", "bursts", "--json"])
      assert.strictEqual(code, 0, stderr)
      const { bounds, policies, rows } = JSON.parse(stdout)
      assert.deepStrictEqual(
        rows.map(({ policy, seeds, workload }: Record<string, unknown>) => [workload, policy, seeds]),
        [
          ["bursts", "none", 2],
          ["bursts", "periodic", 2]
        ]
      )
      const [none, periodic] = rows
      assert.deepStrictEqual([none.saved_share_of_bound, none.promotions_pct_per_min, none.stall_p99_us], [0, 0, 0])
      assert.isAbove(periodic.saved_mib, 0.8 * periodic.bound_mib)
      assert.isAbove(periodic.promotions_pct_per_min, 1)
      assert.isAbove(periodic.saved_share_of_bound_ci95, 0)
      assert.isAtMost(periodic.saved_share_at_own_rate, 1.02)
      assert.containsAllKeys(periodic, [
        "psi_some_pct",
        "stall_p99_us",
        "slowdown_pct",
        "learning_saved_share_of_bound",
        "policy_cpu_us_per_min"
      ])
      assert.deepStrictEqual(periodic.settings, { cold_age: "30s" })
      assert.deepStrictEqual(policies[1].over_slo, ["bursts"])
      const rates = bounds[0].curve.map(({ net_mib }: Record<string, number>) => net_mib)
      assert.deepStrictEqual(
        rates,
        rates.toSorted((a: number, b: number) => a - b)
      )
    })
  )

  it.live("a table and a sentence for people, the same for the same seeds", () =>
    Effect.gen(function* () {
      const args = [...compare, "--seeds", "1", "-w", "fork-touch-exit"]
      const { code, stdout } = yield* wmo(args)
      assert.strictEqual(code, 0)
      for (const text of [
        "workload",
        "of bound",
        "at own rate",
        "stall p99",
        "Means over the workloads",
        "periodic cold_age=30s came closest"
      ]) {
        assert.include(stdout, text)
      }
      assert.strictEqual((yield* wmo(args)).stdout, stdout)
    })
  )

  it.live("what is wrong with what was asked", () =>
    Effect.gen(function* () {
      yield* fails(["sim", "compare", "-w", "nix"], 2, /there is no simulated workload "nix"; there are hotcold, .* and trace:FILE$/)
      yield* fails(["sim", "compare", "-p", "senpaj"], 2, /there is no policy "senpaj"; did you mean senpai\?$/)
      yield* fails(["sim", "compare", "-p", "periodic:cold_age"], 2, /"cold_age" is not KEY=VALUE$/)
      yield* fails(["sim", "compare", "-p", "periodic:cold_aeg=1s"], 2, /has no setting "cold_aeg"; did you mean cold_age\?$/)
      yield* fails(["sim", "compare", "-p", "none", "--set", "periodic.cold_age=1s"], 2, /must begin with one of the compared policies/)
      yield* fails(
        ["sim", "compare", "--duration", "5m", "--learning", "4m"],
        2,
        /--duration must be at least two minutes longer than --learning$/
      )
      yield* fails(["sim", "compare", "--seeds", "0"], 2, /--seeds must be at least 1$/)
    })
  )
})

describe("wmo sim run", () => {
  it.live("says what was saved of what could be, and keeps a recording", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const run = ["sim", "run", "phases", "--policy", "periodic", "--set", "cold_age=1m", ...short, "--record", file]
      const { code, stderr, stdout } = yield* wmo(run)
      assert.strictEqual(code, 0, stderr)
      for (const text of ["phases under periodic, 5 simulated minutes", "at best", "% of it reached", `wmo recording summary ${file}`])
        assert.include(stdout, text)
      const summary = JSON.parse((yield* wmo(["recording", "summary", file, "--json"])).stdout)
      assert.deepStrictEqual([summary.policy, summary.command, summary.clock], ["periodic", "phases", "simulated"])
      yield* fails(run, 2, /exists; a recording is never overwritten$/)
    })
  )
})

describe("wmo sim trace", () => {
  it.live("records, shows and replays; the replay saves what the workload itself would", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const recorded = yield* wmo(["sim", "trace", "record", "server", "--duration", "5m", "-o", file])
      assert.strictEqual(recorded.code, 0, recorded.stderr)
      const info = JSON.parse((yield* wmo(["sim", "trace", "info", file, "--json"])).stdout)
      assert.deepStrictEqual([info.ticks, info.source], [300, "server, seed 1"])
      assert.isAbove(info.working_set_bytes, 50 * 2 ** 20)
      const savedBy = (workload: ReadonlyArray<string>) =>
        Effect.map(wmo(["sim", ...workload, "--policy", "periodic", ...short, "--json"]), ({ stdout }) => JSON.parse(stdout))
      const original = yield* savedBy(["run", "server"])
      const replayed = yield* savedBy(["trace", "replay", file])
      assert.approximately(replayed.saved_mib, original.saved_mib, 0.03 * original.saved_mib)
      assert.approximately(replayed.bound_mib, original.bound_mib, 0.03 * original.bound_mib)
      yield* fails(["sim", "trace", "record", "server", "--duration", "10s", "-o", file], 2, /exists; choose another name$/)
    })
  )

  it.live("converts a heatmap: what is always used stays, libraries become file pages", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const { code, stderr } = yield* wmo(["sim", "trace", "convert", yield* heatRecording(), "-o", file])
      assert.strictEqual(code, 0, stderr)
      const info = JSON.parse((yield* wmo(["sim", "trace", "info", file, "--json"])).stdout)
      assert.strictEqual(info.ticks, 30)
      // Ten frames a second: 16 MiB always, 16 MiB by a wave, 8 MiB for half a second in five.
      assert.approximately(info.anon_bytes / 2 ** 20, 40, 0.5)
      assert.strictEqual(info.file_bytes, 0)
      assert.approximately((info.accessed_pages_per_tick * 4096) / 2 ** 20, 32, 3)
    })
  )

  it.live("ticks that are no whole milliseconds", () =>
    Effect.gen(function* () {
      const file = freshFile()
      for (const tick of ["0s", "500us", "1.5ms"]) {
        yield* fails(
          ["sim", "trace", "record", "server", "--duration", "1s", "--tick", tick, "-o", file],
          2,
          /--tick must be whole milliseconds, at least 1ms$/
        )
      }
      yield* fails(["sim", "trace", "convert", "x.wmo", "--tick", "0s", "-o", file], 2, /--tick must be whole milliseconds, at least 1ms$/)
      assert.isFalse(existsSync(file))
    })
  )

  it.live("files that are no traces, and recordings without heat", () =>
    Effect.gen(function* () {
      const file = freshFile()
      writeFileSync(file, "not a trace")
      yield* fails(["sim", "trace", "info", file], 1, /: it is not a page trace: not gzip, or cut off$/)
      yield* fails(["sim", "run", `trace:${file}`], 2, /it is not a page trace/)
      const other = freshFile()
      yield* fails(["sim", "trace", "info", other], 1, /cannot read .*ENOENT/)
      assert.isFalse(existsSync(other))
    })
  )
})
