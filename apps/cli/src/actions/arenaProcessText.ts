/** What the process arena says of itself, for people and for scripts. */
import type { Decision, Measures, ProcessArenaStatus, ProcessRange } from "@wmo/arena"
import { formatBytes, formatDuration } from "@wmo/core"

const percent = (share: number | undefined): string => (share === undefined ? "–" : `${(100 * share).toFixed(1)} %`)
const ofMeasures = (measures: Measures) => [
  percent(measures.accuracy),
  percent(measures.coverage),
  percent(measures.early),
  percent(measures.late),
  percent(measures.pollution)
]
const time = (atMs: number): string => new Date(atMs).toTimeString().slice(0, 8)

export const decisionLine = ({ atMs, loop, reason, region }: Decision): string =>
  `${time(atMs)} ${loop.padEnd(11)} ${region === undefined ? "" : `${region}: `}${reason}`

const unfitText = ({ tooYoung, unfit }: ProcessArenaStatus): string => {
  const parts = Object.entries(unfit).map(([why, bytes]) => `${formatBytes(bytes)} ${why}`)
  if (tooYoung > 0) parts.push(`${tooYoung} chunks too young`)
  return parts.length === 0 ? "" : `left alone: ${parts.join(", ")}`
}

const row = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ")

const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)))
  return rows.map((cells) => row(cells, widths).trimEnd()).join("\n")
}

const rangesAtMost = 24

const rangeRows = (ranges: ReadonlyArray<ProcessRange>): ReadonlyArray<ReadonlyArray<string>> => {
  const bySize = ranges.toSorted((a, b) => b.presentBytes + b.swappedBytes - a.presentBytes - a.swappedBytes)
  const shown = new Set(bySize.slice(0, rangesAtMost))
  return ranges
    .filter((range) => shown.has(range))
    .map(({ end, idleMs, name, place, presentBytes, start, swappedBytes }) => [
      `${start.toString(16)}-${end.toString(16)} ${name}`,
      place,
      formatBytes(presentBytes),
      formatBytes(swappedBytes),
      place === "hot" ? "" : formatDuration(idleMs)
    ])
}

export const watchText = (status: ProcessArenaStatus, ranges: ReadonlyArray<ProcessRange>): string => {
  const { chunkBytes, chunks, coldMs, intervalMs, name, now, pid, predictor, runMs } = status
  const cold = ranges.filter(({ place }) => place === "cold").reduce((sum, { presentBytes }) => sum + presentBytes, 0)
  const head = `${name} (${pid}): RSS ${formatBytes(now.rssBytes)}, PSS ${formatBytes(now.pssBytes)}; ${chunks} chunks of ${formatBytes(chunkBytes)}, a look every ${intervalMs} ms, for ${formatDuration(runMs)}; cold for ${formatDuration(coldMs)}: ${formatBytes(cold)}`
  const hidden = ranges.length - rangesAtMost
  const parts = [
    head,
    ranges.length === 0
      ? "no memory that could be paged out"
      : aligned([["addresses", "", "in memory", "swapped", "idle for"], ...rangeRows(ranges)])
  ]
  if (hidden > 0) parts.push(`and ${hidden} smaller ranges`)
  const left = unfitText(status)
  if (left !== "") parts.push(left)
  if (predictor.standings.length > 0) {
    parts.push(
      aligned([
        ["predictor", "accuracy", "coverage", "early", "late", "pollution"],
        ...predictor.standings.map(({ measures, name }) => [name, ...ofMeasures(measures)])
      ])
    )
  }
  parts.push(`${predictor.name}: ${predictor.explanation}`)
  return `${parts.join("\n")}\n`
}

export const summaryText = (status: ProcessArenaStatus): string => {
  const { before, now, predictor, tally } = { ...status, ...status.predictor, predictor: status.predictor }
  const share = status.wholeByteSeconds === 0 ? 0 : status.savedByteSeconds / status.wholeByteSeconds
  const how = status.mode === "dry-run" ? "dry run" : `by ${status.by} into ${status.swap}`
  const lines = [
    `${status.name} (${status.pid}), ${formatDuration(status.runMs)}, ${how}`,
    `memory   RSS ${formatBytes(before.rssBytes)} → ${formatBytes(now.rssBytes)}, PSS ${formatBytes(before.pssBytes)} → ${formatBytes(now.pssBytes)}`,
    `out      ${formatBytes(status.outBytes)} now, held in ${formatBytes(status.heldBytes)}; ${formatBytes(status.mostOutBytes)} at most; ${formatBytes(status.pagedOutBytes)} in all`,
    `back     ${formatBytes(status.readInBytes)} read in early, ${formatBytes(status.demandBytes)} when touched; ${status.majorFaults} major faults`,
    `saved    ${percent(share)} of PSS over time (${formatBytes(status.savedByteSeconds)}·s of ${formatBytes(status.wholeByteSeconds)}·s), what lies compressed counted`,
    `predictor ${predictor.name}: accuracy ${percent(predictor.measures.accuracy)}, coverage ${percent(predictor.measures.coverage)}, early ${percent(predictor.measures.early)}, late ${percent(predictor.measures.late)}, pollution ${percent(predictor.measures.pollution)} (${tally.needed} chunks needed, ${tally.predicted} predicted)`,
    `         ${predictor.explanation}`,
    `cost     ${status.pageOutMs.toFixed(0)} ms paging out, ${status.readInMs.toFixed(0)} ms reading in, ${status.predictMs.toFixed(0)} ms predicting; tables of ${formatBytes(status.metadataBytes)}`
  ]
  const left = unfitText(status)
  return [...lines, ...(left === "" ? [] : [left])].join("\n")
}

export const statusJson = (status: ProcessArenaStatus) => ({
  ...status,
  savedShare: status.wholeByteSeconds === 0 ? 0 : status.savedByteSeconds / status.wholeByteSeconds
})
