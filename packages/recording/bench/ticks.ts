/**
 * What recording a tick costs: whole observations with page ages and a decision, one transaction each, beside a bare one-column insert in a
 * transaction of its own on the same kind of file. Prints µs and bytes per tick, and the ratio. `node packages/recording/bench/ticks.ts`
 */
import { memoryStatAmounts, memoryStatCounters } from "@wmo/core"
import { Effect } from "effect"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Recorder } from "../src/index.ts"

const ticks = 5_000
const rounds = 3
const scratch = mkdtempSync(join(tmpdir(), "wmo-bench-"))
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const stat = Object.fromEntries([
  ...memoryStatAmounts.map((key, i) => [key, 4096 * (1000 + i * 37)]),
  ...memoryStatCounters.map((key, i) => [key, BigInt(1_000_000 + i * 911)])
])
const bins = [0, 1000, 5000, 10_000].map((lowerMs, i) => ({
  lowerMs,
  upperMs: i === 3 ? Infinity : lowerMs + 5000,
  anonBytes: i,
  fileBytes: i
}))

const recordTicks = (file: string) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start({
      label: "none",
      group: "bench",
      policy: "none",
      settings: {},
      kernel: "bench",
      clock: "real",
      everyMs: 1000,
      dryRun: false,
      startedMs: 0
    })
    const start = performance.now()
    for (let i = 0; i < ticks; i++) {
      yield* run.tick({
        observation: {
          group: "bench",
          atMs: i * 1000,
          usage: { currentBytes: 2 ** 28 + i * 4096, swapCurrentBytes: i, zswapCurrentBytes: i, min: 0, low: 0, high: "max", max: "max" },
          stat,
          pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(i) } },
          pageAge: { source: "mglru", bins },
          machine: { memTotalBytes: 2 ** 34, memAvailableBytes: 2 ** 33, swapTotalBytes: 2 ** 30, swapFreeBytes: 2 ** 30 }
        },
        reason: "412 MiB older than 120 s; promotion rate 0.08 %/min of 0.2 → reclaim 64 MiB",
        outcomes: []
      })
    }
    return performance.now() - start
  }).pipe(Effect.provide(Recorder.layerFile(file)))

const bareInserts = (file: string): number => {
  const database = new DatabaseSync(file)
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)")
  const insert = database.prepare("INSERT INTO t VALUES (?, ?)")
  const start = performance.now()
  for (let i = 0; i < ticks; i++) {
    database.exec("BEGIN")
    insert.run(i, i)
    database.exec("COMMIT")
  }
  const took = performance.now() - start
  database.close()
  return took
}

const whole: Array<number> = []
const bare: Array<number> = []
for (let round = 0; round < rounds; round++) {
  bare.push(bareInserts(join(scratch, `bare-${round}.db`)))
  whole.push(await Effect.runPromise(recordTicks(join(scratch, `whole-${round}.wmo`))))
}
const perTick = (ms: number) => `${((ms / ticks) * 1000).toFixed(1)} µs`
const bytes = statSync(join(scratch, "whole-0.wmo")).size / ticks
console.log(
  `recording a tick: ${perTick(median(whole))}, a bare insert: ${perTick(median(bare))}, ratio ${(median(whole) / median(bare)).toFixed(1)}; ` +
    `${Math.round(bytes)} bytes a tick (median of ${rounds} rounds of ${ticks})`
)
rmSync(scratch, { recursive: true, force: true })
