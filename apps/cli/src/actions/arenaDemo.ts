/** What `wmo arena demo` does: one workload without the arena, with it, and with a predictor; a table and a sentence. Under 30 s, no root. */
import { formatBytes } from "@wmo/core"
import { type ArenaBenchRow, arenaBenchRow, type Watched, watchedRun } from "@wmo/lab"
import { type Column, table } from "@wmo/report"
import { Console, Effect } from "effect"
import type { ArenaDemoFlags } from "../commands/arenaTools.ts"
import { ExitCode, Failure } from "../Exit.ts"
import { makeProgress } from "../progress.ts"

const regionMib = 128
const shape = [
  "interactive_burst",
  "--region",
  `${regionMib}M`,
  "--active",
  "100ms",
  "--idle",
  "1400ms",
  "--cold",
  "300ms",
  "--data",
  "json",
  // A thread costs as much as this would save.
  "--compress-on",
  "slices"
]

/** What is predicted has to be learnt: five bursts. */
const runs = [
  { what: "without the arena", args: ["--on", "plain", "--duration", "4s", "--warmup", "1s"] },
  { what: "arena, restored when touched", args: ["--on", "arena", "--predictor", "none", "--duration", "6s", "--warmup", "2s"] },
  {
    what: "arena, restored before it is touched",
    args: ["--on", "arena", "--predictor", "tournament", "--duration", "13s", "--warmup", "7s"]
  }
] as const

interface Line {
  readonly what: string
  readonly run: Watched
}

const us = (value: number | undefined): string => (value === undefined ? "–" : value < 100 ? value.toFixed(1) : value.toFixed(0))

const columns: ReadonlyArray<Column<Line>> = [
  { head: "memory", align: "left", cell: ({ what }) => what },
  { head: "held (PSS)", cell: ({ run }) => formatBytes(run.pss_mean_bytes) },
  { head: "least", cell: ({ run }) => formatBytes(run.pss_least_bytes) },
  { head: "touch after idling: p50 µs", cell: ({ run }) => us(run.result.phases.cold_touch?.p50_us) },
  { head: "p99 µs", cell: ({ run }) => us(run.result.phases.cold_touch?.p99_us) },
  { head: "arena's CPU %", cell: ({ run }) => (run.result.arena === null ? "–" : run.result.arena.cpu_pct.toFixed(1)) },
  { head: "wrong bytes", cell: ({ run }) => String(run.result.wrong_bytes) }
]

const percent = (share: number | null): string => (share === null ? "none" : `${(100 * share).toFixed(0)} %`)

const sentence = (row: ArenaBenchRow): string => {
  const saved =
    row.pss_saved_mean_bytes !== null && row.pss_saved_mean_bytes > 0
      ? `The program held ${formatBytes(row.pss_saved_mean_bytes)} less on average (${percent(row.pss_byte_seconds_saved_share)} of all that it is)`
      : "The program held no less than without it"
  const waits =
    row.cold_touch_p99_us === null || row.reactive_cold_touch_p99_us === null || row.plain_cold_touch_p99_us === null
      ? "and nothing was touched after idling."
      : `and 99 % of its first touches after idling took at most ${us(row.cold_touch_p99_us)} µs: ${us(row.plain_cold_touch_p99_us)} µs without an arena, ` +
        `${us(row.reactive_cold_touch_p99_us)} µs where nothing is predicted.`
  return `${saved}, ${waits} ${percent(row.coverage)} of what was needed was restored before it was touched, ${percent(row.accuracy)} of what was restored early was used.`
}

export const arenaDemo = Effect.fn("wmo arena demo")(function* (flags: ArenaDemoFlags) {
  yield* Console.error(`${regionMib} MiB of JSON, all of it used for 100 ms every 1.5 s; half a minute:`)
  const progress = makeProgress(runs.length)
  const lines: Array<Line> = []
  yield* Effect.forEach(runs, ({ args, what }, at) => {
    progress.show(at, 0.3, what)
    return Effect.map(watchedRun(process.argv[1]!, [...shape, ...args, "--seed", String(flags.seed)]), (run) => {
      lines.push({ what, run })
      progress.finish(at, what)
    })
  }).pipe(
    Effect.mapError(({ message }) => new Failure({ message, exitCode: ExitCode.failed })),
    Effect.ensuring(Effect.sync(progress.clear))
  )
  const [plain, reactive, predicted] = lines.map(({ run }) => run)
  const row = arenaBenchRow(plain!, reactive!, predicted!)
  if (flags.json) yield* Console.log(JSON.stringify({ ...row, runs: lines.map(({ run }) => run) }, null, 2))
  else {
    yield* Console.log(`${table(columns, lines)}\n\n${sentence(row)}`)
    yield* Console.log(
      "Next: `wmo arena bench` for other workloads, `wmo arena codecs` for what compresses how well; examples/jsonCache.ts of @wmo/arena is a program with an arena."
    )
  }
  if (row.wrong_bytes > 0) return yield* new Failure({ message: `${row.wrong_bytes} bytes came back wrong`, exitCode: ExitCode.failed })
})
