/**
 * Where each part of the DAMON tree is: file, codec, since which kernel, what it says on a new directory, in the order in which it is
 * written. Reading, staging, tuning, the path table and the fake all go by it. Does no I/O.
 * Source: kernel Documentation/ABI/testing/sysfs-kernel-mm-damon and the dates of its entries.
 */
import type { Codec } from "../Codec.ts"
import { booleanFile, wordFile } from "../Scalars.ts"
import { cgroupPathFile, kdamondPid, kdamondState, signedFile, uintLimitFile, ulongFile, unsigned64File, wordLines } from "./DamonFiles.ts"

/** A kernel release, major and minor. */
export type Since = readonly [major: number, minor: number]

export interface FileField {
  readonly kind: "file"
  readonly path: string
  readonly codec: Codec<any>
  /** `output` is written by the kernel alone; `state` is neither input nor output. */
  readonly use: "input" | "output" | "state"
  readonly since: Since
  /** What the kernel begins with. */
  readonly initial: unknown
}

interface GroupField {
  readonly kind: "group"
  /** Below the parent; empty: in the same directory. */
  readonly path: string
  readonly since: Since
  readonly fields: Fields
}

export interface ListField {
  readonly kind: "list"
  readonly path: string
  /** The file that says how many there are; without one the kernel fills the directory. */
  readonly count: string | undefined
  readonly since: Since
  readonly fields: Fields
}

/** Keys of a value, in the order in which they are written. */
export interface Fields {
  readonly [key: string]: FileField | GroupField | ListField
}

/** The first kernel with the sysfs interface. */
const sysfsSince: Since = [5, 18]

const input = (path: string, codec: (file: string) => Codec<any>, initial: unknown, since: Since = sysfsSince): FileField => ({
  kind: "file",
  path,
  codec: codec(path),
  use: "input",
  since,
  initial
})
const output = (path: string, codec: (file: string) => Codec<any>, initial: unknown, since: Since = sysfsSince): FileField => ({
  ...input(path, codec, initial, since),
  use: "output"
})
const group = (path: string, fields: Fields, since: Since = sysfsSince): GroupField => ({ kind: "group", path, since, fields })
const list = (path: string, count: string | undefined, fields: Fields, since: Since = sysfsSince): ListField => ({
  kind: "list",
  path,
  count,
  since,
  fields
})

const rangeOf = (path: string, codec: (file: string) => Codec<any>, min = 0, max = 0): GroupField =>
  group(path, { min: input("min", codec, min), max: input("max", codec, max) })

const region: Fields = { start: input("start", unsigned64File, 0n), end: input("end", unsigned64File, 0n) }

const filter: Fields = {
  type: input("type", wordFile, "anon"),
  matching: input("matching", booleanFile, false),
  allow: input("allow", booleanFile, false, [6, 14]),
  memcgPath: input("memcg_path", cgroupPathFile, ""),
  addrStart: input("addr_start", unsigned64File, 0n, [6, 6]),
  addrEnd: input("addr_end", unsigned64File, 0n, [6, 6]),
  targetIndex: input("damon_target_idx", signedFile, 0, [6, 6]),
  min: input("min", ulongFile, 0, [6, 15]),
  max: input("max", ulongFile, 0, [6, 15])
}

const goal: Fields = {
  metric: input("target_metric", wordFile, "user_input", [6, 9]),
  nid: input("nid", signedFile, 0, [6, 16]),
  path: input("path", cgroupPathFile, "", [6, 19]),
  targetValue: input("target_value", ulongFile, 0),
  currentValue: input("current_value", ulongFile, 0)
}

export const statsFields: Fields = {
  nrTried: output("nr_tried", unsigned64File, 0n),
  szTried: output("sz_tried", unsigned64File, 0n),
  nrApplied: output("nr_applied", unsigned64File, 0n),
  szApplied: output("sz_applied", unsigned64File, 0n),
  szOpsFilterPassed: output("sz_ops_filter_passed", unsigned64File, 0n, [6, 14]),
  qtExceeds: output("qt_exceeds", unsigned64File, 0n),
  nrSnapshots: output("nr_snapshots", unsigned64File, 0n, [7, 0]),
  maxNrSnapshots: input("max_nr_snapshots", ulongFile, 0, [7, 0])
}

export const triedRegionsFields: Fields = {
  totalBytes: output("total_bytes", ulongFile, 0, [6, 6]),
  regions: list("", undefined, {
    start: output("start", unsigned64File, 0n),
    end: output("end", unsigned64File, 0n),
    nrAccesses: output("nr_accesses", ulongFile, 0),
    age: output("age", ulongFile, 0),
    szFilterPassed: output("sz_filter_passed", ulongFile, 0, [6, 14]),
    probes: list("probes", undefined, { hits: output("hits", ulongFile, 0) }, [7, 2])
  })
}

