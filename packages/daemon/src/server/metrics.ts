/**
 * The Prometheus text of `/metrics`: names as field exporters have them (`_bytes`, `_seconds`, `_total`), one series a group for at most so many
 * groups, the largest first; the others are counted. Pure. Format: Prometheus exposition format 0.0.4.
 */
import type { Monitored } from "../supervisor/Supervisor.ts"
import type { DaemonStatus, GroupSummary } from "../protocol/Status.ts"

interface Metric {
  readonly name: string
  readonly type: "gauge" | "counter"
  readonly help: string
  /** Gone through once, as it is printed: those of a thousand groups are never all there at the same time. */
  readonly series: Iterable<readonly [labels: string, value: number | undefined]>
}

type Series = Metric["series"] extends Iterable<infer Each> ? Each : never

/** What each group gives, when it is asked for. */
const lazily = function* <Group>(groups: ReadonlyArray<Group>, of: (group: Group) => ReadonlyArray<Series>): Generator<Series> {
  for (const group of groups) yield* of(group)
}

/** Groups with series of their own. */
export const groupsAtMost = 1000

const escape = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")

const printLabels = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

const printMetric = ({ help, name, series, type }: Metric): string => {
  const lines: Array<string> = []
  for (const [labels, value] of series) if (value !== undefined) lines.push(`${name}${labels} ${value}\n`)
  return lines.length === 0 ? "" : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`
}

const one = (name: string, type: Metric["type"], help: string, value: number | undefined): Metric => ({
  name,
  type,
  help,
  series: [["", value]]
})

const size = ({ current_bytes = 0 }: GroupSummary): number => current_bytes

/** Counts up to each bound, those below included, as Prometheus wants them. */
const printLateness = ({ lateness: { bounds_ms, counts, sum_ms } }: DaemonStatus): string => {
  const name = "wmo_tick_lateness_seconds"
  let sum = 0
  const lines = counts.map((count, i) => {
    sum += count
    const bound = bounds_ms[i]
    return `${name}_bucket{le="${bound === undefined ? "+Inf" : bound / 1000}"} ${sum}\n`
  })
  return `# HELP ${name} How much later than due groups had their turn.\n# TYPE ${name} histogram\n${lines.join("")}${name}_sum ${sum_ms / 1000}\n${name}_count ${sum}\n`
}

const ratio = (percent: number | undefined): number | undefined => (percent === undefined ? undefined : percent / 100)

