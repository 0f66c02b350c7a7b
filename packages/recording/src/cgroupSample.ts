/**
 * An `Observation` of a group as a sample, and back: which file and key has which metric name. Limits `high`, `max` and
 * `swap.max`: unknown is `max`.
 * Averages of pressure are stored in basis points (hundredths of a percent), as exactly as the kernel prints them.
 */
import { type Limit, limitBytes, type MemoryStat, memoryStatAmounts, memoryStatCounters, type PressureStall } from "@wmo/core"
import type { Observation, PageAge } from "@wmo/monitors"
import type { Sample, SampleValue } from "./Entry.ts"
import type { Values } from "./Frame.ts"

const usageColumns = [
  "memory_current_bytes",
  "memory_swap_current_bytes",
  "memory_zswap_current_bytes",
  "memory_min_bytes",
  "memory_low_bytes",
  "memory_high_bytes",
  "memory_max_bytes",
  "memory_swap_max_bytes",
  "machine_mem_total_bytes",
  "machine_mem_available_bytes",
  "machine_swap_total_bytes",
  "machine_swap_free_bytes"
]
const pressureColumns = (kind: "some" | "full", of = "memory") => [
  `${of}_pressure_${kind}_us`,
  `${of}_pressure_${kind}_avg10_bp`,
  `${of}_pressure_${kind}_avg60_bp`,
  `${of}_pressure_${kind}_avg300_bp`
]

/** Metrics that every sample of a group has a place for, in order. Keys of memory.events and unknown ones of memory.stat come after. */
export const cgroupMetrics: ReadonlyArray<string> = [
  ...usageColumns,
  ...pressureColumns("some"),
  ...pressureColumns("full"),
  ...memoryStatAmounts.map((key) => `memory_stat_${key}_bytes`),
  ...memoryStatCounters.map((key) => `memory_stat_${key}`)
]

/** `memory.min` and `low` of everything: what the kernel stores for it. */
const everything = 2n ** 63n - 1n

const protection = (limit: Limit): SampleValue => (limit === "max" || limit === Infinity ? everything : limit)

const protectionOf = (value: number | bigint | undefined): Limit =>
  typeof value === "bigint" && value >= everything ? "max" : Number(value ?? 0)

const orUnknown = (value: number | undefined): SampleValue => (value === Infinity ? undefined : value)

const pressureValues = (line: PressureStall["some"]): ReadonlyArray<SampleValue> =>
  line === undefined
    ? [undefined, undefined, undefined, undefined]
    : [line.totalUs, Math.round(line.avg10 * 100), Math.round(line.avg60 * 100), Math.round(line.avg300 * 100)]

/** One array for all samples with the same further keys. */
const metricsWith = (() => {
  const known = new Map<string, ReadonlyArray<string>>()
  return (more: ReadonlyArray<string>): ReadonlyArray<string> => {
    const key = more.join(" ")
    let metrics = known.get(key)
    if (metrics === undefined) known.set(key, (metrics = [...cgroupMetrics, ...more]))
    return metrics
  }
})()

/** What came back into use, as counters by the age it had: `promoted_from_60000_ms_pages`, and how many of those were file pages. */
const promotionValues = ({ promotions }: Observation): ReadonlyArray<readonly [string, SampleValue]> =>
  promotions === undefined
    ? []
    : [
        ["promotions_are_estimates", promotions.isEstimate ? 1 : 0],
        ...promotions.bins.flatMap(({ filePages, lowerMs, pages, refaultedPages }): ReadonlyArray<readonly [string, SampleValue]> => [
          [`promoted_from_${lowerMs}_ms_pages`, pages],
          [`promoted_from_${lowerMs}_ms_file_pages`, filePages],
          [`promoted_from_${lowerMs}_ms_refaulted_pages`, refaultedPages]
        ])
      ]

/** What only some kernels, or newer recordings, say. */
const furtherValues = (observation: Observation): ReadonlyArray<readonly [string, SampleValue]> => {
  const { ioPressure, machine } = observation
  const io = (kind: "some" | "full") => {
    const values = pressureValues(ioPressure?.[kind])
    return pressureColumns(kind, "io").map((name, i) => [name, values[i]] as const)
  }
  const all: ReadonlyArray<readonly [string, SampleValue]> = [
    ...io("some"),
    ...io("full"),
    ["machine_mem_free_bytes", machine.memFreeBytes],
    ["machine_swappiness", machine.swappiness],
    ["machine_pswpout", machine.pswpout],
    ...promotionValues(observation)
  ]
  return all.filter(([, value]) => value !== undefined)
}

/** The group's sample; its machine's usage and what came back into use are in it, its page ages are not. */
export const cgroupSample = (observation: Observation): Sample => {
  const { events, group, machine, pressure, stat, usage } = observation
  const values: Array<SampleValue> = [
    usage.currentBytes,
    usage.swapCurrentBytes,
    usage.zswapCurrentBytes,
    protection(usage.min),
    protection(usage.low),
    orUnknown(limitBytes(usage.high)),
    orUnknown(limitBytes(usage.max)),
    usage.swapMax === undefined ? undefined : orUnknown(limitBytes(usage.swapMax)),
    machine.memTotalBytes,
    machine.memAvailableBytes,
    machine.swapTotalBytes,
    machine.swapFreeBytes,
    ...pressureValues(pressure?.some),
    ...pressureValues(pressure?.full)
  ]
  for (const key of memoryStatAmounts) values.push(stat[key])
  for (const key of memoryStatCounters) values.push(stat[key])
  const more: Array<string> = []
  for (const [key, value] of Object.entries(events ?? {})) {
    more.push(`memory_events_${key}`)
    values.push(value)
  }
  for (const [key, value] of Object.entries(stat.unknown ?? {})) {
    more.push(`memory_stat_${key}`)
    values.push(value)
  }
  for (const [name, value] of furtherValues(observation)) {
    more.push(name)
    values.push(value)
  }
  return { subject: { kind: "cgroup", name: group }, metrics: metricsWith(more), values }
}