const scheme: Fields = {
  pattern: group("access_pattern", {
    sz: rangeOf("sz", ulongFile),
    nrAccesses: rangeOf("nr_accesses", uintLimitFile),
    age: rangeOf("age", uintLimitFile)
  }),
  action: input("action", wordFile, "stat"),
  dests: list("dests", "nr_dests", { id: input("id", ulongFile, 0), weight: input("weight", ulongFile, 0) }, [6, 17]),
  quotas: group("quotas", {
    ms: input("ms", ulongFile, 0),
    bytes: input("bytes", ulongFile, 0),
    resetIntervalMs: input("reset_interval_ms", ulongFile, 0),
    effectiveBytes: output("effective_bytes", ulongFile, 0, [6, 9]),
    weights: group("weights", {
      szPermil: input("sz_permil", ulongFile, 0),
      nrAccessesPermil: input("nr_accesses_permil", ulongFile, 0),
      agePermil: input("age_permil", ulongFile, 0)
    }),
    failChargeNum: input("fail_charge_num", ulongFile, 0, [7, 2]),
    failChargeDenom: input("fail_charge_denom", ulongFile, 0, [7, 2]),
    goals: list("goals", "nr_goals", goal, [6, 8]),
    goalTuner: input("goal_tuner", wordFile, "consist", [7, 1])
  }),
  watermarks: group("watermarks", {
    metric: input("metric", wordFile, "none"),
    intervalUs: input("interval_us", ulongFile, 0),
    high: input("high", ulongFile, 0),
    mid: input("mid", ulongFile, 0),
    low: input("low", ulongFile, 0)
  }),
  targetNid: input("target_nid", signedFile, -1, [6, 11]),
  coreFilters: list("core_filters", "nr_filters", filter, [6, 15]),
  opsFilters: list("ops_filters", "nr_filters", filter, [6, 15]),
  filters: list("filters", "nr_filters", filter, [6, 3]),
  applyIntervalUs: input("apply_interval_us", ulongFile, 0, [6, 7]),
  stats: group("stats", statsFields),
  triedRegions: group("tried_regions", triedRegionsFields, [6, 2])
}

export const intervalsFields: Fields = {
  sampleUs: input("sample_us", ulongFile, 5000),
  aggrUs: input("aggr_us", ulongFile, 100_000),
  updateUs: input("update_us", ulongFile, 60_000_000),
  goal: group(
    "intervals_goal",
    {
      accessBp: input("access_bp", ulongFile, 0),
      aggrs: input("aggrs", ulongFile, 0),
      minSampleUs: input("min_sample_us", ulongFile, 0),
      maxSampleUs: input("max_sample_us", ulongFile, 0)
    },
    [6, 15]
  )
}

const context: Fields = {
  availOperations: output("avail_operations", wordLines, ["vaddr", "fvaddr", "paddr"], [5, 19]),
  operations: input("operations", wordFile, "vaddr"),
  intervals: group("monitoring_attrs/intervals", intervalsFields),
  nrRegions: rangeOf("monitoring_attrs/nr_regions", ulongFile, 10, 1000),
  probes: list(
    "monitoring_attrs/probes",
    "nr_probes",
    {
      filters: list("filters", "nr_filters", {
        type: input("type", wordFile, "anon"),
        matching: input("matching", booleanFile, false),
        allow: input("allow", booleanFile, false),
        path: input("path", cgroupPathFile, "")
      })
    },
    [7, 2]
  ),
  pause: input("pause", booleanFile, false, [7, 2]),
  addrUnit: input("addr_unit", ulongFile, 1, [6, 18]),
  targets: list("targets", "nr_targets", {
    pid: input("pid_target", signedFile, 0),
    obsolete: input("obsolete_target", booleanFile, false, [6, 19]),
    regions: list("regions", "nr_regions", region)
  }),
  schemes: list("schemes", "nr_schemes", scheme)
}

export const kdamondFields: Fields = {
  state: { kind: "file", path: "state", codec: kdamondState, use: "state", since: sysfsSince, initial: "off" },
  pid: output("pid", kdamondPid, undefined),
  refreshMs: input("refresh_ms", ulongFile, 0, [6, 17]),
  contexts: list("contexts", "nr_contexts", context)
}

/** The whole tree below `admin`. */
export const adminFields: Fields = { kdamonds: list("kdamonds", "nr_kdamonds", kdamondFields) }

/** A path below a directory; parts may be empty. */
export const below = (directory: string, ...parts: ReadonlyArray<string | number>): string =>
  [directory, ...parts].filter((part) => part !== "").join("/")

/** Whether a part may be missing on a kernel that has DAMON in sysfs at all. */
export const mayBeMissing = ({ since: [major, minor] }: { readonly since: Since }): boolean =>
  major > sysfsSince[0] || (major === sysfsSince[0] && minor > sysfsSince[1])
