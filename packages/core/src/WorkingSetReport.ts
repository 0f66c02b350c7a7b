/**
 * Working-set reporting files (out of tree: Yuanchu Xie's linux-mm series, v2 to v4): histograms of page age.
 * A line labelled L holds what is older than the previous label and at most L ms old. The last label is ULONG_MAX on most versions and
 * LONG_MAX on some: both mean "older than all others". Types other than anon and file may appear and are kept.
 */
import { type Codec, counter, exactNumber, printNumber, quote, reject, textCodec } from "./Codec.ts"
import type { Bytes, Milliseconds } from "./Units.ts"

/** Pages idle for more than `lowerMs` and at most `upperMs` (Infinity for the last). `other`: page types that we have no name for. */
export interface PageAgeBin {
  readonly lowerMs: Milliseconds
  readonly upperMs: Milliseconds
  readonly anonBytes: Bytes
  readonly fileBytes: Bytes
  readonly other?: Readonly<Record<string, Bytes>>
}

const forever = 2n ** 63n - 1n

const parseBin = (text: string, line: number, lowerMs: Milliseconds): PageAgeBin => {
  const [label, ...pairs] = text.trim().split(/\s+/)
  const edge = counter(label!, line)
  const upperMs = edge >= forever ? Infinity : Number(edge)
  if (upperMs <= lowerMs) return reject(line, `label ${quote(label!)} is not above the one before it`)
  let anonBytes = 0
  let fileBytes = 0
  const other: Record<string, Bytes> = {}
  for (const pair of pairs) {
    const [name, value] = pair.split("=")
    const bytes = exactNumber(value ?? "", line)
    if (name === "anon") anonBytes = bytes
    else if (name === "file") fileBytes = bytes
    else other[name!] = bytes
  }
  return { lowerMs, upperMs, anonBytes, fileBytes, ...(Object.keys(other).length > 0 ? { other } : {}) }
}

const printBin = (bin: PageAgeBin): string =>
  [
    bin.upperMs === Infinity ? "18446744073709551615" : String(bin.upperMs),
    `anon=${printNumber(bin.anonBytes)}`,
    `file=${printNumber(bin.fileBytes)}`,
    ...Object.entries(bin.other ?? {}).map(([name, bytes]) => `${name}=${printNumber(bytes)}`)
  ].join(" ") + "\n"

/** Node file `workingset_report/page_age`. */
export const nodePageAge: Codec<ReadonlyArray<PageAgeBin>> = textCodec<ReadonlyArray<PageAgeBin>>(
  "workingset_report/page_age",
  (lines) => {
    const bins: Array<PageAgeBin> = []
    lines.forEach((text, index) => bins.push(parseBin(text, index + 1, bins.at(-1)?.upperMs ?? 0)))
    return bins
  },
  (bins) => bins.map(printBin).join("")
)

export interface NodePageAge {
  readonly node: number
  readonly bins: ReadonlyArray<PageAgeBin>
}

/** Group file `memory.workingset.page_age`: one block per node with a report; empty where no node has one. */
export const memcgPageAge: Codec<ReadonlyArray<NodePageAge>> = textCodec<ReadonlyArray<NodePageAge>>(
  "memory.workingset.page_age",
  (lines) => {
    const nodes: Array<{ node: number; bins: Array<PageAgeBin> }> = []
    lines.forEach((text, index) => {
      const header = /^N(\d+)$/.exec(text)
      if (header !== null) return void nodes.push({ node: exactNumber(header[1]!, index + 1), bins: [] })
      const block = nodes.at(-1) ?? reject(index + 1, `${quote(text)} comes before any node line`)
      block.bins.push(parseBin(text, index + 1, block.bins.at(-1)?.upperMs ?? 0))
    })
    return nodes
  },
  (nodes) => nodes.map(({ bins, node }) => `N${node}\n${bins.map(printBin).join("")}`).join("")
)

/** Node file `workingset_report/page_age_intervals`: strictly increasing labels in ms, at most 31; empty switches reporting off. */
export const pageAgeIntervals: Codec<ReadonlyArray<Milliseconds>> = textCodec<ReadonlyArray<Milliseconds>>(
  "workingset_report/page_age_intervals",
  (lines) => {
    const labels = (lines[0] ?? "")
      .split(",")
      .filter((label) => label !== "")
      .map((label) => exactNumber(label.trim(), 1))
    labels.forEach((label, i) => (i > 0 && label <= labels[i - 1]! ? reject(1, "intervals must increase") : undefined))
    return labels
  },
  (labels) => `${labels.join(",")}\n`
)

/** Group file `memory.workingset.refresh_interval`: how long a report stays valid on each node, ms, 0 = off. Reads `N0=2000 N1=0`. */
export const refreshIntervals: Codec<Readonly<Record<number, Milliseconds>>> = textCodec(
  "memory.workingset.refresh_interval",
  (lines) =>
    Object.fromEntries(
      (lines[0] ?? "")
        .trim()
        .split(/\s+/)
        .filter((pair) => pair !== "")
        .map((pair) => {
          const match = /^N(\d+)=(\d+)$/.exec(pair)
          return match === null ? reject(1, `${quote(pair)} is not N<node>=<ms>`) : [Number(match[1]), exactNumber(match[2]!, 1)]
        })
    ),
  (intervals) =>
    `${Object.entries(intervals)
      .map(([node, ms]) => `N${node}=${ms}`)
      .join(" ")}\n`
)
