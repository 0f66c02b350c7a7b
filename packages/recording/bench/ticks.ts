/**
 * What recording costs. First a tick of the control loop (one group: observation, page ages, decision; one transaction) beside a bare
 * one-column insert in a transaction of its own on the same kind of file. Then a monitor's minute: 1,000 groups × 60 snapshots of real-looking
 * counters, with 10 % of the groups changing and with all changing, beside one bare insert a sample in one transaction a snapshot.
 * Prints µs and bytes, and the ratios. `node packages/recording/bench/ticks.ts`
 */
import { memoryStatAmounts, memoryStatCounters } from "@wmo/core"
import { Effect } from "effect"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { cgroupSample, openRecording, Recorder, type RunStart, type Sample } from "../src/index.ts"

const ticks = 5_000
const groups = 1_000
const seconds = 60
const rounds = 3
const scratch = mkdtempSync(join(tmpdir(), "wmo-bench-"))
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const start: RunStart = {
  label: "none",
  group: "bench",
  policy: "none",
  settings: {},
  kernel: "bench",
  clock: "real",
  everyMs: 1000,
  dryRun: false,
  startedMs: 0
}
const stat = Object.fromEntries([
  ...memoryStatAmounts.map((key, i) => [key, 4096 * (1000 + i * 37)]),
  ...memoryStatCounters.map((key, i) => [key, BigInt(1_000_000 + i * 911)])
])
const machine = { memTotalBytes: 2 ** 34, memAvailableBytes: 2 ** 33, swapTotalBytes: 2 ** 30, swapFreeBytes: 2 ** 30 }
/** Page ages of the generations, which move on with every tick. */
const binsAt = (tick: number) =>
  [0, 1000, 5000, 10_000].map((lowerMs, i) => ({
    lowerMs: lowerMs === 0 ? 0 : lowerMs + (tick % 1000),
    upperMs: i === 3 ? Infinity : [1000, 5000, 10_000][i]! + (tick % 1000),
    anonBytes: 2 ** 26 + tick * 4096 * i,
    fileBytes: 2 ** 24
  }))

const recordTicks = (file: string) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start(start)
    const begin = performance.now()
    for (let i = 0; i < ticks; i++) {
      yield* run.tick({
        observation: {
          group: "bench",
          atMs: i * 1000,
          usage: { currentBytes: 2 ** 28 + i * 4096, swapCurrentBytes: i, zswapCurrentBytes: i, min: 0, low: 0, high: "max", max: "max" },
          stat,
          pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(i) } },
          pageAge: { source: "mglru", bins: binsAt(i) },
          machine
        },
        reason: `${i} MiB older than 120 s; promotion rate 0.08 %/min of 0.2 → reclaim 64 MiB`,
        outcomes: []
      })
    }
    return performance.now() - begin
  }).pipe(Effect.provide(Recorder.layerFile(file)))

/** What a busy group does in a second: 30 of its ~95 values move. */
const moving = new Set([
  ..."anon file kernel pagetables zswap zswapped file_dirty inactive_anon active_anon inactive_file active_file slab".split(" "),
  ..."workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file pswpin pswpout pgscan pgsteal".split(
    " "
  ),
  ..."pgscan_kswapd pgsteal_kswapd pgfault pgmajfault pgrefill pgactivate pgdeactivate zswpin zswpout".split(" ")
])

/** A seeded generator (mulberry32): the same minute in every round. */
const makeRandom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The minute's samples, made before any clock runs. */
const minute = (share: number): ReadonlyArray<ReadonlyArray<Sample>> => {
  const random = makeRandom(1)
  const now = Array.from({ length: groups }, () => ({
    stat: { ...stat } as Record<string, number | bigint>,
    current: 2 ** 28 + Math.floor(random() * 2 ** 16) * 4096,
    stallUs: 0n
  }))
  return Array.from({ length: seconds }, (_, second) =>
    now.map((group, i) => {
      if (random() < share) {
        group.current += Math.floor((random() - 0.5) * 512) * 4096
        group.stallUs += BigInt(Math.floor(random() * 1000))
        const next = { ...group.stat }
        for (const [key, value] of Object.entries(next)) {
          if (!moving.has(key)) continue
          next[key] =
            typeof value === "bigint" ? value + BigInt(Math.floor(random() * 2000)) : value + Math.floor((random() - 0.5) * 256) * 4096
        }
        group.stat = next
      }
      return cgroupSample({
        group: `system.slice/service-${i}.service`,
        atMs: second * 1000,
        usage: { currentBytes: group.current, swapCurrentBytes: 0, zswapCurrentBytes: 0, min: 0, low: 0, high: "max", max: "max" },
        stat: group.stat,
        pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: group.stallUs } },
        machine
      })
    })
  )
}

