/** CSV files of the original WMO: each kind of header and its traps on small files, and the real ones where this machine has them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { importWmoCsv, openRecording, readWmoCsv, Recorder, summarize } from "../src/index.ts"
import { policyInName } from "../src/importWmoCsv.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-csv-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const mib = 2 ** 20
let files = 0

const imported = (file: string, dayMs = 0) =>
  Effect.gen(function* () {
    const out = join(scratch, `${files++}.wmo`)
    const csv = yield* readWmoCsv(file)
    yield* importWmoCsv(csv, file, { dayMs }).pipe(Effect.provide(Recorder.layerFile(out)))
    const recording = yield* openRecording(out)
    const run = (yield* recording.runs)[0]!
    const rows = yield* recording.observations(run.id)
    const ages = yield* Stream.runCollect(recording.entries(run.id, "pageAges"))
    return { run, rows, ages, summary: summarize(run, rows, []) }
  })

const file = (name: string, lines: ReadonlyArray<string>, end = "\n") => {
  const path = join(scratch, name)
  writeFileSync(path, lines.join("\n") + end)
  return path
}

const forever = "18446744073709551615"
const stat = "memory.stat.anon,memory.stat.pgmajfault,memory.stat.workingset_refault_file,memory.stat.brand_new"
const old = (prefix: string) =>
  `${stat},memory.current,memory.swap.current,memory.zswap.current,` +
  `${prefix}.node.0.500ms.anon,${prefix}.node.0.500ms.file,${prefix}.node.0.1000ms.anon,${prefix}.node.0.1000ms.file,` +
  `${prefix}.node.0.${forever}ms.anon,${prefix}.node.0.${forever}ms.file,timestamp`

describe("CSV of the original WMO", () => {
  it.effect.each(["memory.workingset", "memory.workinget"])("%s: times of day across midnight, bins by their upper edge", (prefix) =>
    Effect.gen(function* () {
      const path = file(`periodic_policy_2000ms_cold_age_30s_reclaim_frequency_${prefix}`, [
        old(prefix),
        "0,0,0,7,0,0,0,0,0,0,0,0,0,23-59-59-000000",
        "4096,5,9,7,1048576,4096,0,100,200,300,400,500,600,00-00-00-000500",
        "4096,7,9,7,3145728,4096,0,100,200,300,400,500,600,00-00-04-001000"
      ])
      const { ages, rows, run, summary } = yield* imported(path)
      assert.deepStrictEqual([run.policy, run.settings, run.everyMs], ["periodic", { cold_age: "2000ms", every: "30s" }, 4000])
      assert.deepStrictEqual(
        rows.map(({ at_ms: at }) => at),
        [86_399_000, 86_400_001, 86_404_001]
      )
      assert.deepStrictEqual(rows[1], {
        at_ms: 86_400_001,
        memory_current_bytes: mib,
        memory_swap_current_bytes: 4096,
        memory_zswap_current_bytes: 0,
        memory_stat_anon_bytes: 4096,
        memory_stat_pgmajfault: 5,
        memory_stat_workingset_refault_file: 9,
        memory_stat_brand_new: 7
      })
      assert.deepStrictEqual(ages[1]!.pageAge, {
        source: "working-set",
        bins: [
          { lowerMs: 0, upperMs: 500, anonBytes: 100, fileBytes: 200 },
          { lowerMs: 500, upperMs: 1000, anonBytes: 300, fileBytes: 400 },
          { lowerMs: 1000, upperMs: Infinity, anonBytes: 500, fileBytes: 600 }
        ]
      })
      assert.deepStrictEqual([summary.major_faults, summary.memory_current_bytes.peak, summary.psi_some_us], [7, 3 * mib, null])
      assert.strictEqual(summary.memory_current_bytes.sample_mean, Math.round((4 * mib) / 3))
    }).pipe(Effect.scoped)
  )

  it.effect("cold.*: milliseconds since 1970, several nodes, bins out of order, no end of line, a hole of missed ticks", () =>
    Effect.gen(function* () {
      const head = `timestamp,${stat},memory.swap.current,cold.node.1.1000ms.file,cold.node.0.${forever}ms.anon,cold.node.0.2000ms.anon,cold.node.0.1000ms.anon,memory.current`
      const row = (second: number) => `${1_723_524_206_375 + second * 1000},4096,5,9,7,0,40,3,2,1,1048576`
      const { ages, rows, run, summary } = yield* imported(file("kernbench_control.csv", [head, ...[0, 1, 2, 12, 13, 14].map(row)], ""))
      assert.deepStrictEqual([run.policy, run.missedTicks, run.startedMs], ["none", 9, 1_723_524_206_375])
      assert.strictEqual(rows.length, 6)
      assert.strictEqual(summary.duration_seconds, 14)
      assert.deepStrictEqual(ages[0]!.pageAge.bins, [
        { lowerMs: 0, upperMs: 1000, anonBytes: 1, fileBytes: 40 },
        { lowerMs: 1000, upperMs: 2000, anonBytes: 2, fileBytes: 0 },
        { lowerMs: 2000, upperMs: Infinity, anonBytes: 3, fileBytes: 0 }
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("gaps of pandas are unknown, a day can be given", () =>
    Effect.gen(function* () {
      const path = file("senpai_default_config_v0.csv", [
        old("memory.workingset"),
        ",5.0,9,7,1048576,,0,,,,,,,01-00-00-000000",
        "1,5.0,9,7,,,0,1,1,1,1,1,1,01-00-01-000000"
      ])
      const day = Date.UTC(2024, 6, 21)
      const { ages, rows, run } = yield* imported(path, day)
      assert.strictEqual(run.policy, "senpai")
      assert.strictEqual(rows.length, 1)
      assert.deepStrictEqual([rows[0]!.at_ms, rows[0]!["memory_stat_pgmajfault"], ages.length], [day + 3_600_000, 5, 0])
      assert.notProperty(rows[0], "memory_stat_anon_bytes")
      assert.notProperty(rows[0], "memory_swap_current_bytes")
    }).pipe(Effect.scoped)
  )

  it.effect.each([
    ["other.csv", ["a,b,c", "1,2,3"], /is not a CSV of WMO/],
    ["blank.csv", [""], /is not a CSV of WMO/],
    ["head.csv", [old("memory.workingset")], /has a header and no samples/],
    ["short.csv", [old("memory.workingset"), "1,2,3"], /line 2 has 3 cells, its header 14/],
    [
      "word.csv",
      [old("memory.workingset"), "x,0,0,7,0,0,0,0,0,0,0,0,0,01-00-00-000000"],
      /line 2: memory.stat.anon is "x", which is not a count/
    ],
    ["time.csv", [old("memory.workingset"), "0,0,0,7,0,0,0,0,0,0,0,0,0,noon"], /line 2: timestamp "noon" is neither/]
  ] as const)("%s is refused in one line", ([name, lines, pattern]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(readWmoCsv(file(name, lines)))
      assert.match(error.message, pattern)
      assert.notInclude(error.message, "\n")
    })
  )

  it("names tell policies", () => {
    assert.deepStrictEqual(policyInName("memory_dot_high_2000ms_cold_age_10s_reclaim_frequency_0.3s_throttle_duration"), {
      policy: "memory.high",
      settings: { cold_age: "2000ms", every: "10s", throttle: "0.3s" }
    })
    assert.strictEqual(policyInName("redisbench_experimental").policy, "periodic")
    assert.strictEqual(policyInName("x").policy, "unknown")
  })

  /** Read where they are, never copied here: they carry no licence. */
  const data = join(import.meta.dirname, "../../../../shared/data/wmo")
  const real = [
    ["linux-kernel-baseline.csv", 1905.6, 5796.3, 14_304, 1057, 1163],
    ["linux-kernel-senpai_default_config_v0.csv", 1365.2, 4446.0, 67_297 + 756_746, 49_963, 1174],
    ["linux-kernel-periodic_policy_2000ms_cold_age_30s_reclaim_frequency_v1.csv", 864.7, 3827.2, 38_051 + 860_933, 35_094, 1164]
  ] as const
  for (const [name, mean, peak, refaults, majorFaults, samples] of real) {
    it.effect.skipIf(!existsSync(join(data, name)))(`${name}: the figures of its authors' measurement`, () =>
      Effect.gen(function* () {
        const { ages, rows, summary } = yield* imported(join(data, name))
        assert.strictEqual((summary.memory_current_bytes.sample_mean / mib).toFixed(1), mean.toFixed(1))
        assert.strictEqual((summary.memory_current_bytes.peak / mib).toFixed(1), peak.toFixed(1))
        assert.approximately(summary.memory_current_bytes.mean / mib, mean, mean * 0.002)
        assert.deepStrictEqual([summary.refaults, summary.major_faults, summary.samples], [refaults, majorFaults, samples])
        assert.strictEqual(summary.psi_some_us, null)
        // All of a histogram is anon + file, within what moves between two reads.
        const last = Number(rows.at(-2)!["memory_stat_anon_bytes"]) + Number(rows.at(-2)!["memory_stat_file_bytes"])
        const inBins = ages.at(-2)!.pageAge.bins.reduce((sum, { anonBytes, fileBytes }) => sum + anonBytes + fileBytes, 0)
        assert.approximately(inBins / last, 1, 0.2)
      }).pipe(Effect.scoped)
    )
  }
})
