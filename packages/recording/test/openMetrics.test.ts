/** The OpenMetrics export against the rules of the format, which a small parser of its own checks. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { openMetrics, openRecording, Recorder, type Snapshot } from "../src/index.ts"
import { familyOf } from "../src/openMetrics.ts"
import { knownStart } from "./fixtures/knownSnapshots.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-om-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Series {
  readonly labels: string
  readonly points: Array<readonly [value: number, at: number]>
}

const suffixes: Readonly<Record<string, string>> = { counter: "_total", gauge: "", unknown: "" }
const sampleLine =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,(?!\})|(?=\})))*)\} (\S+) (\d+(?:\.\d+)?)$/

/** Parses a text by the format's rules; throws at the first that it breaks. */
const parse = (text: string): ReadonlyMap<string, ReadonlyArray<Series>> => {
  assert.isTrue(text.endsWith("# EOF\n"), "ends with # EOF and a line feed")
  assert.notInclude(text, "\r")
  const lines = text.slice(0, -1).split("\n")
  const families = new Map<string, Array<Series>>()
  let family: { name: string; type: string; series: Array<Series>; seen: Set<string> } | undefined
  lines.forEach((line, i) => {
    if (line === "# EOF") return assert.strictEqual(i, lines.length - 1, "# EOF is the last line")
    const type = /^# TYPE (\S+) (counter|gauge|unknown)$/.exec(line)
    if (type !== null) {
      assert.isFalse(families.has(type[1]!), `family ${type[1]} is in one piece`)
      assert.isFalse(type[1]!.endsWith("_total"), "a family's name is without _total")
      family = { name: type[1]!, type: type[2]!, series: [], seen: new Set() }
      families.set(family.name, family.series)
      return
    }
    const unit = /^# UNIT (\S+) (\S+)$/.exec(line)
    if (unit !== null) {
      assert.strictEqual(unit[1], family!.name, "a unit is that of the family before it")
      assert.isTrue(unit[1]!.endsWith(`_${unit[2]}`), "a name ends with its unit")
      assert.strictEqual(family!.series.length, 0)
      return
    }
    const [, name, labels, value, at] = sampleLine.exec(line) ?? assert.fail(`line ${i + 1} is no sample: ${line}`)
    assert.strictEqual(name, family!.name + suffixes[family!.type]!)
    const names = [...labels!.matchAll(/(\w+)="/g)].map(([, label]) => label)
    assert.strictEqual(new Set(names).size, names.length, "no label twice")
    assert.isTrue(Number.isFinite(Number(value)), value)
    if (family!.type === "counter") assert.isAtLeast(Number(value), 0)
    let series = family!.series.at(-1)
    if (series === undefined || series.labels !== labels) {
      assert.isFalse(family!.seen.has(labels!), "points of a series stand together")
      family!.seen.add(labels!)
      family!.series.push((series = { labels: labels!, points: [] }))
    }
    assert.isAbove(Number(at), series.points.at(-1)?.[1] ?? -Infinity, "times rise")
    series.points.push([Number(value), Number(at)])
  })
  return families
}

const group = (name: string) => ({ kind: "cgroup", name })
const metrics = [
  "memory_current_bytes",
  "memory_stat_pgfault",
  "memory_pressure_some_us",
  "memory_pressure_some_avg10_bp",
  "memory_stat_brand_new"
]
const odd = 'a"b\\c\nd'

const story: ReadonlyArray<Snapshot> = [0, 1, 2, 1.5, 3].map((second, i) => ({
  atMs: 1_700_000_000_000 + second * 1000,
  samples: [
    { subject: group("app"), metrics, values: [4096 * i, 10 + i, 1_500_000 * i, 111, i] },
    { subject: group(odd), metrics, values: [1, 1, 1, undefined, undefined] },
    { subject: { kind: "process", name: "7@99" }, metrics: ["rss_bytes"], values: [i] },
    {
      subject: { kind: "machine", name: "machine" },
      metrics: ["vmstat_pgfault", "vmstat_nr_free_pages", "zswap.pool-x_total"],
      values: [5, 6, 7]
    }
  ],
  coldAges: [
    {
      subject: group("app"),
      source: "mglru",
      isEstimate: true,
      bins: [
        { thresholdMs: 1000, bytes: 2 },
        { thresholdMs: 120_000, bytes: 1 }
      ]
    }
  ],
  promotions: [
    { subject: group("app"), source: "damon", isEstimate: false, windowMs: 60_000, bins: [{ lowerMs: 1000, upperMs: Infinity, pages: 3 }] }
  ],
  workingSets: [{ subject: group("app"), source: "mglru", isEstimate: true, thresholdMs: 120_000, bytes: 9 }]
}))

describe("OpenMetrics", () => {
  it.effect("the text follows the rules, and says what was recorded", () =>
    Effect.gen(function* () {
      const file = join(scratch, "a.wmo")
      yield* Effect.gen(function* () {
        const recorder = yield* Recorder
        for (const label of ["one", "two"]) {
          const run = yield* recorder.start({ ...knownStart, label, policy: label })
          for (const snapshot of story) yield* run.snapshot(snapshot)
        }
      }).pipe(Effect.provide(Recorder.layerFile(file)))
      const recording = yield* openRecording(file)
      const runs = (yield* recording.runs).map((run) => [run, {}] as const)
      const text = (yield* Stream.runCollect(openMetrics(recording, runs))).join("")
      const families = parse(text)
      const first = (name: string) => families.get(name)![0]!
      assert.strictEqual(first("wmo_memory_current_bytes").labels, 'run="1",policy="one",cgroup="app"')
      // The clock was set back at the fourth sample: it is left out.
      assert.deepStrictEqual(first("wmo_memory_current_bytes").points, [
        [0, 1_700_000_000],
        [4096, 1_700_000_001],
        [8192, 1_700_000_002],
        [4096 * 4, 1_700_000_003]
      ])
      assert.deepStrictEqual(first("wmo_memory_pressure_some_seconds").points[1], [1.5, 1_700_000_001])
      assert.strictEqual(first("wmo_memory_pressure_some_avg10_ratio").points[0]![0], 0.0111)
      assert.strictEqual(families.get("wmo_memory_current_bytes")![1]!.labels, 'run="1",policy="one",cgroup="a\\"b\\\\c\\nd"')
      assert.strictEqual(families.get("wmo_memory_current_bytes")!.length, 4)
      assert.include(text, 'wmo_memory_stat_pgfault_total{run="1",policy="one",cgroup="app"} 10 1700000000.000\n')
      assert.include(text, "# TYPE wmo_memory_stat_brand_new unknown\n")
      assert.include(text, 'wmo_rss_bytes{run="1",policy="one",process="7@99"} 0 1700000000.000\n')
      assert.include(text, 'wmo_zswap_pool_x_total{run="1",policy="one"} 7 1700000000.000\n')
      assert.include(
        text,
        'wmo_cold_age_bytes{run="1",policy="one",cgroup="app",source="mglru",older_than_seconds="120"} 1 1700000000.000\n'
      )
      assert.include(text, 'from_seconds="1",to_seconds="+Inf"} 3 1700000000.000\n')
      assert.include(text, "# UNIT wmo_working_set_bytes bytes\n")
    }).pipe(Effect.scoped)
  )

  it.effect("of nothing is an end", () =>
    Effect.gen(function* () {
      const file = join(scratch, "b.wmo")
      yield* Effect.provide(Recorder, Recorder.layerFile(file))
      const recording = yield* openRecording(file)
      assert.strictEqual((yield* Stream.runCollect(openMetrics(recording, []))).join(""), "# EOF\n")
    }).pipe(Effect.scoped)
  )

  it.each([
    ["memory_current_bytes", "wmo_memory_current_bytes", "gauge"],
    ["memory_stat_pgfault", "wmo_memory_stat_pgfault", "counter"],
    ["memory_events_oom_kill", "wmo_memory_events_oom_kill", "counter"],
    ["memory_swap_events_max", "wmo_memory_swap_events_max", "counter"],
    ["memory_pressure_full_us", "wmo_memory_pressure_full_seconds", "counter"],
    ["vmstat_nr_free_pages", "wmo_vmstat_nr_free_pages", "gauge"],
    ["vmstat_pgscan_direct", "wmo_vmstat_pgscan_direct", "counter"],
    ["pages_total", "wmo_pages", "counter"],
    ["brand.new", "wmo_brand_new", "unknown"]
  ])("%s is %s, a %s", (metric, name, type) => {
    assert.deepStrictEqual([familyOf(metric).name, familyOf(metric).type], [name, type])
  })
})