/** One text a metric, so that not all of them need to be there at the same time. */
export const renderMetrics = function* (status: DaemonStatus): Generator<string> {
  const shown = status.groups.toSorted((a, b) => size(b) - size(a) || (a.group < b.group ? -1 : 1)).slice(0, groupsAtMost)
  /** Written once for all metrics. */
  const labelled = shown.map((group) => ({ group, labels: printLabels({ group: group.group }) }))
  const perGroup = (name: string, type: Metric["type"], help: string, of: (group: GroupSummary) => number | undefined): Metric => ({
    name,
    type,
    help,
    series: lazily(labelled, ({ group, labels }) => [[labels, of(group)]])
  })
  const states = ["acting", "backing-off", "stopped", "left-alone"] as const
  const metrics: ReadonlyArray<Metric> = [
    { name: "wmo_build_info", type: "gauge", help: "Version of wmod.", series: [[printLabels({ version: status.version }), 1]] },
    one("process_start_time_seconds", "gauge", "Start of the process since the epoch.", status.started_ms / 1000),
    one("process_resident_memory_bytes", "gauge", "Resident memory of the process.", status.rss_bytes),
    one("process_cpu_seconds_total", "counter", "User and system CPU time of the process.", status.cpu_seconds),
    {
      name: "wmo_mode",
      type: "gauge",
      help: "1 for what wmod does at the moment.",
      series: (["running", "paused", "emergency"] as const).map((mode) => [printLabels({ mode }), status.mode === mode ? 1 : 0])
    },
    one(
      "wmo_own_cpu_ratio",
      "gauge",
      "Share of one CPU that wmod takes, reclaiming by the kernel not counted.",
      ratio(status.budget.cpu_percent)
    ),
    one("wmo_own_cpu_budget_ratio", "gauge", "Share of one CPU that wmod may take.", ratio(status.budget.cpu_percent_most)),
    one("wmo_own_memory_budget_bytes", "gauge", "Resident memory above which wmod keeps no histories.", status.budget.memory_bytes_most),
    one("wmo_tick_stride", "gauge", "One tick of so many is taken: 1 unless CPU is short.", status.budget.stride),
    one(
      "wmo_histories_dropped",
      "gauge",
      "Whether histories of groups are dropped for want of memory.",
      status.budget.histories_dropped ? 1 : 0
    ),
    one("wmo_dry_run", "gauge", "Whether nothing is changed.", status.dry_run ? 1 : 0),
    one(
      "wmo_emergency_stops_total",
      "counter",
      "Times that everything was stopped for pressure or want of memory.",
      status.emergency_stops
    ),
    {
      name: "wmo_reloads_total",
      type: "counter",
      help: "Configurations that were taken or refused.",
      series: [
        [printLabels({ result: "taken" }), status.reloads],
        [printLabels({ result: "refused" }), status.reloads_refused]
      ]
    },
    one("wmo_config_loaded_timestamp_seconds", "gauge", "When the configuration in force was taken.", status.loaded_ms / 1000),
    one(
      "wmo_recording_healthy",
      "gauge",
      "Whether the recording has no gaps at the moment.",
      status.recording === undefined ? undefined : status.recording_problem === undefined ? 1 : 0
    ),
    one("wmo_cgroups", "gauge", "Groups below the mount.", status.groups_seen),
    {
      name: "wmo_groups",
      type: "gauge",
      help: "Groups that a rule picks, by state.",
      series: states.map((state) => [printLabels({ state }), status.groups.filter((group) => group.state === state).length])
    },
    one("wmo_groups_without_series", "gauge", `Groups beyond the largest ${groupsAtMost}.`, status.groups.length - shown.length),
    {
      name: "wmo_group_info",
      type: "gauge",
      help: "Names of the group: its pod or container, and the policy that decides; 1.",
      series: lazily(shown, ({ group, name = "", policy = "" }) => [[printLabels({ group, name, policy }), 1]])
    },
    perGroup("wmo_group_backing_off", "gauge", "Whether something failed and is tried again after a while.", ({ state }) =>
      state === "backing-off" ? 1 : 0
    ),
    perGroup("wmo_group_memory_current_bytes", "gauge", "memory.current of the group.", (group) => group.current_bytes),
    perGroup("wmo_group_memory_swap_current_bytes", "gauge", "memory.swap.current of the group.", (group) => group.swap_bytes),
    perGroup("wmo_group_memory_zswap_current_bytes", "gauge", "memory.zswap.current of the group.", (group) => group.zswap_bytes),
    perGroup(
      "wmo_group_memory_saved_bytes",
      "gauge",
      "What is swapped out, less what compressed copies in zswap take of it.",
      (group) => group.saved_bytes
    ),
    perGroup(
      "wmo_group_pressure_memory_waiting_seconds_total",
      "counter",
      "Time in which some task of the group was stalled on memory.",
      (group) => group.pressure_seconds
    ),
    perGroup(
      "wmo_group_pressure_objective_ratio",
      "gauge",
      "Share of time that the group's policy allows for that, where it has such a setting.",
      ({ pressure_objective_percent }) => (pressure_objective_percent === undefined ? undefined : pressure_objective_percent / 100)
    ),
    {
      name: "wmo_group_refaults_total",
      type: "counter",
      help: "Pages that came back into memory after they were evicted.",
      series: lazily(shown, ({ group, refaults_anon, refaults_file }) => [
        [printLabels({ group, type: "anon" }), refaults_anon],
        [printLabels({ group, type: "file" }), refaults_file]
      ])
    },
    perGroup(
      "wmo_group_reclaimed_bytes_total",
      "counter",
      "What memory.current fell by while actions ran.",
      (group) => group.reclaimed_bytes
    ),
    perGroup("wmo_group_ticks_total", "counter", "Times that the group was looked at.", (group) => group.ticks),
    perGroup(
      "wmo_group_missed_ticks_total",
      "counter",
      "Looks that were due and could not be taken in time.",
      (group) => group.missed_ticks
    ),
    perGroup("wmo_group_last_tick_timestamp_seconds", "gauge", "When the group was looked at last.", ({ last_ms }) =>
      last_ms === undefined ? undefined : last_ms / 1000
    ),
    perGroup("wmo_group_failures_total", "counter", "Times that the group's policy was ended for a failure.", (group) => group.failures),
    {
      name: "wmo_group_actions_total",
      type: "counter",
      help: "Actions asked for, by what came of them.",
      series: lazily(shown, ({ actions, group }) =>
        Object.entries(actions).map(([name, count]) => {
          const [action = "", result = ""] = name.split(" ")
          return [printLabels({ group, action, result }), count] as const
        })
      )
    }
  ]
  for (const metric of metrics) yield printMetric(metric)
  yield printLateness(status)
}

/**
 * What monitors of third parties saw last: `wmo_monitor_<metric>{monitor,kind,subject}`, untyped, since only they know what grows. As many series as
 * `samplesProblem` lets through.
 */
export const renderMonitored = (monitored: ReadonlyArray<Monitored>): string => {
  const lines = new Map<string, Array<string>>()
  for (const { monitor, samples } of monitored) {
    for (const { metrics, subject, values } of samples) {
      const labels = printLabels({ monitor, kind: subject.kind, subject: subject.name })
      for (const [i, metric] of metrics.entries()) {
        if (values[i] === undefined) continue
        const name = `wmo_monitor_${metric}`
        const series = lines.get(name) ?? []
        lines.set(name, series)
        series.push(`${name}${labels} ${values[i]}\n`)
      }
    }
  }
  return [...lines].map(([name, series]) => `# TYPE ${name} untyped\n${series.join("")}`).join("")
}
