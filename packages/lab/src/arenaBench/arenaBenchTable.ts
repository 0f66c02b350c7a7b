/** The table of a bench of the arena, and what to know to read it. */
import { formatBytes } from "@wmo/core"
import { type Column, table } from "@wmo/report"
import type { ArenaBenchRow } from "./arenaBench.ts"

const share = (value: number | null): string => (value === null ? "–" : (100 * value).toFixed(1))
const us = (value: number | null): string => (value === null ? "–" : value < 100 ? value.toFixed(1) : value.toFixed(0))

const columns: ReadonlyArray<Column<ArenaBenchRow>> = [
  { head: "workload", align: "left", cell: ({ workload }) => workload },
  { head: "predictor", align: "left", cell: ({ predictor }) => predictor },
  { head: "accuracy %", cell: ({ accuracy }) => share(accuracy) },
  { head: "coverage %", cell: ({ coverage }) => share(coverage) },
  { head: "late %", cell: ({ late_pct }) => us(late_pct) },
  { head: "touch p99 µs", cell: ({ burst_touch_p99_us }) => us(burst_touch_p99_us) },
  { head: "reactive", cell: ({ reactive_touch_p99_us }) => us(reactive_touch_p99_us) },
  { head: "plain", cell: ({ plain_touch_p99_us }) => us(plain_touch_p99_us) },
  { head: "cold touch p99 µs", cell: ({ cold_touch_p99_us }) => us(cold_touch_p99_us) },
  { head: "reactive", cell: ({ reactive_cold_touch_p99_us }) => us(reactive_cold_touch_p99_us) },
  { head: "PSS saved %", cell: (row) => share(row.pss_byte_seconds_saved_share) },
  {
    head: "saved",
    cell: ({ pss_saved_mean_bytes: saved }) => (saved === null ? "–" : saved < 0 ? `−${formatBytes(-saved)}` : formatBytes(saved))
  },
  { head: "arena CPU %", cell: ({ cpu_pct }) => cpu_pct.toFixed(1) },
  { head: "process CPU %", cell: ({ process_cpu_pct }) => process_cpu_pct.toFixed(1) },
  { head: "plain CPU %", cell: ({ plain_process_cpu_pct }) => plain_process_cpu_pct.toFixed(1) },
  { head: "slower %", cell: ({ slowdown_pct }) => slowdown_pct.toFixed(1) },
  { head: "op µs", cell: ({ operation_mean_us }) => us(operation_mean_us) },
  { head: "plain op µs", cell: ({ plain_operation_mean_us }) => us(plain_operation_mean_us) },
  { head: "wrong bytes", cell: ({ wrong_bytes }) => String(wrong_bytes) }
]

export const arenaBenchTable = (rows: ReadonlyArray<ArenaBenchRow>): string => table(columns, rows)

export const arenaBenchNotes =
  "A touch reads and compares a page; in a burst the first of each page counts. A cold touch is the first one of a chunk that was left alone for the cold age. PSS byte-seconds are of the whole process, Node and all bookkeeping " +
  'included, against plain memory; not of the oracle, whose future takes memory. What the arena takes of a core is measured by the clock: on a busy machine it is too much. "slower" is operations a second; "op µs" is one operation\'s mean.'
