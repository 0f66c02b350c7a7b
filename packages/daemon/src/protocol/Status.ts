/**
 * What wmod says of itself and of groups: the same to `wmo status`, `wmo explain` and `/metrics`. Amounts in bytes, times in ms since 1970.
 */
import { Schema } from "effect"

/** `acting`: its policy is asked every tick. `backing-off`: something failed; it is tried again. `stopped` with all others, `left-alone`: see `why`. */
const GroupState = Schema.Literals(["acting", "backing-off", "stopped", "left-alone"])

const OverrideStatus = Schema.Struct({
  policy: Schema.optionalKey(Schema.String),
  settings: Schema.Record(Schema.String, Schema.String),
  until_ms: Schema.optionalKey(Schema.Finite)
})

export const GroupSummary = Schema.Struct({
  group: Schema.String,
  /** Of its pod or container. */
  name: Schema.optionalKey(Schema.String),
  policy: Schema.optionalKey(Schema.String),
  state: GroupState,
  /** The rules that it falls under, or why it is left alone. */
  why: Schema.String,
  /** What `wmo set` has said of it, over its rules. */
  override: Schema.optionalKey(OverrideStatus),
  /** What failed last, while it is backing off. */
  problem: Schema.optionalKey(Schema.String),
  /** When it is tried again. */
  again_at_ms: Schema.optionalKey(Schema.Finite),
  current_bytes: Schema.optionalKey(Schema.Finite),
  swap_bytes: Schema.optionalKey(Schema.Finite),
  zswap_bytes: Schema.optionalKey(Schema.Finite),
  /** What is out of memory now, less what zswap's compressed copies take. File pages that were given back are not counted by any kernel. */
  saved_bytes: Schema.optionalKey(Schema.Finite),
  /** Time in which some task was stalled on memory: a share of the last 10 s, and all of it since the group was made. */
  pressure_percent: Schema.optionalKey(Schema.Finite),
  pressure_seconds: Schema.optionalKey(Schema.Finite),
  /** The share that its policy allows, where the policy has a setting for that (`pressure`, in percent). */
  pressure_objective_percent: Schema.optionalKey(Schema.Finite),
  /** Pages that came back into memory: a second, lately, and all of them since the group was made. */
  refaults_per_second: Schema.optionalKey(Schema.Finite),
  refaults_anon: Schema.optionalKey(Schema.Finite),
  refaults_file: Schema.optionalKey(Schema.Finite),
  /** Since wmod looks after it. */
  reclaimed_bytes: Schema.Finite,
  ticks: Schema.Finite,
  /** Looks that were due and could not be taken in time. */
  missed_ticks: Schema.Finite,
  /** Time between two looks as things are: more than configured while nothing moves, or CPU is short. */
  every_ms: Schema.optionalKey(Schema.Finite),
  /** When it was looked at last. */
  last_ms: Schema.optionalKey(Schema.Finite),
  actions: Schema.Record(Schema.String, Schema.Finite),
  failures: Schema.Finite,
  /** What the policy said last. */
  reason: Schema.optionalKey(Schema.String)
})
export type GroupSummary = typeof GroupSummary.Type

/** `paused`: by `wmo pause`. `emergency`: see `why`; goes on by itself. */
export const Mode = Schema.Literals(["running", "paused", "emergency"])

const PodsStatus = Schema.Struct({
  /** The file, or where they are asked for. */
  source: Schema.String,
  known: Schema.Finite,
  taken_ms: Schema.optionalKey(Schema.Finite),
  problem: Schema.optionalKey(Schema.String)
})
export type PodsStatus = typeof PodsStatus.Type

/** A third party's. */
const MonitorStatus = Schema.Struct({
  name: Schema.String,
  every_ms: Schema.Finite,
  taken: Schema.Finite,
  subjects: Schema.Finite,
  last_ms: Schema.optionalKey(Schema.Finite),
  problem: Schema.optionalKey(Schema.String)
})
export type MonitorStatus = typeof MonitorStatus.Type

