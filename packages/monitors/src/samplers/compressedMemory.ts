/**
 * Samples compressed memory: zswap's pool and counters on the machine (`zswap_pool_total_bytes`, `zswap_stored_pages`; debugfs, root), and each
 * zram device. Devices come and go. What a kernel does not say has no metric.
 */
import { Zram, Zswap } from "@wmo/core"
import { Effect } from "effect"
import { unlessGone } from "../ages/groupProcesses.ts"
import { machineSubject, type Sample, type SampleValue } from "../Sample.ts"
import type { Sampler } from "../Sampler.ts"
import { snakeCase } from "./machineMemory.ts"

const metricsOf = (() => {
  const known = new Map<string, ReadonlyArray<string>>()
  return (prefix: string, keys: ReadonlyArray<string>): ReadonlyArray<string> => {
    const id = `${prefix} ${keys.join(" ")}`
    let metrics = known.get(id)
    if (metrics === undefined) known.set(id, (metrics = keys.map((key) => `${prefix}_${snakeCase(key)}`)))
    return metrics
  }
})()

const sampleOf = (subject: Sample["subject"], prefix: string, record: object): Sample | undefined => {
  const entries = Object.entries(record as Readonly<Record<string, SampleValue>>).filter(([, value]) => value !== undefined)
  if (entries.length === 0) return undefined
  return {
    subject,
    metrics: metricsOf(
      prefix,
      entries.map(([key]) => key)
    ),
    values: entries.map(([, value]) => value)
  }
}

export const compressedMemorySampler = (): Sampler<never, Zram | Zswap> => ({
  name: "compressed",
  needs: ["debugfs and root for zswap", "the zram module for zram"],
  kinds: ["zram", "machine"],
  make: Effect.gen(function* () {
    const zram = yield* Zram
    const zswap = yield* Zswap
    return {
      sample: Effect.gen(function* () {
        const found: Array<Sample | undefined> = [sampleOf(machineSubject, "zswap", yield* zswap.stats)]
        for (const device of yield* zram.devices) {
          const read = yield* unlessGone(zram.read(device))
          if (read === undefined || !read.isInitialized) continue
          const { algorithms, backing, diskBytes, io, mm } = read
          const subject = { kind: "zram", name: `zram${device}`, detail: { algorithm: algorithms.selected } }
          found.push(sampleOf(subject, "zram", { diskBytes, ...mm, ...io, ...prefixed("backing", backing) }))
        }
        return found.filter((sample) => sample !== undefined)
      })
    }
  })
})

const prefixed = (prefix: string, record: object | undefined): Record<string, SampleValue> =>
  Object.fromEntries(Object.entries(record ?? {}).map(([key, value]) => [`${prefix}_${key}`, value as SampleValue]))