const numberOr = <A>(value: number | bigint | undefined, otherwise: A): number | A => (value === undefined ? otherwise : Number(value))

const pressureOf = (values: Values, kind: "some" | "full", of: "memory" | "io"): PressureStall["some"] => {
  const total = values[`${of}_pressure_${kind}_us`]
  if (total === undefined) return undefined
  const average = (span: number) => Number(values[`${of}_pressure_${kind}_avg${span}_bp`] ?? 0) / 100
  return { avg10: average(10), avg60: average(60), avg300: average(300), totalUs: BigInt(total) }
}

const stallOf = (values: Values, of: "memory" | "io"): PressureStall | undefined => {
  const some = pressureOf(values, "some", of)
  const full = pressureOf(values, "full", of)
  if (some === undefined && full === undefined) return undefined
  return { ...(some === undefined ? {} : { some }), ...(full === undefined ? {} : { full }) }
}

const promotionsOf = (values: Values): Observation["promotions"] => {
  const isEstimate = values["promotions_are_estimates"]
  if (isEstimate === undefined) return undefined
  const ages = Object.keys(values)
    .flatMap((name) => /^promoted_from_(\d+)_ms_pages$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b)
  return {
    source: "recorded",
    isEstimate: Number(isEstimate) === 1,
    bins: ages.map((lowerMs, i) => ({
      lowerMs,
      upperMs: ages[i + 1] ?? Infinity,
      pages: Number(values[`promoted_from_${lowerMs}_ms_pages`]),
      filePages: Number(values[`promoted_from_${lowerMs}_ms_file_pages`] ?? 0),
      refaultedPages: Number(values[`promoted_from_${lowerMs}_ms_refaulted_pages`] ?? 0)
    }))
  }
}

const known: ReadonlySet<string> = new Set(cgroupMetrics)

const statOf = (values: Values): MemoryStat => {
  const stat: Record<string, number | bigint | Record<string, bigint>> = {}
  for (const key of memoryStatAmounts) {
    const value = values[`memory_stat_${key}_bytes`]
    if (value !== undefined) stat[key] = Number(value)
  }
  for (const key of memoryStatCounters) {
    const value = values[`memory_stat_${key}`]
    if (value !== undefined) stat[key] = BigInt(value)
  }
  for (const [name, value] of Object.entries(values)) {
    if (!name.startsWith("memory_stat_") || known.has(name)) continue
    ;((stat["unknown"] ??= {}) as Record<string, bigint>)[name.slice("memory_stat_".length)] = BigInt(value)
  }
  return stat as MemoryStat
}

/** The machine around a group, of a run whose machine was sampled by itself (`wmo record`), as a group's own sample has it. */
export const machineValues = (machine: Values | undefined): Values | undefined => {
  if (machine === undefined) return undefined
  const values: Record<string, Values[string]> = {}
  for (const name of ["mem_total_bytes", "mem_available_bytes", "swap_total_bytes", "swap_free_bytes"]) {
    const value = machine[`meminfo_${name}`]
    if (value !== undefined) values[`machine_${name}`] = value
  }
  return values
}

/** The observation that a group's recorded values came from: what a policy saw, for replay. */
export const observationOf = (group: string, atMs: number, values: Values, pageAge: PageAge | undefined): Observation => {
  const events = Object.entries(values).filter(([name]) => name.startsWith("memory_events_"))
  return {
    group,
    atMs,
    usage: {
      currentBytes: numberOr(values["memory_current_bytes"], 0),
      swapCurrentBytes: numberOr(values["memory_swap_current_bytes"], undefined),
      zswapCurrentBytes: numberOr(values["memory_zswap_current_bytes"], undefined),
      min: protectionOf(values["memory_min_bytes"]),
      low: protectionOf(values["memory_low_bytes"]),
      high: numberOr(values["memory_high_bytes"], "max"),
      max: numberOr(values["memory_max_bytes"], "max"),
      swapMax: numberOr(values["memory_swap_max_bytes"], "max")
    },
    stat: statOf(values),
    events:
      events.length === 0
        ? undefined
        : Object.fromEntries(events.map(([name, value]) => [name.slice("memory_events_".length), BigInt(value)])),
    pressure: stallOf(values, "memory"),
    ioPressure: stallOf(values, "io"),
    promotions: promotionsOf(values),
    pageAge,
    machine: {
      memTotalBytes: numberOr(values["machine_mem_total_bytes"], 0),
      memAvailableBytes: numberOr(values["machine_mem_available_bytes"], 0),
      memFreeBytes: numberOr(values["machine_mem_free_bytes"], undefined),
      swappiness: numberOr(values["machine_swappiness"], undefined),
      pswpout: values["machine_pswpout"] === undefined ? undefined : BigInt(values["machine_pswpout"]),
      swapTotalBytes: numberOr(values["machine_swap_total_bytes"], 0),
      swapFreeBytes: numberOr(values["machine_swap_free_bytes"], 0)
    }
  }
}