/** How late ticks came, since wmod began: `counts[i]` of them up to `bounds_ms[i]` and above the bound before, the last count above all bounds. */
const Lateness = Schema.Struct({
  bounds_ms: Schema.Array(Schema.Finite),
  counts: Schema.Array(Schema.Finite),
  sum_ms: Schema.Finite,
  most_ms: Schema.Finite
})

/** wmod's own budget, and how it keeps to it. */
const OwnBudget = Schema.Struct({
  /** Of one CPU, lately; reclaiming by the kernel not counted. */
  cpu_percent: Schema.optionalKey(Schema.Finite),
  cpu_percent_most: Schema.optionalKey(Schema.Finite),
  memory_bytes_most: Schema.optionalKey(Schema.Finite),
  /** One tick of so many is taken: 1 unless CPU is short. */
  stride: Schema.Finite,
  /** Whether histories of groups are dropped, for want of memory. */
  histories_dropped: Schema.Boolean
})

export const DaemonStatus = Schema.Struct({
  version: Schema.String,
  pid: Schema.Finite,
  /** Of the machine. */
  host: Schema.String,
  /** When this was said, by wmod's clock. */
  now_ms: Schema.Finite,
  started_ms: Schema.Finite,
  config: Schema.String,
  loaded_ms: Schema.Finite,
  dry_run: Schema.Boolean,
  mode: Mode,
  why: Schema.optionalKey(Schema.String),
  emergency_stops: Schema.Finite,
  /** Times that a configuration was taken, and refused. */
  reloads: Schema.Finite,
  reloads_refused: Schema.Finite,
  /** Groups below the mount. */
  groups_seen: Schema.Finite,
  recording: Schema.optionalKey(Schema.String),
  /** What went wrong with the recording, as long as it does. */
  recording_problem: Schema.optionalKey(Schema.String),
  /** Where names of pods come from. */
  pods: Schema.optionalKey(PodsStatus),
  monitors: Schema.optionalKey(Schema.Array(MonitorStatus)),
  rss_bytes: Schema.Finite,
  /** User and system time of this process. */
  cpu_seconds: Schema.Finite,
  lateness: Lateness,
  budget: OwnBudget,
  /** Those that a rule picks. */
  groups: Schema.Array(GroupSummary)
})
export type DaemonStatus = typeof DaemonStatus.Type

export const PastDecision = Schema.Struct({
  at_ms: Schema.Finite,
  reason: Schema.String,
  /** What was done, in words. */
  outcomes: Schema.Array(Schema.String)
})
export type PastDecision = typeof PastDecision.Type

/** What of a group has been idle for at least so long. */
export const ColdBand = Schema.Struct({ idle_ms: Schema.Finite, anon_bytes: Schema.Finite, file_bytes: Schema.Finite })

export const Explanation = Schema.Struct({
  summary: GroupSummary,
  /** As a person would write them. */
  settings: Schema.Record(Schema.String, Schema.String),
  floor_bytes: Schema.optionalKey(Schema.Finite),
  tick_bytes: Schema.optionalKey(Schema.Finite),
  minute_bytes: Schema.optionalKey(Schema.Finite),
  cpu_percent: Schema.optionalKey(Schema.Finite),
  /** The last ones, newest last. */
  decisions: Schema.Array(PastDecision),
  /** The last ones that changed memory, or wanted to: not those that only looked at ages. Newest last. */
  acted: Schema.Array(PastDecision),
  /** From page ages, where they are known: of all that has an age (0) down to the oldest. */
  cold: Schema.optionalKey(Schema.Struct({ source: Schema.String, bands: Schema.Array(ColdBand) }))
})
export type Explanation = typeof Explanation.Type

/** The last quarter of an hour of a group: a value for each slot, null where it is unknown. The last slot ends at `end_ms`. Not asked over the socket. */
export interface History {
  readonly end_ms: number
  readonly slot_ms: number
  readonly current_bytes: ReadonlyArray<number | null>
  readonly saved_bytes: ReadonlyArray<number | null>
  readonly pressure_percent: ReadonlyArray<number | null>
  readonly refaults_per_second: ReadonlyArray<number | null>
}
