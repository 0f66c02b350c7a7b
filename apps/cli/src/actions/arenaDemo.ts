/** What `wmo arena demo` does: one workload without the arena, with it, and with a predictor; a table and a sentence. Under 30 s, no root. */
import { formatBytes } from "@wmo/core"
import { type ArenaBenchRow, runArenaBench, type Watched } from "@wmo/lab"
import { type Column, table } from "@wmo/report"
import { Console, Effect } from "effect"
import type { ArenaDemoFlags } from "../commands/arenaTools.ts"
import { ExitCode, Failure } from "../Exit.ts"
import { makeProgress } from "../progress.ts"

const regionMib = 96
const durationMs = 7000
const args = ["--region", `${regionMib}M`, "--active", "100ms", "--idle", "900ms", "--duration", `${durationMs}ms`, "--warmup", "3500ms"]
const runs = 3

interface Line {
  readonly what: string
  readonly run: Watched
}

const us = (value: number | undefined): string => (value === undefined ? "–" : value < 100 ? value.toFixed(1) : value.toFixed(0))

const columns: ReadonlyArray<Column<Line>> = [
  { head: "memory", align: "left", cell: ({ what }) => what },
  { head: "held (PSS)", cell: ({ run }) => formatBytes(run.pss_mean_bytes) },
  { head: "least", cell: ({ run }) => formatBytes(run.pss_least_bytes) },
  { head: "touch after idling: p50 µs", cell: ({ run }) => us(run.result.phases.burst_touch?.p50_us) },
  { head: "p99 µs", cell: ({ run }) => us(run.result.phases.burst_touch?.p99_us) },
  { head: "arena's CPU %", cell: ({ run }) => (run.result.arena === null ? "–" : run.result.arena.cpu_pct.toFixed(1)) },
  { head: "wrong bytes", cell: ({ run }) => String(run.result.wrong_bytes) }
]

const percent = (share: number | null): string => (share === null ? "none" : `${(100 * share).toFixed(0)} %`)

const sentence = (row: ArenaBenchRow): string => {
  const saved =
    row.pss_saved_mean_bytes > 0
      ? `The program held ${formatBytes(row.pss_saved_mean_bytes)} less on average (${percent(row.pss_byte_seconds_saved_share)} of all that it is)`
      : "The program held no less than without it"
  const waits =
    row.burst_touch_p99_us === null || row.reactive_touch_p99_us === null || row.plain_touch_p99_us === null
      ? "and nothing was touched after idling."
      : `and 99 % of its first touches after idling took at most ${us(row.burst_touch_p99_us)} µs: ${us(row.plain_touch_p99_us)} µs without an arena, ` +
        `${us(row.reactive_touch_p99_us)} µs where nothing is predicted.`
  return `${saved}, ${waits} ${percent(row.coverage)} of what was needed was restored before it was touched, ${percent(row.accuracy)} of what was restored early was used.`
}

export const arenaDemo = Effect.fn("wmo arena demo")(function* (flags: ArenaDemoFlags) {
  yield* Console.error(
    `${regionMib} MiB of JSON, text, records, binaries and noise, all of it used for 100 ms every second; three runs of ${durationMs / 1000} s:`
  )
  const progress = makeProgress(runs)
  const labels = ["without the arena", "arena, restored when touched", "arena, restored before it is touched"]
  const { rows, runs: watched } = yield* runArenaBench({
    workloads: ["interactive_burst"],
    predictors: ["tournament"],
    args: [...args, "--seed", String(flags.seed)],
    program: process.argv[1]!,
    onRun: (done) => {
      if (done > 0) progress.finish(done - 1, labels[done - 1]!)
      progress.show(done, 0.3, labels[done]!)
    }
  }).pipe(
    Effect.mapError(({ message }) => new Failure({ message, exitCode: ExitCode.failed })),
    Effect.ensuring(Effect.sync(progress.clear))
  )
  const [row] = rows
  if (flags.json) yield* Console.log(JSON.stringify({ ...row, runs: watched }, null, 2))
  else {
    yield* Console.log(
      table(
        columns,
        watched.map((run, at) => ({ what: labels[at]!, run }))
      )
    )
    yield* Console.log(`\n${sentence(row!)}`)
    yield* Console.log(
      "Next: `wmo arena bench` for other workloads, `wmo arena codecs` for what compresses how well, examples/jsonCache.ts of @wmo/arena for your own program."
    )
  }
  if (row!.wrong_bytes > 0) return yield* new Failure({ message: `${row!.wrong_bytes} bytes came back wrong`, exitCode: ExitCode.failed })
})
