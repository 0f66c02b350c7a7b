/** What is wrong with the samples of a third party's monitor, before they are recorded and shown: they must be few, whole, and named as metrics are. */
import type { SampleValue } from "@wmo/monitors"

/** Values a turn: what a metrics page and a recording can bear of one monitor. */
export const valuesAtMost = 1000

const metricName = /^[a-z][a-z0-9_]{0,63}$/
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null
const isValue = (value: unknown): value is SampleValue =>
  value === undefined ||
  (typeof value === "bigint" ? value >= -(2n ** 63n) && value < 2n ** 64n : typeof value === "number" && Number.isSafeInteger(value))

/** In a phrase; undefined: nothing. */
export const samplesProblem = (samples: unknown, kinds: ReadonlyArray<string>): string | undefined => {
  if (!Array.isArray(samples)) return "sample must give a list"
  let count = 0
  const seen = new Set<string>()
  for (const sample of samples as ReadonlyArray<unknown>) {
    if (!isObject(sample) || !isObject(sample["subject"])) return "a sample must have subject, metrics and values"
    const { metrics, subject, values } = sample
    const { kind, name } = subject as { readonly kind?: unknown; readonly name?: unknown }
    if (typeof kind !== "string" || !kinds.includes(kind))
      return `a sample is of kind ${String(kind)}, which is none of ${kinds.join(", ")}`
    if (typeof name !== "string" || name.length > 256) return `a subject of kind ${kind} has no name of at most 256 characters`
    if (seen.has(`${kind} ${name}`)) return `${kind} ${name} has two samples`
    seen.add(`${kind} ${name}`)
    if (!Array.isArray(metrics) || !Array.isArray(values) || metrics.length !== values.length)
      return `${kind} ${name}: metrics and values must be lists of the same length`
    const wrong = metrics.findIndex((metric) => typeof metric !== "string" || !metricName.test(metric))
    if (wrong >= 0) return `${kind} ${name}: "${String(metrics[wrong])}" is no name of a metric: a-z, 0-9 and _, 64 at most`
    const odd = values.findIndex((value) => !isValue(value))
    if (odd >= 0)
      return `${kind} ${name}: ${String(metrics[odd])} is ${String(values[odd])}: values are whole numbers, with the unit in the name`
    count += values.length
  }
  return count > valuesAtMost ? `it gives ${count} values a turn, more than ${valuesAtMost}` : undefined
}
