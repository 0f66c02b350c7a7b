/**
 * The event counters of a group, by their names in memory.stat: doubles in one array (exact below 2^53), bigint when read.
 */
import type { MemoryStatCounter } from "@wmo/core"

const counterNames = [
  "workingset_refault_anon",
  "workingset_refault_file",
  "workingset_activate_anon",
  "workingset_activate_file",
  "workingset_restore_anon",
  "workingset_restore_file",
  "pswpin",
  "pswpout",
  "pgscan",
  "pgsteal",
  "pgscan_direct",
  "pgsteal_direct",
  "pgscan_proactive",
  "pgsteal_proactive",
  "pgfault",
  "pgmajfault",
  "swpin_zero",
  "swpout_zero",
  "zswpin",
  "zswpout",
  "zswpwb"
] as const satisfies ReadonlyArray<MemoryStatCounter>

export type CounterName = (typeof counterNames)[number]

/** The index of each counter in {@link MemoryCounters.values}. */
const counterIndex = Object.fromEntries(counterNames.map((name, index) => [name, index])) as { readonly [K in CounterName]: number }

export class MemoryCounters {
  readonly values = new Float64Array(counterNames.length)

  add(name: CounterName, events: number): void {
    this.values[counterIndex[name]]! += events
  }

  get(name: CounterName): number {
    return this.values[counterIndex[name]]!
  }

  addAll(other: MemoryCounters): void {
    for (let i = 0; i < this.values.length; i++) this.values[i]! += other.values[i]!
  }

  entries(): Array<readonly [CounterName, bigint]> {
    return counterNames.map((name, index) => [name, BigInt(this.values[index]!)] as const)
  }
}
