/** Many subjects in one run: what was seen when, histograms and heat, decisions, replay; cutting and joining. */
import { assert, describe, it } from "@effect/vitest"
import { anObservation, promotionsOf } from "@wmo/policies/testing"
import { Effect, Stream } from "effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll } from "vitest"
import {
  copyRuns,
  globMatcher,
  machineSubject,
  openRecording,
  openTogether,
  type Query,
  Recorder,
  type RunStart,
  type Snapshot,
  type Subject,
  summarize,
  summarizeGroups
} from "../src/index.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-subjects-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let files = 0
const freshFile = () => join(scratch, `${files++}.wmo`)

const start: RunStart = {
  label: "monitor",
  group: "",
  policy: "none",
  settings: {},
  kernel: "test",
  clock: "real",
  everyMs: 1000,
  dryRun: false,
  startedMs: 0,
  machine: { cpus: 2 },
  configuration: { watch: ["**"] }
}

const metrics = ["memory_current_bytes"]
const group = (name: string): Subject => ({ kind: "cgroup", name })
const sample = (name: string, value: number) => ({ subject: group(name), metrics, values: [value] })
const web = group("system.slice/web.service")

/** `a` rests, `b` changes, `c` goes at 3 and comes back at 5, a process is seen every other second, a trigger looks at `b` alone at 4.5 s. */
const story: ReadonlyArray<Snapshot> = [
  ...Array.from({ length: 7 }, (_, second): Snapshot => ({
    atMs: second * 1000,
    samples: [
      sample("a", 1),
      sample("b", second),
      ...(second === 3 || second === 4 ? [] : [sample("c", 30)]),
      ...(second % 2 === 0
        ? [{ subject: { kind: "process", name: "7@99", detail: { comm: "web" } }, metrics: ["rss_bytes"], values: [9] }]
        : [])
    ],
    missedTicks: second === 6 ? 2 : 0
  })),
  { atMs: 4500, samples: [sample("b", 100)], complete: [] }
].toSorted((x, y) => x.atMs - y.atMs)

const histograms: Snapshot = {
  atMs: 60_000,
  pageAges: [{ subject: web, pageAge: { source: "damon-vaddr", bins: [{ lowerMs: 0, upperMs: Infinity, anonBytes: 1, fileBytes: 2 }] } }],
  coldAges: [{ subject: web, source: "mglru", isEstimate: true, bins: [{ thresholdMs: 120_000, bytes: 5 }] }],
  promotions: [
    {
      subject: web,
      source: "damon-vaddr",
      isEstimate: false,
      windowMs: 60_000,
      bins: [
        { lowerMs: 0, upperMs: 120_000, pages: 3 },
        { lowerMs: 120_000, upperMs: Infinity, pages: 4 }
      ]
    }
  ],
  workingSets: [{ subject: web, source: "mglru", isEstimate: true, thresholdMs: 120_000, bytes: 77 }],
  heat: [
    {
      subject: machineSubject,
      source: "damon-paddr",
      sampleUs: 5000,
      aggregationUs: 100_000,
      regions: [{ start: 4096n, end: 8192n, accesses: 20, age: 3 }]
    }
  ],
  decisions: [{ subject: web, reason: "because", outcomes: [] }]
}

const write = (file: string, snapshots: ReadonlyArray<Snapshot>, run: RunStart = start, isEnded = true) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const writer = yield* recorder.start(run)
    for (const snapshot of snapshots) yield* writer.snapshot(snapshot)
    if (isEnded) yield* writer.end({ endedMs: snapshots.at(-1)!.atMs, missedTicks: 2 })
  }).pipe(Effect.provide(Recorder.layerFile(file)))

/** Every point as text. */
const pointsOf = (file: string, query?: Query) =>
  Effect.gen(function* () {
    const recording = yield* openRecording(file)
    const points = yield* Stream.runCollect(recording.points(1, query))
    return points.map(({ atMs, subject, values }) => `${atMs / 1000} ${subject.name} ${Object.values(values).join(" ")}`)
  }).pipe(Effect.scoped)

