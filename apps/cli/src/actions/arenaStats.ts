/** What `wmo arena stats` does: what programs with an arena publish of it (`publishStats` of `@wmo/arena`). */
import { type PublishedStats, readPublishedStats } from "@wmo/arena"
import { formatBytes, formatDuration } from "@wmo/core"
import { type Column, table } from "@wmo/report"
import { Console, Effect, Option } from "effect"
import type { ArenaStatsFlags } from "../commands/arenaTools.ts"
import { ExitCode, Failure } from "../Exit.ts"

const share = (value: number | undefined): string => (value === undefined ? "–" : (100 * value).toFixed(1))

const columns: ReadonlyArray<Column<PublishedStats>> = [
  { head: "pid", cell: ({ pid }) => String(pid) },
  { head: "program", align: "left", cell: ({ name }) => name },
  { head: "in use", cell: ({ stats }) => formatBytes(stats.logicalBytes) },
  { head: "held", cell: ({ stats }) => formatBytes(stats.heldBytes) },
  { head: "ratio", cell: ({ stats }) => stats.ratio.toFixed(2) },
  { head: "compressed chunks", cell: ({ stats }) => String(stats.compressedChunks) },
  { head: "waited for", cell: ({ stats }) => String(stats.counters.demandRestores) },
  { head: "restored early", cell: ({ stats }) => String(stats.counters.earlyRestores) },
  { head: "cold after", cell: ({ controller }) => (controller === undefined ? "–" : formatDuration(controller.coldMs)) },
  { head: "said", cell: ({ atMs }) => `${formatDuration(Math.max(0, Date.now() - atMs))} ago` }
]

type RegionLine = NonNullable<PublishedStats["controller"]>["regions"][number]

const regionColumns: ReadonlyArray<Column<RegionLine>> = [
  { head: "region", align: "left", cell: ({ name }) => name },
  { head: "accuracy %", cell: ({ measures }) => share(measures.accuracy) },
  { head: "coverage %", cell: ({ measures }) => share(measures.coverage) },
  { head: "predictor", align: "left", cell: ({ explanation, predictor }) => `${predictor}: ${explanation}` }
]

export const arenaStats = Effect.fn("wmo arena stats")(function* (flags: ArenaStatsFlags) {
  const published = readPublishedStats()
  const asked = Option.getOrUndefined(flags.pid)
  const shown = asked === undefined ? published : published.filter(({ pid }) => pid === asked)
  if (asked !== undefined && shown.length === 0) {
    const others = published.map(({ pid }) => pid).join(", ")
    const hint = others === "" ? "no program of this user does" : `these do: ${others}`
    return yield* new Failure({ message: `process ${asked} publishes no arena; ${hint}`, exitCode: ExitCode.failed })
  }
  if (flags.json) return yield* Console.log(JSON.stringify(shown, null, 2))
  if (shown.length === 0) {
    return yield* Console.error(
      "no program of this user publishes an arena: call `publishStats(arena)` of @wmo/arena in yours, or try `wmo workload interactive_burst --on arena`"
    )
  }
  yield* Console.log(table(columns, shown))
  if (asked === undefined) return
  for (const { controller } of shown) if (controller !== undefined) yield* Console.log(`\n${table(regionColumns, controller.regions)}`)
})
