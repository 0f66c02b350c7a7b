import type { Summary } from "@wmo/recording"
import { describe, expect, it } from "vitest"
import { compare, runSummary, summarySentence, summaryTable, table } from "../src/index.ts"

const mib = 2 ** 20

const summary = (policy: string, meanMib: number, pace?: number, changes: Partial<Summary> = {}): Summary => ({
  run_id: 1,
  label: policy,
  policy,
  settings: {},
  group: "g",
  kernel: "k",
  clock: "real",
  command: null,
  exit_code: 0,
  started_ms: 0,
  duration_seconds: 60,
  samples: 60,
  missed_ticks: 0,
  memory_current_bytes: { mean: meanMib * mib, sample_mean: meanMib * mib, peak: 400 * mib },
  swap_current_bytes: { mean: 0, sample_mean: 0, peak: 0 },
  zswap_current_bytes: { mean: 0, sample_mean: 0, peak: 0 },
  refaults: 1234,
  major_faults: 5,
  psi_some_us: 600,
  psi_some_pct: 0.001,
  psi_full_us: 0,
  actions: {},
  reclaimed_bytes: 0,
  operations_per_second: pace ?? null,
  result: pace === undefined ? null : { operations_per_second: pace },
  ...changes
})

describe("comparison", () => {
  it("measures savings and slowdown against the run without a policy", () => {
    const [, periodic] = compare([summary("none", 400, 100), summary("periodic", 300, 99)])
    expect(periodic!.saved).toBeCloseTo(0.25)
    expect(periodic!.slowdown).toBeCloseTo(0.01)
  })

  it("takes medians over repeated runs, and keeps other settings apart", () => {
    const rows = compare([
      summary("none", 400, 100),
      summary("none", 410, 80),
      summary("none", 390, 110),
      summary("periodic", 200, 90),
      summary("periodic", 100, 50, { settings: { cold_age: "1s" } })
    ])
    expect(rows.map(({ label }) => label)).toEqual(["none (3 runs)", "periodic", "periodic"])
    expect(rows[0]!.meanBytes).toBe(400 * mib)
    expect(rows[1]!.slowdown).toBeCloseTo(0.1)
    expect(rows[1]!.saved).toBeCloseTo(0.5)
  })

  it("without a baseline says nothing about savings", () => {
    expect(summaryTable([summary("periodic", 300, 99)])).toContain("–")
    expect(summarySentence([summary("periodic", 300)], 0.05)).toBeUndefined()
  })
})

describe("the sentence", () => {
  it("names the policy that saved most within the slowdown, not the one that saved most", () => {
    const rows = [summary("none", 400, 100), summary("mild", 300, 98), summary("harsh", 100, 50)]
    expect(summarySentence(rows, 0.05)).toBe("mild gave back 100 MiB of 400 MiB (25.0 %) and the workload ran 2.0 % slower.")
    expect(summarySentence(rows, 0.9)).toContain("harsh gave back 300 MiB")
  })
  it("says so when nothing was saved, and when nothing was lost", () => {
    expect(summarySentence([summary("none", 400, 100), summary("mild", 400, 100)], 0.05)).toContain("No policy saved memory")
    expect(summarySentence([summary("none", 400, 100), summary("mild", 300, 101)], 0.05)).toContain("ran as fast as without it")
  })
})

describe("tables", () => {
  it("align their columns and leave no spaces at line ends", () => {
    expect(
      table(
        [
          { head: "a", align: "left", cell: (row: { a: string; b: number }) => row.a },
          { head: "bb", cell: (row) => String(row.b) }
        ],
        [
          { a: "x", b: 1 },
          { a: "long", b: 100 }
        ]
      )
    ).toBe("a      bb\nx       1\nlong  100")
  })
  it("sum up one run", () => {
    const text = runSummary(
      summary("periodic", 300, 1234.5, {
        operations_per_second: 1234.5,
        result: { operations_per_second: 1234.5, p99_us: 15, wrong_bytes: 3 },
        missed_ticks: 2
      })
    )
    expect(text).toContain("mean 300 MiB, peak 400 MiB")
    expect(text).toContain("2 missed")
    expect(text).toContain("3 BYTES WRONG")
  })
})