const recordMinute = (file: string, samples: ReadonlyArray<ReadonlyArray<Sample>>) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start(start)
    const begin = performance.now()
    for (const [second, all] of samples.entries()) yield* run.snapshot({ atMs: second * 1000, samples: all })
    return performance.now() - begin
  }).pipe(Effect.provide(Recorder.layerFile(file)))

const readMinute = (file: string) =>
  Effect.gen(function* () {
    const recording = yield* openRecording(file)
    const begin = performance.now()
    const rows = yield* recording.observations(1, "system.slice/service-7.service")
    if (rows.length !== seconds) throw new Error(`${rows.length} rows of ${seconds}`)
    return performance.now() - begin
  }).pipe(Effect.scoped)

/** `perTransaction` bare rows a transaction, `transactions` times. */
const bareInserts = (file: string, transactions: number, perTransaction: number): number => {
  const database = new DatabaseSync(file)
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
  const insert = database.prepare("INSERT INTO t VALUES (?, ?)")
  const begin = performance.now()
  for (let i = 0; i < transactions; i++) {
    database.exec("BEGIN")
    for (let n = 0; n < perTransaction; n++) insert.run(i * perTransaction + n, i)
    database.exec("COMMIT")
  }
  const took = performance.now() - begin
  database.close()
  return took
}

const whole: Array<number> = []
const bare: Array<number> = []
for (let round = 0; round < rounds; round++) {
  bare.push(bareInserts(join(scratch, `bare-${round}.db`), ticks, 1))
  whole.push(await Effect.runPromise(recordTicks(join(scratch, `whole-${round}.wmo`))))
}
const micro = (ms: number, count: number) => `${((ms / count) * 1000).toFixed(1)} µs`
const bytes = statSync(join(scratch, "whole-0.wmo")).size / ticks
console.log(
  `a tick of the loop: ${micro(median(whole), ticks)}, a bare insert: ${micro(median(bare), ticks)}, ratio ${(median(whole) / median(bare)).toFixed(1)}; ` +
    `${Math.round(bytes)} bytes a tick (median of ${rounds} rounds of ${ticks})`
)

for (const share of [0.1, 1]) {
  const samples = minute(share)
  const recorded: Array<number> = []
  const bareRows: Array<number> = []
  const read: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const file = join(scratch, `minute-${share}-${round}.wmo`)
    bareRows.push(bareInserts(join(scratch, `rows-${share}-${round}.db`), seconds, groups))
    recorded.push(await Effect.runPromise(recordMinute(file, samples)))
    read.push(await Effect.runPromise(readMinute(file)))
  }
  const count = groups * seconds
  const size = statSync(join(scratch, `minute-${share}-0.wmo`)).size
  const first = await firstSnapshot(share, samples)
  const later = (size - first) / (groups * (seconds - 1))
  console.log(
    `${groups} groups × ${seconds} s, ${share * 100} % changing: ${micro(median(recorded), count)} a sample, a bare row: ${micro(median(bareRows), count)}, ` +
      `ratio ${(median(recorded) / median(bareRows)).toFixed(1)}; ${(size / count).toFixed(1)} bytes a sample (${later.toFixed(1)} after the first second), ` +
      `${((later * groups * 3600) / 2 ** 20).toFixed(0)} MiB an hour; ${((median(recorded) / seconds / 1000) * 100).toFixed(2)} % of a core; ` +
      `one group's minute reads in ${median(read).toFixed(1)} ms`
  )
}
rmSync(scratch, { recursive: true, force: true })

/** Size of a recording of the first snapshot alone: names and first values, which are paid once. */
async function firstSnapshot(share: number, samples: ReadonlyArray<ReadonlyArray<Sample>>): Promise<number> {
  const file = join(scratch, `first-${share}.wmo`)
  await Effect.runPromise(recordMinute(file, samples.slice(0, 1)))
  return statSync(file).size
}
