/** The summary that `wmo run` prints at its end: one run in a few aligned lines. */
import { formatBytes, formatDuration } from "@wmo/core"
import type { Summary } from "@wmo/recording"

/** Lines of `name  value`, aligned. */
export const runSummary = (summary: Summary): string => {
  const { memory_current_bytes: memory, result, zswap_current_bytes: zswap } = summary
  const actions = Object.entries(summary.actions).map(([status, count]) => `${count} ${status}`)
  const lines: ReadonlyArray<readonly [string, string] | undefined> = [
    ["policy", summary.policy],
    [
      "duration",
      `${formatDuration(summary.duration_seconds * 1000)}, ${summary.samples} samples${summary.missed_ticks ? `, ${summary.missed_ticks} missed` : ""}`
    ],
    ["memory", `mean ${formatBytes(memory.mean)}, peak ${formatBytes(memory.peak)}`],
    ["swap", `mean ${formatBytes(summary.swap_current_bytes.mean)}; in zswap it takes ${formatBytes(zswap.mean)}, which memory includes`],
    ["refaults", `${summary.refaults.toLocaleString("en-US")}, major faults ${summary.major_faults.toLocaleString("en-US")}`],
    ["pressure", summary.psi_some_pct === null ? "unknown" : `some ${summary.psi_some_pct.toFixed(2)} % of the time`],
    ["actions", actions.length === 0 ? "none" : `${actions.join(", ")}; ${formatBytes(summary.reclaimed_bytes)} reclaimed`],
    summary.operations_per_second === null
      ? undefined
      : ["throughput", `${Math.round(summary.operations_per_second).toLocaleString("en-US")} operations/s`],
    result?.p99_us === undefined
      ? undefined
      : [
          "latency",
          `p99 ${formatDuration(result.p99_us / 1000)}${result.p999_us === undefined ? "" : `, p99.9 ${formatDuration(result.p999_us / 1000)}`}`
        ],
    result?.wrong_bytes === undefined
      ? undefined
      : ["contents", result.wrong_bytes === 0 ? "verified, every byte right" : `${result.wrong_bytes} BYTES WRONG`]
  ]
  return lines
    .filter((line) => line !== undefined)
    .map(([name, value]) => `${name.padEnd(10)}  ${value}`)
    .join("\n")
}
