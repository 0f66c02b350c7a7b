import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { baseline, knownEntries, parseEntry } from "../src/league/entries.ts"
import { bootTimeoutMs, estimateMs } from "../src/league/estimate.ts"
import { makeMachineSampler } from "../src/league/guest/machine.ts"
import { slotCommand } from "../src/league/guest/runSlots.ts"
import { leagueMarkdown, leagueTable } from "../src/league/leagueTable.ts"
import { measure, type Measured, paceWithin } from "../src/league/measure.ts"
import { leagueRows, pairUp, type SlotOutcome } from "../src/league/pairing.ts"
import { missingPrograms } from "../src/league/programs.ts"
import { makeBoots, makeSchedule } from "../src/league/schedule.ts"
import { median, medianInterval } from "../src/league/statistics.ts"
import { verdictOf } from "../src/league/verdict.ts"
import { memoryWorkloadNames } from "../src/workloads/memory/plans.ts"
import { knownWorkloads, parseWorkload, workloadWords } from "../src/league/workloads.ts"

const mib = 2 ** 20
const entryOf = (text: string) => Result.getOrThrow(parseEntry(text))

describe("entries", () => {
  it("of the default list have settings that their policies take, and labels of their own", () => {
    assert.strictEqual(new Set(knownEntries.map(({ label }) => label)).size, knownEntries.length)
    for (const { policy, settings } of knownEntries) {
      const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`)
      const text = words.length === 0 ? policy : `${policy}:${words.join(",")}`
      assert.isTrue(Result.isSuccess(parseEntry(text)), text)
    }
  })

  it("are a label, a policy, or a policy with settings", () => {
    assert.deepInclude(entryOf("darc-5s"), { label: "darc-5s", policy: "darc" })
    assert.deepInclude(entryOf("darc-5s").settings, { min_age: "5s", sample: "50ms" })
    const own = entryOf("periodic:cold_age=7s,interval=2s")
    assert.deepStrictEqual(own, {
      label: "periodic:cold_age=7s,interval=2s",
      policy: "periodic",
      settings: { cold_age: "7s", interval: "2s" }
    })
  })

  const bad: ReadonlyArray<readonly [string, RegExp]> = [
    ["none", /beside every entry/],
    ["senpia", /did you mean senpai\?.*darc-5s/],
    ["periodic:cold_age", /"cold_age".*KEY=VALUE/],
    ["periodic:colt_age=5s", /colt_age/],
    ["periodic:cold_age=soon", /cold_age/]
  ]
  it.each(bad)("%s is refused in one line", (text, message) => {
    const parsed = parseEntry(text)
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) {
      assert.match(parsed.failure, message)
      assert.notInclude(parsed.failure, "\n")
    }
  })
})

describe("workloads", () => {
  it("are a name, or a name with the words of `wmo workload`", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseWorkload("big=hotcold  --cold 1G")), { name: "big", args: ["hotcold", "--cold", "1G"] })
    assert.deepStrictEqual(workloadWords({ name: "r", args: ["redis"] }, 2500), ["redis", "--duration", "2500ms"])
    for (const { name } of knownWorkloads) assert.strictEqual(Result.getOrThrow(parseWorkload(name)).name, name)
  })

  const bad: ReadonlyArray<readonly [string, RegExp]> = [
    ["hotclod", /there is no workload "hotclod"; there are hotcold/],
    ["a b=hotcold", /there is no workload/],
    ["x=hotcold --duration 5s", /leave out --duration/],
    ["x=hotcold --duration=5s", /leave out --duration, the league sets it/],
    ["x=mmap_churn --warmup 5s", /workload "x": leave out --warmup, what is not measured is the league's --settle/],
    ["x=redis --server-group /sys/fs/cgroup/a", /leave out --server-group/],
    ["x=pattern --bytes 1G", /workload "x": pattern does not say when it starts.*nothing to measure/]
  ]
  it.each(bad)("%s is refused in one line", (text, message) => {
    const parsed = parseWorkload(text)
    assert.isTrue(Result.isFailure(parsed) && message.test(parsed.failure))
  })
})

describe("memory workloads", () => {
  it("begin to count at once: their warm-up would move the window that is measured", () => {
    for (const name of memoryWorkloadNames) {
      const words = workloadWords(Result.getOrThrow(parseWorkload(`w=${name} --region 8M`)), 5000)
      assert.deepStrictEqual(words, [name, "--region", "8M", "--warmup", "0s", "--duration", "5s"])
    }
    for (const workload of knownWorkloads) assert.notInclude(workloadWords(workload, 5000), "--warmup")
  })
})

const workloads = [parseWorkload("hotcold"), parseWorkload("redis")].map(Result.getOrThrow)
const entries = ["senpai", "periodic", "slo"].map(entryOf)

describe("programs", () => {
  const of = (...texts: ReadonlyArray<string>) => texts.map((text) => Result.getOrThrow(parseWorkload(text)))

  it("that a workload needs are looked for, once each, unless it names its own", () => {
    const names = (workloads: ReturnType<typeof of>, path: string) => missingPrograms(workloads, path).map(({ program }) => program)
    assert.deepStrictEqual(names(of("hotcold", "bursts"), "/nowhere"), [])
    assert.deepStrictEqual(names(of("redis", "compile", "more=redis --keys 5"), "/nowhere"), ["redis-server", "make", "cc"])
    assert.deepStrictEqual(names(of("own=redis --server /opt/valkey"), "/nowhere"), [])
  })
})

describe("the schedule", () => {
  const sets = makeSchedule(workloads, entries, 3)

  it("plays each entry on each workload once a repeat, each beside a run without a policy", () => {
    for (const workload of ["hotcold", "redis"]) {
      for (const repeat of [1, 2, 3]) {
        const mine = sets.filter((set) => set.workload.name === workload && set.repeat === repeat)
        const played = mine.flatMap(({ slots }) => slots.map(({ entry }) => entry.label)).filter((label) => label !== "none")
        assert.deepStrictEqual(played.toSorted(), ["periodic", "senpai", "slo"])
      }
    }
    for (const { slots } of sets) {
      const at = slots.findIndex(({ entry }) => entry.label === baseline.label)
      assert.strictEqual(slots.filter(({ entry }) => entry.label === baseline.label).length, 1)
      slots.forEach((_, index) => assert.isAtMost(Math.abs(index - at), 1))
    }
  })

  it("gives every slot a name of its own that is a file name", () => {
    const odd = makeSchedule(workloads, [entryOf("periodic:cold_age=7s,interval=2s")], 2)
    const ids = [...sets, ...odd].flatMap(({ slots }) => slots.map(({ id }) => id))
    for (const id of ids) assert.match(id, /^[A-Za-z0-9._-]+$/)
    const ofFirst = sets.flatMap(({ slots }) => slots.map(({ id }) => id))
    assert.strictEqual(new Set(ofFirst).size, ofFirst.length)
  })

  it("rotates the order, so that none always comes first", () => {
    const firsts = [1, 2, 3].map(
      (repeat) => sets.find((set) => set.repeat === repeat)!.slots.find(({ entry }) => entry.label !== "none")!.entry.label
    )
    assert.strictEqual(new Set(firsts).size, 3)
  })

  it("puts whole sets of one workload into a guest", () => {
    const boots = makeBoots(sets, 6)
    assert.deepStrictEqual(boots.flat(), sets)
    for (const boot of boots) {
      assert.strictEqual(new Set(boot.map(({ workload }) => workload.name)).size, 1)
      assert.isAtMost(boot.flatMap(({ slots }) => slots).length, 6)
    }
    assert.strictEqual(makeBoots(sets, 1).length, sets.length)
    assert.deepStrictEqual(makeBoots([], 6), [])
  })

  it("is estimated to take as long as its slots and boots", () => {
    const host = { durationMs: 60_000, icount: null }
    const one = estimateMs([[sets[0]!]], host)
    assert.isAbove(one, sets[0]!.slots.length * 60_000)
    assert.strictEqual(estimateMs([[sets[0]!], [sets[0]!]], host), 2 * one)
    const counted = { ...host, icount: 2 }
    assert.isAbove(estimateMs([[sets[0]!]], counted), one)
    assert.isAbove(bootTimeoutMs(3, counted), estimateMs([[sets[0]!]], counted))
  })
})

describe("medians", () => {
  it("are the middle, or between the middle two", () => {
    assert.strictEqual(median([3, 1, 2]), 2)
    assert.strictEqual(median([4, 1, 2, 3]), 2.5)
  })

  it("have an interval that says how much it covers where values are few", () => {
    assert.isUndefined(medianInterval([]))
    assert.deepStrictEqual(medianInterval([7]), { median: 7, low: 7, high: 7, coverage: 0, n: 1 })
    assert.deepStrictEqual(medianInterval([3, 9, 5]), { median: 5, low: 3, high: 9, coverage: 0.75, n: 3 })
    // Six are the fewest of which least and greatest cover 95 %: 1 - 2/64.
    assert.strictEqual(medianInterval([1, 2, 3, 4, 5, 6])!.coverage, 1 - 2 / 64)
  })

  it("take the narrowest interval that still covers as much", () => {
    // Of nine, the second least and greatest: 1 - 2 (1 + 9) / 512 = 0.961; the third ones cover 0.82.
    const interval = medianInterval([9, 8, 7, 6, 5, 4, 3, 2, 1])!
    assert.deepStrictEqual([interval.low, interval.high], [2, 8])
    assert.closeTo(interval.coverage, 0.961, 0.001)
  })
})

describe("measuring a slot", () => {
  const plan = { durationMs: 10_000, settleMs: 4000 }
  const result = {
    measured_from_ms: 100_000,
    operations_by_second: [1, 1, 1, 1, 10, 10, 10, 10, 10, 40],
    operations_per_second: 5,
    p99_us: 12,
    wrong_bytes: 0
  }
  const row = (second: number, values: Readonly<Record<string, number | bigint>>) => ({ at_ms: 100_000 + second * 1000, ...values })
  const rows = Array.from({ length: 13 }, (_, second) =>
    row(second, {
      memory_current_bytes: second < 4 || second > 10 ? 900 * mib : 100 * mib,
      memory_stat_workingset_refault_anon: BigInt(second * 2),
      memory_stat_zswpin: BigInt(second * 3),
      memory_stat_pgsteal: BigInt(second * 5),
      memory_stat_zswpout: BigInt(second * 7),
      memory_pressure_some_us: BigInt(second * 1000)
    })
  )
  const samples = rows.map(({ at_ms }, index) => ({
    at_ms,
    available_bytes: 50 * mib,
    zram_bytes: 0,
    zswap_bytes: 4 * mib,
    wmo_cpu_ms: index * 20,
    kdamond_cpu_ms: index
  }))

  it("leaves out what came before it settled and after the workload's own time", () => {
    const measured = measure({ result }, rows, samples, plan)!
    assert.strictEqual(measured.seconds, 6)
    assert.strictEqual(measured.memory_mean_bytes, 100 * mib)
    assert.strictEqual(measured.refaults_anon, 12)
    assert.strictEqual(measured.promotions, 18)
    assert.strictEqual(measured.reclaimed_pages, 30)
    assert.strictEqual(measured.swapped_out_pages, 42)
    assert.closeTo(measured.psi_some_pct!, 0.1, 1e-9)
    assert.strictEqual(measured.operations_per_second, 15)
    assert.strictEqual(measured.steady_operations_per_second, 10)
    assert.strictEqual(measured.wmo_cpu_ms, 120)
    assert.strictEqual(measured.kdamond_cpu_ms, 6)
  })

  it("says when there is nothing to measure", () => {
    assert.isUndefined(measure({ result: undefined }, rows, samples, plan))
    assert.isUndefined(measure({ result }, rows.slice(0, 3), samples, plan))
    assert.isUndefined(measure({ result }, rows, [], plan))
  })

  it("takes the pace of the whole run where it was not counted by the second", () => {
    const { operations_by_second: _, ...overall } = result
    assert.deepStrictEqual(paceWithin(overall, { fromMs: 104_000, toMs: 110_000 }), { mean: 5, median: 5 })
  })
})

const measured = (changes: Partial<Measured> = {}): Measured => ({
  seconds: 40,
  memory_mean_bytes: 400 * mib,
  available_mean_bytes: 1000 * mib,
  zswap_mean_bytes: 0,
  zram_mean_bytes: 0,
  operations_per_second: 1000,
  steady_operations_per_second: 1000,
  p50_us: 1,
  p99_us: 10,
  p999_us: 20,
  psi_some_pct: 0,
  refaults_anon: 0,
  refaults_file: 0,
  promotions: 0,
  reclaimed_pages: 0,
  swapped_out_pages: 0,
  throttled: 0,
  wmo_cpu_ms: 100,
  kdamond_cpu_ms: 0,
  wrong_bytes: 0,
  ...changes
})

describe("pairs", () => {
  const sets = makeSchedule([workloads[0]!], entries, 1)
  const outcomes = new Map<string, SlotOutcome>()
  for (const { slots } of sets) {
    for (const { entry, id } of slots) {
      outcomes.set(
        id,
        entry.label === "senpai"
          ? { failed: "it said no" }
          : {
              measured: measured(
                entry.label === "none"
                  ? {}
                  : {
                      memory_mean_bytes: 300 * mib,
                      available_mean_bytes: 1090 * mib,
                      operations_per_second: 990,
                      wmo_cpu_ms: 150,
                      kdamond_cpu_ms: 30
                    }
              )
            }
      )
    }
  }

  it("are each slot with the run without a policy in its own set", () => {
    const { failed, pairs } = pairUp(sets, (id) => outcomes.get(id))
    assert.deepStrictEqual(failed, [{ workload: "hotcold", label: "senpai", why: "it said no" }])
    assert.deepStrictEqual(
      pairs.map(({ entry }) => entry.label),
      ["periodic", "slo"]
    )
    const [row] = leagueRows(["hotcold"], [entries[1]!], pairs, [])
    const medians = Object.fromEntries(Object.entries(row!.measures).map(([name, { median }]) => [name, median]))
    assert.strictEqual(medians["saved_mib"], 100)
    assert.strictEqual(medians["saved_pct"], 25)
    assert.strictEqual(medians["machine_saved_mib"], 90)
    assert.closeTo(medians["throughput_loss_pct"]!, 1, 1e-9)
    assert.strictEqual(medians["policy_cpu_ms"], 80)
  })

  it("are none where the neighbour failed, and each entry of the set says so", () => {
    const without = sets[0]!.slots.find(({ entry }) => entry.label === "none")!.id
    const { failed, pairs } = pairUp([sets[0]!], (id) => (id === without ? { failed: "died" } : outcomes.get(id)))
    assert.deepStrictEqual(pairs, [])
    assert.deepStrictEqual(failed, [
      { workload: "hotcold", label: "senpai", why: "it said no" },
      { workload: "hotcold", label: "periodic", why: "the run without a policy beside it failed: died" }
    ])
    const rows = leagueRows(["hotcold"], entries, pairs, failed)
    assert.match(leagueTable(rows), /periodic\s+0\s.*failed 1×: the run without a policy beside it failed: died/)
  })

  it("are none where the neighbour was not played", () => {
    const without = sets[0]!.slots.find(({ entry }) => entry.label === "none")!.id
    assert.deepStrictEqual(pairUp([sets[0]!], (id) => (id === without ? undefined : outcomes.get(id))).pairs, [])
  })

  it("that failed have a row that says why, in tables of both kinds", () => {
    const { failed, pairs } = pairUp(sets, (id) => outcomes.get(id))
    const rows = leagueRows(["hotcold"], entries, pairs, failed)
    assert.strictEqual(rows.length, 3)
    assert.match(leagueTable(rows), /senpai\s+0\s.*failed 1×: it said no/)
    const markdown = leagueMarkdown(rows).split("\n")
    assert.strictEqual(markdown.length, 2 + rows.length)
    assert.match(markdown[3]!, /^\| hotcold \| periodic \| 1 \| 100 \| 25\.0 \| 90 \| 1\.0 \| 0\.0 \|/)
  })
})

describe("the verdict", () => {
  const row = (entry: string, saved: number | ReadonlyArray<number>, loss: number, psi: number) => ({
    workload: "redis",
    entry,
    policy: entryOf(entry).policy,
    settings: {},
    repeats: 1,
    failures: [],
    measures: {
      saved_mib: medianInterval([saved].flat())!,
      saved_pct: medianInterval([saved].flat().map((mib) => mib / 4))!,
      throughput_loss_pct: medianInterval([loss])!,
      psi_some_pct: medianInterval([psi])!
    }
  })

  it("names who saved most within the limits, and the ratios of slo", () => {
    const verdict = verdictOf("redis", [
      row("senpai", 50, 0.2, 0),
      row("slo", 150, 0.9, 0.05),
      row("prcl-3s", 200, 4, 0),
      row("darc-5s", 100, 1, 0.1),
      row("darc-10s", 60, 0, 0),
      row("periodic", 300, 0, 0.5)
    ])
    assert.strictEqual(verdict.best, "slo")
    assert.strictEqual(verdict.slo_to_senpai, 3)
    assert.strictEqual(verdict.best_damon, "darc-5s")
    assert.strictEqual(verdict.slo_to_best_damon, 1.5)
    assert.match(verdict.sentence, /^redis: slo saved most at ≤ 1 % loss and PSI ≤ 0\.1 %: 150 MiB/)
  })

  it("says when nobody is within the limits, and when slo is not", () => {
    const verdict = verdictOf("redis", [row("slo", 150, 3, 0), row("prcl-3s", 200, 4, 0), row("senpai", -1, 2, 0)])
    assert.isNull(verdict.best)
    assert.isNull(verdict.slo_to_senpai)
    assert.isNull(verdict.slo_to_best_damon)
    assert.isFalse(verdict.slo_within_limits)
    assert.match(verdict.sentence, /no entry saved anything.*OUTSIDE.*no ratio.*no entry by DAMON is within/)
  })

  it("judges the best slo within the limits, by its label, in whatever order they are", () => {
    const rows = [
      row("slo:least_age=1s", 200, 3, 0),
      row("slo", 100, 0.5, 0),
      row("slo:least_age=2s", 150, 0.9, 0),
      row("senpai:interval=3s", 50, 0, 0),
      row("senpai-oomd", 70, 0, 0)
    ]
    for (const order of [rows, rows.toReversed()]) {
      const verdict = verdictOf("redis", order)
      assert.deepStrictEqual([verdict.slo, verdict.slo_saved_mib, verdict.slo_within_limits], ["slo:least_age=2s", 150, true])
      assert.deepStrictEqual([verdict.senpai, verdict.slo_to_senpai], ["senpai:interval=3s", 3])
      assert.match(
        verdict.sentence,
        /; slo:least_age=2s saved 150 MiB: 3\.00× senpai:interval=3s \(50 MiB\); best of DAMON: not in the table\.$/
      )
    }
    const outside = verdictOf("redis", [row("slo", 100, 5, 0), row("slo:least_age=1s", 200, 3, 0)])
    assert.deepStrictEqual([outside.slo, outside.slo_within_limits], ["slo:least_age=1s", false])
  })

  it("names a lead within the intervals as such, over whom ever it is", () => {
    const verdict = verdictOf("redis", [
      row("slo", [120, 150, 180], 0.9, 0),
      row("senpai", [40, 50, 60], 0, 0),
      row("darc-5s", [90, 140, 150], 1, 0)
    ])
    assert.isTrue(verdict.best_within_intervals)
    assert.match(verdict.sentence, /: 150 MiB \(38 %\), darc-5s 140 MiB \(within the intervals\); slo saved/)
    assert.match(verdict.sentence, /3\.00× senpai \(50 MiB\); 1\.07× darc-5s \(140 MiB\) \(within the intervals\)\.$/)
    const clear = verdictOf("redis", [row("slo", [120, 150, 180], 0.9, 0), row("senpai", [40, 50, 60], 0, 0)])
    assert.isFalse(clear.best_within_intervals)
    assert.notInclude(clear.sentence, "within the intervals")
  })

  it("does without slo", () => {
    assert.match(verdictOf("redis", [row("senpai", 50, 0, 0)]).sentence, /slo did not play/)
  })
})

describe("in the guest", () => {
  it("a slot is `wmo run` around the workload, pinned to one CPU", () => {
    const words = slotCommand(
      ["node", "wmo.js"],
      { id: "a-1", policy: "periodic", settings: { cold_age: "7s" }, workload: ["hotcold", "--duration", "5s"] },
      "/out"
    )
    assert.strictEqual(
      words.join(" "),
      "node wmo.js run --group league/a-1 --policy periodic --set cold_age=7s --record /out/a-1.wmo --quiet -- taskset -c 0 node wmo.js workload hotcold --duration 5s"
    )
  })

  it("a client is not in the group of its server", () => {
    const words = slotCommand(["wmo"], { id: "a-1", policy: "none", settings: {}, workload: ["redis"] }, "/out")
    const [shell, flag, script, ...rest] = words.slice(words.indexOf("--") + 1)
    assert.deepStrictEqual([shell, flag], ["sh", "-c"])
    assert.match(script!, /echo \$\$ > \/sys\/fs\/cgroup\/cgroup\.procs && exec "\$@" --server-group "\$group"$/)
    assert.deepStrictEqual(rest, ["sh", "taskset", "-c", "0", "wmo", "workload", "redis"])
  })

  it("looks at the machine without new buffers (regression: collecting them took half a second of each twelve from the workload)", () => {
    const sample = makeMachineSampler(process.pid)
    assert.isAbove(sample().available_bytes, 0)
    assert.isAbove(sample().wmo_cpu_ms, 0)
    assert.strictEqual(makeMachineSampler(2 ** 30)().wmo_cpu_ms, 0)
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 5; n++) sample()
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 128 * 1024)
  })
})
