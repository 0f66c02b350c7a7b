/**
 * The DAMON tree as one value: kdamonds with their contexts, targets and schemes. A schema, so that it can be stored and checked as JSON.
 * Holds no paths (DamonLayout) and does no I/O. What a kernel lacks is absent. Numbers are in the kernel's units, which the names say;
 * ages are counted in aggregation intervals. Source: kernel Documentation/admin-guide/mm/damon/usage.rst, design.rst.
 */
import { Schema } from "effect"
import type { Microseconds } from "../Units.ts"

/** A word of the kernel: the known ones are offered, newer ones pass. */
const word = <Known extends string>() => Schema.String as unknown as Schema.Codec<Known | (string & {}), string>

/** Reading memory: `vaddr` of processes, `fvaddr` only within the regions given, `paddr` physical memory. */
export type DamonOperations = "vaddr" | "fvaddr" | "paddr"
/** What a scheme does with regions that match. `stat` only counts; all others reset the region's age. */
export type DamosAction =
  | "willneed"
  | "cold"
  | "pageout"
  | "hugepage"
  | "nohugepage"
  | "collapse"
  | "lru_prio"
  | "lru_deprio"
  | "migrate_hot"
  | "migrate_cold"
  | "stat"
/** What a filter tells apart. `addr` and `target` are the core's (DAMON itself decides), the others are of the operations. */
export type DamosFilterType = "addr" | "target" | "anon" | "active" | "memcg" | "young" | "hugepage_size" | "unmapped"
export type DamosGoalMetric =
  | "user_input"
  | "some_mem_psi_us"
  | "node_mem_used_bp"
  | "node_mem_free_bp"
  | "node_memcg_used_bp"
  | "node_memcg_free_bp"
  | "active_mem_bp"
  | "inactive_mem_bp"

/** Both ends included; `Infinity` is the kernel's largest value. */
const range = Schema.Struct({ min: Schema.Number, max: Schema.Number })

const region = Schema.Struct({
  /** First byte (or unit, see `addrUnit`). */
  start: Schema.BigInt,
  /** First byte after it. */
  end: Schema.BigInt
})
/** A range of addresses. */
export type DamonRegion = typeof region.Type

const triedRegion = Schema.Struct({
  start: Schema.BigInt,
  end: Schema.BigInt,
  /** Samples of the last aggregation in which it was used; at most `aggrUs / sampleUs`. */
  nrAccesses: Schema.Number,
  /** For how many aggregation intervals its size and accesses have been about the same. */
  age: Schema.Number,
  /** Bytes of it that passed the operations' filters (since 6.14). */
  szFilterPassed: Schema.optionalKey(Schema.Number),
  /** Per probe, how often it hit (since 7.2). */
  probes: Schema.optionalKey(Schema.Array(Schema.Struct({ hits: Schema.Number })))
})
/** A region as monitoring saw it. */
export type DamonTriedRegion = typeof triedRegion.Type

const probeFilter = Schema.Struct({
  type: word<"anon" | "memcg">(),
  matching: Schema.Boolean,
  allow: Schema.Boolean,
  path: Schema.String
})

const intervals = Schema.Struct({
  sampleUs: Schema.Number,
  aggrUs: Schema.Number,
  /** How often the address space is looked at anew, for mappings that came or went. */
  updateUs: Schema.Number,
  /** Tunes sampling and aggregation by itself, unless `aggrs` is 0 (since 6.15). */
  goal: Schema.optionalKey(
    Schema.Struct({ accessBp: Schema.Number, aggrs: Schema.Number, minSampleUs: Schema.Number, maxSampleUs: Schema.Number })
  )
})
export type DamonIntervals = typeof intervals.Type

const target = Schema.Struct({
  /** The process; 0 for physical memory. */
  pid: Schema.Number,
  /** To be dropped at the next commit (since 6.19). */
  obsolete: Schema.optionalKey(Schema.Boolean),
  /** Empty: for `vaddr` the kernel finds them; at a commit it keeps what it has. */
  regions: Schema.Array(region)
})
export type DamonTarget = typeof target.Type

const filter = Schema.Struct({
  type: word<DamosFilterType>(),
  /** Whether it is about memory that is of the type, or that is not. */
  matching: Schema.Boolean,
  /** Whether what it is about is let through; kernels before 6.14 never let through. */
  allow: Schema.optionalKey(Schema.Boolean),
  memcgPath: Schema.String,
  addrStart: Schema.optionalKey(Schema.BigInt),
  addrEnd: Schema.optionalKey(Schema.BigInt),
  targetIndex: Schema.optionalKey(Schema.Number),
  /** Bounds of `hugepage_size`, in bytes (since 6.15). */
  min: Schema.optionalKey(Schema.Number),
  max: Schema.optionalKey(Schema.Number)
})
export type DamosFilter = typeof filter.Type

const goal = Schema.Struct({
  /** Since 6.9; before it all goals are `user_input`. */
  metric: Schema.optionalKey(word<DamosGoalMetric>()),
  targetValue: Schema.Number,
  currentValue: Schema.Number,
  nid: Schema.optionalKey(Schema.Number),
  /** A memory cgroup (since 6.19). */
  path: Schema.optionalKey(Schema.String)
})
export type DamosGoal = typeof goal.Type

