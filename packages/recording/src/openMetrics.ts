/**
 * A recording as OpenMetrics text with timestamps: what `promtool tsdb create-blocks-from openmetrics` and other stores read.
 * Families are whole, and the points of each series together and in the order of time, as the format demands: so each batch of families
 * reads the recording once. Source: OpenMetrics 1.0 (text format, units, `_total`, `# EOF`).
 */
import { memoryStatCounters } from "@wmo/core"
import { Effect, Stream } from "effect"
import type { Subject } from "./Entry.ts"
import { metricNames, type RunParts } from "./metricNames.ts"
import type { Recording } from "./Recording.ts"
import type { RunInfo } from "./RecordingReader.ts"

interface Family {
  readonly name: string
  readonly type: "counter" | "gauge" | "unknown"
  readonly unit?: string
  readonly scale: number
}

/** Families in one reading of the recording: what is held in memory is the text of so many. */
const batch = 16

const counters: ReadonlySet<string> = new Set(memoryStatCounters.map((key) => `memory_stat_${key}`))

/** Name, type and unit of a metric of ours. Base units: bytes, seconds, ratios. */
export const familyOf = (metric: string): Family => {
  const name = `wmo_${metric.replaceAll(/[^a-zA-Z0-9_]/g, "_")}`
  if (name.endsWith("_bytes")) return { name, type: "gauge", unit: "bytes", scale: 1 }
  if (name.endsWith("_us")) return { name: name.replace(/_us$/, "_seconds"), type: "counter", unit: "seconds", scale: 1e6 }
  if (name.endsWith("_bp")) return { name: name.replace(/_bp$/, "_ratio"), type: "gauge", unit: "ratio", scale: 1e4 }
  if (name.endsWith("_total")) return { name: name.replace(/_total$/, ""), type: "counter", scale: 1 }
  if (counters.has(metric) || /^memory_(?:swap_)?events_/.test(metric) || /^vmstat_(?!nr_)/.test(metric))
    return { name, type: "counter", scale: 1 }
  if (metric.startsWith("vmstat_nr_")) return { name, type: "gauge", scale: 1 }
  return { name, type: "unknown", scale: 1 }
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")

const labelName = (kind: string): string => kind.replaceAll(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=\d)/, "_")

const labelsOf = (run: RunInfo, { kind, name }: Subject, more: ReadonlyArray<readonly [string, string]> = []): string => {
  const labels = [["run", String(run.id)], ["policy", run.policy], ...(kind === "machine" ? [] : [[labelName(kind), name]]), ...more]
  return `{${labels.map(([label, value]) => `${label}="${escaped(value!)}"`).join(",")}}`
}

/** Microseconds and basis points, exactly. */
const scaled = (value: number | bigint, scale: number): string => (scale === 1 ? String(value) : String(Number(value) / scale))

const seconds = (ms: number): string => (ms === Infinity ? "+Inf" : String(ms / 1000))

/** Text of one family, collected series by series. */
class FamilyText {
  private readonly head: string
  private readonly suffix: string
  private readonly series = new Map<string, { lines: Array<string>; lastMs: number }>()

  constructor(family: Family) {
    const { name, type, unit } = family
    this.head = `# TYPE ${name} ${type}\n${unit === undefined ? "" : `# UNIT ${name} ${unit}\n`}`
    this.suffix = `${name}${type === "counter" ? "_total" : ""}`
  }

  /** A point; left out where time does not advance (the clock was set back), since no reader takes that. */
  add(labels: string, value: string, atMs: number): void {
    let series = this.series.get(labels)
    if (series === undefined) this.series.set(labels, (series = { lines: [], lastMs: -Infinity }))
    if (atMs <= series.lastMs) return
    series.lastMs = atMs
    series.lines.push(`${this.suffix}${labels} ${value} ${(atMs / 1000).toFixed(3)}\n`)
  }

  text(): string {
    return this.series.size === 0 ? "" : this.head + [...this.series.values()].map(({ lines }) => lines.join("")).join("")
  }
}

const samples = Effect.fnUntraced(function* (recording: Recording, runs: RunParts, metrics: ReadonlyArray<string>) {
  const families = metrics.map((metric) => {
    const family = familyOf(metric)
    return { metric, scale: family.scale, text: new FamilyText(family) }
  })
  for (const [run, query] of runs) {
    yield* Stream.runForEachArray(recording.points(run.id, query), (points) =>
      Effect.sync(() => {
        for (const { atMs, subject, values } of points) {
          const labels = labelsOf(run, subject)
          for (const { metric, scale, text } of families) {
            const value = values[metric]
            if (value !== undefined) text.add(labels, scaled(value, scale), atMs)
          }
        }
      })
    )
  }
  return families.map(({ text }) => text.text()).join("")
})

const histograms = Effect.fnUntraced(function* (recording: Recording, runs: RunParts) {
  const cold = new FamilyText({ name: "wmo_cold_age_bytes", type: "gauge", unit: "bytes", scale: 1 })
  const promoted = new FamilyText({ name: "wmo_promotion_pages", type: "gauge", unit: "pages", scale: 1 })
  const used = new FamilyText({ name: "wmo_working_set_bytes", type: "gauge", unit: "bytes", scale: 1 })
  for (const [run, query] of runs) {
    const each = <A>(stream: Stream.Stream<A, any>, add: (entry: A) => void) =>
      Stream.runForEach(stream, (entry) => Effect.sync(() => add(entry)))
    yield* each(recording.entries(run.id, "coldAges", query), ({ atMs, bins, source, subject }) => {
      for (const { bytes, thresholdMs } of bins) {
        cold.add(
          labelsOf(run, subject, [
            ["source", source],
            ["older_than_seconds", seconds(thresholdMs)]
          ]),
          String(bytes),
          atMs
        )
      }
    })
    yield* each(recording.entries(run.id, "promotions", query), ({ atMs, bins, source, subject, windowMs }) => {
      for (const { lowerMs, pages, upperMs } of bins) {
        const age = [
          ["source", source],
          ["window_seconds", seconds(windowMs)],
          ["from_seconds", seconds(lowerMs)],
          ["to_seconds", seconds(upperMs)]
        ] as const
        promoted.add(labelsOf(run, subject, age), String(pages), atMs)
      }
    })
    yield* each(recording.entries(run.id, "workingSets", query), ({ atMs, bytes, source, subject, thresholdMs }) =>
      used.add(
        labelsOf(run, subject, [
          ["source", source],
          ["within_seconds", seconds(thresholdMs)]
        ]),
        String(bytes),
        atMs
      )
    )
  }
  return cold.text() + promoted.text() + used.text()
})

/** The exposition in pieces; joined they are the whole text. */
export const openMetrics = (recording: Recording, runs: RunParts) =>
  Stream.unwrap(
    Effect.map(metricNames(recording, runs), (names) => {
      const metrics = names.toSorted()
      const batches = Array.from({ length: Math.ceil(metrics.length / batch) }, (_, i) => metrics.slice(i * batch, (i + 1) * batch))
      return Stream.concat(
        Stream.mapEffect(Stream.fromIterable(batches), (names) => samples(recording, runs, names)),
        Stream.concat(Stream.fromEffect(histograms(recording, runs)), Stream.make("# EOF\n"))
      )
    })
  )
