/**
 * `memory.stat`, `memory.events` and their kin: amounts are numbers of bytes, event counts are bigint.
 * Keys carry the kernel's names. A key that this kernel lacks is absent (unknown, not zero); one that we do not know is kept under `unknown`.
 * Source: kernel Documentation/admin-guide/cgroup-v2.rst, "memory.stat" (5.15 to 6.18 and later).
 */
import { bytesCodec, type Codec, oneRecord, printNumber } from "./Codec.ts"
import { makeFlatReader } from "./FlatKeyed.ts"
import type { Bytes } from "./Units.ts"

/** Keys of memory.stat that are amounts in bytes. */
// prettier-ignore
export const memoryStatAmounts = [
  "anon", "file", "kernel", "kernel_stack", "pagetables", "sec_pagetables", "percpu", "sock", "vmalloc", "shmem", "zswap", "zswapped",
  "zswap_incomp", "file_mapped", "file_dirty", "file_writeback", "swapcached", "anon_thp", "file_thp", "shmem_thp", "inactive_anon",
  "active_anon", "inactive_file", "active_file", "unevictable", "slab_reclaimable", "slab_unreclaimable", "slab", "hugetlb"
] as const

/** Keys of memory.stat that count events, in pages unless the kernel's documentation says otherwise. */
// prettier-ignore
export const memoryStatCounters = [
  "workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon", "workingset_activate_file",
  "workingset_restore_anon", "workingset_restore_file", "workingset_nodereclaim", "pswpin", "pswpout", "pgscan", "pgsteal",
  "pgscan_kswapd", "pgscan_direct", "pgscan_khugepaged", "pgscan_proactive", "pgsteal_kswapd", "pgsteal_direct", "pgsteal_khugepaged",
  "pgsteal_proactive", "pgfault", "pgmajfault", "pgrefill", "pgactivate", "pgdeactivate", "pglazyfree", "pglazyfreed", "swpin_zero",
  "swpout_zero", "zswpin", "zswpout", "zswpwb", "thp_fault_alloc", "thp_collapse_alloc", "thp_swpout", "thp_swpout_fallback",
  "numa_pages_migrated", "numa_pte_updates", "numa_hint_faults", "pgdemote_kswapd", "pgdemote_direct", "pgdemote_khugepaged",
  "pgdemote_proactive", "pgpromote_success", "numa_task_migrated", "numa_task_swapped"
] as const

export type MemoryStatAmount = (typeof memoryStatAmounts)[number]
export type MemoryStatCounter = (typeof memoryStatCounters)[number]

/** One reading of `memory.stat`. */
export type MemoryStat = { readonly [K in MemoryStatAmount]?: Bytes } & { readonly [K in MemoryStatCounter]?: bigint } & {
  readonly unknown?: Readonly<Record<string, bigint>>
}

const amounts: ReadonlySet<string> = new Set(memoryStatAmounts)
const counters: ReadonlySet<string> = new Set(memoryStatCounters)

/** `memory.stat`: flat-keyed. */
export const memoryStat: Codec<MemoryStat> = (() => {
  const read = makeFlatReader((key) => (amounts.has(key) ? "amount" : counters.has(key) ? "count" : "unknown"))
  const codec: Codec<MemoryStat> = bytesCodec(
    "memory.stat",
    (bytes) => {
      const { known, unknown } = read(bytes)
      return (unknown === undefined ? known : { ...known, unknown }) as MemoryStat
    },
    ({ unknown, ...known }) =>
      [
        ...Object.entries(known as Record<string, number | bigint>).map(
          ([key, value]) => `${key} ${typeof value === "bigint" ? value : printNumber(value)}\n`
        ),
        ...Object.entries(unknown ?? {}).map(([key, value]) => `${key} ${value}\n`)
      ].join("")
  )
  return oneRecord(codec)
})()

/** A flat-keyed file of counters only. */
export type Counters = Readonly<Record<string, bigint>>

/** A flat-keyed file of counters: `memory.events`, `memory.swap.events`, `/proc/vmstat`, `cpu.stat`. */
export const countersFile = (file: string): Codec<Counters> => {
  const read = makeFlatReader(() => "count")
  const codec: Codec<Counters> = bytesCodec(
    file,
    (bytes) => read(bytes).known as Record<string, bigint>,
    (values) =>
      Object.entries(values)
        .map(([key, value]) => `${key} ${value}\n`)
        .join("")
  )
  // /proc/vmstat has a record a line; files of groups are printed at once.
  return /^(?:memory|cgroup|cpu)\./.test(file) ? oneRecord(codec) : codec
}
