/**
 * `/proc/zoneinfo`: the zones of each node with their watermarks, counters and per-CPU page lists. Amounts are in pages.
 * Does not say which zone an allocation takes. Which counters there are differs by kernel: look up by key.
 * Format: zoneinfo_show_print in mm/vmstat.c; kernel Documentation/filesystems/proc.rst.
 */
import { type Codec, counter, exactNumber, quote, reject, textCodec } from "../Codec.ts"
import type { Pages } from "../Units.ts"

/** Size and watermarks of a zone, in pages. */
export interface ZonePages {
  readonly free?: Pages
  /** Added to the watermarks for a while after fragmentation; since 5.0, printed since 6.1. */
  readonly boost?: Pages
  /** Below `min` only the kernel's own allocations succeed; kswapd works below `low` until `high`. */
  readonly min?: Pages
  readonly low?: Pages
  readonly high?: Pages
  /** Up to here pages are promoted to this node (memory tiering); printed since 6.10. */
  readonly promo?: Pages
  readonly spanned?: Pages
  readonly present?: Pages
  readonly managed?: Pages
  readonly cma?: Pages
  readonly [unknown: string]: Pages | undefined
}

/** A CPU's own list of free pages in a zone. */
export interface ZoneCpu {
  readonly cpu: number
  /** `count`, `high`, `batch`; since 6.7 also `high_min` and `high_max`. */
  readonly values: Readonly<Record<string, number>>
  readonly statThreshold?: number
}

export interface Zone {
  readonly node: number
  /** `DMA`, `DMA32`, `Normal`, `Movable`, `Device`. */
  readonly name: string
  /** Counters of the whole node, printed with its first zone that has pages. */
  readonly nodeCounters?: Readonly<Record<string, bigint>>
  readonly pages: ZonePages
  /** Pages kept back from allocations that prefer a higher zone, one for each zone. */
  readonly protection: ReadonlyArray<Pages>
  /** Empty for zones without pages. */
  readonly counters: Readonly<Record<string, bigint>>
  readonly cpus: ReadonlyArray<ZoneCpu>
  /** `node_unreclaimable`, `start_pfn`, `reserved_highatomic` and what later kernels add. */
  readonly rest: Readonly<Record<string, bigint>>
}

interface Building {
  readonly node: number
  readonly name: string
  nodeCounters?: Record<string, bigint>
  readonly pages: Record<string, Pages>
  protection: Array<Pages>
  readonly counters: Record<string, bigint>
  readonly cpus: Array<{ readonly cpu: number; readonly values: Record<string, number>; statThreshold?: number }>
  readonly rest: Record<string, bigint>
}

const header = /^Node (\d+), zone +(\S+)$/
const free = /^ {2}pages free +(\d+)$/
const amountRow = /^ {8}(\w+) +(\d+)$/
const protectionRow = /^ {8}protection: \(([\d, ]*)\)$/
const counterRow = /^ {6}(\w+) +(\d+)$/
const cpuRow = /^ {4}cpu: (\d+)$/
const cpuValueRow = /^ {14}(\w+): +(\d+)$/
const thresholdRow = /^ {2}vm stats threshold: (\d+)$/
const restRow = /^ {2}(\w+): +(\d+)$/

/** See {@link Zone}. */
export const zoneInfo: Codec<ReadonlyArray<Zone>> = textCodec<ReadonlyArray<Zone>>(
  "/proc/zoneinfo",
  (lines) => {
    const zones: Array<Building> = []
    const rowOf = (zone: Building, text: string, line: number): void => {
      let match: RegExpExecArray | null
      const cpu = zone.cpus.at(-1)
      if (text === "  per-node stats") zone.nodeCounters = {}
      else if (text === "  pagesets") return
      else if ((match = free.exec(text))) zone.pages["free"] = exactNumber(match[1]!, line)
      else if ((match = amountRow.exec(text))) zone.pages[match[1]!] = exactNumber(match[2]!, line)
      else if ((match = protectionRow.exec(text))) {
        zone.protection = match[1] === "" ? [] : match[1]!.split(", ").map((word) => exactNumber(word, line))
      } else if ((match = counterRow.exec(text))) {
        const isOfNode = zone.nodeCounters !== undefined && zone.pages["free"] === undefined
        ;(isOfNode ? zone.nodeCounters! : zone.counters)[match[1]!] = counter(match[2]!, line)
      } else if ((match = cpuRow.exec(text))) zone.cpus.push({ cpu: exactNumber(match[1]!, line), values: {} })
      else if (cpu !== undefined && (match = cpuValueRow.exec(text))) cpu.values[match[1]!] = exactNumber(match[2]!, line)
      else if (cpu !== undefined && (match = thresholdRow.exec(text))) cpu.statThreshold = exactNumber(match[1]!, line)
      else if ((match = restRow.exec(text))) zone.rest[match[1]!] = counter(match[2]!, line)
      else reject(line, `${quote(text)} is not a row of zoneinfo`)
    }
    lines.forEach((text, index) => {
      const match = header.exec(text)
      const zone = zones.at(-1)
      if (match !== null) {
        zones.push({
          node: exactNumber(match[1]!, index + 1),
          name: match[2]!,
          pages: {},
          protection: [],
          counters: {},
          cpus: [],
          rest: {}
        })
      } else if (zone === undefined) reject(index + 1, "expected a zone first")
      else rowOf(zone, text, index + 1)
    })
    return zones
  },
  (zones) =>
    zones
      .map((zone) => {
        const { free: freePages, ...pages } = zone.pages
        const rows = (values: Readonly<Record<string, bigint>>) =>
          Object.entries(values).map(([key, value]) => `      ${key.padEnd(12)} ${value}`)
        return [
          `Node ${zone.node}, zone ${zone.name.padStart(8)}`,
          ...(zone.nodeCounters === undefined ? [] : ["  per-node stats", ...rows(zone.nodeCounters)]),
          ...(freePages === undefined ? [] : [`  pages free     ${freePages}`]),
          ...Object.entries(pages).map(([key, value]) => `        ${key.padEnd(8)} ${value}`),
          `        protection: (${zone.protection.join(", ")})`,
          ...rows(zone.counters),
          ...(zone.cpus.length === 0 ? [] : ["  pagesets"]),
          ...zone.cpus.flatMap(({ cpu, statThreshold, values }) => [
            `    cpu: ${cpu}`,
            ...Object.entries(values).map(([key, value]) => `              ${`${key}:`.padEnd(6)} ${value}`),
            ...(statThreshold === undefined ? [] : [`  vm stats threshold: ${statThreshold}`])
          ]),
          ...Object.entries(zone.rest).map(([key, value]) => `  ${`${key}:`.padEnd(20)} ${value}`)
        ]
          .map((line) => `${line}\n`)
          .join("")
      })
      .join("")
)