const quotas = Schema.Struct({
  /** Time the scheme may take per reset interval; 0 is no limit. */
  ms: Schema.Number,
  /** Bytes it may be applied to per reset interval; 0 is no limit. */
  bytes: Schema.Number,
  resetIntervalMs: Schema.Number,
  /** What the kernel makes of all of it; see `updateEffectiveQuotas` (since 6.9). */
  effectiveBytes: Schema.optionalKey(Schema.Number),
  /** Since 7.1. */
  goalTuner: Schema.optionalKey(word<"consist" | "temporal">()),
  failChargeNum: Schema.optionalKey(Schema.Number),
  failChargeDenom: Schema.optionalKey(Schema.Number),
  /** What matters most when the quota does not suffice for all. */
  weights: Schema.Struct({ szPermil: Schema.Number, nrAccessesPermil: Schema.Number, agePermil: Schema.Number }),
  /** Since 6.8. */
  goals: Schema.optionalKey(Schema.Array(goal))
})
export type DamosQuotas = typeof quotas.Type

const stats = Schema.Struct({
  nrTried: Schema.BigInt,
  szTried: Schema.BigInt,
  nrApplied: Schema.BigInt,
  szApplied: Schema.BigInt,
  szOpsFilterPassed: Schema.optionalKey(Schema.BigInt),
  qtExceeds: Schema.BigInt,
  nrSnapshots: Schema.optionalKey(Schema.BigInt),
  /** Stops the scheme after so many (since 7.0); a setting. */
  maxNrSnapshots: Schema.optionalKey(Schema.Number)
})
/** Counters since the scheme was started or committed; see `updateStats`. */
export type DamosStats = typeof stats.Type

const scheme = Schema.Struct({
  action: word<DamosAction>(),
  /** −1: none (since 6.11). */
  targetNid: Schema.optionalKey(Schema.Number),
  /** 0: at every aggregation (since 6.7). */
  applyIntervalUs: Schema.optionalKey(Schema.Number),
  /** Which regions: bytes, samples with an access per aggregation, age in aggregation intervals. */
  pattern: Schema.Struct({ sz: range, nrAccesses: range, age: range }),
  quotas,
  watermarks: Schema.Struct({
    metric: word<"none" | "free_mem_rate">(),
    intervalUs: Schema.Number,
    /** All three in permil. Active while between low and mid, or above mid and coming from below; off beyond high and low. */
    high: Schema.Number,
    mid: Schema.Number,
    low: Schema.Number
  }),
  /** Since 6.15; on older kernels all filters are in `filters` (since 6.3). */
  coreFilters: Schema.optionalKey(Schema.Array(filter)),
  opsFilters: Schema.optionalKey(Schema.Array(filter)),
  filters: Schema.optionalKey(Schema.Array(filter)),
  /** NUMA nodes to migrate to, by weight (since 6.17). */
  dests: Schema.optionalKey(Schema.Array(Schema.Struct({ id: Schema.Number, weight: Schema.Number }))),
  stats: Schema.optionalKey(stats),
  /** What it was last seen to match (since 6.2); see `snapshot`. */
  triedRegions: Schema.optionalKey(Schema.Struct({ totalBytes: Schema.optionalKey(Schema.Number), regions: Schema.Array(triedRegion) }))
})
export type DamosScheme = typeof scheme.Type

const context = Schema.Struct({
  /** What this kernel can read (since 5.19). */
  availOperations: Schema.optionalKey(Schema.Array(Schema.String)),
  operations: word<DamonOperations>(),
  /** Bytes per unit of a physical address (since 6.18). */
  addrUnit: Schema.optionalKey(Schema.Number),
  pause: Schema.optionalKey(Schema.Boolean),
  intervals,
  nrRegions: range,
  /** What is told of every region beside accesses (since 7.2). */
  probes: Schema.optionalKey(Schema.Array(Schema.Struct({ filters: Schema.Array(probeFilter) }))),
  targets: Schema.Array(target),
  schemes: Schema.Array(scheme)
})
export type DamonContext = typeof context.Type

/** A kernel thread that monitors, as its directory says it. */
export const kdamond = Schema.Struct({
  state: Schema.optionalKey(Schema.Literals(["on", "off"])),
  /** Absent while it is off. */
  pid: Schema.optionalKey(Schema.Number),
  /** How often statistics, tuned intervals and effective quotas are updated by themselves; 0 is never (since 6.17). */
  refreshMs: Schema.optionalKey(Schema.Number),
  /** None or one: kernels take no more. */
  contexts: Schema.Array(context)
})
export type Kdamond = typeof kdamond.Type

/** The tree to and from JSON: addresses and counters are decimal strings, no limit is `"Infinity"`. */
export const kdamondsJson = Schema.toCodecJson(Schema.Array(kdamond))

/** An age in the kernel's unit as time. */
export const ageUs = (age: number, { aggrUs }: Pick<DamonIntervals, "aggrUs">): Microseconds => age * aggrUs

/** The age in the kernel's unit of what is at least that old. */
export const ageOf = (us: Microseconds, { aggrUs }: Pick<DamonIntervals, "aggrUs">): number => Math.ceil(us / aggrUs)

/** How often a region was seen used, 0 to 1. */
export const accessRate = (nrAccesses: number, { aggrUs, sampleUs }: Pick<DamonIntervals, "aggrUs" | "sampleUs">): number =>
  nrAccesses / Math.max(1, Math.floor(aggrUs / sampleUs))
