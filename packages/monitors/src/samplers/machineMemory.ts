/** Samples the machine's memory: `/proc/meminfo` in bytes (`meminfo_mem_free_bytes`) and the counters of `/proc/vmstat` (`vmstat_pgfault`). */
import { Machine } from "@wmo/core"
import { Effect } from "effect"
import { machineSubject, type Sample } from "../Sample.ts"
import type { Sampler } from "../Sampler.ts"

/** `Active(anon)` is `active_anon`, `MemFree` `mem_free`, `HugePages_Total` `huge_pages_total`. */
export const snakeCase = (key: string): string =>
  key
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "_")
    .replaceAll(/\W+/g, "_")
    .replaceAll(/__+|_$/g, (found) => (found.length > 1 ? "_" : ""))
    .toLowerCase()

/** What is not a number of bytes. */
const isCount = (key: string): boolean => key.startsWith("HugePages_")

/** Names of a record's keys, made once for as long as they are the same. */
const namer = (name: (key: string) => string): ((record: Readonly<Record<string, unknown>>) => ReadonlyArray<string>) => {
  let known: { readonly keys: string; readonly names: ReadonlyArray<string> } | undefined
  return (record) => {
    const keys = Object.keys(record).join(" ")
    if (known?.keys !== keys) known = { keys, names: Object.keys(record).map(name) }
    return known.names
  }
}

export const machineMemorySampler = (): Sampler<never, Machine> => ({
  name: "machine",
  needs: ["/proc/meminfo", "/proc/vmstat"],
  kinds: ["machine"],
  make: Effect.gen(function* () {
    const machine = yield* Machine
    const infoNames = namer((key) => `meminfo_${snakeCase(key)}${isCount(key) ? "" : "_bytes"}`)
    const statNames = namer((key) => `vmstat_${key}`)
    return {
      sample: Effect.gen(function* () {
        const info = yield* machine.memInfo
        const stat = yield* machine.vmstat
        return [
          { subject: machineSubject, metrics: infoNames(info), values: Object.values(info) },
          { subject: machineSubject, metrics: statNames(stat), values: Object.values(stat) }
        ] satisfies ReadonlyArray<Sample>
      })
    }
  })
})