const ofName = (name: string) => (line: string) => line.split(" ")[1] === name

describe("many subjects", () => {
  it.effect("each is seen where it was, unchanged or not, and nowhere else", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* write(file, story)
      const points = yield* pointsOf(file)
      assert.deepStrictEqual(points.filter(ofName("a")), ["0 a 1", "1 a 1", "2 a 1", "3 a 1", "4 a 1", "5 a 1", "6 a 1"])
      assert.deepStrictEqual(points.filter(ofName("b")), ["0 b 0", "1 b 1", "2 b 2", "3 b 3", "4 b 4", "4.5 b 100", "5 b 5", "6 b 6"])
      assert.deepStrictEqual(points.filter(ofName("c")), ["0 c 30", "1 c 30", "2 c 30", "5 c 30", "6 c 30"])
      assert.deepStrictEqual(points.filter(ofName("7@99")), ["0 7@99 9", "2 7@99 9", "4 7@99 9", "6 7@99 9"])
      const recording = yield* openRecording(file)
      const run = (yield* recording.runs)[0]!
      assert.deepStrictEqual([run.machine, run.configuration], [{ cpus: 2 }, { watch: ["**"] }])
      assert.deepStrictEqual(yield* recording.missed(1), [{ atMs: 6000, count: 2 }])
      assert.deepStrictEqual(
        (yield* recording.subjects(1)).map(({ detail, firstMs, lastMs, name }) => [name, firstMs, lastMs, detail]),
        [
          ["a", 0, 6000, undefined],
          ["b", 0, 6000, undefined],
          ["c", 0, 6000, undefined],
          ["7@99", 0, 6000, { comm: "web" }]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("a part of the time and of the subjects, from any second on", () =>
    Effect.gen(function* () {
      const file = freshFile()
      // More than a full frame's distance, so that reading begins in the middle.
      const long = Array.from({ length: 1500 }, (_, n): Snapshot => ({ atMs: n, samples: [sample("a", 1), sample("b", n)] }))
      yield* write(file, long)
      for (const from of [0, 1, 599, 600, 601, 1300, 1499]) {
        const some = yield* pointsOf(file, { fromMs: from, toMs: from + 1, isWanted: ({ name }) => name === "b" })
        assert.deepStrictEqual(
          some,
          [from, from + 1].filter((n) => n < 1500).map((n) => `${n / 1000} b ${n}`)
        )
      }
      assert.deepStrictEqual(yield* pointsOf(file, { fromMs: 1500 }), [])
    })
  )

  it.effect("a run without an end tells what was still there", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* write(file, story.slice(0, 4), start, false)
      const recording = yield* openRecording(file)
      assert.strictEqual((yield* recording.runs)[0]!.endedMs, undefined)
      const seen = (yield* recording.subjects(1)).map(({ lastMs, name }) => [name, lastMs])
      assert.deepStrictEqual(seen.slice(0, 3), [
        ["a", 3000],
        ["b", 3000],
        ["c", 2000]
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("a histogram that stays the same costs a row without bins, and reads whole, in the middle, too", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const cold = (name: string, bytes: number) => ({
        subject: group(name),
        source: "damon",
        isEstimate: false,
        bins: [{ thresholdMs: 1000, bytes }]
      })
      const at = (minute: number, a: number, b: number): Snapshot => ({ atMs: minute * 60_000, coldAges: [cold("a", a), cold("b", b)] })
      yield* write(file, [at(0, 5, 7), at(1, 5, 8), at(2, 5, 8), at(3, 6, 8), at(4, 5, 8)])
      const database = new DatabaseSync(file, { readOnly: true })
      const stored = database.prepare("SELECT count(bins) AS bins, count(*) AS all_rows FROM cold_age").get()
      database.close()
      assert.deepStrictEqual({ ...stored }, { bins: 5, all_rows: 10 })
      const recording = yield* openRecording(file)
      const read = (query?: Query) =>
        Effect.map(Stream.runCollect(recording.entries(1, "coldAges", query)), (all) =>
          all.map(({ atMs, bins, subject }) => `${atMs / 60_000} ${subject.name} ${bins[0]!.bytes}`)
        )
      assert.deepStrictEqual(yield* read(), ["0 a 5", "0 b 7", "1 a 5", "1 b 8", "2 a 5", "2 b 8", "3 a 6", "3 b 8", "4 a 5", "4 b 8"])
      assert.deepStrictEqual(yield* read({ fromMs: 120_000, toMs: 120_000 }), ["2 a 5", "2 b 8"])
      assert.deepStrictEqual(yield* read({ fromMs: 120_000, isWanted: ({ name }) => name === "b" }), ["2 b 8", "3 b 8", "4 b 8"])
    }).pipe(Effect.scoped)
  )

  it.effect("what is being written reads as far as it is, again and again", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* Effect.gen(function* () {
        const run = yield* (yield* Recorder).start(start)
        const recording = yield* openRecording(file)
        for (const [n, snapshot] of story.entries()) {
          yield* run.snapshot(snapshot)
          const points = yield* Stream.runCollect(recording.points(1))
          assert.strictEqual(points.at(-1)?.atMs, snapshot.atMs)
          assert.strictEqual((yield* Stream.runCollect(recording.frames(1))).length, n + 1)
        }
      }).pipe(Effect.provide(Recorder.layerFile(file)))
      assert.strictEqual((yield* pointsOf(file)).length, 24)
    }).pipe(Effect.scoped)
  )

  it.effect("histograms, working sets and heat come back with their source", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* write(file, [histograms])
      const recording = yield* openRecording(file)
      const all = <K extends "pageAges" | "coldAges" | "promotions" | "workingSets" | "heat">(name: K) =>
        Stream.runCollect(recording.entries(1, name))
      const at = { atMs: 60_000 }
      assert.deepStrictEqual(yield* all("pageAges"), [{ ...at, ...histograms.pageAges![0]! }])
      assert.deepStrictEqual(yield* all("coldAges"), [{ ...at, ...histograms.coldAges![0]! }])
      assert.deepStrictEqual(yield* all("promotions"), [{ ...at, ...histograms.promotions![0]! }])
      assert.deepStrictEqual(yield* all("workingSets"), [{ ...at, ...histograms.workingSets![0]! }])
      assert.deepStrictEqual(yield* all("heat"), [{ ...at, ...histograms.heat![0]! }])
    }).pipe(Effect.scoped)
  )

  it.effect("groups are summed up in one reading, as each is by itself", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* write(file, story)
      const recording = yield* openRecording(file)
      const run = (yield* recording.runs)[0]!
      const isGroup = ({ kind }: Subject) => kind === "cgroup"
      const together = yield* summarizeGroups(recording, run, { isWanted: isGroup })
      const alone = yield* Effect.forEach(["a", "b", "c"], (name) =>
        Effect.map(recording.observations(1, name), (rows) => ({ ...summarize(run, rows, []), group: name }))
      )
      assert.deepStrictEqual(together, alone)
      assert.deepStrictEqual(
        together.map(({ memory_current_bytes: { peak, sample_mean: mean }, samples }) => [samples, mean, peak]),
        [
          [7, 1, 1],
          [8, Math.round(121 / 8), 100],
          [5, 30, 30]
        ]
      )
      const part = yield* summarizeGroups(recording, run, { isWanted: isGroup, fromMs: 3000, toMs: 4000 })
      assert.deepStrictEqual(
        part.map(({ group: name, samples }) => [name, samples]),
        [
          ["a", 2],
          ["b", 2]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("replay gives a policy what it saw", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const seen = [0, 1, 2].map((second) =>
        anObservation({
          group: "app",
          atMs: second * 1000,
          usage: { ...anObservation().usage, currentBytes: 4096 * second, min: "max", low: 4096, high: "max", swapMax: "max" },
          ioPressure: second === 2 ? undefined : { some: { avg10: 0, avg60: 0.5, avg300: 0, totalUs: BigInt(second) } },
          promotions: second === 0 ? undefined : { ...promotionsOf([second, 0, 2 ** 40]), source: "recorded", isEstimate: second === 2 },
          stat: { anon: 5, pgfault: 2n ** 60n, unknown: { brand_new: 7n } },
          events: { high: 1n, oom_kill: 0n },
          pressure: { some: { avg10: 1.11, avg60: 0, avg300: 33.33, totalUs: 134_829_384_400n } },
          pageAge:
            second === 1 ? undefined : { source: "mglru", bins: [{ lowerMs: 0, upperMs: Infinity, anonBytes: second, fileBytes: 0 }] }
        })
      )
      yield* Effect.gen(function* () {
        const run = yield* (yield* Recorder).start({ ...start, group: "/app" })
        for (const observation of seen) yield* run.tick({ observation, reason: "r", outcomes: [] })
      }).pipe(Effect.provide(Recorder.layerFile(file)))
      const recording = yield* openRecording(file)
      assert.deepStrictEqual(yield* Stream.runCollect(recording.replay(1)), seen)
    }).pipe(Effect.scoped)
  )

  it.effect("a copy is the same; a trimmed one is the part; its parts joined are the whole", () =>
    Effect.gen(function* () {
      const [file, whole, early, late, joined] = [freshFile(), freshFile(), freshFile(), freshFile(), freshFile()]
      yield* write(file, [...story, histograms])
      const recording = yield* openRecording(file)
      assert.strictEqual(yield* copyRuns([recording], whole, () => ({})), 1)
      assert.deepStrictEqual(yield* pointsOf(whole), yield* pointsOf(file))
      const copy = yield* openRecording(whole)
      assert.deepStrictEqual(yield* copy.runs, yield* recording.runs)
      assert.deepStrictEqual(yield* copy.subjects(1), yield* recording.subjects(1))
      assert.deepStrictEqual(yield* copy.decisions(1), yield* recording.decisions(1))
      assert.deepStrictEqual(yield* Stream.runCollect(copy.entries(1, "heat")), yield* Stream.runCollect(recording.entries(1, "heat")))

      yield* copyRuns([recording], early, () => ({ toMs: 2000 }))
      yield* copyRuns([recording], late, () => ({ fromMs: 3000 }))
      assert.deepStrictEqual(
        yield* pointsOf(early),
        (yield* pointsOf(file)).filter((line) => Number.parseFloat(line) <= 2)
      )
      const both = yield* openTogether("both", [late, early])
      yield* copyRuns([both], joined, () => ({}))
      assert.deepStrictEqual(yield* pointsOf(joined), yield* pointsOf(file))
      assert.strictEqual((yield* (yield* openRecording(joined)).runs).length, 1)
      const twice = yield* Effect.flip(openTogether("twice", [file, whole]))
      assert.include(twice.message, "hold the same time of run monitor")
    }).pipe(Effect.scoped)
  )

  it.effect("a copy of nothing leaves no file, and none is overwritten", () =>
    Effect.gen(function* () {
      const [file, none] = [freshFile(), freshFile()]
      yield* write(file, story)
      const recording = yield* openRecording(file)
      assert.strictEqual(yield* copyRuns([recording], none, () => undefined), 0)
      assert.isFalse(existsSync(none))
      assert.include((yield* Effect.flip(copyRuns([recording], file, () => ({})))).message, "the file exists")
      assert.strictEqual((yield* pointsOf(file)).length, 24)
    }).pipe(Effect.scoped)
  )
})

describe("globs", () => {
  it.each([
    ["*", "app", true],
    ["*", "app/web", false],
    ["**", "app/web", true],
    ["system.slice/*.service", "system.slice/web.service", true],
    ["system.slice/*.service", "systemxslice/web.service", false],
    ["**/web", "web", true],
    ["**/web", "a/b/web", true],
    ["a/**", "a/b/c", true],
    ["web-?", "web-1", true],
    ["/app/", "app", true],
    ["a+(b)", "a+(b)", true]
  ])("%s on %s: %s", (glob, name, matches) => {
    assert.strictEqual(globMatcher(glob)(name), matches)
  })
})
